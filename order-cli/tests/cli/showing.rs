//! The form, for a person or a program, of results and failures: colour, tables, errors as JSON.

use serde_json::Value;

use crate::bench::{Bench, Ran, USER, examples};

const ESCAPE: char = '\u{1b}';

/// The error object on stderr, which is its last line.
fn error(ran: &Ran) -> Value {
    let line = ran.err.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{ran:?}: {e}"))
}

#[test]
fn output_is_coloured_where_it_is_asked_for_and_plain_in_a_pipe() {
    let bench = Bench::with_shop();
    bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let plain = bench.run(&["list"]).must(0).out;
    assert!(
        plain.contains("CONFIRMED") && !plain.contains(ESCAPE),
        "{plain:?}"
    );
    for args in [["--color", "always", "list"], ["list", "--color", "always"]] {
        let ran = bench.run(&args).must(0);
        assert!(ran.out.contains("\u{1b}[32mCONFIRMED\u{1b}[0m"), "{ran:?}");
    }
    let forced = [("CLICOLOR_FORCE", "1")];
    let ran = bench.run_with(&["list"], &forced, "").must(0);
    assert!(ran.out.contains(ESCAPE), "{ran:?}");
    let both = [("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")];
    let ran = bench.run_with(&["list"], &both, "").must(0);
    assert_eq!(ran.out, plain);
    let ran = bench.run_with(&["list", "--color=never"], &forced, "");
    assert_eq!(ran.must(0).out, plain);
}

#[test]
fn help_and_errors_are_coloured_like_results() {
    let bench = Bench::empty();
    let help = |color: &str| bench.run(&["--color", color, "--help"]).must(0).out;
    assert!(help("always").contains(ESCAPE));
    assert!(!help("auto").contains(ESCAPE) && !help("never").contains(ESCAPE));
    let wrong = |color: &str| bench.run(&["get", "x", "--color", color]).must(2).err;
    assert!(wrong("always").contains(ESCAPE), "{:?}", wrong("always"));
    assert!(!wrong("auto").contains(ESCAPE), "{:?}", wrong("auto"));
    let failed = bench.run(&["list", "--color", "always"]);
    assert!(failed.err.contains("\u{1b}[31merror:"), "{failed:?}");
}

#[test]
fn a_failure_is_an_object_where_results_are_json() {
    let bench = Bench::with_shop();
    for format in ["json", "jsonl"] {
        let ran = bench.run(&["--format", format, "get", "ORD-0000-0000-0000"]);
        let error = error(&ran.must(4));
        assert_eq!(error["kind"], "UNAVAILABLE", "there is no store yet");
        assert_eq!(error["exit_code"], 4);
    }
    let order = bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let number = order["order_number"].as_str().unwrap();
    let by_env = [("ORDER_FORMAT", "json")];
    let ran = bench.run_with(&["deliver", number], &by_env, "").must(1);
    let refused = error(&ran);
    assert_eq!(refused["kind"], "REJECTED");
    assert_eq!(refused["order_number"], number);
    assert!(refused["reason"].is_string(), "{refused}");
    assert!(
        !refused["possible"].as_array().unwrap().is_empty(),
        "{refused}"
    );
    assert!(refused["hint"].is_string(), "{refused}");
}

#[test]
fn wrong_fields_are_listed_one_by_one() {
    let bench = Bench::with_shop();
    let place = |format: &str| {
        let address = examples().join("address.json");
        let address = address.to_str().unwrap();
        let mut args = vec![
            "--format", format, "place", "--user", USER, "--item", "MUG-01",
        ];
        args.extend(["--ship-to", address, "--payment-method", "SHELLS"]);
        args.extend(["--shipping-method", "PIGEON"]);
        bench.run(&args).must(2)
    };
    let wrong = error(&place("json"));
    assert_eq!(wrong["kind"], "INVALID");
    let violations = wrong["violations"].as_array().unwrap();
    assert!(violations.len() > 1, "{wrong}");
    let ran = place("table");
    for violation in violations {
        let line = format!(
            "  {}: {}",
            violation["field"].as_str().unwrap(),
            violation["message"].as_str().unwrap()
        );
        assert!(
            ran.err.lines().any(|said| said == line),
            "{line:?} in {ran:?}"
        );
    }
}

#[test]
fn the_newest_orders_come_first_and_pages_go_on_as_they_began() {
    let bench = Bench::with_shop();
    let placed: Vec<String> = (0..3)
        .map(|_| bench.place("MUG-01", "CREDIT_CARD", &[], 0))
        .map(|order| order["order_number"].as_str().unwrap().to_owned())
        .collect();
    let newest: Vec<&str> = placed.iter().rev().map(String::as_str).collect();
    let oldest: Vec<&str> = placed.iter().map(String::as_str).collect();
    for (flags, expected) in [
        (&[][..], &newest),
        (&["--desc"], &newest),
        (&["--asc"], &oldest),
    ] {
        let (mut seen, mut after): (Vec<String>, Option<String>) = Default::default();
        loop {
            let mut args = vec!["list", "--limit", "2"];
            match &after {
                Some(after) => args.extend(["--after", after.as_str()]),
                None => args.extend(flags),
            }
            let page = bench.json(&args, 0);
            let numbers = page["orders"].as_array().unwrap().iter();
            seen.extend(numbers.map(|o| o["order_number"].as_str().unwrap().to_owned()));
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(&seen, expected, "{flags:?}");
    }
}

#[test]
fn words_and_skus_are_read_in_any_case() {
    let bench = Bench::with_shop();
    let order = bench.place("mug-01:2", "credit_card", &[], 0);
    assert_eq!(order["payment_method"], "CREDIT_CARD");
    assert_eq!(order["items"][0]["sku"], "MUG-01");
    assert_eq!(order["items"][0]["quantity"], 2);
    for status in ["confirmed", "Confirmed", "pending,confirmed"] {
        let page = bench.json(&["list", "--status", status], 0);
        assert_eq!(page["orders"].as_array().unwrap().len(), 1, "{status}");
    }
    let page = bench.json(&["list", "--payment-status", "partially-paid"], 0);
    assert_eq!(page["orders"].as_array().unwrap().len(), 0);
    bench
        .run(&["list", "--status", "confirmd"])
        .must(2)
        .says("'CONFIRMED'");
}

#[test]
fn a_store_is_named_by_its_path_too() {
    let bench = Bench::with_shop();
    bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let listed = bench.run(&["list"]).must(0).out;
    assert_eq!(
        bench.run(&["list", "--store", "./orders.db"]).must(0).out,
        listed
    );
    assert_eq!(
        bench.run(&["list", "--store", "orders.db"]).must(0).out,
        listed
    );
    for wrong in ["postgres", "mysql://x/y.z", ""] {
        bench
            .run(&["list", "--store", wrong])
            .must(2)
            .says("use sqlite:FILE");
    }
}

#[test]
fn nobody_is_asked_where_there_is_no_terminal() {
    let bench = Bench::with_shop();
    for flags in [&[][..], &["--yes"], &["-y"]] {
        let order = bench.place("MUG-01", "CREDIT_CARD", &[], 0);
        let number = order["order_number"].as_str().unwrap();
        for command in ["cancel", "redact"] {
            let mut args = vec![command, number];
            args.extend(flags);
            bench.run(&args).must(0);
        }
    }
}

#[test]
fn a_shell_and_man_learn_every_command() {
    let bench = Bench::empty();
    let commands = bench.commands(&["--help"]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = bench.run(&["completions", shell]).must(0).out;
        for command in &commands {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    bench.run(&["man", "pages"]).must(0);
    for command in commands.iter().filter(|c| *c != "help") {
        let page = bench.dir().join("pages").join(format!("order-{command}.1"));
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(text.contains(".TH"), "{}", page.display());
    }
    assert!(bench.dir().join("pages/order.1").exists());
}

#[test]
fn a_mistyped_command_line_is_an_object_where_results_are_json() {
    let bench = Bench::empty();
    let ran = bench.run(&["--format", "json", "frobnicate"]).must(2);
    assert_eq!(error(&ran)["kind"], "INVALID");
    let ran = bench
        .run(&["list", "--format=jsonl", "--limit", "0"])
        .must(2);
    let wrong = error(&ran);
    assert!(
        wrong["message"].as_str().unwrap().contains("--limit"),
        "{wrong}"
    );
    let ran = bench.run(&["--format", "json", "--help"]).must(0);
    assert!(ran.out.contains("Usage:"), "{ran:?}");
}

#[test]
fn an_import_names_what_the_stock_lacks_and_nothing_of_it_is_cancelled() {
    let bench = Bench::with_shop();
    let history = std::fs::read_to_string(examples().join("history.jsonl")).unwrap();
    let history = history
        .replace("MUG-01", "MUG-99")
        .replace("TEA-01", "TEA-99");
    let import = |more: &[&str]| {
        let args = [&["import", "-", "--format", "json"], more].concat();
        bench.run_with(&args, &[], &history).must(0)
    };
    for ran in [import(&["--dry-run"]), import(&[])] {
        let ran = ran.says("the shop has no such SKU");
        let view: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(view["new"], 3);
        let missing = view["not_in_stock"].as_array().unwrap();
        assert!(!missing.is_empty(), "{view}");
        assert!(missing.iter().all(|m| m["available"].is_null()), "{view}");
    }
    let cancelled = || -> u64 {
        let page = bench.json(&["list"], 0);
        let orders = page["orders"].as_array().unwrap().clone();
        let items = orders.iter().flat_map(|o| o["items"].as_array().unwrap());
        items.map(|i| i["cancelled"].as_u64().unwrap()).sum()
    };
    let before = cancelled();
    bench.run(&["work"]).must(0);
    assert_eq!(cancelled(), before);
    let stuck = bench.json(&["stuck"], 0).to_string();
    assert!(stuck.contains("STOCK_LOST"), "{stuck}");
    bench.run(&["check"]).must(0);
}
