//! Everything malformed is refused with exit code 2, its place and a reason, and never with a
//! panic.

use crate::bench::{Bench, examples};

#[test]
fn malformed_requests_are_told_where_they_are_wrong() {
    let bench = Bench::with_shop();
    let refused = |json: &str, message: &str| {
        let ran = bench
            .run_with(&["place", "--file", "-"], &[], json)
            .must(2)
            .says(message);
        assert_eq!(ran.out, "");
    };
    refused("", "standard input:1:1: EOF");
    refused("{", "standard input:1:1: EOF");
    refused(
        "{\"userId\": \"a\",\n  \"user_id\": \"b\"}",
        "standard input:2:11: user_id: user_id is given twice",
    );
    refused(
        "{\"items\": [{\"quantity\": 1, \"quantity\": 2}]}",
        "items[0].quantity: quantity is given twice",
    );
    refused(
        "{\"colour\": 1}",
        "colour: unknown field of CreateOrderRequest",
    );
    refused("{\"payment_token\": \"t\"}", "payment_token: unknown field");
    refused(
        "{\"items\": {}}",
        "items: expected a list, each an OrderItemInput, not an object",
    );
    refused(
        "{\"items\": [{\"quantity\": true}]}",
        "items[0].quantity: expected a whole number, not true",
    );
    refused("{\"notes\": \"\\ud800\"}", "standard input:1:");
    refused(
        "\u{feff}{}",
        "standard input:1:1: starts with a byte order mark",
    );
    refused(&"[".repeat(300_000), "is larger than 262144 bytes");
    let file = bench.write("latin1.json", b"{\n\"notes\": \"caf\xe9\"}");
    bench
        .run(&["place", "--file", &file])
        .must(2)
        .says("latin1.json:2:14: not valid UTF-8");
    bench
        .run(&["place", "--file", "missing.json"])
        .must(3)
        .says("missing.json: there is no such file");
    bench.run(&["place", "--file", "."]).must(2);
    let bad_address = [
        "place",
        "--user",
        "u",
        "--item",
        "X",
        "--payment-method",
        "X",
        "--ship-to",
        "{\"firstname\": \"A\"}",
    ];
    bench
        .run(&bad_address)
        .must(2)
        .says("--ship-to:1:12: firstname: unknown field of OrderAddressInput");
}

#[test]
fn malformed_catalogues_are_told_where_they_are_wrong() {
    let bench = Bench::with_shop();
    let good = std::fs::read_to_string(examples().join("catalogue.toml")).unwrap();
    for (from, to, message) in [
        (
            "currency = \"USD\"",
            "currency = \"usd\"",
            ":3:12: currency",
        ),
        (
            "price = \"12.50\"",
            "price = 12.50",
            "a decimal number in quotes",
        ),
        ("price = \"12.50\"", "price = \"12.505\"", "more decimals"),
        ("sku = \"TEA-01\"", "sku = \"MUG-01\"", "appears twice"),
        ("stock = 40", "stocks = 40", "stocks"),
        (
            "stock = 40",
            "stock = \"40\"",
            "expected a whole number such as 40, without quotes",
        ),
        (
            "stock = 40",
            "stock = 40\nstock = 41",
            "stock is given twice",
        ),
        ("outcome = \"approve\"", "outcome = \"maybe\"", "maybe"),
        ("rate = \"0.0725\"", "rate = \"7.25\"", "rate"),
        ("[[shipping]]", "[[shipping]", "catalogue.toml:"),
    ] {
        let file = bench.write("catalogue.toml", good.replacen(from, to, 1));
        let ran = bench.run(&["shop", "load", &file]).must(2).says(message);
        assert!(ran.err.contains("catalogue.toml:"), "{}", ran.err);
    }
    assert_eq!(bench.stock("MUG-01", "on_hand"), 40);
}

const HEAD: &str =
    "catalogue = \"catalogue.toml\"\n[defaults]\nuser = \"9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33\"\n";

#[test]
fn malformed_scripts_are_told_where_they_are_wrong() {
    let bench = Bench::empty();
    std::fs::copy(
        examples().join("catalogue.toml"),
        bench.dir().join("catalogue.toml"),
    )
    .unwrap();
    let refused = |step: &str, message: &str| {
        bench.write("script.toml", format!("{HEAD}{step}"));
        let ran = bench.run(&["run", "script.toml"]).must(2).says(message);
        assert!(ran.err.contains("script.toml:"), "{}", ran.err);
        assert_eq!(ran.out, "", "a script that cannot be run is not begun");
    };
    refused("", "needs the field [[step]]");
    refused("[[step]]\n", "script.toml:4:1: a step needs the field do");
    refused(
        "[[step]]\ndo = \"dance\"\n",
        "script.toml:5:6: do: \"dance\" is not a step",
    );
    refused("[[step]]\ndo = \"place\"\n", "needs the field items");
    refused(
        "[[step]]\ndo = \"place\"\nitems = [\"MUG-01=x\"]\n",
        "script.toml:6:10: items: \"MUG-01=x\"",
    );
    refused(
        "[[step]]\ndo = \"place\"\nitems = [\"MUG-01\"]\ncolour = 1\n",
        "script.toml:7:1: a step has no field \"colour\"",
    );
    refused(
        "[[step]]\ndo = \"cancel\"\n",
        "no step before it places one",
    );
    refused(
        "[[step]]\ndo = \"cancel\"\norder = \"x\"\n",
        "script.toml:6:9: order: no step before this one names",
    );
    refused(
        "[[step]]\ndo = \"advance\"\nby = \"soon\"\n",
        "\"soon\" is not a duration",
    );
    refused(
        "[[step]]\ndo = \"service\"\nservice = \"tax\"\nanswer = \"fail\"\n",
        "is not a service",
    );
    refused(
        "[[step]]\ndo = \"service\"\nservice = \"user\"\ncall = \"charge\"\nanswer = \"fail\"\n",
        "has no call \"charge\"",
    );
    refused("[[step]]\ndo = \"expect\"\n", "needs the field expect");
    refused(
        "[[step]]\ndo = \"work\"\nexpect = { status = \"Paid\" }\n",
        "script.toml:6:21: status: \"Paid\" is not one of",
    );
    refused(
        "[[step]]\ndo = \"work\"\nexpect = { stock.MUG-01 = { left = 1 } }\n",
        "has no field \"left\"",
    );
    refused(
        "[[step]]\ndo = \"work\"\nexpect = { total = \"x\" }\n",
        "script.toml:6:20: total: \"x\" is not an amount",
    );
    refused(
        "[[step]]\ndo = \"work\"\nexpect = { desk = [\"charge CAPTURED all\"] }\n",
        "\"all\" is not an amount",
    );
    refused(
        "[[step]]\ndo = \"work\"\nexpect = { notices = [\"HELLO\"] }\n",
        "\"HELLO\" is not one of ORDER_CONFIRMED",
    );
    refused(
        "[[step]]\ndo = \"load\"\ncatalogue = \"gone.toml\"\n",
        "script.toml:6:13: gone.toml: there is no such file",
    );
    refused(
        "[policy]\nlease = \"1s\"\n[[step]]\ndo = \"work\"\n",
        "script.toml:4:1: policy.lease: must be at least",
    );
    refused(
        "[step]\ndo = \"work\"\n",
        "script.toml:4:1: a step begins with [[step]]",
    );
    refused(
        "[[step]]\ndo = \"work\"\n[[step]]\ndo = \"work\"\ndo = \"work\"\n",
        "script.toml:8:1: do is given twice",
    );
    refused(
        "[policy]\nruns_before_stuck = 99999999999999999999\n",
        "99999999999999999999 is out of range",
    );
    refused(
        "[policy]\nlease = 10\n[[step]]\ndo = \"work\"\n",
        "script.toml:5:9: policy.lease: expected a text in quotes",
    );
    refused("[[step]]\ndo = \"work\n", "script.toml:5:");
    for (step, message) in [
        (
            "do = \"get\"\ncolour = 1\n",
            "script.toml:6:1: a step has no field \"colour\": expected one of do, name, expect, order",
        ),
        (
            "do = \"place\"\nitems = [\"MUG-01\"]\norder = \"x\"\n",
            "script.toml:7:1: a step has no field \"order\"",
        ),
        (
            "do = \"advance\"\nby = 5\n",
            "script.toml:6:6: by: expected a text in quotes, not a number",
        ),
        (
            "do = \"restock\"\nsku = \"MUG-01\"\nunits = 0\n",
            "script.toml:7:9: units: 0 is out of range: 1 to 4294967295",
        ),
        (
            "do = \"restock\"\nsku = \"MUG-01\"\nunits = \"3\"\n",
            "script.toml:7:9: units: expected a whole number such as 3, not a text",
        ),
        (
            "do = \"settle\"\noutcome = \"lost\"\n",
            "script.toml:6:11: outcome: \"lost\" is not one of captured, declined",
        ),
        (
            "do = \"record-payment\"\nstatus = \"paid\"\npayment = 1\n",
            "script.toml:6:10: status: \"paid\" is not one of ",
        ),
        (
            "do = \"place\"\nitems = [\"MUG-01\"]\nship_to = \"moon\"\n",
            "script.toml:7:11: ship_to: the script has no [address.moon]",
        ),
        (
            "do = \"place\"\nitems = [\"MUG-01\"]\nship_to = { town = \"X\" }\n",
            "script.toml:7:13: ship_to has no field \"town\": expected one of address_type, ",
        ),
        (
            "do = \"service\"\nservice = \"payment\"\nanswer = \"late\"\n",
            "script.toml:4:1: a step needs the field by",
        ),
        (
            "do = \"service\"\nservice = \"payment\"\nanswer = \"fail\"\nby = \"1s\"\n",
            "script.toml:8:6: by: only an answer or an effect that comes late",
        ),
        (
            "do = \"work\"\nexpect = { stock.MUG-01.on_hand = \"40\" }\n",
            "on_hand: expected a whole number such as 3, not a text",
        ),
        (
            "do = \"restart\"\npolicy = { laese = \"1m\" }\n",
            "script.toml:6:12: there is no setting \"policy.laese\"",
        ),
    ] {
        refused(&format!("[[step]]\n{step}"), message);
    }
    refused(
        "[address.home]\ntown = \"X\"\n[[step]]\ndo = \"work\"\n",
        "script.toml:5:1: home has no field \"town\"",
    );
    bench
        .run(&["run", "missing.toml"])
        .must(3)
        .says("there is no such file");
}

#[test]
fn a_scripts_catalogue_is_checked_like_any_other() {
    let bench = Bench::empty();
    bench.write(
        "script.toml",
        "catalogue = \"gone.toml\"\n[[step]]\ndo = \"work\"\n",
    );
    bench
        .run(&["run", "script.toml"])
        .must(2)
        .says("script.toml:1:13: gone.toml: there is no such file");
    bench.write(
        "script.toml",
        "[[step]]\ndo = \"work\"\n[catalogue]\ncurrency = \"USD\"\ncolour = 1\n",
    );
    bench
        .run(&["run", "script.toml"])
        .must(2)
        .says("script.toml:5:1: catalogue: unknown field `colour`");
    let product = "[[catalogue.product]]\nid = \"x\"\nsku = \"A\"\nname = \"A\"\nprice = \"1.00\"\nstock = 1\n";
    bench.write(
        "script.toml",
        format!("[catalogue]\ncurrency = \"USD\"\n{product}[[step]]\ndo = \"work\"\n"),
    );
    bench
        .run(&["run", "script.toml"])
        .must(2)
        .says("script.toml:4:6: product.id");
    bench.write("script.toml", "[[step]]\ndo = \"work\"\n");
    bench.run(&["run", "script.toml"]).must(2).says("catalogue");
}
