//! A server whose five services are another process: down, slow, without an answer, standing still
//! and killed, as the server itself is.

use std::net::TcpListener;
use std::time::Duration;

use tokio::sync::watch;

use crate::bench::Bench;
use crate::cluster::Cluster;
use crate::disorder::Dice;
use crate::killing::{all_is_right, crowd};
use crate::served::Served;

/// The trouble at a time, until the next blow.
const FAULTS: [&[&str]; 8] = [
    &[],
    &["payment.charge=lost:0.4", "inventory.reserve=lost:0.3"],
    &[
        "inventory.commit=lost:0.5",
        "inventory.release=lost:0.5",
        "payment.refund=lost:0.5",
    ],
    &["inventory=down:0.4", "payment=down:0.4"],
    &["product=down:0.3", "user=down:0.3", "notification=down:0.6"],
    &[
        "notification=lost:0.5",
        "payment.look_up=down:0.5",
        "inventory.look_up=down:0.5",
    ],
    &[
        "product=slow:60ms",
        "user=slow:90ms",
        "payment=slow:120ms",
        "inventory=slow:80ms",
    ],
    &["payment.charge=slow:900ms", "inventory.reserve=slow:700ms"],
];
/// At most so many answers are waited for between two blows.
const ANSWERS_MOST: usize = 15;
/// Longer than a call may take, and shorter than a customer takes to go away.
const STANDS_STILL: Duration = Duration::from_millis(2_500);

/// A blow to one of the two processes.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// The services die, and come back with other faults.
    KillServices,
    /// The services stand still, and go on.
    StopServices,
    /// The server dies, and another takes its place.
    KillServer,
}

/// Both processes.
struct Pair<'a> {
    bench: &'a Bench,
    /// The address at which the services listen, whichever process they are.
    port: u16,
    services: Served,
    server: Served,
}

impl<'a> Pair<'a> {
    fn start(bench: &'a Bench) -> Self {
        // Free when it was looked for; another may be faster, and then it fails to start.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a free port")
            .port();
        Pair {
            bench,
            port,
            services: services(bench, port, FAULTS[1]),
            server: server(bench, port),
        }
    }

    fn restart_services(&mut self, faults: &[&str]) {
        self.services.signal("-KILL");
        self.services = replaced(&mut self.services, || {
            services(self.bench, self.port, faults)
        });
    }

    fn restart_server(&mut self) {
        self.server.signal("-KILL");
        self.server = server(self.bench, self.port);
    }
}

/// The next process in the place of one that is gone; its port is free only once that is.
fn replaced(old: &mut Served, next: impl FnOnce() -> Served) -> Served {
    old.wait();
    next()
}

fn services(bench: &Bench, port: u16, faults: &[&str]) -> Served {
    let listen = format!("127.0.0.1:{port}");
    let faults = faults.iter().flat_map(|fault| ["--fault", fault]);
    let args: Vec<&str> = ["--listen", &listen, "--log", "off"]
        .into_iter()
        .chain(faults)
        .collect();
    Served::by(bench, &["shop", "serve"], &args, &[])
}

fn server(bench: &Bench, port: u16) -> Served {
    let url = format!("http://127.0.0.1:{port}");
    let services = ["INVENTORY", "PRODUCT", "USER", "PAYMENT", "NOTIFICATION"]
        .map(|name| format!("ORDER_{name}_URL"));
    let mut env: Vec<(&str, &str)> = services
        .iter()
        .map(|name| (name.as_str(), url.as_str()))
        .collect();
    env.push(("ORDER_INVENTORY_PROFILE", "ideal"));
    Served::start(
        bench,
        &[
            "--listen",
            "127.0.0.1:0",
            "--log",
            "off",
            "--config",
            "prices.toml",
        ],
        &env,
    )
}

/// The prices of the catalogue, which the services do not tell; and the store, if it is not the
/// usual one.
fn settings(bench: &Bench, store: Option<&str>) {
    let prices = "[price_book]\ncurrency = \"USD\"\n[[price_book.shipping]]\nmethod = \"STANDARD\"\nprice = \"4.90\"\n\
         [[price_book.payment_method]]\nmethod = \"CREDIT_CARD\"\n";
    let store = store.map_or_else(String::new, |url| format!("store = \"{url}\"\n"));
    bench.write("prices.toml", format!("{store}{prices}"));
    bench.write("order.toml", store);
}

async fn everything_befalls_both(bench: &Bench) {
    bench.run(&["shop", "restock", "MUG-01", "1000000"]).must(0);
    let mut pair = Pair::start(bench);
    let (address, now_at) = watch::channel(Some(pair.server.address.clone()));
    let (told, customers) = crowd(now_at, &[]);

    let mut dice = Dice::new();
    let mut blows = [
        [Blow::KillServices; FAULTS.len()].as_slice(),
        &[Blow::KillServer; 4],
        &[Blow::StopServices; 3],
    ]
    .concat();
    dice.shuffle(&mut blows);
    let mut faults = FAULTS.into_iter().cycle().skip(2);
    for blow in blows {
        let answers = 1 + dice.below(ANSWERS_MOST) as u32;
        told.more(answers, blow).await;
        match blow {
            Blow::KillServices => pair.restart_services(faults.next().expect("they go round")),
            Blow::StopServices => {
                pair.services.signal("-STOP");
                tokio::time::sleep(STANDS_STILL).await;
                pair.services.signal("-CONT");
            }
            Blow::KillServer => {
                pair.restart_server();
                address.send_replace(Some(pair.server.address.clone()));
            }
        }
    }
    pair.restart_services(&[]);
    let Pair {
        server, services, ..
    } = pair;
    all_is_right(bench, server, &told, customers).await;
    drop(services);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_in_another_process_may_fail_in_every_way_with_a_store_in_a_file() {
    let bench = Bench::with_shop();
    settings(&bench, None);
    everything_befalls_both(&bench).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_in_another_process_may_fail_in_every_way_with_a_store_on_postgresql() {
    let (cluster, bench) = (Cluster::start(), Bench::with_shop());
    settings(&bench, Some(&format!("{}&schema=orders", cluster.url())));
    bench.run(&["migrate"]).must(0);
    everything_befalls_both(&bench).await;
}
