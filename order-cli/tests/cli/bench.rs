//! A workbench: a directory of its own in which `order` runs, with or without the example shop.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// The customer of the example catalogue.
pub const USER: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33";

/// The examples of the repository.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// A directory that is gone after the test.
pub struct Bench {
    dir: PathBuf,
}

/// The result of a run.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Bench {
    /// An empty directory.
    pub fn empty() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "order-cli-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Bench { dir }
    }

    /// One with the example catalogue loaded.
    pub fn with_shop() -> Self {
        let bench = Bench::empty();
        let catalogue = examples().join("catalogue.toml");
        bench
            .run(&["shop", "load", catalogue.to_str().unwrap()])
            .must(0);
        bench
    }

    /// One with a store without orders too.
    pub fn with_shop_and_store() -> Self {
        let bench = Bench::with_shop();
        let nothing = bench.write("nothing.jsonl", "");
        bench.run(&["restore", &nothing]).must(0);
        bench
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The binary in this directory; see [`order_in`].
    pub fn order(&self) -> Command {
        order_in(&self.dir)
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[], "")
    }

    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)], input: &str) -> Ran {
        let mut command = self.order();
        command.args(args).envs(env.iter().copied());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The program may end without reading all of it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs with `--format json` and reads the one document on stdout.
    pub fn json(&self, args: &[&str], code: i32) -> Value {
        let mut all = vec!["--format", "json"];
        all.extend(args);
        let ran = self.run(&all).must(code);
        serde_json::from_str(&ran.out)
            .unwrap_or_else(|e| panic!("{args:?} printed {:?}: {e}", ran.out))
    }

    /// The commands that `help`, such as `["--help"]`, lists.
    pub fn commands(&self, help: &[&str]) -> Vec<String> {
        let help = self.run(help).must(0).out;
        let command = |line: &str| {
            let line = line.strip_prefix("  ")?;
            let name = line.split_whitespace().next()?;
            line.starts_with(|c: char| c.is_ascii_lowercase())
                .then(|| name.to_owned())
        };
        help.lines()
            .take_while(|line| !line.ends_with("ptions:"))
            .filter_map(command)
            .collect()
    }

    /// Places an order by options.
    pub fn place(&self, item: &str, method: &str, more: &[&str], code: i32) -> Value {
        let address = examples().join("address.json");
        let mut args = vec![
            "place",
            "--user",
            USER,
            "--item",
            item,
            "--ship-to",
            address.to_str().unwrap(),
        ];
        args.extend(["--payment-method", method, "--shipping-method", "STANDARD"]);
        args.extend(more);
        self.json(&args, code)
    }

    /// A figure of a SKU's stock.
    pub fn stock(&self, sku: &str, figure: &str) -> u64 {
        self.json(&["shop", "stock", sku], 0)[0][figure]
            .as_u64()
            .unwrap()
    }
}

impl Ran {
    /// The same, if it ended with `code`; and if it failed, it said so, for people or as JSON.
    #[track_caller]
    pub fn must(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        if code != 0 {
            let as_json = format!("\"exit_code\":{code}}}");
            assert!(
                self.err.contains("error:") || self.err.contains(&as_json),
                "{self:?}"
            );
            assert!(
                !self.err.contains("panicked") && !self.err.contains("RUST_BACKTRACE"),
                "{self:?}"
            );
        }
        self
    }

    /// The same, if stderr holds `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "{text:?} is not in {self:?}");
        self
    }
}

/// The binary in a directory, with nothing in its environment that would change what it does.
pub fn order_in(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order"));
    command.current_dir(dir).stdin(Stdio::null());
    let own = [
        "ORDER_STORE",
        "ORDER_REPLICA",
        "ORDER_SHOP",
        "ORDER_FORMAT",
        "ORDER_LISTEN",
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
    ];
    let of_libpq = [
        "PGSSLMODE",
        "PGSSLROOTCERT",
        "PGSSLCERT",
        "PGSSLKEY",
        "PGPASSWORD",
        "PGPASSFILE",
        "PGOPTIONS",
    ];
    for name in own.iter().chain(&of_libpq) {
        command.env_remove(name);
    }
    command
}
