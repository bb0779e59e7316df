//! `order watch`: what happens to all orders, line by line.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::{Bench, Ran};

fn lines(ran: &Ran) -> Vec<Value> {
    ran.out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line:?}: {e}")))
        .collect()
}

#[test]
fn every_change_is_a_line_and_each_order_is_told_in_sequence() {
    let bench = Bench::with_shop();
    let token = bench.write("token", "tok_very_secret\n");
    let orders = [
        bench.place(
            "MUG-01",
            "CREDIT_CARD",
            &["--notes", "Ring twice", "--payment-token-file", &token],
            0,
        ),
        bench.place("TEA-01", "EXPIRED_CARD", &[], 1),
    ];
    let id = orders[0]["id"].as_str().unwrap();
    bench.run(&["note", id, "called the customer"]).must(0);
    let ran = bench.run(&["watch", "--until-idle"]).must(0);
    for secret in [
        "tok_very_secret",
        "Ring twice",
        "called the customer",
        "example.com",
        "Springfield",
    ] {
        assert!(!ran.out.contains(secret), "{secret} is in {}", ran.out);
    }
    let told = lines(&ran);
    // Amounts and times are spelled as everywhere.
    let (placed, order) = (&told[0], &orders[0]);
    assert_eq!(
        (&placed["event"], &placed["data"]["amounts"]["total"]),
        (&Value::from("PLACED"), &order["total_amount"]),
        "{placed}"
    );
    let deadline = placed["data"]["placing_deadline"].as_str();
    assert!(deadline.is_some_and(|t| t.ends_with('Z')), "{placed}");
    for order in &orders {
        let id = order["id"].as_str().unwrap();
        let history = bench.json(&["history", id], 0);
        let of_order: Vec<&Value> = told.iter().filter(|line| line["order_id"] == id).collect();
        assert_eq!(of_order.len(), history.as_array().unwrap().len());
        for (line, row) in of_order.into_iter().zip(history.as_array().unwrap()) {
            for field in ["seq", "event", "from", "to", "actor", "cause", "at"] {
                assert_eq!(line[field], row[field], "{field} of {line}");
            }
            assert_eq!(line["order_number"], order["order_number"]);
            let mut fields: Vec<&str> = line
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            fields.sort_unstable();
            assert_eq!(
                fields.join(" "),
                "actor at cause cursor data event from order_id order_number seq to"
            );
        }
    }
    assert_eq!(
        told[0]["data"]["number"], orders[0]["order_number"],
        "what was placed: {}",
        told[0]
    );
    let confirmed = told
        .iter()
        .find(|line| line["event"] == "CONFIRMED")
        .unwrap();
    assert!(
        confirmed["data"].is_null(),
        "an event that says no more than its name: {confirmed}"
    );
}

#[test]
fn one_order_or_a_status_can_be_watched() {
    let bench = Bench::with_shop();
    let orders = [
        bench.place("MUG-01", "CREDIT_CARD", &[], 0),
        bench.place("TEA-01", "EXPIRED_CARD", &[], 1),
    ];
    let all = lines(&bench.run(&["watch", "--until-idle"]).must(0));
    let of = |order: &Value| {
        all.iter()
            .filter(|line| line["order_id"] == order["id"])
            .cloned()
            .collect::<Vec<_>>()
    };
    for order in &orders {
        let number = order["order_number"].as_str().unwrap();
        assert_eq!(
            lines(
                &bench
                    .run(&["watch", "--until-idle", "--order", number])
                    .must(0)
            ),
            of(order)
        );
    }
    let wanted = ["CONFIRMED", "PAYMENT_FAILED"];
    let some: Vec<_> = all
        .iter()
        .filter(|line| wanted.contains(&line["to"].as_str().unwrap()))
        .cloned()
        .collect();
    assert!(!some.is_empty() && some.len() < all.len());
    assert_eq!(
        lines(
            &bench
                .run(&[
                    "watch",
                    "--until-idle",
                    "--status",
                    "CONFIRMED,PAYMENT_FAILED"
                ])
                .must(0)
        ),
        some
    );
    bench
        .run(&["watch", "--order", "ORD-0000-0000-0000"])
        .must(3)
        .says("ORD-0000-0000-0000");
}

#[test]
fn watching_goes_on_after_any_cursor() {
    let bench = Bench::with_shop();
    bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let all = lines(&bench.run(&["watch", "--until-idle"]).must(0));
    for (at, line) in all.iter().enumerate() {
        let rest = bench
            .run(&[
                "watch",
                "--until-idle",
                "--after",
                line["cursor"].as_str().unwrap(),
            ])
            .must(0);
        assert_eq!(lines(&rest), all[at + 1..]);
    }
    let last = all[all.len() - 1]["cursor"].as_str().unwrap();
    let order = bench.place("TEA-01", "CREDIT_CARD", &[], 0);
    let later = lines(
        &bench
            .run(&[
                "--format",
                "table",
                "watch",
                "--until-idle",
                "--after",
                last,
            ])
            .must(0),
    );
    assert!(!later.is_empty() && later.iter().all(|line| line["order_id"] == order["id"]));
}

#[test]
fn a_cursor_that_is_none_of_this_store_is_bad_input() {
    let (ours, theirs) = (Bench::with_shop(), Bench::with_shop_and_store());
    ours.place("MUG-01", "CREDIT_CARD", &[], 0);
    let cursor = lines(&ours.run(&["watch", "--until-idle"]).must(0))[0]["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    theirs
        .run(&["watch", "--until-idle", "--after", &cursor])
        .must(2)
        .says("is of another store");
    let (store, _) = cursor.split_once('.').unwrap();
    ours.run(&["watch", "--after", &format!("{store}.999.1.0")])
        .must(2)
        .says("was never given out by this store");
    ours.run(&["watch", "--after", "yesterday"])
        .must(2)
        .says("expected the `cursor`");
}

/// Asks again for ten seconds.
fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        match ask() {
            Some(found) => return found,
            None => assert!(Instant::now() < patience, "it never happened"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn watching_shows_what_other_programs_do_until_interrupted() {
    let bench = Bench::with_shop_and_store();
    let mut child = bench
        .order()
        .arg("watch")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let order = bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&told["order_id"], &told["event"]),
        (&order["id"], &"PLACED".into())
    );
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    let ended = eventually(|| child.try_wait().unwrap());
    assert!(ended.success(), "{ended:?}");
}

#[test]
fn watching_ends_when_nobody_reads_any_more() {
    let bench = Bench::with_shop_and_store();
    let mut child = bench
        .order()
        .arg("watch")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let ended = eventually(|| child.try_wait().unwrap());
    assert!(ended.success(), "{ended:?}");
}
