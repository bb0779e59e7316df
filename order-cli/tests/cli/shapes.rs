//! The shapes of what is printed as JSON: programs depend on them.

use serde_json::Value;

use crate::bench::Bench;

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// Checks that `value` has exactly these keys.
#[track_caller]
fn has(value: &Value, expected: &str) {
    let mut expected: Vec<&str> = expected.split_whitespace().collect();
    expected.sort_unstable();
    let mut is = keys(value);
    is.sort_unstable();
    assert_eq!(is, expected);
}

#[test]
fn an_order_has_the_protos_fields_and_the_engines() {
    let bench = Bench::with_shop();
    let order = bench.place("MUG-01=2", "CREDIT_CARD", &[], 0);
    has(
        &order,
        "id user_id order_number status total_amount subtotal tax_amount shipping_amount discount_amount currency \
         payment_method payment_status shipping_method notes created_at updated_at completed_at cancelled_at items addresses \
         lifecycle fulfilment_status return_status payment_terms tax_included coupon_code external_ref holds attention version \
         reservations payments owed_amount authorized_amount captured_amount refunded_amount shipments returns credits \
         disputes edits unmatched_payments metadata redacted_at",
    );
    has(
        &order["items"][0],
        "id order_id product_id variant_id sku name quantity unit_price subtotal discount_amount created_at updated_at line \
         open cancelled planned shipped delivered returned lost owed_amount",
    );
    has(
        &order["addresses"][0],
        "id order_id address_type first_name last_name address_line1 address_line2 city state postal_code country phone email",
    );
    assert_eq!(order["total_amount"], "28.50");
    assert_eq!(order["items"][0]["unit_price"], "12.50");
    assert_eq!(order["items"][0]["quantity"], 2);
    assert_eq!(order["addresses"][1]["address_type"], "BILLING");
    assert_eq!(order["fulfilment_status"], "UNFULFILLED");
    assert!(order["created_at"].as_str().unwrap().ends_with('Z'));
    assert!(order["completed_at"].is_null());
    let charge = &order["payments"][0];
    assert_eq!(
        (&charge["kind"], &charge["status"], &charge["currency"]),
        (&"charge".into(), &"CAPTURED".into(), &"USD".into())
    );
    assert_eq!(charge["amount"], "28.50");
    assert_eq!(order["reservations"][0]["state"], "HELD");
}

#[test]
fn payment_tokens_are_never_printed() {
    let bench = Bench::with_shop();
    let token = bench.write("token", "tok_very_secret\n");
    let order = bench.place("MUG-01", "CARD_3DS", &["--payment-token-file", &token], 0);
    let id = order["id"].as_str().unwrap();
    for command in ["get", "history", "explain"] {
        for format in ["table", "json", "jsonl"] {
            let ran = bench.run(&["--format", format, command, id]).must(0);
            assert!(
                !ran.out.contains("tok_very_secret") && !ran.err.contains("tok_very_secret"),
                "{command}"
            );
        }
    }
}

#[test]
fn lists_are_narrowed_by_what_people_look_for() {
    let bench = Bench::with_shop();
    let mug = bench.place(
        "MUG-01",
        "CREDIT_CARD",
        &["--external-ref", "web/1", "--metadata", "channel=web"],
        0,
    );
    let tea = bench.place("TEA-01", "CREDIT_CARD", &["--metadata", "channel=till"], 0);
    let failed = bench.place("TEA-01", "EXPIRED_CARD", &[], 1);
    let found = |options: &[&str]| {
        let order = if options.contains(&"--desc") {
            &[][..]
        } else {
            &["--asc"]
        };
        let list = bench.json(&[&["list"], options, order].concat(), 0);
        let ids = list["orders"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| o["id"].clone())
            .collect::<Vec<_>>();
        assert_eq!(
            list.as_object().unwrap().len(),
            2,
            "nothing is unreadable: {list}"
        );
        ids
    };
    let ids =
        |orders: &[&serde_json::Value]| orders.iter().map(|o| o["id"].clone()).collect::<Vec<_>>();
    assert_eq!(found(&["--sku", "TEA-01"]), ids(&[&tea, &failed]));
    assert_eq!(found(&["--external-ref", "web/1"]), ids(&[&mug]));
    assert_eq!(found(&["--metadata", "channel=till"]), ids(&[&tea]));
    assert_eq!(
        found(&["--status", "PAYMENT_FAILED", "--status", "CONFIRMED"]),
        ids(&[&mug, &tea, &failed])
    );
    assert_eq!(
        found(&["--status", "PAYMENT_FAILED,REJECTED"]),
        ids(&[&failed])
    );
    assert_eq!(
        found(&["--payment-status", "FAILED", "--sku", "TEA-01"]),
        ids(&[&failed])
    );
    assert_eq!(
        found(&["--fulfilment-status", "UNFULFILLED", "--desc"]),
        ids(&[&failed, &tea, &mug])
    );
    assert_eq!(found(&["--attention", "DISPUTE"]), ids(&[]));
    assert_eq!(
        found(&["--placed-from", "2026-01-01", "--sku", "MUG-01"]),
        ids(&[&mug])
    );
    assert_eq!(found(&["--placed-before", "2026-01-01"]), ids(&[]));
    assert_eq!(
        found(&["--updated-from", "2026-01-01", "--sort", "updated_at"]).len(),
        3
    );
    let request = crate::bench::examples().join("order.json");
    let by_mail = bench.json(&["place", "--file", request.to_str().unwrap()], 0);
    let email = "customer@example.com";
    assert_eq!(found(&["--email", email]), ids(&[&by_mail]));
    assert_eq!(
        found(&["--email", &email.to_uppercase()]),
        ids(&[]),
        "to the letter"
    );
    assert_eq!(
        found(&["--email", email, "--status", "PAYMENT_FAILED"]),
        ids(&[])
    );
    bench
        .run(&["list", "--updated-from", "2026-01-01"])
        .must(2)
        .says("sort by updated_at");
    bench
        .run(&["list", "--placed-from", "yesterday"])
        .must(2)
        .says("expected a day such as 2026-03-01");
    bench
        .run(&["list", "--metadata", "channel"])
        .must(2)
        .says("is not KEY=VALUE");
}

#[test]
fn lists_are_paged_and_jsonl_is_one_order_per_line() {
    let bench = Bench::with_shop();
    for sku in ["MUG-01", "TEA-01", "LAMP-01"] {
        bench.place(sku, "CREDIT_CARD", &[], 0);
    }
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut args = vec!["list", "--limit", "2", "--sort", "total_amount", "--desc"];
        args.extend(after.iter().flat_map(|a| ["--after", a.as_str()]));
        let page = bench.json(&args, 0);
        has(&page, "orders next");
        seen.extend(
            page["orders"]
                .as_array()
                .unwrap()
                .iter()
                .map(|o| o["items"][0]["sku"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(seen, ["LAMP-01", "MUG-01", "TEA-01"]);
    let lines = bench.run(&["--format", "jsonl", "list"]).must(0).out;
    let orders: Vec<Value> = lines
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(orders.len(), 3);
    assert_eq!(
        bench.json(&["list", "--status", "CANCELLED"], 0)["orders"],
        Value::Array(vec![])
    );
}

#[test]
fn histories_checks_stock_and_payments_have_their_fields() {
    let bench = Bench::with_shop();
    let order = bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let history = bench.json(&["history", order["id"].as_str().unwrap()], 0);
    has(&history[0], "seq event from to actor cause notes at");
    assert_eq!(
        (
            &history[0]["seq"],
            &history[0]["event"],
            &history[0]["from"]
        ),
        (&1.into(), &"PLACED".into(), &Value::Null)
    );
    assert_eq!(history[0]["actor"], "operator:cli");
    assert_eq!(
        history.as_array().unwrap().last().unwrap()["to"],
        "CONFIRMED"
    );

    let checks = bench.json(&["check"], 0);
    assert_eq!(checks.as_array().unwrap().len(), 35);
    for check in checks.as_array().unwrap() {
        has(check, "invariant text checkable checked breaches details");
        assert_eq!(check["breaches"], 0);
    }
    let lines = bench.run(&["--format", "jsonl", "check"]).must(0).out;
    assert_eq!(lines.lines().count(), 35);

    let stock = bench.json(&["shop", "stock", "MUG-01"], 0);
    for (figure, units) in [
        ("on_hand", 40),
        ("reserved", 1),
        ("available", 39),
        ("committed", 0),
    ] {
        assert_eq!(stock[0][figure], units);
    }
    let payment = &bench.json(&["shop", "payments"], 0)[0];
    assert_eq!(payment["order_id"], order["id"]);
    for (field, value) in [
        ("kind", "charge"),
        ("amount", "16.70"),
        ("currency", "USD"),
        ("status", "CAPTURED"),
    ] {
        assert_eq!(payment[field], value);
    }
    assert!(payment["key"].is_string() && payment["reference"].is_string());

    let explanation = bench.json(&["explain", order["id"].as_str().unwrap()], 0);
    assert_eq!(explanation["done"], true);
    assert!(bench.json(&["states"], 0).as_array().unwrap().len() > 10);
    assert_eq!(bench.json(&["stuck"], 0)["orders"], Value::Array(vec![]));
}

#[test]
fn a_quote_places_nothing() {
    let bench = Bench::with_shop_and_store();
    let file = crate::bench::examples().join("order.json");
    let quote = bench.json(&["quote", "--file", file.to_str().unwrap()], 0);
    for (field, value) in [
        ("subtotal", "71.00"),
        ("discount_amount", "7.10"),
        ("shipping_amount", "0.00"),
        ("total_amount", "68.54"),
    ] {
        assert_eq!(quote[field], value);
    }
    assert_eq!(bench.json(&["list"], 0)["orders"], Value::Array(vec![]));
}
