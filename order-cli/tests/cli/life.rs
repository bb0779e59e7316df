//! Everything that happens to an order after it was placed, from one run of the program to the
//! next.

use serde_json::{Value, json};

use crate::bench::{Bench, examples};

/// A shop with a confirmed order of three mugs and two packets of tea; its number.
fn ordered(method: &str) -> (Bench, String) {
    let bench = Bench::with_shop();
    let order = bench.place("MUG-01=3", method, &["--item", "TEA-01=2"], 0);
    assert_eq!(order["status"], "CONFIRMED");
    let number = order["order_number"].as_str().unwrap().to_owned();
    (bench, number)
}

fn delivered() -> (Bench, String) {
    let (bench, number) = ordered("CREDIT_CARD");
    bench.run(&["ship", &number]).must(0);
    bench.run(&["deliver", &number]).must(0);
    (bench, number)
}

fn states(order: &Value, of: &str) -> Vec<String> {
    order[of]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["state"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn shipments_leave_arrive_and_fail() {
    let (bench, number) = ordered("CARD_AT_SHIPMENT");
    let shipped = bench.json(
        &[
            "ship",
            &number,
            "--item",
            "MUG-01:2",
            "--carrier",
            "DHL",
            "--tracking",
            "JD1",
        ],
        0,
    );
    assert_eq!(
        (&shipped["status"], &shipped["payment_status"]),
        (&"PARTIALLY_SHIPPED".into(), &"PARTIALLY_PAID".into())
    );
    assert_eq!(
        shipped["shipments"][0]["items"],
        json!([{ "line": 1, "quantity": 2 }])
    );
    assert_eq!(
        (
            &shipped["shipments"][0]["carrier"],
            &shipped["shipments"][0]["tracking"]
        ),
        (&"DHL".into(), &"JD1".into())
    );
    assert_eq!(
        (
            &shipped["items"][0]["shipped"],
            &shipped["items"][0]["open"]
        ),
        (&2.into(), &1.into())
    );
    assert_eq!(bench.stock("MUG-01", "committed"), 2);

    let planned = bench.json(&["plan-shipment", &number], 0);
    assert_eq!(states(&planned, "shipments"), ["SHIPPED", "PLANNED"]);
    bench
        .run(&["cancel-shipment", &number, "--shipment", "2"])
        .must(0);
    bench
        .run(&["ship", &number, "--shipment", "2"])
        .must(1)
        .says("shipment 2 is CANCELLED");
    bench
        .run(&["fail-shipment", &number, "--shipment", "1"])
        .must(0);
    let all = bench.json(&["ship", &number, "--item", "1:3", "--item", "2:2"], 0);
    assert_eq!(
        states(&all, "shipments"),
        ["FAILED", "CANCELLED", "SHIPPED"]
    );
    assert_eq!(
        (&all["status"], &all["captured_amount"]),
        (&"SHIPPED".into(), &all["total_amount"])
    );
    bench
        .run(&["complete", &number])
        .must(1)
        .says("not everything is delivered");
    bench.run(&["deliver", &number, "--shipment", "3"]).must(0);
    assert_eq!(bench.json(&["complete", &number], 0)["status"], "COMPLETED");
    let text = bench.run(&["get", &number]).must(0).out;
    for shown in [
        "SHIPMENT",
        "3 MUG-01, 2 TEA-01",
        "3 delivered",
        "COMPLETED (payment PAID, fulfilment DELIVERED)",
    ] {
        assert!(text.contains(shown), "{shown} is not in {text}");
    }
    bench.run(&["check"]).must(0);
}

#[test]
fn lines_are_named_by_number_id_or_sku_and_others_are_told() {
    let bench = Bench::with_shop();
    let order = bench.place(
        "MUG-01",
        "CREDIT_CARD",
        &["--item", "MUG-01=2", "--item", "TEA-01"],
        0,
    );
    let number = order["order_number"].as_str().unwrap();
    let id = order["items"][1]["id"].as_str().unwrap();
    let named = |line: &str| bench.run(&["plan-shipment", number, "--item", line]);
    named("NOPE:1")
        .must(3)
        .says("has no line \"NOPE\": its lines are 1 (MUG-01), 2 (MUG-01), 3 (TEA-01)");
    named("4:1").must(3).says("has no line \"4\"");
    named("MUG-01:1")
        .must(2)
        .says("MUG-01 is on several lines")
        .says("name one of 1, 2");
    named("TEA-01")
        .must(2)
        .says("expected LINE:QTY, such as 1:2 or MUG-01:2");
    named("TEA-01:0").must(2).says("\"0\" is not a quantity");
    named("TEA-01:2")
        .must(1)
        .says("2 units of line 3 (TEA-01) were named, 1 are open");
    let twice = ["plan-shipment", number, "--item", "1:1", "--item", "1:1"];
    bench.run(&twice).must(1).says("line 1 is named twice");
    let planned = bench.json(
        &[
            "plan-shipment",
            number,
            "--item",
            &format!("{}:2", id.to_uppercase()),
            "--item",
            "TEA-01:1",
        ],
        0,
    );
    assert_eq!(
        planned["shipments"][0]["items"],
        json!([{ "line": 2, "quantity": 2 }, { "line": 3, "quantity": 1 }])
    );
}

#[test]
fn a_status_can_be_set_where_it_means_something() {
    let (bench, number) = ordered("CREDIT_CARD");
    let set = |status: &str| bench.run(&["status", &number, "--set", status]);
    set("DISPATCHED")
        .must(2)
        .says("CONFIRMED, PROCESSING, SHIPPED, DELIVERED, COMPLETED, CANCELLED");
    set("shiped").must(2).says("'SHIPPED'");
    set("confirmed").must(0);
    set("PENDING")
        .must(1)
        .says("to PENDING: its status is CONFIRMED")
        .says("possible now: cancel, cancel --item LINE:QTY");
    for status in [
        "PROCESSING",
        "PROCESSING",
        "SHIPPED",
        "DELIVERED",
        "COMPLETED",
    ] {
        assert_eq!(
            bench.json(&["status", &number, "--set", status], 0)["status"],
            status
        );
    }
    set("CANCELLED").must(1).says("its status is COMPLETED");
}

#[test]
fn units_and_the_rest_are_cancelled_and_what_is_paid_for_them_goes_back() {
    let (bench, number) = ordered("CREDIT_CARD");
    bench
        .run(&["cancel", &number, "--item", "1:1", "--rest"])
        .must(2)
        .says("cannot be used with");
    let less = bench.json(
        &[
            "cancel",
            &number,
            "--item",
            "MUG-01:1",
            "--reason",
            "one is enough",
        ],
        0,
    );
    assert_eq!(
        (&less["status"], &less["payment_status"]),
        (&"CONFIRMED".into(), &"PARTIALLY_REFUNDED".into())
    );
    assert_eq!(
        (&less["refunded_amount"], &less["items"][0]["cancelled"]),
        (&"11.80".into(), &1.into())
    );
    bench.run(&["ship", &number, "--item", "MUG-01:2"]).must(0);
    bench
        .run(&["cancel", &number])
        .must(1)
        .says("its status is PARTIALLY_SHIPPED");
    let rest = bench.json(&["cancel", &number, "--rest", "--reason", "no tea"], 0);
    assert_eq!(
        (&rest["status"], &rest["items"][1]["cancelled"]),
        (&"SHIPPED".into(), &2.into())
    );
    let text = bench.run(&["get", &number]).must(0).out;
    assert!(
        text.contains("1 cancelled, 2 shipped") && text.contains("refunded"),
        "{text}"
    );
    let history = bench.run(&["history", &number]).must(0).out;
    assert!(
        history.contains("one is enough") && history.contains("LINES_CANCELLED"),
        "{history}"
    );
    bench.run(&["check"]).must(0);
}

#[test]
fn credits_are_for_the_order_or_for_lines() {
    let (bench, number) = delivered();
    bench.run(&["credit", &number]).must(2).says("--amount");
    bench
        .run(&["credit", &number, "--amount", "1.00", "--item", "1:1.00"])
        .must(2);
    bench
        .run(&["credit", &number, "--amount", "1.005"])
        .must(2)
        .says("--amount: ")
        .says("more decimals");
    bench
        .run(&["credit", &number, "--item", "1:x"])
        .must(2)
        .says("--item: ");
    bench
        .run(&["credit", &number, "--amount", "999.00"])
        .must(1)
        .says("that is still owed");
    let credited = bench.json(
        &[
            "credit",
            &number,
            "--item",
            "MUG-01:3.00",
            "--item",
            "2:1.00",
            "--reason",
            "scratched",
        ],
        0,
    );
    let kinds: Vec<&Value> = credited["credits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["kind"])
        .collect();
    assert_eq!(
        (kinds, &credited["refunded_amount"]),
        (vec![&json!("LINE"), &json!("LINE")], &"4.00".into())
    );
    let credited = bench.json(&["credit", &number, "--amount", "2.50", "--key", "k"], 0);
    let again = bench.json(&["credit", &number, "--amount", "2.50", "--key", "k"], 0);
    assert_eq!(
        credited["credits"], again["credits"],
        "the same key is applied once"
    );
    assert_eq!(again["refunded_amount"], "6.50");
}

#[test]
fn returns_are_asked_for_received_and_closed() {
    let (bench, number) = delivered();
    bench
        .run(&["return", "request", &number])
        .must(2)
        .says("--item");
    bench
        .run(&["return", "request", &number, "--item", "MUG-01:4"])
        .must(1)
        .says("3 can be sent back");
    let asked = bench.json(&["return", "request", &number, "--item", "MUG-01:2"], 0);
    assert_eq!(
        (&asked["return_status"], states(&asked, "returns")),
        (&"REQUESTED".into(), vec!["REQUESTED".to_owned()])
    );
    bench
        .run(&["return", "receive", &number, "--return", "1"])
        .must(1)
        .says("return 1 is REQUESTED");
    bench
        .run(&["return", "approve", &number, "--return", "2"])
        .must(1)
        .says("it has no return 2");
    bench
        .run(&["return", "approve", &number, "--return", "1"])
        .must(0);
    bench
        .run(&[
            "return", "receive", &number, "--return", "1", "--item", "1:1:burn",
        ])
        .must(2)
        .says("LINE:QTY[:restock|scrap]");
    let parts = [
        "return",
        "receive",
        &number,
        "--return",
        "1",
        "--item",
        "1:1",
        "--item",
        "MUG-01:1:scrap",
    ];
    let received = bench.json(&parts, 0);
    assert_eq!(
        received["returns"][0]["items"],
        json!([{ "line": 1, "quantity": 2, "restocked": 1, "scrapped": 1 }])
    );
    assert_eq!(
        (
            bench.stock("MUG-01", "on_hand"),
            bench.stock("MUG-01", "committed")
        ),
        (38, 2)
    );
    let closed = bench.json(&["return", "close", &number, "--return", "1"], 0);
    assert_eq!(
        (&closed["return_status"], &closed["refunded_amount"]),
        (&"PARTIALLY_RETURNED".into(), &"23.60".into())
    );
    bench
        .run(&["return", "request", &number, "--item", "TEA-01:1"])
        .must(0);
    let rejected = bench.json(
        &[
            "return", "reject", &number, "--return", "2", "--reason", "opened",
        ],
        0,
    );
    assert_eq!(states(&rejected, "returns"), ["CLOSED", "REJECTED"]);
    assert!(
        bench
            .run(&["get", &number])
            .must(0)
            .out
            .contains("1 MUG-01; 1 MUG-01 (scrap)")
    );
    bench.run(&["check"]).must(0);
}

#[test]
fn holds_metadata_addresses_and_attention_are_kept_with_the_order() {
    let (bench, number) = ordered("CREDIT_CARD");
    let held = bench.json(
        &[
            "hold", &number, "--kind", "CHECK", "--blocks", "ship", "--lasts", "2d",
        ],
        0,
    );
    assert_eq!(
        (
            &held["holds"][0]["blocks"],
            held["holds"][0]["until"].is_string()
        ),
        (&"ship".into(), true)
    );
    bench
        .run(&["ship", &number])
        .must(1)
        .says("hold CHECK blocks it");
    bench
        .run(&["hold", &number, "--kind", "CHECK", "--blocks", "everything"])
        .must(2);
    bench
        .run(&[
            "hold",
            &number,
            "--kind",
            "PAST",
            "--until",
            "2020-01-01T00:00:00Z",
        ])
        .must(1)
        .says("its end is in the past");
    bench
        .run(&["release", &number, "--kind", "OTHER"])
        .must(1)
        .says("placed: CHECK");
    assert_eq!(
        bench.json(&["release", &number, "--kind", "CHECK"], 0)["holds"],
        json!([])
    );

    let kept = bench.json(&["metadata", &number, "--set", "PICKER=17=x"], 0);
    assert_eq!(kept["metadata"], json!({ "PICKER": "17=x" }));
    bench
        .run(&["metadata", &number, "--set", "PICKER"])
        .must(2)
        .says("KEY=VALUE");
    bench.run(&["metadata", &number]).must(2);
    assert_eq!(
        bench.json(&["metadata", &number, "--remove", "PICKER"], 0)["metadata"],
        json!({})
    );

    let address = std::fs::read_to_string(examples().join("address.json")).unwrap();
    bench
        .run(&["address", &number, "--type", "postal", "--file", &address])
        .must(2)
        .says("expected shipping or billing");
    bench
        .run(&["address", &number, "--type", "billing", "--file", "{}"])
        .must(2)
        .says("billing_address.city");
    let file = bench.write("new.json", address.replace("\"Sample\"", "\"Other\""));
    let changed = bench.json(
        &["address", &number, "--type", "billing", "--file", &file],
        0,
    );
    assert_eq!(changed["addresses"][1]["first_name"], "Other");

    bench
        .run(&["attention", &number, "--ack", "CHARGEBACK"])
        .must(1)
        .says("nothing is open");
    bench
        .run(&["attention", &number, "--ack", "WORRY"])
        .must(2)
        .says("expected one of RETRIES_EXHAUSTED, ");
    // An older name of a reason means today's.
    bench
        .run(&["attention", &number, "--ack", "POISON"])
        .must(1)
        .says("PARKED");
    bench
        .run(&["list", "--attention", "HOLD_TOO_LARGE"])
        .must(0);
}

#[test]
fn money_that_moves_outside_is_shown_to_a_person() {
    let (bench, number) = ordered("CREDIT_CARD");
    let report = [
        "record-payment",
        &number,
        "--status",
        "refunded",
        "--reference",
        "till-1",
        "--amount",
        "5.00",
    ];
    let refunded = bench.json(&report, 0);
    assert_eq!(
        (
            &refunded["refunded_amount"],
            &refunded["payments"][1]["origin"]
        ),
        (&"5.00".into(), &"OUTSIDE".into())
    );
    let stuck = bench.json(&["stuck"], 0);
    assert_eq!(stuck["orders"][0]["reasons"][0]["reason"], "OUTSIDE_REFUND");
    let text = bench.run(&["stuck"]).must(0).out;
    assert!(
        text.contains(&number) && text.contains("money was sent back outside the engine"),
        "{text}"
    );
    let seen = bench.json(
        &[
            "attention",
            &number,
            "--ack",
            "OUTSIDE_REFUND",
            "--reason",
            "known",
        ],
        0,
    );
    assert_eq!(seen["attention"][0]["acknowledged"], true);
    let short = bench.json(&["stuck"], 0)["orders"][0]["reasons"][0].clone();
    assert_eq!(
        short["reason"], "PAYMENT_SHORT",
        "what is short stays in sight"
    );
    assert!(
        short["text"].as_str().unwrap().contains("5.00")
            && short["text"].as_str().unwrap().contains("`write-off`"),
        "{short}"
    );
    bench
        .run(&["write-off", &number, "--amount", "5.01"])
        .must(1)
        .says("5.01")
        .says("5.00");
    bench
        .run(&[
            "retry-payment",
            &number,
            "--method",
            "INVOICE",
            "--amount",
            "1.00",
        ])
        .must(1)
        .says("nothing is charged by INVOICE");
    let paid = bench.json(
        &[
            "retry-payment",
            &number,
            "--method",
            "CREDIT_CARD",
            "--amount",
            "2.00",
        ],
        0,
    );
    assert_eq!(paid["captured_amount"], "60.31", "part of it is paid");
    let written_off = bench.json(&["write-off", &number, "--reason", "agreed"], 0);
    assert_eq!(
        (
            &written_off["credits"][0]["kind"],
            &written_off["credits"][0]["amount"]
        ),
        (&"WRITE_OFF".into(), &"3.00".into())
    );
    assert_eq!(bench.json(&["stuck"], 0)["orders"], json!([]));

    let dispute = |state: &str| {
        bench.json(
            &[
                "dispute",
                &number,
                "--reference",
                "case-1",
                "--state",
                state,
                "--amount",
                "10.00",
            ],
            0,
        )
    };
    assert_eq!(dispute("OPEN")["payment_status"], "DISPUTED");
    let lost = dispute("LOST");
    assert_eq!(
        (&lost["disputes"][0]["state"], &lost["refunded_amount"]),
        (&"LOST".into(), &"15.00".into())
    );
    let open = [
        "dispute",
        &number,
        "--reference",
        "case-2",
        "--state",
        "opn",
        "--amount",
        "1.00",
    ];
    bench
        .run(&open)
        .must(2)
        .says("[possible values: OPEN, WON, LOST]");
    bench.run(&["check"]).must(0);
}

#[test]
fn an_operators_finding_is_shown_first_and_put_down_with_its_evidence() {
    let (bench, number) = ordered("CREDIT_CARD");
    let moved = [
        "resolve",
        &number,
        "--moved",
        "out",
        "--amount",
        "5.00",
        "--reference",
        "till-42",
        "--evidence",
        "receipt 42",
    ];
    let tried = bench.json(&[&moved[..], &["--dry-run"]].concat(), 0);
    assert_eq!(
        (&tried["dry_run"], &tried["order"]["refunded_amount"]),
        (&true.into(), &"5.00".into())
    );
    assert_eq!(tried["events"][0]["event"], "RESOLVED");
    let text = bench
        .run(&[&moved[..], &["--dry-run"]].concat())
        .must(0)
        .out;
    assert!(
        text.starts_with("nothing was done") && text.contains("RESOLVED"),
        "{text}"
    );
    assert_eq!(
        bench.json(&["get", &number], 0)["refunded_amount"],
        "0.00",
        "nothing was done"
    );
    assert_eq!(bench.json(&moved, 0)["refunded_amount"], "5.00");
    let history = bench.json(&["history", &number], 0);
    let row = history
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["event"] == "RESOLVED")
        .unwrap();
    assert_eq!(
        (&row["notes"], &row["actor"]),
        (&"receipt 42".into(), &"operator:cli".into())
    );

    let resolve =
        |more: &[&str]| bench.run(&[&["resolve", &number, "--evidence", "x"], more].concat());
    resolve(&[]).must(2).says("--reservation");
    resolve(&["--reservation", "1"]).must(2).says("--state");
    resolve(&["--closing", "1"])
        .must(2)
        .says("--done or --not-done");
    resolve(&["--closing", "1", "--done"])
        .must(1)
        .says("neither being given back nor committed");
    resolve(&["--payment", "7", "--status", "captured"])
        .must(1)
        .says("it has no payment 7");
    resolve(&["--payment", "1", "--status", "pending"])
        .must(2)
        .says("no outcome");
    resolve(&["--moved", "out", "--amount", "0", "--reference", "r"])
        .must(2)
        .says("more than 0");
    resolve(&["--unmatched", "r-1"])
        .must(1)
        .says("no unmatched report r-1");
    resolve(&[
        "--reservation",
        "1",
        "--state",
        "held",
        "--payment",
        "1",
        "--status",
        "voided",
    ])
    .must(2);
    bench
        .run(&["resolve", &number, "--unmatched", "r", "--evidence", " "])
        .must(2)
        .says("--evidence is empty");
}

#[test]
fn what_was_ordered_is_changed_after_a_look_at_the_price() {
    let (bench, number) = ordered("CREDIT_CARD");
    let edit = [
        "edit", &number, "--set", "MUG-01:1", "--remove", "TEA-01", "--add", "LAMP-01",
    ];
    let tried = bench.json(&[&edit[..], &["--dry-run"]].concat(), 0);
    assert_eq!(
        (&tried["total_before"], &tried["total_after"]),
        (&"58.31".into(), &"80.43".into())
    );
    assert_eq!(
        (&tried["to_pay"], &tried["to_refund"]),
        (&"22.12".into(), &"0.00".into())
    );
    let text = bench.run(&[&edit[..], &["--dry-run"]].concat()).must(0).out;
    assert!(
        text.contains("22.12 USD to be paid before it applies"),
        "{text}"
    );
    let edited = bench.json(&edit, 0);
    assert_eq!(
        (&edited["total_amount"], &edited["captured_amount"]),
        (&"80.43".into(), &"80.43".into())
    );
    let skus: Vec<&Value> = edited["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| &i["sku"])
        .collect();
    assert_eq!(
        skus,
        ["MUG-01", "LAMP-01"],
        "what was edited away is not shown"
    );
    assert_eq!(edited["edits"][0]["state"], "APPLIED");
    bench
        .run(&["edit", &number, "--set", "LAMP-01:5"])
        .must(1)
        .says("the inventory has too little")
        .says(" requested, ");
    bench
        .run(&["edit", &number, "--remove", "TEA-01"])
        .must(3)
        .says("its lines are 1 (MUG-01), 3 (LAMP-01)");
    bench.run(&["edit", &number, "--discard"]).must(1);
    bench
        .run(&["edit", &number, "--add", "NOPE"])
        .must(3)
        .says("NOPE not found");
    bench
        .run(&["edit", &number, "--shipping-method", "DRONE"])
        .must(2)
        .says("shipping_method: \"DRONE\" is not offered");
    let express = bench.json(&["edit", &number, "--shipping-method", "EXPRESS"], 0);
    assert_eq!(
        (&express["shipping_method"], &express["shipping_amount"]),
        (&"EXPRESS".into(), &"14.90".into())
    );
    assert_eq!(
        express["edits"].as_array().unwrap().last().unwrap()["shipping_method"],
        "EXPRESS"
    );
    bench.run(&["check"]).must(0);
}

#[test]
fn a_finished_order_forgets_its_customer_and_keeps_its_journal() {
    let (bench, number) = delivered();
    bench
        .run(&["redact", &number])
        .must(1)
        .says("its status is DELIVERED");
    bench.run(&["complete", &number]).must(0);
    let before = bench.json(&["history", &number], 0);
    let redacted = bench.json(&["redact", &number, "--reason", "erasure request"], 0);
    assert_eq!(
        (&redacted["addresses"], redacted["redacted_at"].is_string()),
        (&json!([]), true)
    );
    let after = bench.json(&["history", &number], 0);
    let rows = before.as_array().unwrap().len();
    assert_eq!(after.as_array().unwrap().len(), rows + 1);
    assert_eq!(after[rows]["event"], "REDACTED");
    bench.run(&["check"]).must(0);
}

#[test]
fn a_timeline_has_a_line_for_each_event_and_the_money_as_it_stood() {
    let (bench, number) = ordered("CREDIT_CARD");
    bench
        .run(&[
            "cancel",
            &number,
            "--item",
            "1:1",
            "--reason",
            "one is enough",
        ])
        .must(0);
    let timeline = bench.json(&["timeline", &number], 0);
    let moments = timeline["moments"].as_array().unwrap();
    assert_eq!(
        moments.len(),
        bench
            .json(&["history", &number], 0)
            .as_array()
            .unwrap()
            .len()
    );
    assert_eq!(
        (
            &moments[0]["event"],
            &moments[0]["elapsed"],
            &moments[0]["owed_amount"]
        ),
        (&"PLACED".into(), &"0s".into(), &"58.31".into())
    );
    let last = moments.last().unwrap();
    assert_eq!(
        (&last["captured_amount"], &last["refunded_amount"]),
        (&"58.31".into(), &"11.80".into())
    );
    let text = bench.run(&["timeline", &number]).must(0).out;
    for shown in [
        "OWED  CAPTURED  REFUNDED",
        "placed: 3 MUG-01, 2 TEA-01, 58.31",
        "cancelled: 1 MUG-01",
        "one is enough",
        "46.51",
    ] {
        assert!(text.contains(shown), "{shown} is not in {text}");
    }
}

#[test]
fn workers_retry_and_resync_only_what_needs_it() {
    let (bench, _) = ordered("CREDIT_CARD");
    bench
        .run(&["work", "--retry-stuck"])
        .must(0)
        .says("nothing is stuck that trying again could cure");
    bench
        .run(&["work", "--resync"])
        .must(0)
        .says("looked at 1 order, woke 0 orders");
    bench
        .run(&["work", "--resync", "--retry-stuck"])
        .must(2)
        .says("cannot be used with");
}

#[test]
fn the_lifecycle_is_drawn_as_a_diagram() {
    let bench = Bench::empty();
    let drawn = bench.run(&["states", "--format", "mermaid"]).must(0).out;
    assert!(
        drawn.starts_with("stateDiagram-v2\n") && drawn.contains("PENDING --> CONFIRMED: settles"),
        "{drawn}"
    );
    assert!(
        bench
            .run(&["states", "--format", "text"])
            .must(0)
            .out
            .starts_with("place\n")
    );
    bench
        .run(&["list", "--format", "mermaid"])
        .must(2)
        .says("for `order states` only");
}

#[test]
fn an_unknown_payment_method_is_answered_with_those_there_are() {
    let bench = Bench::with_shop();
    let order = bench.place("MUG-01", "EXPIRED_CARD", &[], 1);
    let number = order["order_number"].as_str().unwrap();
    bench
        .run(&["retry-payment", number, "--method", "NOPE"])
        .must(2)
        .says("\"NOPE\" is not offered")
        .says("CREDIT_CARD, PAYPAL");
}
