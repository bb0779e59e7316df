//! Every command of the program, on the store of a server that is busy meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use order_grpc::proto::CancelOrderRequest;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::bench::{Bench, USER, examples};
use crate::served::{Served, mugs};

const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(50);

/// Runs commands, and remembers which.
struct Operator {
    bench: Bench,
    used: BTreeSet<String>,
}

impl Operator {
    /// Runs `order ARGS`, which must end with `code`; what it printed, as JSON where it is.
    #[track_caller]
    fn does(&mut self, args: &[&str], code: i32) -> Value {
        self.used.insert(args[0].to_owned());
        let ran = self.bench.run(&[&["--format", "json"], args].concat());
        assert_eq!(ran.code, code, "order {args:?} beside a server: {ran:?}");
        serde_json::from_str(&ran.out).unwrap_or(Value::Null)
    }

    /// A new order's id.
    #[track_caller]
    fn places(&mut self, method: &str, code: i32) -> String {
        let address = examples().join("address.json");
        let customer = [
            "place",
            "--user",
            USER,
            "--item",
            "MUG-01=3",
            "--ship-to",
            address.to_str().unwrap(),
        ];
        let order = self.does(
            &[
                &customer[..],
                &["--payment-method", method, "--shipping-method", "STANDARD"],
            ]
            .concat(),
            code,
        );
        order["id"].as_str().unwrap().to_owned()
    }

    /// Looks at everything that can be looked at.
    fn looks(&mut self, order: &str) {
        for command in ["get", "history", "timeline", "explain"] {
            self.does(&[command, order], 0);
        }
        for command in [
            &["list"][..],
            &["stuck"],
            &["shop", "stock"],
            &["shop", "payments"],
            &["watch", "--until-idle"],
        ] {
            self.does(command, 0);
        }
        let address = examples().join("address.json");
        let customer = [
            "quote",
            "--user",
            USER,
            "--item",
            "MUG-01",
            "--ship-to",
            address.to_str().unwrap(),
        ];
        self.does(
            &[
                &customer[..],
                &[
                    "--payment-method",
                    "CREDIT_CARD",
                    "--shipping-method",
                    "STANDARD",
                ],
            ]
            .concat(),
            0,
        );
        self.does(&["states"], 0);
        self.does(&["check"], 0);
    }

    /// Takes an order from placing to the return of what it delivered.
    fn sells(&mut self) -> String {
        let id = self.places("CREDIT_CARD", 0);
        let id = id.as_str();
        self.does(&["note", id, "called the customer"], 0);
        self.does(&["metadata", id, "--set", "channel=telephone"], 0);
        let address = examples().join("address.json");
        self.does(
            &[
                "address",
                id,
                "--type",
                "billing",
                "--file",
                address.to_str().unwrap(),
            ],
            0,
        );
        self.does(&["edit", id, "--set", "1:4", "--add", "TEA-01=2"], 0);
        self.does(&["cancel", id, "--item", "2:1"], 0);
        self.does(
            &["hold", id, "--kind", "fraud-review", "--blocks", "ship"],
            0,
        );
        self.does(&["ship", id], 1);
        self.does(&["release", id, "--kind", "fraud-review"], 0);
        self.does(&["plan-shipment", id, "--item", "1:2"], 0);
        self.does(
            &["split-shipment", id, "--shipment", "1", "--item", "1:1"],
            0,
        );
        self.does(&["cancel-shipment", id, "--shipment", "1"], 0);
        self.does(&["cancel-shipment", id, "--shipment", "2"], 0);
        self.does(&["ship", id, "--item", "1:2"], 0);
        self.does(&["fail-shipment", id, "--shipment", "3", "--returned"], 0);
        self.does(&["status", id, "--set", "SHIPPED"], 0);
        self.does(&["deliver", id], 0);
        self.does(&["return", "request", id, "--item", "1:1"], 0);
        self.does(&["return", "approve", id, "--return", "1"], 0);
        self.does(&["return", "receive", id, "--return", "1"], 0);
        self.does(&["return", "close", id, "--return", "1"], 0);
        self.does(&["credit", id, "--amount", "1.00"], 0);
        let refunded = [
            "record-payment",
            id,
            "--reference",
            "dashboard-1",
            "--status",
            "refunded",
            "--amount",
            "0.05",
        ];
        self.does(&refunded, 0);
        self.does(&["complete", id], 1);
        self.does(&["write-off", id], 0);
        self.does(&["complete", id], 0);
        id.to_owned()
    }

    /// Troubles of orders, and what is done about it.
    fn mends(&mut self) {
        let declined = self.places("EXPIRED_CARD", 1);
        self.does(&["retry-payment", &declined, "--method", "CREDIT_CARD"], 0);
        self.does(
            &[
                "dispute",
                &declined,
                "--reference",
                &format!("bank-{declined}"),
                "--state",
                "OPEN",
                "--amount",
                "1.00",
            ],
            0,
        );
        self.does(&["attention", &declined, "--ack", "DISPUTE"], 0);
        let finding = [
            "resolve",
            &declined,
            "--payment",
            "1",
            "--status",
            "declined",
            "--evidence",
            "the desk's ledger",
        ];
        self.does(&finding, 1);
        let waiting = self.places("BANK_TRANSFER", 0);
        let order = self.does(&["get", &waiting], 0);
        let (key, total) = (
            order["payments"][0]["key"].as_str().unwrap(),
            order["total_amount"].as_str().unwrap(),
        );
        self.does(&["shop", "settle", key, "captured"], 0);
        let said = [
            "record-payment",
            &waiting,
            "--key",
            key,
            "--reference",
            "x",
            "--status",
            "captured",
            "--amount",
            total,
        ];
        self.does(&said, 0);
        let unwanted = self.places("CREDIT_CARD", 0);
        self.does(&["cancel", &unwanted, "--reason", "not wanted any more"], 0);
        self.does(&["redact", &unwanted], 0);
    }

    /// Works on all orders at once.
    fn administers(&mut self) {
        let path = |name: &str| self.bench.dir().join(name).to_str().unwrap().to_owned();
        let (copy, out) = (path("copy.db"), path("orders.jsonl"));
        let restored = format!("sqlite:{}", path("restored.db"));
        let (from, to) = (
            format!("sqlite:{copy}"),
            format!("sqlite:{}", path("copied.db")),
        );
        for how in [
            &["work"][..],
            &["work", "--resync"],
            &["work", "--retry-stuck"],
        ] {
            self.does(how, 0);
        }
        self.does(&["shop", "restock", "MUG-01", "10"], 0);
        self.does(
            &[
                "shop",
                "load",
                examples().join("catalogue.toml").to_str().unwrap(),
            ],
            0,
        );
        self.does(&["migrate", "--check"], 0);
        self.does(&["config"], 0);
        self.does(&["services", "check"], 0);
        self.does(&["backup", &copy], 0);
        self.does(&["copy", "--from", &from, "--to", &to], 0);
        self.does(&["export", "--output", &out], 0);
        self.does(&["restore", &out], 2);
        self.bench
            .run(&["--store", &restored, "restore", &out])
            .must(0);
        self.does(
            &["import", examples().join("history.jsonl").to_str().unwrap()],
            0,
        );
        self.does(
            &["run", examples().join("first-order.toml").to_str().unwrap()],
            0,
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_works_beside_a_busy_server() {
    let bench = Bench::with_shop();
    bench.run(&["shop", "restock", "MUG-01", "100000"]).must(0);
    let served = Served::start(&bench, &["--listen", "127.0.0.1:0", "--log", "off"], &[]);
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (mut client, over) = (served.client().await, Arc::clone(&over));
        clients.spawn(async move {
            let mut placed = 0;
            while !over.load(Ordering::Relaxed) {
                let order = client
                    .create_order(mugs(1))
                    .await
                    .expect("the server serves on")
                    .into_inner();
                placed += 1;
                let cancel = CancelOrderRequest {
                    order_id: order.id,
                    reason: "not wanted any more".into(),
                };
                assert!(
                    client
                        .cancel_order(cancel)
                        .await
                        .expect("the server serves on")
                        .into_inner()
                        .success
                );
                // What looks at all orders would take the longer the more there are.
                tokio::time::sleep(PAUSE).await;
            }
            placed
        });
    }

    let server = format!("http://{}", served.address);
    let operator = tokio::task::spawn_blocking(move || {
        let mut operator = Operator {
            bench,
            used: BTreeSet::new(),
        };
        assert_eq!(
            operator.does(&["health", "--server", &server], 0)["status"],
            "SERVING"
        );
        let sold = operator.sells();
        operator.mends();
        operator.administers();
        operator.looks(&sold);
        operator
    });
    let Operator { bench, used } = operator.await.unwrap();
    over.store(true, Ordering::Relaxed);
    assert!(
        clients
            .join_all()
            .await
            .into_iter()
            .all(|placed| placed > 5),
        "it was busy"
    );

    let mut unused = bench.commands(&["--help"]);
    assert!(unused.len() > 35, "{unused:?}");
    unused.retain(|c| {
        !used.contains(c.as_str()) && !["serve", "completions", "man", "help"].contains(&c.as_str())
    });
    assert!(
        unused.is_empty(),
        "commands that were not tried: {unused:?}"
    );

    let (code, said) = served.end("-TERM");
    assert_eq!((code, said.lines().count()), (Some(0), 1), "{said}");
    bench.run(&["work"]).must(0);
    bench.run(&["check"]).must(0);
}
