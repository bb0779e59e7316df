//! The effects of commands on orders, stock and payments, from one run of the program to the next.

use crate::bench::{Bench, USER, examples};

#[test]
fn orders_and_stock_survive_the_program() {
    let bench = Bench::with_shop();
    let order = bench.place(
        "MUG-01=2",
        "CREDIT_CARD",
        &["--coupon", "SUMMER10", "--notes", "Ring twice"],
        0,
    );
    assert_eq!(order["status"], "CONFIRMED");
    let id = order["id"].as_str().unwrap();
    assert_eq!(bench.json(&["get", id], 0), order);
    assert_eq!(
        bench.json(&["get", order["order_number"].as_str().unwrap()], 0),
        order
    );
    assert_eq!(bench.stock("MUG-01", "reserved"), 2);

    let cancelled = bench.json(&["cancel", id, "--reason", "changed my mind"], 0);
    assert_eq!(
        (&cancelled["status"], &cancelled["payment_status"]),
        (&"CANCELLED".into(), &"REFUNDED".into())
    );
    assert_eq!(bench.stock("MUG-01", "available"), 40);
    let again = bench.json(&["cancel", id, "--reason", "really"], 0);
    assert_eq!(
        again["payments"].as_array().unwrap().len(),
        2,
        "one refund, not two"
    );
    bench.run(&["check"]).must(0);
}

#[test]
fn one_key_names_one_order() {
    let bench = Bench::with_shop();
    let file = examples().join("order.json");
    let args = [
        "--format",
        "json",
        "place",
        "--file",
        file.to_str().unwrap(),
        "--key",
        "checkout-1",
    ];
    let first = bench.run(&args).must(0);
    let second = bench.run(&args).must(0).says("the key already named order");
    assert_ne!(first.out, second.out);
    let without = second.out.replace(",\n  \"replayed\": true\n}", "\n}");
    assert_eq!(
        first.out, without,
        "a repeat says that it is one, and is the same otherwise"
    );
    let piped = bench.run_with(
        &[
            "--format",
            "json",
            "place",
            "--file",
            "-",
            "--key",
            "checkout-1",
        ],
        &[],
        &std::fs::read_to_string(&file).unwrap(),
    );
    assert_eq!(piped.must(0).out, second.out);
    assert_eq!(bench.stock("MUG-01", "reserved"), 2);
}

#[test]
fn a_repeated_command_says_so_and_another_one_under_its_key_is_refused() {
    let bench = Bench::with_shop();
    let order = bench.place("LAMP-01", "CREDIT_CARD", &[], 0);
    let id = order["order_number"].as_str().unwrap();
    let noted = bench.json(&["note", id, "first note", "--key", "abc"], 0);
    assert!(noted.get("replayed").is_none());
    let row = bench
        .json(&["history", id], 0)
        .as_array()
        .unwrap()
        .last()
        .unwrap()["seq"]
        .clone();
    let repeated = bench
        .run(&["--format", "json", "note", id, "first note", "--key", "abc"])
        .must(0);
    assert_eq!(
        repeated.err,
        format!("repeated: key abc was used for this at journal row {row}\n")
    );
    assert!(repeated.out.contains("\"replayed\": true"));

    let used = format!("key abc was used for a different request: note, journal row {row}, at ");
    for other in [
        &["note", id, "SECOND, different note", "--key", "abc"][..],
        &["metadata", id, "--set", "po=123", "--key", "abc"],
        &["credit", id, "--amount", "1.00", "--key", "abc"],
        &["edit", id, "--set", "1:2", "--key", "abc"],
        &[
            "retry-payment",
            id,
            "--method",
            "CREDIT_CARD",
            "--key",
            "abc",
        ],
        &["cancel", id, "--key", "abc"],
    ] {
        let refused = bench
            .run(other)
            .must(1)
            .says(&used)
            .says("use another --key");
        assert_eq!(refused.out, "");
    }
    let after = bench.json(&["get", id], 0);
    assert_eq!(
        (&after["status"], &after["version"]),
        (&"CONFIRMED".into(), &noted["version"])
    );

    let credit = |amount, key| bench.run(&["credit", id, "--amount", amount, "--key", key]);
    credit("1.00", "k").must(0);
    credit("1.00", "k").must(0).says("repeated: key k");
    credit("5.00", "k").must(1).says("credit, journal row");
    assert_eq!(
        bench.json(&["get", id], 0)["credits"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let edit = |quantity| bench.run(&["edit", id, "--set", &format!("1:{quantity}"), "--key", "e"]);
    edit(2).must(0);
    edit(2).must(0).says("repeated: key e");
    edit(3).must(1).says("edit, journal row");
    bench.run(&["cancel", id, "--key", "c"]).must(0);
    bench
        .run(&["cancel", id, "--key", "c"])
        .must(0)
        .says("repeated: key c");
}

#[test]
fn a_refused_edit_leaves_no_lease_behind() {
    let bench = Bench::with_shop();
    let order = bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let id = order["order_number"].as_str().unwrap();
    for refused in [
        &["edit", id, "--set", "1:9999"][..],
        &[
            "edit",
            id,
            "--set",
            "1:2",
            "--payment-method",
            "EXPIRED_CARD",
        ],
    ] {
        bench.run(refused).must(1);
        let said = bench.run(&["explain", id]).must(0).out;
        assert!(
            !said.contains("a worker is at it") && !said.contains("due now"),
            "{said}"
        );
    }
}

#[test]
fn who_waits_for_another_process_says_so() {
    let bench = Bench::with_shop();
    let order = bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let number = order["order_number"].as_str().unwrap();
    // What a process leaves behind that is killed in the middle of its work.
    let db = rusqlite::Connection::open(bench.dir().join("orders.db")).unwrap();
    let until = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_micros() as i64
        + 3_000_000;
    let leave = "INSERT INTO order_work (order_id, leasable_at, due_at, fence, leased_until, revision, taken_over, runs) \
         SELECT id, ?1, 0, zeroblob(16), ?1, 1, 0, 0 FROM orders";
    db.execute(leave, [until]).unwrap();
    let cancelled = bench.run(&["cancel", number]).must(0);
    let said = format!("waiting for another worker's lease on {number} (until ");
    assert!(
        cancelled.err.contains(&said) && cancelled.err.contains(" UTC)"),
        "{}",
        cancelled.err
    );
    assert_eq!(
        cancelled.err.matches("waiting for").count(),
        1,
        "{}",
        cancelled.err
    );
}

#[test]
fn an_order_is_held_and_named_from_the_start() {
    let bench = Bench::with_shop();
    let kept = [
        "--hold",
        "fraud-review",
        "--hold",
        "address:ship:2d",
        "--metadata",
        "po=123",
        "--external-ref",
        "web/77",
    ];
    let order = bench.place("MUG-01", "CREDIT_CARD", &kept, 0);
    assert_eq!(
        (&order["status"], &order["payment_status"]),
        (&"PENDING".into(), &"PAID".into())
    );
    assert_eq!(
        (&order["external_ref"], &order["metadata"]["po"]),
        (&"web/77".into(), &"123".into())
    );
    let holds = order["holds"].as_array().unwrap();
    assert_eq!(
        holds
            .iter()
            .map(|h| h["blocks"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["confirm", "ship"]
    );
    assert!(holds[0]["until"].is_null() && holds[1]["until"].is_string());
    let number = order["order_number"].as_str().unwrap();
    assert!(
        bench
            .run(&["get", number])
            .must(0)
            .out
            .contains("web/77 elsewhere")
    );
    let lifted = bench.json(&["release", number, "--kind", "fraud-review"], 0);
    assert_eq!(lifted["status"], "CONFIRMED");
    bench
        .run(&["ship", number])
        .must(1)
        .says("hold address blocks it");

    let address = examples().join("address.json");
    let mut args = vec![
        "place",
        "--user",
        USER,
        "--item",
        "MUG-01",
        "--ship-to",
        address.to_str().unwrap(),
    ];
    args.extend([
        "--payment-method",
        "CREDIT_CARD",
        "--shipping-method",
        "STANDARD",
    ]);
    for (wrong, said) in [
        (
            &["--hold", "fraud:later"][..],
            "is not a hold: expected KIND[:BLOCKS][:DURATION]",
        ),
        (&["--metadata", "po"], "is not KEY=VALUE"),
        (
            &["--metadata", "po=1", "--metadata", "po=2"],
            "po is given twice",
        ),
        (
            &["--external-ref", "a b"],
            "external_ref: \"a b\" is not a reference",
        ),
        (
            &["--hold", "fraud", "--hold", "fraud:ship"],
            "holds[1].kind: fraud is named twice",
        ),
    ] {
        let all: Vec<&str> = args.iter().chain(wrong).copied().collect();
        bench.run(&all).must(2).says(said);
    }
}

#[test]
fn a_hold_blocks_what_comes_next_and_one_that_comes_too_late_is_refused() {
    let bench = Bench::with_shop();
    let order = bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let number = order["order_number"].as_str().unwrap();
    let late = bench
        .run(&["hold", number, "--kind", "fraud", "--blocks", "confirm"])
        .must(1);
    late.says("it is confirmed already: ship can still be held");
    let held = bench.json(&["hold", number, "--kind", "fraud"], 0);
    assert_eq!(held["holds"][0]["blocks"], "ship");
    bench
        .run(&["ship", number])
        .must(1)
        .says("hold fraud blocks it");
    let for_a_day = [
        "hold", number, "--kind", "brief", "--lasts", "1d", "--key", "h",
    ];
    bench.run(&for_a_day).must(0);
    bench
        .run(&for_a_day)
        .must(0)
        .says("repeated: key h was used for this");
}

#[test]
fn a_payment_that_waits_is_settled_at_the_desk() {
    let bench = Bench::with_shop();
    let order = bench.place("LAMP-01", "BANK_TRANSFER", &[], 0);
    assert_eq!(
        (&order["status"], &order["payment_status"]),
        (&"PENDING".into(), &"PENDING".into())
    );
    let payments = bench.json(&["shop", "payments"], 0);
    let key = payments[0]["key"].as_str().unwrap();
    assert_eq!(order["payments"][0]["key"], key);
    assert_eq!(
        bench.json(&["shop", "settle", key, "captured"], 0)["status"],
        "CONFIRMED"
    );
    bench
        .run(&["shop", "settle", key, "declined"])
        .must(1)
        .says("CAPTURED already");
}

#[test]
fn a_providers_report_is_recorded() {
    let bench = Bench::with_shop();
    let order = bench.place("LAMP-01", "CARD_3DS", &[], 0);
    assert_eq!(order["payment_status"], "ACTION_REQUIRED");
    assert!(order["payments"][0]["action"]["url"].is_string());
    let (id, total) = (
        order["id"].as_str().unwrap(),
        order["total_amount"].as_str().unwrap(),
    );
    let key = order["payments"][0]["key"].as_str().unwrap();
    let report = [
        "record-payment",
        id,
        "--key",
        key,
        "--reference",
        "bank-1",
        "--status",
        "captured",
        "--amount",
        total,
    ];
    let recorded = bench.json(&report, 0);
    assert_eq!(
        (&recorded["status"], &recorded["payment_status"]),
        (&"CONFIRMED".into(), &"PAID".into())
    );
    assert_eq!(
        bench.json(&report, 0)["version"],
        recorded["version"],
        "the same report again changes nothing"
    );
}

#[test]
fn notes_are_kept_and_keys_make_them_safe_to_repeat() {
    let bench = Bench::with_shop();
    let order = bench.place("TEA-01", "INVOICE", &[], 0);
    let id = order["id"].as_str().unwrap();
    bench
        .run(&["note", id, "called the customer", "--key", "n1"])
        .must(0);
    bench
        .run(&["note", id, "called the customer", "--key", "n1"])
        .must(0);
    let history = bench.json(&["history", id], 0);
    let notes: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["event"] == "NOTED")
        .collect();
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0]["notes"], "called the customer");
    bench
        .run(&["note", id, "4111 1111 1111 1111"])
        .must(2)
        .says("card number");
}

#[test]
fn items_can_be_named_by_product_and_variant() {
    let bench = Bench::with_shop();
    let shirt = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d13/6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b22=2";
    let order = bench.place(
        shirt,
        "CREDIT_CARD",
        &["--item", "SHIRT-01-M", "--item", "GIFT-25"],
        0,
    );
    let skus: Vec<_> = order["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["sku"].as_str().unwrap())
        .collect();
    assert_eq!(skus, ["SHIRT-01-L", "SHIRT-01-M", "GIFT-25"]);
    let address = std::fs::read_to_string(examples().join("address.json")).unwrap();
    let args = [
        "quote",
        "--user",
        USER,
        "--item",
        "SHIRT-01",
        "--ship-to",
        &address,
        "--payment-method",
        "CREDIT_CARD",
    ];
    bench
        .run(&[&args[..], &["--shipping-method", "STANDARD"]].concat())
        .must(2)
        .says("variant");
}

#[test]
fn an_order_that_is_not_decided_says_where_to_look() {
    let bench = Bench::with_shop();
    let file = examples().join("order.json");
    let json = std::fs::read_to_string(file)
        .unwrap()
        .replace("CREDIT_CARD", "BANK_TRANSFER");
    let ran = bench
        .run_with(&["place", "--file", "-"], &[], &json)
        .must(0)
        .says("is not decided yet: `order explain ORD-");
    assert!(
        !ran.out.contains("explain"),
        "messages go to stderr: {}",
        ran.out
    );
}

#[test]
fn work_says_when_nothing_is_due() {
    let bench = Bench::with_shop();
    bench.place("MUG-01", "BANK_TRANSFER", &[], 0);
    let work = bench.json(&["work"], 0);
    assert_eq!((&work["worked"], &work["waiting"]), (&0.into(), &1.into()));
    assert!(work["next_due"].is_string());
}

#[test]
fn the_first_of_option_environment_and_file_counts() {
    let bench = Bench::with_shop();
    bench.write(
        "order.toml",
        "store = \"sqlite:from-file.db\"\nformat = \"json\"\n",
    );
    // Makes a store without orders.
    let nothing = bench.write("nothing.jsonl", "");
    let restore = ["restore", nothing.as_str()];
    assert!(bench.run(&restore).must(0).out.starts_with('{'));
    assert!(bench.dir().join("from-file.db").exists());
    let env = [
        ("ORDER_STORE", "sqlite:from-env.db"),
        ("ORDER_FORMAT", "jsonl"),
    ];
    assert_eq!(
        bench
            .run_with(&restore, &env, "")
            .must(0)
            .out
            .lines()
            .count(),
        1
    );
    assert!(bench.dir().join("from-env.db").exists());
    let ran = bench.run_with(
        &[
            "--store",
            "sqlite:from-option.db",
            "--format",
            "table",
            "restore",
            &nothing,
        ],
        &env,
        "",
    );
    assert!(ran.must(0).out.starts_with("restored 0 orders"));
    assert!(bench.dir().join("from-option.db").exists());
    bench
        .run_with(&["list"], &[("ORDER_FORMAT", "xml")], "")
        .must(2)
        .says("ORDER_FORMAT");
    bench.write("order.toml", "colour = true\n");
    bench
        .run(&["list"])
        .must(2)
        .says("order.toml:1:1: there is no setting \"colour\"");
}

#[test]
fn who_looks_at_a_store_that_is_not_there_is_told_so_and_makes_none() {
    let bench = Bench::with_shop();
    let id = "01900000-0000-7000-8000-000000000000";
    for command in [
        &["list"][..],
        &["get", id],
        &["stuck"],
        &["check"],
        &["timeline", id],
        &["ship", id],
        &["note", id, "x"],
        &["work"],
        &["export"],
        &["watch", "--until-idle"],
    ] {
        let mut args = vec!["--store", "sqlite:gone.db"];
        args.extend(command);
        bench
            .run(&args)
            .must(4)
            .says("there is no store gone.db")
            .says("check --store");
        assert!(!bench.dir().join("gone.db").exists(), "{command:?}");
    }
    bench.write("gone.db", "");
    for command in [&["list"][..], &["work"], &["note", id, "x"]] {
        let mut args = vec!["--store", "sqlite:gone.db"];
        args.extend(command);
        bench.run(&args).must(4).says("cannot open gone.db: it is empty: there never was a store in it, or all of it was lost");
    }
}

#[test]
fn who_needs_a_shop_that_is_not_there_is_told_so_and_makes_none() {
    let bench = Bench::empty();
    let address = examples().join("address.json");
    let to = [
        "--ship-to",
        address.to_str().unwrap(),
        "--shipping-method",
        "STANDARD",
    ];
    let ordered = [
        &[
            "--user",
            USER,
            "--item",
            "MUG-01",
            "--payment-method",
            "CREDIT_CARD",
        ],
        &to[..],
    ]
    .concat();
    let with = |command| [&[command], &ordered[..]].concat();
    for command in [
        &["shop", "stock"][..],
        &["shop", "payments"],
        &["shop", "restock", "MUG-01", "1"],
        &["serve", "--listen", "127.0.0.1:0"],
        &with("place"),
        &with("quote"),
    ] {
        bench
            .run(command)
            .must(4)
            .says("there is no shop shop.db")
            .says("`order shop load FILE` makes one");
    }
    assert_eq!(std::fs::read_dir(bench.dir()).unwrap().count(), 0);
    let bench = Bench::with_shop();
    bench.run(&with("quote")).must(0);
    assert!(
        !bench.dir().join("orders.db").exists(),
        "an order that is not placed needs no store"
    );
}

#[test]
fn a_bad_setting_is_looked_for_where_it_was_given() {
    let bench = Bench::with_shop();
    bench
        .run(&["--store", "nowhere", "list"])
        .must(2)
        .says("error: --store: not an address");
    bench
        .run_with(&["list"], &[("ORDER_STORE", "nowhere")], "")
        .must(2)
        .says("error: ORDER_STORE: not an address");
    bench.write("order.toml", "store = \"nowhere\"\n");
    bench
        .run(&["list"])
        .must(2)
        .says("error: order.toml:1:9: store: not an address");
    bench.write("order.toml", "shop = \"\"\n");
    bench
        .run(&["list"])
        .must(2)
        .says("error: order.toml:1:8: shop: expected a file");
    bench.write("order.toml", b"store = \"caf\xe9.db\"\n");
    bench
        .run(&["list"])
        .must(2)
        .says("error: order.toml:1:13: not valid UTF-8");
}
