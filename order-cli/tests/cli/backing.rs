//! Backups that are cut off, and stores that may only be read.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::bench::{Bench, Ran};

/// A shop with an order, and so many bytes beside it that copying them takes a while.
fn with_filler(mib: usize) -> Bench {
    let bench = Bench::with_shop();
    bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let db = Connection::open(bench.dir().join("orders.db")).unwrap();
    db.execute_batch("CREATE TABLE filler (x)").unwrap();
    for _ in 0..mib {
        db.execute("INSERT INTO filler VALUES (randomblob(1048576))", [])
            .unwrap();
    }
    bench
}

fn numbers(bench: &Bench, store: &str) -> Vec<String> {
    let listed = bench.json(&["--store", store, "list"], 0);
    listed["orders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["order_number"].as_str().unwrap().to_owned())
        .collect()
}

/// Starts a backup and kills it as soon as `when` says so; whether it was killed in time.
fn killed(bench: &Bench, name: &str, when: impl Fn(&Path) -> bool) -> bool {
    let mut child = bench
        .order()
        .args(["backup", name])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let partial = bench.dir().join(format!("{name}.partial"));
    let started = Instant::now();
    while !when(&partial)
        && child.try_wait().unwrap().is_none()
        && started.elapsed() < Duration::from_secs(60)
    {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

#[test]
fn a_backup_that_is_killed_leaves_nothing_under_its_name() {
    const MIB: u64 = 48;
    let bench = with_filler(MIB as usize);
    let orders = numbers(&bench, "sqlite:orders.db");
    assert_eq!(orders.len(), 1);
    let size = |partial: &Path| fs::metadata(partial).map_or(0, |file| file.len());
    let mut cut_off = 0;
    for n in 0..8u64 {
        let name = format!("copy-{n}.db");
        let when = move |partial: &Path| {
            if n == 0 {
                partial.exists()
            } else {
                size(partial) > (MIB << 20) * n / 8
            }
        };
        let killed = killed(&bench, &name, when);
        let path = bench.dir().join(&name);
        if path.exists() {
            // It was faster, and all there.
            assert_eq!(numbers(&bench, &format!("sqlite:{name}")), orders);
            continue;
        }
        assert!(killed);
        cut_off += 1;
        bench
            .run(&["--store", &format!("sqlite:{name}"), "list"])
            .must(4)
            .says("there is no store copy-");
        bench.run(&["backup", &name]).must(0);
        assert_eq!(
            numbers(&bench, &format!("sqlite:{name}")),
            orders,
            "what was left is no hindrance"
        );
        assert!(!bench.dir().join(format!("{name}.partial")).exists());
    }
    assert!(cut_off > 0, "none was killed in time");
}

/// Runs the command as somebody who may only read; root is nobody for it.
fn as_reader(bench: &Bench, args: &[&str]) -> Ran {
    let mut command = bench.order();
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    let output = command.args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_store_is_read_where_it_may_not_be_written_to() {
    let bench = Bench::with_shop();
    let placed = bench.place("MUG-01", "CREDIT_CARD", &[], 0);
    let number = placed["order_number"].as_str().unwrap();
    let store = bench.dir().join("orders.db");
    assert!(!bench.dir().join("orders.db-wal").exists());
    set_mode(&store, 0o444);
    set_mode(bench.dir(), 0o555);
    let elsewhere =
        std::env::temp_dir().join(format!("order-cli-readers-copy-{}.db", std::process::id()));
    let copy = elsewhere.to_str().unwrap();
    for args in [
        &["get", number][..],
        &["list"],
        &["stuck"],
        &["history", number],
        &["export"],
        &["watch", "--until-idle"],
    ] {
        let ran = as_reader(&bench, args).must(0);
        assert!(
            args == ["stuck"] || !ran.out.is_empty(),
            "{args:?}: {ran:?}"
        );
    }
    as_reader(&bench, &["backup", copy]).must(0);
    assert_eq!(
        as_reader(&bench, &["--store", &format!("sqlite:{copy}"), "export"]).out,
        as_reader(&bench, &["export"]).out
    );
    fs::remove_file(&elsewhere).unwrap();
    as_reader(&bench, &["note", number, "x"])
        .must(4)
        .says("the database may not be written to");
    let files = fs::read_dir(bench.dir()).unwrap().count();
    assert_eq!(files, 2, "nothing was made beside them");
    set_mode(bench.dir(), 0o755);
    // What was committed and is only in the log so far must not be left out.
    fs::write(bench.dir().join("orders.db-wal"), "x").unwrap();
    set_mode(bench.dir(), 0o555);
    let ran = as_reader(&bench, &["list"]).must(4);
    assert!(
        ran.err
            .contains("orders.db-wal holds what is not in the file yet"),
        "{ran:?}"
    );
    set_mode(bench.dir(), 0o755);
}
