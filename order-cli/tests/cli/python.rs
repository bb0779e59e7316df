//! The server, called by a client that another language's plugin made from `proto/order.proto`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{Bench, examples};
use crate::served::Served;

/// The place of the contract's tests in Python, and what they need from PyPI.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cli/python")
        .join(name)
}

/// Runs a program to its end; what it printed. Fails with `remedy` where it cannot.
#[track_caller]
fn run(command: &mut Command, remedy: &str) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}; {remedy}"));
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success(),
        "{command:?} failed; {remedy}\n{printed}"
    );
    printed
}

/// The interpreter of a virtual environment with everything in `requirements.txt`, made once under
/// `target/`.
fn interpreter() -> PathBuf {
    let wanted = fs::read_to_string(script("requirements.txt")).unwrap();
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let (python, installed) = (home.join("bin/python"), home.join("installed.txt"));
    if fs::read_to_string(&installed).is_ok_and(|has| has == wanted) {
        return python;
    }
    let install =
        "install Python 3.9 or later with its venv module (apt-get install python3 python3-venv)";
    run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&home),
        install,
    );
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "-r",
    ];
    let reach = "this test installs its client from PyPI: it needs the network, or a mirror in PIP_INDEX_URL";
    run(
        Command::new(&python)
            .args(pip)
            .arg(script("requirements.txt")),
        reach,
    );
    fs::write(installed, wanted).unwrap();
    python
}

#[test]
fn a_client_made_by_python_s_plugin_can_use_every_call() {
    let python = interpreter();
    let bench = Bench::with_shop();
    let proto = examples().join("../proto");
    let generate = [
        "-m",
        "grpc_tools.protoc",
        "--python_out=.",
        "--grpc_python_out=.",
        "-I",
    ];
    let mut protoc = Command::new(&python);
    protoc
        .current_dir(bench.dir())
        .args(generate)
        .arg(&proto)
        .arg(proto.join("order.proto"));
    run(&mut protoc, "the contract must compile");

    let served = Served::start(&bench, &["--listen", "127.0.0.1:0", "--log", "off"], &[]);
    let mut contract = Command::new(&python);
    contract
        .arg(script("contract.py"))
        .arg(&served.address)
        .env("PYTHONPATH", bench.dir());
    let printed = run(&mut contract, "the server must keep its contract");
    assert!(printed.ends_with("scenarios passed\n"), "{printed}");
    served.end("-TERM");
    bench.run(&["check"]).must(0);
}
