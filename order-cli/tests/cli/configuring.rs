//! Settings: options over the environment over `order.toml`, and `order config`, which shows what
//! holds.

use serde_json::Value;

use crate::bench::{Bench, USER};

/// The words of `order config` on a setting: its value, and who gave it.
fn setting(shown: &Value, name: &str) -> (String, String) {
    let row = shown
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == name);
    let row = row.unwrap_or_else(|| panic!("there is no setting {name}: {shown}"));
    let text = |field: &str| row[field].as_str().unwrap().to_owned();
    (text("value"), text("from"))
}

fn config(bench: &Bench, args: &[&str], env: &[(&str, &str)]) -> Value {
    let args: Vec<&str> = ["--format", "json", "config"]
        .iter()
        .chain(args)
        .copied()
        .collect();
    serde_json::from_str(&bench.run_with(&args, env, "").must(0).out).unwrap()
}

#[test]
fn an_option_counts_for_more_than_the_environment_and_that_for_more_than_the_file() {
    let bench = Bench::empty();
    bench.write(
        "order.toml",
        "listen = \"127.0.0.1:1\"\n[server]\nin_flight = 7\n[policy]\nlease = \"20s\"\n",
    );
    let of = |args: &[&str], env: &[(&str, &str)], name| setting(&config(&bench, args, env), name);
    let said = |value: &str, from: &str| (value.to_owned(), from.to_owned());
    assert_eq!(of(&[], &[], "policy.lease"), said("20s", "order.toml:5:9"));
    assert_eq!(of(&[], &[], "policy.retry_window"), said("7d", "default"));
    let env = [
        ("ORDER_POLICY_LEASE", "30s"),
        ("ORDER_LISTEN", "127.0.0.1:2"),
    ];
    assert_eq!(
        of(&[], &env, "policy.lease"),
        said("30s", "ORDER_POLICY_LEASE")
    );
    assert_eq!(of(&[], &env, "listen"), said("127.0.0.1:2", "ORDER_LISTEN"));
    let option = ["--setting", "policy.lease=40s"];
    assert_eq!(
        of(&option, &env, "policy.lease"),
        said("40s", "--setting policy.lease")
    );
    assert_eq!(
        of(&option, &env, "server.in_flight"),
        said("7", "order.toml:3:13")
    );
    assert_eq!(
        of(
            &["--config", &bench.write("other.toml", "")],
            &[],
            "policy.lease"
        ),
        said("10s", "default")
    );
    assert_eq!(
        of(&[], &[("ORDER_CONFIG", "other.toml")], "policy.lease"),
        said("10s", "default")
    );
}

#[test]
fn what_no_setting_can_be_is_refused_with_its_place() {
    let bench = Bench::empty();
    for (file, said) in [
        (
            "[policy]\nlaese = \"5s\"\n",
            "order.toml:2:1: there is no setting \"policy.laese\"",
        ),
        (
            "[policy]\nlease = 5\n",
            "order.toml:2:9: policy.lease: expected a text in quotes, not a number",
        ),
        (
            "[policy]\nlost_stock = \"sell\"\n",
            "order.toml:2:14: policy.lost_stock: \"sell\" is not one of cancel, backorder",
        ),
        (
            "[server]\nin_flight = 0\n",
            "order.toml:2:13: server.in_flight: 0 is out of range: 1 to 100000",
        ),
        (
            "[server]\ngrace = \"2h\"\n",
            "order.toml:2:9: server.grace: 2h is out of range: 0s to 1h",
        ),
        (
            "[price_book]\ncurrency = \"USD\"\n[[price_book.tax]]\ncountry = \"US\"\nrate = 0.1\n",
            "order.toml:5:8: ",
        ),
        (
            "[price_book]\ncurrency = \"USD\"\n[[price_book.product]]\nid = 1\n",
            "order.toml:3:14: unknown field `product`",
        ),
    ] {
        bench.write("order.toml", file);
        bench.run(&["config"]).must(2).says(said);
    }
    bench.write("order.toml", "");
    bench
        .run(&["config", "--setting", "policy.laese=5s"])
        .must(2)
        .says("--setting policy.laese: there is no setting")
        .says("did you mean policy.lease?");
    bench
        .run(&["config", "--setting", "lease"])
        .must(2)
        .says("expected NAME=VALUE");
    bench
        .run_with(&["config"], &[("ORDER_POLICY_LEASE", "soon")], "")
        .must(2)
        .says("ORDER_POLICY_LEASE: \"soon\" is not a duration");
    bench
        .run(&["config", "--config", "nowhere.toml"])
        .must(3)
        .says("nowhere.toml");
}

#[test]
fn passwords_come_from_files_too_and_are_not_shown() {
    let bench = Bench::empty();
    let url = "postgres://orders:secret@db.example/shop?schema=s";
    let file = bench.write("store-url", format!("{url}\n"));
    let shown = config(&bench, &[], &[("ORDER_STORE_FILE", &file)]);
    let expected = (
        "postgres://orders:***@db.example/shop?schema=s".to_owned(),
        "ORDER_STORE_FILE".to_owned(),
    );
    assert_eq!(setting(&shown, "store"), expected);
    assert!(!shown.to_string().contains("secret"), "{shown}");
    let both = [
        ("ORDER_STORE_FILE", file.as_str()),
        ("ORDER_STORE", "sqlite:a.db"),
    ];
    bench
        .run_with(&["config"], &both, "")
        .must(2)
        .says("ORDER_STORE_FILE: ORDER_STORE is given too");
    bench
        .run_with(&["config"], &[("ORDER_STORE_FILE", "nowhere")], "")
        .must(2)
        .says("cannot read nowhere");
}

#[test]
fn a_policy_and_a_price_book_of_the_file_hold() {
    let bench = Bench::with_shop();
    let quote = || {
        let item = [
            "--user",
            USER,
            "--item",
            "MUG-01=1",
            "--payment-method",
            "CREDIT_CARD",
            "--shipping-method",
            "STANDARD",
        ];
        let ship_to = ["--ship-to", "address.json"];
        let args: Vec<&str> = ["quote"]
            .iter()
            .chain(&item)
            .chain(&ship_to)
            .copied()
            .collect();
        bench.run(&[&["--format", "json"][..], &args].concat())
    };
    std::fs::copy(
        crate::bench::examples().join("address.json"),
        bench.dir().join("address.json"),
    )
    .unwrap();
    let usual: Value = serde_json::from_str(&quote().must(0).out).unwrap();
    bench.write(
        "order.toml",
        "[price_book]\ncurrency = \"USD\"\n[[price_book.shipping]]\nmethod = \"STANDARD\"\nprice = \"9.99\"\n\
         [[price_book.payment_method]]\nmethod = \"CREDIT_CARD\"\noutcome = \"approve\"\n",
    );
    let other: Value = serde_json::from_str(&quote().must(0).out).unwrap();
    assert_ne!(usual["shipping_amount"], other["shipping_amount"]);
    assert!(other.to_string().contains("9.99"), "{other}");
    bench.write("order.toml", "[policy]\nuser_statuses = [\"gold\"]\n");
    quote().must(1).says("active");
}

#[test]
fn a_command_says_what_it_does_only_when_it_is_asked_to() {
    let bench = Bench::with_shop();
    let address = crate::bench::examples().join("address.json");
    let placed = |options: &[&str], env: &[(&str, &str)]| {
        let place = [
            "place",
            "--user",
            USER,
            "--item",
            "MUG-01=1",
            "--ship-to",
            address.to_str().unwrap(),
            "--payment-method",
            "CREDIT_CARD",
            "--shipping-method",
            "STANDARD",
            "--format",
            "json",
        ];
        let ran = bench.run_with(&[options, &place].concat(), env, "").must(0);
        let order: Value = serde_json::from_str(&ran.out).expect("the result is apart from it");
        (order["order_number"].as_str().unwrap().to_owned(), ran.err)
    };
    let (_, err) = placed(&[], &[]);
    assert_eq!(err, "");
    let (number, err) = placed(&["-v"], &[]);
    let steps = |err: &str| err.lines().filter(|line| line.contains(" INFO ")).count();
    assert!(steps(&err) >= 2 && err.contains(&number), "{err}");
    assert!(!err.contains(" DEBUG "), "{err}");
    let (_, err) = placed(&[], &[("ORDER_LOG", "debug")]);
    assert!(
        err.contains(" DEBUG ") && err.contains("committed"),
        "{err}"
    );
    // An option of its own counts for more than the environment.
    let (_, err) = placed(&["-v"], &[("ORDER_LOG", "debug")]);
    assert!(steps(&err) >= 2 && !err.contains(" DEBUG "), "{err}");
    bench
        .run_with(&["list"], &[("ORDER_LOG", "loud")], "")
        .must(2)
        .says("ORDER_LOG: \"loud\" is not one of off, error, warn, info, debug, trace");
}
