//! The five services where they are not the embedded shop: what is found of them, and what commands
//! do with them.

use serde_json::Value;

use crate::bench::{Bench, Ran, USER, examples};
use crate::served::{Served, mugs};

const MUG: &str = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11";

/// Runs with all five services at `url`, and the settings of the example.
fn with_services_at(bench: &Bench, url: &str, args: &[&str], more: &[(&str, &str)]) -> Ran {
    let names = ["INVENTORY", "PRODUCT", "USER", "PAYMENT", "NOTIFICATION"]
        .map(|name| format!("ORDER_{name}_URL"));
    let settings = examples().join("order.toml");
    let mut env: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), url)).collect();
    env.extend([
        ("ORDER_INVENTORY_PROFILE", "ideal"),
        ("ORDER_CONFIG", settings.to_str().unwrap()),
    ]);
    env.extend(more);
    bench.run_with(args, &env, "")
}

fn services(ran: &Ran) -> Vec<(String, bool, String)> {
    let views: Value = serde_json::from_str(&ran.out).unwrap();
    let view = |view: &Value| {
        let problem = view["problem"].as_str().unwrap_or_default().to_owned();
        (
            view["service"].as_str().unwrap().to_owned(),
            view["reachable"].as_bool().unwrap(),
            problem,
        )
    };
    views.as_array().unwrap().iter().map(view).collect()
}

#[test]
fn each_service_is_asked_what_it_is_and_what_is_wrong_is_said() {
    let bench = Bench::with_shop();
    let check = ["--format", "json", "services", "check"];
    let all_well = |ran: &Ran| {
        services(ran)
            .iter()
            .all(|(_, reachable, problem)| *reachable && problem.is_empty())
    };
    assert!(
        all_well(&bench.run(&check).must(0)),
        "the embedded shop is all five"
    );

    let shop = Served::by(
        &bench,
        &["shop", "serve"],
        &["--listen", "127.0.0.1:0", "--log", "off"],
        &[],
    );
    let url = format!("http://{}", shop.address);
    let found = with_services_at(&bench, &url, &check, &[]).must(0);
    assert!(all_well(&found), "{}", found.out);
    assert!(
        found.out.contains("order shop serve ") && found.out.contains("product.ProductService"),
        "{}",
        found.out
    );

    // Another service answers there; nobody does; the address is none.
    let server = Served::start(&bench, &["--listen", "127.0.0.1:0", "--log", "off"], &[]);
    let other = format!("http://{}", server.address);
    let away = "http://127.0.0.1:9";
    let wrong = [
        ("ORDER_PAYMENT_URL", other.as_str()),
        ("ORDER_USER_URL", away),
        ("ORDER_PRODUCT_URL", "nonsense"),
    ];
    let found = services(
        &with_services_at(&bench, &url, &check, &wrong)
            .must(4)
            .says("3 services cannot be used"),
    );
    for (service, reachable, problem) in [
        ("payment", true, "another service answers there"),
        ("user", false, "Connection refused"),
        ("product", false, "expected http://HOST:PORT"),
    ] {
        let of = found.iter().find(|(name, ..)| name == service).unwrap();
        assert!(of.1 == reachable && of.2.contains(problem), "{of:?}");
    }
    // The platform's inventory is spoken to by another contract.
    let platform = [("ORDER_INVENTORY_PROFILE", "platform")];
    let found = with_services_at(&bench, &url, &check, &platform)
        .must(4)
        .says("one service cannot be used");
    assert!(
        found.out.contains("another service answers there"),
        "{}",
        found.out
    );
}

#[test]
fn an_order_is_made_with_services_at_the_other_end_of_a_socket() {
    let bench = Bench::with_shop();
    let shop = Served::by(
        &bench,
        &["shop", "serve"],
        &["--listen", "127.0.0.1:0"],
        &[],
    );
    let url = format!("http://{}", shop.address);
    let address = examples().join("address.json");
    let place = |item: &str, more: &[&str]| {
        let args = [
            "--format",
            "json",
            "place",
            "--user",
            USER,
            "--payment-method",
            "CREDIT_CARD",
        ];
        let rest = [
            "--shipping-method",
            "STANDARD",
            "--ship-to",
            address.to_str().unwrap(),
            "--item",
            item,
        ];
        with_services_at(&bench, &url, &[&args[..], &rest, more].concat(), &[])
    };
    let order: Value = serde_json::from_str(
        &place(&format!("{MUG}=2"), &["--coupon", "SUMMER10"])
            .must(0)
            .out,
    )
    .unwrap();
    assert_eq!(
        (&order["status"], &order["payment_status"]),
        (&"CONFIRMED".into(), &"PAID".into())
    );
    assert_eq!(bench.stock("MUG-01", "reserved"), 2);
    let id = order["order_number"].as_str().unwrap();
    place("MUG-01=2", &[])
        .must(2)
        .says("MUG-01: only the embedded shop knows products by SKU")
        .says("PRODUCT[/VARIANT]");
    place("00000000-0000-0000-0000-000000000001", &[])
        .must(3)
        .says("product");

    with_services_at(&bench, &url, &["ship", id, "--item", "1:2"], &[]).must(0);
    assert_eq!(bench.stock("MUG-01", "on_hand"), 38);
    with_services_at(&bench, &url, &["check"], &[])
        .must(0)
        .says("not compared with its ledgers");
    // The ledgers are in the shop's file.
    bench.run(&["check"]).must(0);
    let (_, said) = shop.end("-TERM");
    assert!(
        said.contains("/payment.PaymentService/ProcessPayment")
            && said.contains("/product.ProductService/GetProduct"),
        "{said}"
    );

    // Nobody answers any more, and nothing is accepted.
    let refused = place(&format!("{MUG}=1"), &[]).must(4);
    assert!(
        refused.err.contains("the product service") || refused.err.contains("the user service"),
        "{}",
        refused.err
    );
    let listed: Value = bench.json(&["list"], 0);
    assert_eq!(listed["orders"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_says_in_the_end_how_many_reads_its_memory_saved() {
    let bench = Bench::with_shop();
    let shop = Served::by(
        &bench,
        &["shop", "serve"],
        &["--listen", "127.0.0.1:0", "--log", "off"],
        &[],
    );
    let url = format!("http://{}", shop.address);
    let env = [
        ("ORDER_PRODUCT_URL", url.as_str()),
        ("ORDER_PRODUCT_CACHE", "1m"),
    ];
    let settings = examples().join("order.toml");
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--config",
        settings.to_str().unwrap(),
    ];
    let served = Served::start(&bench, &args, &env);
    let mut client = served.client().await;
    for _ in 0..5 {
        client.create_order(mugs(1)).await.unwrap();
    }
    let (_, said) = served.end("-TERM");
    assert!(
        said.contains(r#""service":"product","reads":5,"from_memory":4"#),
        "{said}"
    );
}

#[test]
fn without_the_shop_prices_must_be_given() {
    let bench = Bench::empty();
    let env = ["INVENTORY", "PRODUCT", "USER", "PAYMENT", "NOTIFICATION"]
        .map(|name| format!("ORDER_{name}_URL"));
    let env: Vec<(&str, &str)> = env
        .iter()
        .map(|name| (name.as_str(), "http://127.0.0.1:9"))
        .collect();
    bench
        .run_with(&["serve", "--listen", "127.0.0.1:0"], &env, "")
        .must(2)
        .says("price_book is missing");
    let secret = [
        ("ORDER_PAYMENT_URL", "http://127.0.0.1:9"),
        ("ORDER_PAYMENT_KEY", "nowhere.pem"),
    ];
    let found = bench.run_with(&["services", "check"], &secret, "").must(4);
    assert!(
        found.out.contains("payment service: tls is set"),
        "{}",
        found.out
    );
}
