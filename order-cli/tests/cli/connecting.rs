//! A PostgreSQL that cannot be used: the program says what to do, and never repeats a password.

use crate::bench::{Bench, Ran};
use crate::cluster::Cluster;

/// Of every address that is tried here.
const PASSWORD: &str = "open-sesame";

fn failed(ran: Ran, says: &str) {
    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(ran.err.contains(says), "{:?} is missing: {}", says, ran.err);
    assert!(
        !format!("{}{}", ran.out, ran.err).contains(PASSWORD),
        "{}",
        ran.err
    );
}

#[test]
fn what_cannot_be_connected_to_is_named_without_its_password() {
    let bench = Bench::empty();
    let with = |rest: &str| format!("postgres://me:{PASSWORD}@{rest}");
    let cases = [
        (with("nowhere.invalid/shop"), "shop at nowhere.invalid:5432"),
        (with("127.0.0.1:1/shop"), "shop at 127.0.0.1:1"),
        (
            with("127.0.0.1:port/shop"),
            "cannot be read: expected postgres://",
        ),
        (
            with("127.0.0.1:1/shop?sslmode=on"),
            "use one of disable, prefer, require, verify-ca, verify-full",
        ),
        (
            with("127.0.0.1:1/shop?sslmod=verify-full"),
            "expected some of schema, connections, host",
        ),
        (with("127.0.0.1:1/shop?schema=No"), "is no name of a schema"),
    ];
    for (url, says) in &cases {
        failed(bench.run(&["list", "--store", url]), says);
        failed(
            bench.run_with(&["migrate"], &[("ORDER_STORE", url)], ""),
            says,
        );
        failed(
            bench.run(&["copy", "--from", url, "--to", "sqlite:copy.db"]),
            says,
        );
    }
    let mistyped = bench.run(&["list", &format!("--stor={}", with("127.0.0.1/shop"))]);
    assert!(
        mistyped.code == 2 && !mistyped.err.contains(PASSWORD),
        "{}",
        mistyped.err
    );
}

#[test]
fn a_server_that_refuses_and_a_replica_that_is_away_are_told_of() {
    let bench = Bench::empty();
    let hba = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let (cluster, port) = Cluster::start_with("", hba, &[]);
    let store = format!("{}&port={port}&schema=shop", cluster.url());
    bench.run(&["migrate", "--store", &store]).must(0);
    let wrong = format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/postgres?schema=shop");
    failed(
        bench.run(&["list", "--store", &wrong]),
        "the password of the URL",
    );

    // A replica that cannot be used is said to be none, or does without.
    failed(
        bench.run(&["list", "--store", &store, "--replica", &wrong]),
        "replica: schema shop of database postgres",
    );
    let away = format!("postgres://postgres:{PASSWORD}@127.0.0.1:1/postgres");
    let listed = bench.run_with(
        &["list"],
        &[("ORDER_STORE", &store), ("ORDER_REPLICA", &away)],
        "",
    );
    assert_eq!(listed.code, 0, "{}", listed.err);
    assert!(
        listed.err.contains("the replica cannot be used now") && !listed.err.contains(PASSWORD),
        "{}",
        listed.err
    );
    // An export has to see everything: it asks the primary alone.
    let checked = bench.run_with(
        &["export"],
        &[("ORDER_STORE", &store), ("ORDER_REPLICA", &wrong)],
        "",
    );
    assert_eq!(
        (checked.code, checked.err.contains("replica")),
        (0, false),
        "{}",
        checked.err
    );
    // It is of the store on PostgreSQL.
    let other = bench.run(&["list", "--store", "sqlite:orders.db", "--replica", &away]);
    assert!(
        other.code == 2
            && other
                .err
                .contains("--replica: the store is not on PostgreSQL"),
        "{}",
        other.err
    );
}
