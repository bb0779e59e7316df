//! Scripted fixtures: every one of the examples runs as it says, and what is not as expected is
//! told.

use serde_json::Value;

use crate::bench::{Bench, examples};

#[test]
fn every_example_runs_as_it_says() {
    let mut count = 0;
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.ends_with(".toml") || ["catalogue.toml", "order.toml"].contains(&name) {
            continue;
        }
        let bench = Bench::empty();
        let ran = bench.run(&["run", path.to_str().unwrap()]).must(0);
        assert_eq!(ran.err, "", "{name}");
        assert!(ran.out.contains("as expected"), "{name}");
        let again = bench.run(&["run", path.to_str().unwrap()]).must(0);
        assert_eq!(again.out, ran.out, "{name} is not the same twice");
        assert_eq!(
            std::fs::read_dir(bench.dir()).unwrap().count(),
            0,
            "{name} wrote a file"
        );
        count += 1;
    }
    assert!(count >= 7, "{count} scripts");
}

fn script(steps: &str) -> (Bench, String) {
    let bench = Bench::empty();
    std::fs::copy(
        examples().join("catalogue.toml"),
        bench.dir().join("catalogue.toml"),
    )
    .unwrap();
    let home = std::fs::read_to_string(examples().join("coupons.toml")).unwrap();
    let head = home.split("[[step]]").next().unwrap().to_owned();
    let text = bench.write("script.toml", format!("{head}{steps}"));
    (bench, text)
}

const PLACE: &str = "[[step]]\ndo = \"place\"\nas = \"a\"\nitems = [\"TEA-01\"]\n";

#[test]
fn what_is_not_as_expected_is_told_with_its_place() {
    let (bench, file) = script(&format!(
        "{PLACE}[step.expect]\nstatus = \"PENDING\"\ntotal = \"1.00\"\n"
    ));
    let lines = std::fs::read_to_string(&file).unwrap();
    let line = lines.lines().position(|l| l.starts_with("status")).unwrap() + 1;
    let ran = bench.run(&["run", "script.toml"]).must(1);
    let ran = ran.says(&format!("script.toml:{line}:10: step 1 (place): status is CONFIRMED, not PENDING; total is 13.91 USD"));
    assert!(
        ran.out
            .contains("NOT AS EXPECTED: status is CONFIRMED, not PENDING"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.lines().last().unwrap().contains("CONFIRMED"),
        "the orders are shown all the same"
    );
}

#[test]
fn an_error_nobody_expects_ends_a_script() {
    let (bench, _) = script("[[step]]\ndo = \"place\"\nitems = [\"NOPE\"]\n");
    bench
        .run(&["run", "script.toml"])
        .must(1)
        .says("step 1 (place): it was refused: product NOPE not found");
    let (bench, _) = script(&format!(
        "{PLACE}[[step]]\ndo = \"note\"\ntext = \"x\"\nexpect = {{ error = \"INVALID\" }}\n"
    ));
    bench
        .run(&["run", "script.toml"])
        .must(1)
        .says("there is no error, but INVALID was expected");
}

#[test]
fn a_sku_nobody_sells_is_not_as_expected() {
    let (bench, _) = script(&format!(
        "{PLACE}expect = {{ stock.NOPE = {{ on_hand = 1 }} }}\n"
    ));
    bench
        .run(&["run", "script.toml"])
        .must(1)
        .says("step 1 (place): stock.NOPE.on_hand cannot be looked at");
}

#[test]
fn nothing_in_a_script_can_disturb_a_terminal() {
    let (bench, _) = script(&format!("{PLACE}name = \"\\u001b[2Jx\"\n"));
    let ran = bench.run(&["run", "script.toml"]).must(0);
    assert!(!ran.out.contains('\u{1b}'), "{:?}", ran.out);
}

#[test]
fn a_run_is_one_json_document() {
    let (bench, _) = script(PLACE);
    let run = bench.json(&["run", "script.toml"], 0);
    assert_eq!(
        (&run["ok"], &run["steps"][0]["do"]),
        (&Value::Bool(true), &"place".into())
    );
    assert_eq!(run["orders"][0]["status"], "CONFIRMED");
}

#[test]
fn scripts_with_words_that_were_renamed_since_keep_running() {
    let (bench, _) = script("");
    let text = std::fs::read_to_string(examples().join("operators.toml")).unwrap();
    let policy = "[policy]\nhold_lifetime = \"30d\"\nhold_reserve = \"2m\"\n[address.home]";
    let (policy_of, event) = ("[address.home]", "STUCK_RETRIED");
    assert!(text.contains(policy_of) && text.contains(event));
    let older = text.replace(policy_of, policy).replace(event, "REDRIVEN");
    bench.write("older.toml", &older);
    bench.run(&["run", "older.toml"]).must(0);
    // The older name of a reason is the reason, and not just any text.
    for (older, today) in [
        ("SUSPECT_HOLD", "SUSPECT_RESERVATION"),
        ("HOLD_TOO_LARGE", "RESERVATION_TOO_LARGE"),
        ("POISON", "PARKED"),
    ] {
        let (bench, _) = script(&format!(
            "{PLACE}expect = {{ attention = [\"{older}\"] }}\n"
        ));
        bench
            .run(&["run", "script.toml"])
            .must(1)
            .says(&format!("attention is [], not [{today}]"));
        let (bench, _) = script(&format!(
            "{PLACE}[[step]]\ndo = \"attention\"\nack = \"{older}\"\n\
             expect = {{ message = \"{today}\" }}\n"
        ));
        bench.run(&["run", "script.toml"]).must(0);
    }
}

#[test]
fn near_misses_in_a_script_are_named() {
    for (step, hint) in [
        ("itmes = [\"TEA-01\"]", "did you mean items?"),
        ("expect = { staus = \"CONFIRMED\" }", "did you mean status?"),
        (
            "expect = { status = \"CONFIRMD\" }",
            "did you mean CONFIRMED?",
        ),
    ] {
        let (bench, _) = script(&format!("{PLACE}{step}\n"));
        bench.run(&["run", "script.toml"]).must(2).says(hint);
    }
    let (bench, _) = script("[[step]]\ndo = \"plaec\"\n");
    bench
        .run(&["run", "script.toml"])
        .must(2)
        .says("did you mean place?");
    let (bench, _) = script(&format!("{PLACE}[[step]]\ndo = \"get\"\norder = \"aa\"\n"));
    bench
        .run(&["run", "script.toml"])
        .must(2)
        .says("no step before this one names an order \"aa\" with `as`: a");
}

#[test]
fn a_script_writes_only_where_the_command_line_says() {
    let (bench, _) = script(PLACE);
    bench.write("order.toml", "store = \"sqlite:from-file.db\"\n");
    let env = [
        ("ORDER_STORE", "sqlite:from-env.db"),
        ("ORDER_SHOP", "shop-from-env.db"),
        ("ORDER_FORMAT", "json"),
    ];
    let ran = bench.run_with(&["run", "script.toml"], &env, "").must(0);
    assert!(ran.out.contains("  1. place"), "{}", ran.out);
    for file in [
        "from-file.db",
        "from-env.db",
        "shop-from-env.db",
        "orders.db",
        "shop.db",
    ] {
        assert!(!bench.dir().join(file).exists(), "{file}");
    }
    bench
        .run(&[
            "--store",
            "sqlite:kept.db",
            "--shop",
            "kept-shop.db",
            "run",
            "script.toml",
        ])
        .must(0);
    bench
        .run(&[
            "--store",
            "sqlite:kept.db",
            "--shop",
            "kept-shop.db",
            "run",
            "script.toml",
        ])
        .must(0);
    let list = bench.json(&["--store", "sqlite:kept.db", "list"], 0);
    assert_eq!(list["orders"].as_array().unwrap().len(), 2);
    bench
        .run(&[
            "--store",
            "sqlite:kept.db",
            "--shop",
            "kept-shop.db",
            "check",
        ])
        .must(0);
}

#[test]
fn a_late_effect_is_found_out_and_nothing_is_charged_twice() {
    let fault = "[[step]]\ndo = \"service\"\nservice = \"payment\"\nanswer = \"timeout_then_late\"\nby = \"3s\"\ntimes = 1\n";
    let look = "[[step]]\ndo = \"work\"\nfor = \"1m\"\nexpect = { status = \"CONFIRMED\", desk = [\"charge CAPTURED\"] }\n";
    let (bench, _) = script(&format!("{fault}{PLACE}{look}[[step]]\ndo = \"check\"\n"));
    bench.run(&["run", "script.toml"]).must(0);
}

#[test]
fn every_command_is_in_a_script() {
    let bench = Bench::empty();
    let mut scripts = String::new();
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            scripts.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    // Scripts have the clock, the shop and its faults as steps of their own, one store, and no
    // sockets.
    let elsewhere = [
        "shop",
        "list",
        "run",
        "serve",
        "migrate",
        "copy",
        "config",
        "services",
        "health",
        "help",
        "completions",
        "man",
    ];
    let mut seen = 0;
    for command in bench
        .commands(&["--help"])
        .iter()
        .filter(|c| !elsewhere.contains(&c.as_str()))
    {
        let names = match command.as_str() {
            "return" => bench
                .commands(&["return", "--help"])
                .iter()
                .filter(|c| *c != "help")
                .map(|c| format!("return {c}"))
                .collect(),
            name => vec![name.to_owned()],
        };
        for name in names {
            seen += 1;
            assert!(
                scripts.contains(&format!("do = \"{name}\"")),
                "no script under examples/ has a step {name}"
            );
        }
    }
    assert!(seen > 35, "{seen} commands");
}
