//! A server on the product, user and inventory services of the platform, with every quirk that was
//! seen of them: down, slow, lying, restarted and gone in the middle of each call, as the server
//! and the payment service are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use order_grpc::proto::inventory::InventoryReservation;
use order_grpc::proto::product::Product;
use order_grpc::proto::user::{User, UserResponse};
use serde_json::Value;
use tokio::sync::watch;
use tonic::Code;
use uuid::Uuid;

use crate::bench::{Bench, USER};
use crate::cluster::Cluster;
use crate::disorder::Dice;
use crate::fakes::directory::{GET_PRODUCT, GET_USER, Products, Users};
use crate::fakes::inventory::{
    CANCEL, CONFIRM, Counters, GET, Garble, Hold, HoldStatus, Inventory, RESERVE,
};
use crate::fakes::peer::{Fault, Peer, Wire, waiting};
use crate::killing::{at_rest, crowd, no_more, the_desk_agrees, told_truly};
use crate::served::Served;

const MUG: &str = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11";
const SKU: &str = "MUG-01";
const UNITS: i32 = 1_000_000;
/// At most so many answers are waited for between two blows.
const ANSWERS_MOST: usize = 6;
/// The time for which a blow lasts that lasts.
const LASTS: Duration = Duration::from_millis(400);
/// Longer than a call may take.
const TOO_LONG: Duration = Duration::from_millis(1_500);
/// The time that everything may take to come to rest: leases of the dead, lost calls that may
/// still be at work, and the pauses after failures.
const REST_WITHIN: Duration = Duration::from_secs(90);

/// The product service says NOT_FOUND of everything while its database is away; and an order is
/// rejected whose stock was asked for twice and never for certain.
const MAY_REFUSE: &[Code] = &[Code::NotFound, Code::FailedPrecondition];

/// The settings: what services say costs, and calls that are given up soon.
const SETTINGS: &str = r#"
[policy]
call_deadline = "1s"
settle_margin = "1s"
lease = "4s"

[price_book]
currency = "USD"
[[price_book.shipping]]
method = "STANDARD"
price = "4.90"
[[price_book.payment_method]]
method = "CREDIT_CARD"
"#;

/// The wrong answers that the inventory gives about a reservation.
const LIES: [Garble; 4] = [
    |r: &mut InventoryReservation| r.id = "7".into(),
    |r| r.reference_id = Some(Uuid::nil().to_string()),
    |r| r.inventory_item_id = Uuid::nil().to_string(),
    |r| r.quantity += 1,
];

/// The services, by the calls that something befalls.
const CALLS: [(Which, &str); 6] = [
    (Which::Inventory, GET),
    (Which::Inventory, RESERVE),
    (Which::Inventory, CONFIRM),
    (Which::Inventory, CANCEL),
    (Which::Product, GET_PRODUCT),
    (Which::User, GET_USER),
];

#[derive(Debug, Clone, Copy)]
enum Which {
    Inventory,
    Product,
    User,
}

/// A misfortune of one call.
#[derive(Debug, Clone, Copy)]
enum Mishap {
    /// The service dies before it did anything.
    DiesBefore,
    /// The service dies when it has done it, and has not said so.
    DiesAfter,
    /// It answers when nobody waits any more.
    Late,
    /// It is about to go, and says so.
    Unavailable,
    /// It does not know itself.
    Internal,
}

const MISHAPS: [Mishap; 5] = [
    Mishap::DiesBefore,
    Mishap::DiesAfter,
    Mishap::Late,
    Mishap::Unavailable,
    Mishap::Internal,
];

#[derive(Debug, Clone, Copy)]
enum Blow {
    /// Something befalls the next call of that name.
    Call(Which, &'static str, Mishap),
    /// All connections break, and for a while nobody listens.
    Restart(Which),
    /// Its database is away for a while.
    Database(Which),
    /// For a while it answers something else than it was asked.
    Lie(Which, usize),
    /// The payment and notification services die, and others take their place.
    KillPayments,
    /// The server dies, and another takes its place.
    KillServer,
}

fn blows() -> Vec<Blow> {
    let mut blows = Vec::new();
    for (which, method) in CALLS {
        blows.extend(MISHAPS.map(|mishap| Blow::Call(which, method, mishap)));
    }
    for which in [Which::Inventory, Which::Product, Which::User] {
        blows.extend([Blow::Restart(which), Blow::Restart(which)]);
    }
    blows.extend([Which::Inventory, Which::Product].map(Blow::Database));
    blows.extend((0..LIES.len()).map(|lie| Blow::Lie(Which::Inventory, lie)));
    blows.extend([Which::Product, Which::User].map(|which| Blow::Lie(which, 0)));
    blows.extend([Blow::KillPayments; 2]);
    blows.extend([Blow::KillServer; 4]);
    blows
}

/// The three services of the platform, each on a socket of its own.
struct Street {
    inventory: Inventory,
    products: Products,
    users: Users,
    peers: [Peer; 3],
}

impl Street {
    async fn open() -> Self {
        let (inventory, products, users) =
            (Inventory::default(), Products::default(), Users::default());
        inventory.stock(SKU, UNITS);
        users.put(USER.parse().unwrap(), "active");
        products.put(Product {
            id: MUG.into(),
            title: "Enamel mug".into(),
            price: 11.0,
            sku: SKU.into(),
            is_published: true,
            ..Product::default()
        });
        inventory.pass(SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let peers = [
            Peer::start_at(free, inventory.wire.clone(), inventory.handler()).await,
            Peer::start_at(free, products.wire.clone(), products.handler()).await,
            Peer::start_at(free, users.wire.clone(), users.handler()).await,
        ];
        Street {
            inventory,
            products,
            users,
            peers,
        }
    }

    fn wire(&self, which: Which) -> &Wire {
        match which {
            Which::Inventory => &self.inventory.wire,
            Which::Product => &self.products.wire,
            Which::User => &self.users.wire,
        }
    }

    fn befall(&self, which: Which, method: &'static str, mishap: Mishap) {
        let fault = match mishap {
            Mishap::DiesBefore => Fault::Break,
            Mishap::DiesAfter => Fault::LoseAnswer,
            Mishap::Unavailable => Fault::Fail(Code::Unavailable),
            Mishap::Internal => Fault::Fail(Code::Internal),
            Mishap::Late => {
                let (fault, is_reached, go_on) = waiting(Fault::Late);
                tokio::spawn(async move {
                    // Nothing more is to be done if no call comes before the end.
                    if is_reached.await.is_ok() {
                        tokio::time::sleep(TOO_LONG).await;
                        let _ = go_on.send(());
                    }
                });
                fault
            }
        };
        self.wire(which).fault(method, fault);
    }

    async fn restart(&mut self, which: Which) {
        let peer = &mut self.peers[which as usize];
        peer.stop().await;
        tokio::time::sleep(LASTS).await;
        let (at, wire) = (peer.address, self.wire(which).clone());
        self.peers[which as usize] = match which {
            Which::Inventory => Peer::start_at(at, wire, self.inventory.handler()).await,
            Which::Product => Peer::start_at(at, wire, self.products.handler()).await,
            Which::User => Peer::start_at(at, wire, self.users.handler()).await,
        };
    }

    fn set_down(&self, which: Which, down: bool) {
        match which {
            Which::Inventory => self.inventory.set_down(down),
            Which::Product => {
                self.products.set_down(down);
                self.products.forget_cached();
            }
            Which::User => unreachable!("it answers from its memory"),
        }
    }

    /// Lets a service lie or not.
    fn lie(&self, which: Which, lie: Option<usize>) {
        match which {
            Which::Inventory => self.inventory.garble(lie.map(|lie| LIES[lie])),
            Which::Product => self.products.mix_up(lie.map(|_| Product {
                id: Uuid::nil().to_string(),
                title: "Another thing".into(),
                price: 1.0,
                sku: "OTHER".into(),
                is_published: true,
                ..Product::default()
            })),
            Which::User => self.users.mix_up(lie.map(|_| UserResponse {
                user: Some(User {
                    user_id: Uuid::nil().to_string(),
                    account_status: "active".into(),
                    ..User::default()
                }),
            })),
        }
    }

    fn calm(&self) {
        for which in [Which::Inventory, Which::Product, Which::User] {
            self.wire(which).calm();
        }
    }
}

/// All the processes, and the services that live in this one.
struct City<'a> {
    bench: &'a Bench,
    street: Street,
    payments: Served,
    server: Served,
}

impl<'a> City<'a> {
    /// Starts everything. Orders are kept in `store`, or in the usual file.
    async fn start(bench: &'a Bench, store: Option<&str>) -> Self {
        let street = Street::open().await;
        let payments = payments(bench, "127.0.0.1:0");
        let store = store.map_or_else(String::new, |url| format!("store = \"{url}\"\n"));
        let [inventory, product, user] = street.peers.each_ref().map(Peer::url);
        let desk = format!("http://{}", payments.address);
        let services = [
            ("inventory", &inventory),
            ("product", &product),
            ("user", &user),
            ("payment", &desk),
            ("notification", &desk),
        ]
        .map(|(name, url)| format!("[services.{name}]\nurl = \"{url}\"\ndeadline = \"1s\"\n"));
        bench.write(
            "order.toml",
            format!("{store}{SETTINGS}\n{}", services.join("\n")),
        );
        let server = server(bench);
        City {
            bench,
            street,
            payments,
            server,
        }
    }

    async fn suffer(&mut self, blow: Blow) {
        match blow {
            Blow::Call(which, method, mishap) => self.street.befall(which, method, mishap),
            Blow::Restart(which) => self.street.restart(which).await,
            Blow::Database(which) => {
                self.street.set_down(which, true);
                tokio::time::sleep(LASTS).await;
                self.street.set_down(which, false);
            }
            Blow::Lie(which, lie) => {
                self.street.lie(which, Some(lie));
                tokio::time::sleep(LASTS).await;
                self.street.lie(which, None);
            }
            Blow::KillPayments => {
                self.payments.signal("-KILL");
                self.payments.wait();
                let address = self.payments.address.clone();
                self.payments = payments(self.bench, &address);
            }
            Blow::KillServer => {
                self.server.signal("-KILL");
                self.server = server(self.bench);
            }
        }
    }
}

fn payments(bench: &Bench, listen: &str) -> Served {
    let args = ["--listen", listen, "--log", "off"];
    Served::by(bench, &["shop", "serve"], &args, &[])
}

fn server(bench: &Bench) -> Served {
    Served::start(bench, &["--listen", "127.0.0.1:0", "--log", "off"], &[])
}

/// Returns the ids of the orders that wait for a person.
fn for_a_person(bench: &Bench) -> BTreeSet<String> {
    let stuck = bench.json(&["stuck"], 0);
    let id = |order: &Value| order["id"].as_str().unwrap().to_owned();
    stuck["orders"].as_array().unwrap().iter().map(id).collect()
}

/// Compares the order's reservations with those that the inventory has of it.
fn the_inventory_agrees(order: &Value, holds: &[Hold]) {
    let what = || format!("{order:#}\n{holds:#?}");
    let mut unnamed: BTreeMap<Uuid, &Hold> = holds.iter().map(|hold| (hold.id, hold)).collect();
    let reservations = order["reservations"].as_array().unwrap();
    for reservation in reservations {
        let id = reservation["reference"]
            .as_str()
            .map(|id| id.parse().unwrap());
        let hold = id.and_then(|id| unnamed.remove(&id));
        let is = hold.map(|hold| (hold.status, i64::from(hold.quantity)));
        let quantity = reservation["quantity"].as_i64().unwrap();
        // A commit or release that cannot be proven waits for a person, who has not looked.
        if !reservation["closing"].is_null() {
            continue;
        }
        match reservation["state"].as_str().unwrap() {
            "HELD" => assert_eq!(is, Some((HoldStatus::Pending, quantity)), "{}", what()),
            "COMMITTED" => assert_eq!(is, Some((HoldStatus::Confirmed, quantity)), "{}", what()),
            "RELEASED" | "EXPIRED" | "LOST" => {
                assert_eq!(is, Some((HoldStatus::Cancelled, quantity)), "{}", what());
            }
            "PLANNED" | "DROPPED" | "REFUSED" | "ABSENT" | "SUSPECT" | "UNKNOWN" => {
                assert_eq!(is, None, "{}", what());
            }
            other => panic!("{other} is a state that this test does not know"),
        }
    }
    // Nothing is set aside that the order does not know of, or suspect.
    let suspected = |state: &str| reservations.iter().filter(|r| r["state"] == state).count();
    assert!(
        unnamed.len() <= suspected("SUSPECT") + suspected("UNKNOWN"),
        "{}",
        what()
    );
}

/// Demands that the counters of the stock are the sums of what was set aside and taken.
fn the_counters_agree(inventory: &Inventory) {
    let units = |status| -> i32 {
        let holds = inventory.holds();
        let of = holds.iter().filter(|hold| hold.status == status);
        of.map(|hold| hold.quantity).sum()
    };
    let (reserved, taken) = (units(HoldStatus::Pending), units(HoldStatus::Confirmed));
    let expected = Counters {
        total: UNITS - taken,
        available: UNITS - taken - reserved,
        reserved,
    };
    assert_eq!(inventory.counters(SKU), expected);
}

async fn everything_befalls_them(bench: &Bench, store: Option<&str>) {
    let mut city = City::start(bench, store).await;
    let (address, now_at) = watch::channel(Some(city.server.address.clone()));
    let (told, customers) = crowd(now_at, MAY_REFUSE);

    let mut dice = Dice::new();
    let mut blows = blows();
    dice.shuffle(&mut blows);
    for blow in blows {
        let answers = 1 + dice.below(ANSWERS_MOST) as u32;
        told.more(answers, blow).await;
        city.suffer(blow).await;
        if matches!(blow, Blow::KillServer) {
            address.send_replace(Some(city.server.address.clone()));
        }
    }

    let City {
        street,
        server,
        payments,
        ..
    } = city;
    street.calm();
    no_more(customers).await;
    let mut client = server.client().await;
    let orders = at_rest(&mut client, REST_WITHIN, || for_a_person(bench)).await;
    let rejected: BTreeSet<String> = (orders.iter())
        .filter(|order| order.status == "REJECTED")
        .map(|order| order.id.clone())
        .collect();
    told_truly(&mut client, &told, &orders, &rejected).await;
    let (code, _) = server.end("-TERM");
    assert_eq!(code, Some(0));
    bench.run(&["check"]).must(0);

    let listed = for_a_person(bench);
    the_desk_agrees(bench, &orders, &listed);
    the_counters_agree(&street.inventory);
    let mut holds: BTreeMap<String, Vec<Hold>> = BTreeMap::new();
    for hold in street.inventory.holds() {
        holds
            .entry(hold.reference.to_string())
            .or_default()
            .push(hold);
    }
    let mut suspected = 0;
    for order in &orders {
        let view = bench.json(&["get", &order.id], 0);
        let states = view["reservations"].as_array().unwrap().iter();
        let suspects = states.filter(|r| r["state"] == "SUSPECT").count();
        if suspects > 0 {
            suspected += 1;
            assert!(listed.contains(&order.id), "nobody is told: {view:#}");
        }
        // There is enough of everything.
        assert!(
            suspects > 1 || !rejected.contains(&order.id),
            "rejected for nothing: {view:#}"
        );
        the_inventory_agrees(&view, &holds.remove(&order.id).unwrap_or_default());
    }
    assert!(holds.is_empty(), "set aside for nobody: {holds:#?}");
    println!(
        "{} orders, {suspected} of them with stock that may be set aside and cannot be found, {} for a person",
        orders.len(),
        listed.len()
    );
    drop(payments);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_services_of_the_platform_may_fail_in_every_way_with_a_store_in_a_file() {
    let bench = Bench::with_shop();
    everything_befalls_them(&bench, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_services_of_the_platform_may_fail_in_every_way_with_a_store_on_postgresql() {
    let (cluster, bench) = (Cluster::start(), Bench::with_shop());
    let store = format!("{}&schema=orders", cluster.url());
    bench.run(&["migrate", "--store", &store]).must(0);
    everything_befalls_them(&bench, Some(&store)).await;
}
