//! Exit codes: 0 done, 1 refused, 2 bad input, 3 not found, 4 unavailable.

use std::process::Stdio;

use crate::bench::{Bench, USER, examples};

const NOBODY: &str = "01900000-0000-7000-8000-000000000000";

#[test]
fn a_business_rule_that_refuses_is_1() {
    let bench = Bench::with_shop();
    let rejected = bench.place("LAMP-01=3", "CREDIT_CARD", &[], 1);
    assert_eq!(rejected["status"], "REJECTED");
    let rejected = rejected["id"].as_str().unwrap();
    bench
        .run(&["cancel", rejected, "--reason", "x"])
        .must(1)
        .says("its status is REJECTED");
    bench.run(&["explain", rejected]).must(0);
    let failed = bench.place("LAMP-01", "EXPIRED_CARD", &[], 1);
    assert_eq!(failed["status"], "PAYMENT_FAILED");
    let number = failed["order_number"].as_str().unwrap();
    bench
        .run(&["retry-payment", number, "--method", "EXPIRED_CARD"])
        .must(1)
        .says("declined");
    bench
        .run(&["cancel", number, "--reason", "x", "--expect-version", "1"])
        .must(1)
        .says("--expect-version");
    bench
        .run(&["retry-payment", number, "--method", "PAYPAL"])
        .must(0);
    bench
        .run(&["retry-payment", number, "--method", "PAYPAL"])
        .must(1)
        .says("possible now: cancel");
}

#[test]
fn a_key_that_was_used_for_something_else_is_1() {
    let bench = Bench::with_shop();
    bench.place("MUG-01", "CREDIT_CARD", &["--key", "k"], 0);
    let address = examples().join("address.json");
    let address = address.to_str().unwrap();
    let again = [
        "place",
        "--user",
        USER,
        "--item",
        "TEA-01",
        "--ship-to",
        address,
        "--payment-method",
        "CREDIT_CARD",
    ];
    let mut args = again.to_vec();
    args.extend(["--shipping-method", "STANDARD", "--key", "k"]);
    bench
        .run(&args)
        .must(1)
        .says("idempotency key k was used for a different request");
}

#[test]
fn another_total_than_expected_is_1_and_places_nothing() {
    let bench = Bench::with_shop();
    let address = examples().join("address.json");
    let args = [
        "place",
        "--user",
        USER,
        "--item",
        "MUG-01",
        "--ship-to",
        address.to_str().unwrap(),
    ];
    let mut args = args.to_vec();
    args.extend([
        "--payment-method",
        "CREDIT_CARD",
        "--shipping-method",
        "STANDARD",
        "--expect-total",
        "1.00",
    ]);
    bench
        .run(&args)
        .must(1)
        .says("the total is 16.70 USD, not 1.00 USD as expected");
    assert_eq!(
        bench.json(&["list"], 0)["orders"].as_array().unwrap().len(),
        0
    );
}

#[test]
fn a_request_that_could_never_be_right_is_2() {
    let bench = Bench::with_shop();
    bench.run(&["get", "nonsense"]).must(2);
    bench
        .run(&["get", "ORD-0000-0000-0001"])
        .must(2)
        .says("mistyped");
    bench.run(&["list", "--limit", "0"]).must(2);
    bench.run(&["list", "--status", "confirmd"]).must(2);
    bench
        .run(&["list", "--after", "created_at.asc.x.y"])
        .must(2);
    bench.run(&["shop", "restock", "MUG-01", "0"]).must(2);
    bench.run(&["--store", "nowhere:1", "list"]).must(2);
    let ran = bench.run_with(&["place", "--file", "-"], &[], "{}").must(2);
    for field in ["user_id", "items", "shipping_address", "payment_method"] {
        assert!(
            ran.err.contains(field),
            "every violation is told at once: {field} is not in {}",
            ran.err
        );
    }
    let order = bench.place("MUG-01", "BANK_TRANSFER", &[], 0);
    let id = order["id"].as_str().unwrap();
    let report = [
        "record-payment",
        id,
        "--reference",
        "r",
        "--status",
        "captured",
        "--amount",
        "1.005",
    ];
    bench.run(&report).must(2).says("more decimals");
    bench
        .run(&[
            "record-payment",
            id,
            "--reference",
            "r",
            "--status",
            "planned",
            "--amount",
            "1",
        ])
        .must(2);
}

#[test]
fn arguments_of_the_wrong_kind_say_what_is_right() {
    let bench = Bench::with_shop();
    bench
        .run(&["get", "nonsense"])
        .must(2)
        .says("expected an order's number, such as ORD-7KQ2-M4XT-9HRC, or its id, a UUID");
    bench
        .run(&["shop", "settle", "nonsense", "captured"])
        .must(2)
        .says("expected a UUID, as `order shop payments` shows it");
    bench
        .run(&["list", "--limit", "-1"])
        .must(2)
        .says("expected a whole number from 1 to 1000");
    bench
        .run(&["shop", "restock", "MUG-01", "-5"])
        .must(2)
        .says("expected a whole number from 1 to 4294967295");
    bench
        .run(&["migrate", "--partitions", "0"])
        .must(2)
        .says("expected a whole number from 1 to 256");
    for layout in [
        &["migrate", "--citus"][..],
        &["migrate", "--partitions", "4"],
    ] {
        bench
            .run(layout)
            .must(2)
            .says("are for stores on PostgreSQL")
            .says("--store");
    }
    let order = bench.place("MUG-01", "BANK_TRANSFER", &[], 0);
    let id = order["id"].as_str().unwrap();
    let report = [
        "record-payment",
        id,
        "--reference",
        "r",
        "--status",
        "captured",
        "--amount",
        "-1",
    ];
    bench.run(&report).must(2).says("must not be negative");
}

#[test]
fn what_is_not_there_is_3() {
    let bench = Bench::with_shop();
    bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    for command in [
        vec!["get", NOBODY],
        vec!["history", NOBODY],
        vec!["explain", NOBODY],
        vec!["note", NOBODY, "x"],
    ] {
        bench.run(&command).must(3).says("not found");
    }
    bench.run(&["cancel", NOBODY, "--reason", "x"]).must(3);
    bench.run(&["shop", "stock", "NOPE"]).must(3);
    bench.run(&["shop", "settle", NOBODY, "captured"]).must(3);
    let address = examples().join("address.json");
    let address = address.to_str().unwrap();
    let place = |user, item| {
        let args = [
            "place",
            "--user",
            user,
            "--item",
            item,
            "--ship-to",
            address,
            "--payment-method",
            "CREDIT_CARD",
        ];
        bench.run(&[&args[..], &["--shipping-method", "STANDARD"]].concat())
    };
    place(USER, "NOPE").must(3).says("NOPE not found");
    place(NOBODY, "MUG-01").must(3).says("user");
    place(USER, NOBODY).must(3).says("product");
}

#[test]
fn a_store_or_shop_that_cannot_be_used_is_4() {
    let bench = Bench::with_shop();
    let text = bench.write(
        "text.db",
        "this is no database, and it is long enough to be looked at as one",
    );
    bench
        .run(&["--store", &format!("sqlite:{text}"), "list"])
        .must(4)
        .says("hint: check --store");
    bench
        .run(&["--store", "sqlite:missing/orders.db", "list"])
        .must(4)
        .says("the folder must exist");
    bench
        .run(&["--shop", &text, "shop", "stock"])
        .must(4)
        .says("hint: check --shop");
    bench
        .run(&["--shop", "missing/shop.db", "shop", "stock"])
        .must(4)
        .says("check --shop");
    let empty = bench.run(&[
        "--shop",
        "empty.db",
        "quote",
        "--user",
        USER,
        "--item",
        "X",
        "--ship-to",
        "{}",
        "--payment-method",
        "X",
    ]);
    empty.must(4).says("order shop load");
    assert_eq!(
        std::fs::read(&text).unwrap()[..4],
        *b"this",
        "a file that is not ours is left as it was"
    );
}

#[test]
fn who_only_looks_does_not_wait_for_who_writes() {
    let bench = Bench::with_shop();
    bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let locked = |file| {
        let db = rusqlite::Connection::open(bench.dir().join(file)).unwrap();
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        db
    };
    let (_orders, _shop) = (locked("orders.db"), locked("shop.db"));
    assert_eq!(bench.stock("MUG-01", "reserved"), 1);
    assert_eq!(
        bench.json(&["list"], 0)["orders"].as_array().unwrap().len(),
        1
    );
    bench.run(&["check"]).must(0);
    bench
        .run(&["shop", "restock", "MUG-01", "1"])
        .must(4)
        .says("keeps it locked");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let bench = Bench::with_shop();
    let mut child = bench
        .order()
        .arg("states")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn help_and_version_are_0_and_nothing_is_2() {
    let bench = Bench::empty();
    let help = bench.run(&["--help"]).must(0);
    for command in [
        "place",
        "retry-payment",
        "check",
        "states",
        "run",
        "Exit codes",
    ] {
        assert!(help.out.contains(command), "{command}");
    }
    bench.run(&["--version"]).must(0);
    assert_eq!(bench.run(&[]).code, 2);
    assert_eq!(bench.run(&["shop"]).code, 2);
    bench.run(&["frobnicate"]).must(2);
    assert_eq!(
        std::fs::read_dir(bench.dir()).unwrap().count(),
        0,
        "nothing was written"
    );
}
