//! `order export`, `restore` and `import`: all orders at once.

use serde_json::{Value, json};

use crate::bench::{Bench, Ran, USER, examples};

/// Tests the invariants over a store and the shop.
#[track_caller]
fn checked(bench: &Bench, store: &str) {
    let ran = bench.run(&["--store", store, "check"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

fn exported(bench: &Bench, store: &str) -> String {
    bench.run(&["--store", store, "export"]).must(0).out
}

/// A shop with orders in several states.
fn lived_in() -> Bench {
    let bench = Bench::with_shop();
    let token = bench.write("token", "tok_very_secret\n");
    let paid = bench.place(
        "MUG-01=3",
        "CREDIT_CARD",
        &["--notes", "Ring twice, \"please\"", "--key", "checkout-1"],
        0,
    );
    bench.place(
        "TEA-01",
        "EXPIRED_CARD",
        &["--payment-token-file", &token],
        1,
    );
    bench.place(
        "LAMP-01=1",
        "BANK_TRANSFER",
        &["--payment-token-file", &token],
        0,
    );
    let cancelled = bench.place("TEA-01=2", "CREDIT_CARD", &["--key", "checkout-2"], 0);
    bench
        .run(&[
            "cancel",
            cancelled["id"].as_str().unwrap(),
            "--reason",
            "changed my mind",
        ])
        .must(0);
    let id = paid["id"].as_str().unwrap();
    bench.run(&["metadata", id, "--set", "channel=web"]);
    bench
        .run(&["ship", id, "--item", "1:2", "--key", "parcel-1"])
        .must(0);
    bench.run(&["note", id, "called the customer"]).must(0);
    bench
        .run(&["hold", id, "--kind", "fraud", "--blocks", "ship"])
        .must(0);
    bench
}

#[test]
fn what_was_exported_is_restored_to_the_byte() {
    let bench = lived_in();
    let ran = bench.run(&["export"]).must(0);
    assert!(ran.err.contains("exported 4 orders"), "{ran:?}");
    assert!(ran.out.contains("Ring twice") && ran.out.lines().count() == 4);
    bench.write("all.jsonl", &ran.out);
    let restored = bench
        .run(&[
            "--store",
            "sqlite:copy.db",
            "--format",
            "json",
            "restore",
            "all.jsonl",
        ])
        .must(0);
    assert_eq!(
        serde_json::from_str::<Value>(&restored.out).unwrap(),
        json!({"restored": 4})
    );
    assert_eq!(exported(&bench, "sqlite:copy.db"), ran.out);
    // Life goes on in the copy, against the same shop.
    bench.run(&["--store", "sqlite:copy.db", "work"]).must(0);
    let list = |store: &str| {
        bench
            .run(&["--store", store, "--format", "json", "list"])
            .must(0)
            .out
    };
    assert_eq!(list("sqlite:copy.db"), list("sqlite:orders.db"));
    checked(&bench, "sqlite:copy.db");
    let address = examples().join("address.json");
    let mut place = vec![
        "--store",
        "sqlite:copy.db",
        "place",
        "--user",
        USER,
        "--item",
        "MUG-01",
        "--key",
        "checkout-2",
    ];
    place.extend([
        "--ship-to",
        address.to_str().unwrap(),
        "--payment-method",
        "CREDIT_CARD",
        "--shipping-method",
        "STANDARD",
    ]);
    bench
        .run(&place)
        .must(1)
        .says("key checkout-2 was used for a different request");
}

#[test]
fn a_backup_is_a_store_with_the_same_orders() {
    let bench = lived_in();
    let ran = bench.run(&["backup", "copy.db"]).must(0);
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str()),
        ("backed up to copy.db\n", "")
    );
    assert_eq!(
        exported(&bench, "sqlite:copy.db"),
        exported(&bench, "sqlite:orders.db")
    );
    let watched = |store: &str| {
        bench
            .run(&["--store", store, "watch", "--until-idle"])
            .must(0)
            .out
    };
    assert_eq!(
        watched("sqlite:copy.db"),
        watched("sqlite:orders.db"),
        "the feed is the same one"
    );
    checked(&bench, "sqlite:copy.db");
    bench.run(&["backup", "copy.db"]).must(2).says("copy.db");
    bench
        .run(&["--store", "sqlite:nowhere.db", "backup", "other.db"])
        .must(4)
        .says("there is no store nowhere.db");
    assert!(!bench.dir().join("nowhere.db").exists() && !bench.dir().join("other.db").exists());
}

#[test]
fn the_example_of_moving_orders_runs() {
    let bench = Bench::empty();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_order"))
        .parent()
        .unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut script = std::process::Command::new("sh");
    script
        .arg(examples().join("moving.sh"))
        .current_dir(bench.dir())
        .env("PATH", path)
        .env("EXAMPLES", examples());
    for name in ["ORDER_STORE", "ORDER_SHOP", "ORDER_FORMAT"] {
        script.env_remove(name);
    }
    let output = script.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("restored 3 orders")
    );
}

#[test]
fn orders_are_restored_into_an_empty_store_only_and_all_or_none() {
    let bench = lived_in();
    let all = exported(&bench, "sqlite:orders.db");
    let file = bench.write("all.jsonl", &all);
    bench
        .run(&["restore", &file])
        .must(2)
        .says("store: is not empty, it has order ORD-");
    assert_eq!(exported(&bench, "sqlite:orders.db"), all);

    let lines: Vec<&str> = all.lines().collect();
    let status = lines[2]
        .split("\"status\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let damaged = lines[2].replacen(
        &format!("\"status\":\"{status}\""),
        "\"status\":\"SHIPPED\"",
        1,
    );
    let file = bench.write("damaged.jsonl", [lines[0], lines[1], &damaged].join("\n"));
    let ran = bench
        .run(&["--store", "sqlite:new.db", "restore", &file])
        .must(2);
    let ran = ran
        .says("damaged.jsonl:3: status: is SHIPPED, but the journal says")
        .says("nothing was restored");
    assert!(!ran.err.contains("Ring twice"), "{ran:?}");
    let file = bench.write("cut.jsonl", &all[..all.len() - 100]);
    bench
        .run(&["--store", "sqlite:new.db", "restore", &file])
        .must(2)
        .says("cut.jsonl:4: not an archived order: it breaks off");
    let file = bench.write("latin1.jsonl", b"{\"format\":1,\"notes\":\"\xe9\"}\n");
    bench
        .run(&["--store", "sqlite:new.db", "restore", &file])
        .must(2)
        .says("latin1.jsonl:1: the line is not UTF-8");
    assert!(
        !bench.dir().join("new.db").exists(),
        "none of them left anything behind"
    );

    let file = bench.write("twice.jsonl", [lines[0], lines[0]].join("\n"));
    bench
        .run(&["--store", "sqlite:twice.db", "restore", &file])
        .must(2)
        .says("is there already")
        .says("the store is not whole");
    bench
        .run(&["--store", "sqlite:new.db", "restore", "nowhere.jsonl"])
        .must(3)
        .says("cannot read nowhere.jsonl");
}

#[test]
fn a_file_is_written_whole_and_never_over_another() {
    let bench = lived_in();
    let ran = bench
        .run(&["export", "--output", "all.jsonl"])
        .must(0)
        .says("exported 4 orders to all.jsonl");
    assert_eq!(ran.out, "");
    assert_eq!(
        std::fs::read_to_string(bench.dir().join("all.jsonl")).unwrap(),
        exported(&bench, "sqlite:orders.db")
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(bench.dir().join("all.jsonl"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "it is for its owner only");
    }
    let names = std::fs::read_dir(bench.dir()).unwrap();
    let left: Vec<_> = names
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().ends_with(".part"))
        .collect();
    assert!(left.is_empty(), "{left:?} is left behind");
    bench
        .run(&["export", "-o", "all.jsonl"])
        .must(2)
        .says("all.jsonl exists, and is not written over");
}

#[test]
fn orders_and_lines_come_as_tables_without_personal_data() {
    let bench = lived_in();
    let orders = bench.run(&["export", "--as", "csv-orders"]).must(0).out;
    let lines = bench.run(&["export", "--as", "csv-lines"]).must(0).out;
    assert!(
        orders.starts_with("order_id,order_number,user_id,status,") && orders.lines().count() == 5,
        "{orders}"
    );
    assert!(
        lines.starts_with("order_id,order_number,line,line_id,") && lines.lines().count() == 5,
        "{lines}"
    );
    assert!(
        orders.contains(",PARTIALLY_SHIPPED,PAID,") && orders.contains(",PAYMENT_FAILED,FAILED,"),
        "{orders}"
    );
    assert!(lines.contains(",MUG-01,") && lines.split("\r\n").count() == 6);
    for text in [orders, lines] {
        for personal in ["Ring twice", "Market Street", "Sample", "tok_"] {
            assert!(!text.contains(personal), "{personal} is in {text}");
        }
    }
}

fn history() -> Vec<Value> {
    let text = std::fs::read_to_string(examples().join("history.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn file(bench: &Bench, name: &str, orders: &[Value]) -> String {
    let lines: Vec<String> = orders.iter().map(|o| o.to_string() + "\n").collect();
    bench.write(name, lines.concat())
}

/// A bench with a shop and the example history imported; its orders, oldest first.
fn imported() -> (Bench, Vec<Value>) {
    let bench = Bench::with_shop();
    let path = examples().join("history.jsonl");
    let view = bench.json(&["import", path.to_str().unwrap()], 0);
    assert_eq!(
        view,
        json!({"dry_run": false, "orders": 3, "new": 3, "known": 0})
    );
    let list = bench.json(&["list", "--asc"], 0);
    let orders = list["orders"].as_array().unwrap().clone();
    (bench, orders)
}

#[test]
fn historic_orders_are_imported_with_their_past() {
    let (bench, orders) = imported();
    let status: Vec<&str> = orders
        .iter()
        .map(|o| o["status"].as_str().unwrap())
        .collect();
    assert_eq!(status, ["COMPLETED", "PARTIALLY_SHIPPED", "CANCELLED"]);
    let id = orders[0]["id"].as_str().unwrap();
    let history = bench.json(&["history", id], 0);
    let rows = history.as_array().unwrap();
    assert_eq!(
        (rows.len(), &rows[0]["event"], &rows[0]["actor"]),
        (1, &json!("IMPORTED"), &json!("operator:cli"))
    );
    let whole = bench.json(&["get", id], 0);
    assert_eq!(
        (&whole["created_at"], &whole["user_id"]),
        (&json!("2024-03-01T10:00:00Z"), &json!(USER))
    );
    bench.run(&["timeline", id]).must(0);
    bench.run(&["explain", id]).must(0);
    let watched = bench.run(&["watch", "--until-idle"]).must(0).out;
    assert!(
        watched.contains("old-shop/1001")
            && !watched.contains("ring twice")
            && !watched.contains("Market Street")
    );
    // What is yet to be sent is reserved; what has left is not taken from the stock a second time.
    let (on_hand, reserved) = (
        bench.stock("TEA-01", "on_hand"),
        bench.stock("TEA-01", "reserved"),
    );
    bench.run(&["work"]).must(0);
    assert_eq!(
        (
            bench.stock("TEA-01", "on_hand"),
            bench.stock("TEA-01", "reserved")
        ),
        (on_hand, reserved + 3)
    );
    assert_eq!(bench.stock("MUG-01", "committed"), 0);
    checked(&bench, "sqlite:orders.db");
    let notices = bench.json(&["--store", "sqlite:orders.db", "list"], 0);
    assert_eq!(notices["orders"].as_array().unwrap().len(), 3);
}

#[test]
fn a_store_is_copied_and_an_interrupted_copy_goes_on() {
    let (bench, orders) = imported();
    bench.place("MUG-01", "CREDIT_CARD", &["--notes", "ring twice"], 0);
    bench.run(&["work"]).must(0);
    let before = exported(&bench, "sqlite:orders.db");
    let all = orders.len() + 1;
    let copy = [
        "copy",
        "--from",
        "sqlite:orders.db",
        "--to",
        "sqlite:copy.db",
    ];
    assert_eq!(
        bench.json(&copy, 0),
        json!({"copied": all, "there_already": 0, "unreadable": 0})
    );
    assert_eq!(exported(&bench, "sqlite:copy.db"), before);
    // What is there is compared, and not copied again.
    assert_eq!(
        bench.json(&copy, 0),
        json!({"copied": 0, "there_already": all, "unreadable": 0})
    );
    // One that has changed on either side since is no copy any more.
    let number = orders[0]["order_number"].as_str().unwrap();
    bench
        .run(&["--store", "sqlite:copy.db", "note", number, "changed here"])
        .must(0);
    bench
        .run(&copy)
        .must(2)
        .says(number)
        .says("is not the same in both stores");
    bench
        .run(&[
            "copy",
            "--from",
            "sqlite:orders.db",
            "--to",
            "sqlite:orders.db",
        ])
        .must(2)
        .says("is the same store as --from");
    bench
        .run(&[
            "copy",
            "--from",
            "sqlite:none.db",
            "--to",
            "sqlite:other.db",
        ])
        .must(4)
        .says("there is no store none.db");
    checked(&bench, "sqlite:orders.db");
}

#[test]
fn importing_again_changes_nothing_and_goes_on_where_it_ended() {
    let bench = Bench::with_shop();
    let half = file(&bench, "half.jsonl", &history()[..1]);
    bench.run(&["import", &half]).must(0);
    let whole = file(&bench, "whole.jsonl", &history());
    let dry = bench.json(&["import", &whole, "--dry-run"], 0);
    assert_eq!(
        dry,
        json!({"dry_run": true, "orders": 3, "new": 2, "known": 1})
    );
    let view = bench.json(&["import", &whole], 0);
    assert_eq!(
        view,
        json!({"dry_run": false, "orders": 3, "new": 2, "known": 1})
    );
    bench.run(&["work"]).must(0);
    let before = exported(&bench, "sqlite:orders.db");
    let again = bench.run(&["import", &whole]).must(0);
    assert_eq!(again.out, "imported 0 orders; 3 before\n");
    assert_eq!(exported(&bench, "sqlite:orders.db"), before);
}

#[test]
fn another_order_under_the_same_reference_is_refused() {
    let (bench, orders) = imported();
    let before = exported(&bench, "sqlite:orders.db");
    let mut changed = history();
    changed[0]["notes"] = json!("Do not ring");
    changed[1]["user_id"] = json!("9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a34");
    changed[2]["external_ref"] = json!("old-shop/1004");
    changed[2]["order_number"] = orders[0]["order_number"].clone();
    let ran = bench
        .run(&["import", &file(&bench, "changed.jsonl", &changed)])
        .must(2);
    let ran = ran.says(
        "changed.jsonl:1: external_ref: old-shop/1001 was imported before with other content",
    );
    let ran = ran.says(
        "changed.jsonl:2: external_ref: old-shop/1002 was imported before for another customer",
    );
    let ran = ran
        .says("changed.jsonl:3: order_number: ORD-")
        .says("is the number of another order");
    ran.says("3 problems in 3 of 3 orders; nothing was imported");
    assert_eq!(exported(&bench, "sqlite:orders.db"), before);
}

#[test]
fn every_mistake_of_a_file_is_shown_with_its_line_and_nothing_is_written() {
    let bench = Bench::with_shop();
    let mut orders = history();
    orders[0]["total"] = json!("75.01");
    orders[0]["colour"] = json!("red");
    orders[1]["shipments"][0]["lines"][0]["quantity"] = json!(6);
    orders.push(orders[2].clone());
    let mut text: String = orders.iter().map(|o| o.to_string() + "\n").collect();
    text.push_str("\n{\"external_ref\":\n");
    let bad = bench.write("bad.jsonl", text);
    for more in [&[][..], &["--dry-run"]] {
        let ran: Ran = bench.run(&[&["import", &bad][..], more].concat()).must(2);
        let shown: Vec<&str> = ran
            .err
            .lines()
            .map(|l| l.rsplit_once("bad.jsonl:").unwrap().1)
            .collect();
        let expected = [
            "1: colour: is unknown: remove it, or look how it is spelt",
            "2: items[0].quantity: is 5, but 0 were cancelled and 6 are in shipments",
            "4: external_ref: old-shop/1003 stands on line 3 already: use each once",
            "4: payments: ch_1003 stands on line 3 already: use each once",
            "4: payments: re_1003 stands on line 3 already: use each once",
            "6: line: is no JSON from character 16 on",
            " 6 problems in 4 of 5 orders; nothing was imported",
        ];
        assert_eq!(shown, expected, "{}", ran.err);
        assert_eq!(ran.out, "");
    }
    assert_eq!(bench.json(&["list"], 0)["orders"], json!([]));
}

#[test]
fn an_order_that_would_be_completed_at_once_is_to_say_so() {
    let bench = Bench::with_shop();
    let mut orders = history();
    orders[0]["status"] = json!("DELIVERED");
    let ran = bench
        .run(&["import", &file(&bench, "old.jsonl", &orders)])
        .must(2);
    ran.says("old.jsonl:1: status: is out of date: COMPLETED follows at once")
        .says("1 problem in 1 of 3 orders");
}

#[test]
fn a_dry_run_makes_no_store() {
    let bench = Bench::empty();
    let path = examples().join("history.jsonl");
    let ran = bench
        .run(&["import", "--dry-run", path.to_str().unwrap()])
        .must(0);
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str()),
        ("would import 3 orders\n", "")
    );
    assert_eq!(std::fs::read_dir(bench.dir()).unwrap().count(), 0);
}

#[test]
fn an_imported_order_is_shipped_and_returned_and_its_money_sent_back_by_hand() {
    let (bench, orders) = imported();
    bench.run(&["work"]).must(0);
    let id = orders[1]["id"].as_str().unwrap();
    bench.run(&["deliver", id]).must(0);
    let shipped = bench.json(&["ship", id], 0);
    assert_eq!(shipped["status"], "PARTIALLY_DELIVERED");
    bench.run(&["deliver", id]).must(0);
    bench.run(&["work"]).must(0);
    assert_eq!(
        bench.stock("TEA-01", "committed"),
        3,
        "what left before it came here is not committed again"
    );
    checked(&bench, "sqlite:orders.db");

    bench
        .run(&["return", "request", id, "--item", "1:1"])
        .must(0);
    bench
        .run(&["return", "approve", id, "--return", "1"])
        .must(0);
    bench
        .run(&["return", "receive", id, "--return", "1"])
        .must(0);
    bench.run(&["return", "close", id, "--return", "1"]).must(0);
    bench.run(&["work"]).must(0);
    // No payment service of ours knows the payment: a person sends the money back, and says so.
    bench.run(&["stuck"]).must(0);
    let order = bench.json(&["get", id], 0);
    assert_eq!(order["payment_status"], "OVERPAID", "{order}");
    assert!(
        order["attention"].to_string().contains("REFUND_BY_HAND"),
        "{order}"
    );
    let report = [
        "record-payment",
        id,
        "--reference",
        "re_by_hand",
        "--status",
        "refunded",
        "--amount",
        "7.00",
    ];
    bench.run(&report).must(0);
    bench.run(&["work"]).must(0);
    let order = bench.json(&["get", id], 0);
    assert_eq!(order["payment_status"], "PARTIALLY_REFUNDED", "{order}");
    checked(&bench, "sqlite:orders.db");
}

#[test]
fn an_imported_order_is_restored_like_any_other() {
    let (bench, _) = imported();
    bench.run(&["work"]).must(0);
    let all = exported(&bench, "sqlite:orders.db");
    let path = bench.write("all.jsonl", &all);
    bench
        .run(&["--store", "sqlite:copy.db", "restore", &path])
        .must(0);
    assert_eq!(exported(&bench, "sqlite:copy.db"), all);
    let again = examples().join("history.jsonl");
    let ran = bench
        .run(&[
            "--store",
            "sqlite:copy.db",
            "import",
            again.to_str().unwrap(),
        ])
        .must(0);
    assert_eq!(
        ran.out, "imported 0 orders; 3 before\n",
        "its references came with it"
    );
}
