//! Processor time that the server and this process have spent, as the kernel counts it.

use std::process::Command;

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

/// Seconds of processor time.
#[derive(Clone, Copy, Default)]
pub struct Spent {
    /// Of all processes of the server.
    pub server: f64,
    /// Of this process.
    pub own: f64,
    /// Of processes that this one started and that have ended.
    pub children: f64,
}

impl std::ops::Sub for Spent {
    type Output = Spent;
    fn sub(self, before: Spent) -> Spent {
        let Spent {
            server,
            own,
            children,
        } = before;
        Spent {
            server: self.server - server,
            own: self.own - own,
            children: self.children - children,
        }
    }
}

impl std::ops::Mul<f64> for Spent {
    type Output = Spent;
    fn mul(self, by: f64) -> Spent {
        let Spent {
            server,
            own,
            children,
        } = self;
        Spent {
            server: server * by,
            own: own * by,
            children: children * by,
        }
    }
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, more: Spent) {
        let Spent {
            server,
            own,
            children,
        } = more;
        self.server += server;
        self.own += own;
        self.children += children;
    }
}

/// Reads the times of the server's processes, which must be on this machine.
pub struct Meter {
    postmaster: u32,
    ticks_a_second: f64,
}

/// The fields of a process's `stat` that matter here; times in ticks.
struct Stat {
    parent: u32,
    own: f64,
    children: f64,
}

fn stat(pid: &str) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: ticks(11)? + ticks(12)?,
        children: ticks(13)? + ticks(14)?,
    })
}

impl Meter {
    pub async fn new(db: &mut PgConnection) -> Self {
        let backend: i32 = sqlx::query("SELECT pg_backend_pid()")
            .fetch_one(db)
            .await
            .expect("a process")
            .get(0);
        let name = std::fs::read_to_string(format!("/proc/{backend}/comm")).unwrap_or_default();
        assert!(
            name.starts_with("postgres"),
            "the server is to run on this machine, so that its processor time can be read"
        );
        let said = Command::new("getconf")
            .arg("CLK_TCK")
            .output()
            .expect("getconf");
        let ticks_a_second = String::from_utf8_lossy(&said.stdout)
            .trim()
            .parse()
            .expect("ticks a second");
        Meter {
            postmaster: stat(&backend.to_string()).expect("it is there").parent,
            ticks_a_second,
        }
    }

    /// Those of the server that run now.
    fn processes(&self) -> impl Iterator<Item = String> {
        let of_proc = std::fs::read_dir("/proc").expect("/proc").flatten();
        let pids = of_proc.filter_map(|entry| entry.file_name().into_string().ok());
        pids.filter(|pid| {
            pid.bytes().all(|b| b.is_ascii_digit())
                && stat(pid).is_some_and(|s| s.parent == self.postmaster)
        })
    }

    pub fn read(&self) -> Spent {
        let postmaster = stat(&self.postmaster.to_string()).expect("the server runs");
        let living: f64 = self
            .processes()
            .filter_map(|pid| stat(&pid))
            .map(|stat| stat.own)
            .sum();
        let this = stat("self").expect("this process");
        let seconds = |ticks: f64| ticks / self.ticks_a_second;
        Spent {
            server: seconds(postmaster.own + postmaster.children + living),
            own: seconds(this.own),
            children: seconds(this.children),
        }
    }

    /// Memory that the server's processes have each for itself, in MiB: without what they share.
    pub fn server_memory(&self) -> f64 {
        let pids = self.processes().chain([self.postmaster.to_string()]);
        pids.filter_map(|pid| resident(&pid, "RssAnon:")).sum()
    }
}

/// Memory of a process, in MiB.
pub fn resident(pid: &str, field: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix(field))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()?;
    Some(kib / 1024.0)
}
