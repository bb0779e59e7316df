//! `order check` notices what somebody else did to the files.

use rusqlite::Connection;

use crate::bench::{Bench, Ran};

/// The findings of `order check` after `sql` was done to `file` of a store with a few orders.
fn check_after(file: &str, sql: &str) -> Ran {
    let bench = Bench::with_shop();
    bench.place(
        "MUG-01=2",
        "CREDIT_CARD",
        &["--item", "TEA-01", "--coupon", "SUMMER10"],
        0,
    );
    bench.place("TEA-01", "EXPIRED_CARD", &[], 1);
    bench.place("GIFT-25", "CREDIT_CARD", &[], 0);
    bench.run(&["check"]).must(0).says("3 orders, ");
    let db = Connection::open(bench.dir().join(file)).unwrap();
    db.pragma_update(None, "foreign_keys", false).unwrap();
    db.pragma_update(None, "ignore_check_constraints", true)
        .unwrap();
    assert!(db.execute(sql, []).unwrap() > 0, "{sql}");
    drop(db);
    bench.run(&["check"])
}

#[test]
fn damage_to_the_orders_is_a_breach() {
    for (sql, invariant) in [
        ("UPDATE orders SET total_amount = total_amount + 1", "I3"),
        (
            "UPDATE orders SET status = 'CANCELLED' WHERE status = 'CONFIRMED'",
            "I11",
        ),
        ("UPDATE orders SET version = 99", "I10"),
        ("DELETE FROM order_status_history WHERE seq = 3", "I10"),
        ("DELETE FROM order_changesets WHERE first_seq > 1", "I10"),
        (
            "UPDATE order_status_history SET order_id = (SELECT order_id FROM order_status_history WHERE position = 1)",
            "I23",
        ),
        ("UPDATE order_items SET subtotal = 1", "I1"),
        ("DELETE FROM order_payment_transactions", "I6"),
        ("DELETE FROM order_reservations", "I17"),
    ] {
        let ran = check_after("orders.db", sql).must(1);
        assert!(
            ran.out.contains(&format!("\n{invariant} ORD-")),
            "{sql}: {}",
            ran.out
        );
        let line = ran.err.lines().next().unwrap();
        assert!(
            line.chars().count() < 300,
            "{sql}: one line that can be read, not {line}"
        );
    }
}

#[test]
fn damage_to_the_shop_is_a_breach() {
    for (sql, message) in [
        (
            "UPDATE stock SET reserved = reserved + 1 WHERE sku = 'MUG-01'",
            "I17 MUG-01: 3 counted as reserved, and 2 held for orders",
        ),
        (
            "UPDATE stock SET reserved = 0 WHERE sku = 'MUG-01'",
            "I17 MUG-01: 0 counted as reserved, and 2 held for orders",
        ),
        (
            "UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'MUG-01'",
            "I18 MUG-01: 0 committed and 39 on hand of 40 stocked",
        ),
        (
            "UPDATE stock SET committed = 9, on_hand = 31 WHERE sku = 'MUG-01'",
            "I18 MUG-01: 9 counted as committed, and 0 committed for orders",
        ),
        (
            "DELETE FROM stock WHERE sku = 'MUG-01'",
            "I17 MUG-01: 2 held and 0 committed of what has no stock",
        ),
        (
            "DELETE FROM holds",
            "and for the inventory it is unknown to it",
        ),
        ("DELETE FROM payments", "and the desk does not know it"),
        (
            "UPDATE payments SET captured = 1",
            "the desk counts 0.01 USD of payment 1 as captured, and captured 0.00 USD",
        ),
    ] {
        let ran = check_after("shop.db", sql).must(1);
        assert!(ran.out.contains(message), "{sql}: {}", ran.out);
    }
}
