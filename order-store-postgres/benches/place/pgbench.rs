//! pgbench, writing for each order the rows that the engine writes for one, in as many durable
//! transactions, with nothing decided and nothing checked: one order at a time in each client, each
//! transaction in one pipeline.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::{Schema, cluster, connect_to};
use crate::learnt::{Change, FEED, HEAD, Kind, Learnt, Made, Table};

/// One script with the feed's head row as the store has it, which everybody waits for, and one with
/// a sequence in its place.
pub struct Scripts {
    texts: [String; 2],
}

impl Scripts {
    pub async fn new(schema: &Schema, learnt: &Learnt) -> Self {
        let sequence = sqlx::raw_sql("CREATE SEQUENCE bench_positions START 1000000000");
        sequence
            .execute(&mut connect_to(&schema.name).await)
            .await
            .expect("a sequence");
        Scripts {
            texts: [true, false].map(|head| script(learnt, head)),
        }
    }

    /// Orders a second, and the latency of each order in milliseconds.
    pub async fn run(
        &self,
        schema: &Schema,
        clients: usize,
        orders: usize,
        head: bool,
    ) -> (f64, Vec<f64>) {
        static RUNS: AtomicU64 = AtomicU64::new(1);
        let folder = std::env::temp_dir().join(format!("order-pgbench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("place.sql");
        std::fs::write(&file, &self.texts[usize::from(!head)]).expect("the script is written");
        let url = cluster::shared();
        let between = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{between}options=-csearch_path%3D{}", schema.name);
        let mut command = Command::new("pgbench");
        command.args(["-n", "-M", "prepared", "-j", "2", "-l"]);
        command.args([
            "-D",
            "n=0",
            "-D",
            &format!("run={}", RUNS.fetch_add(1, Ordering::Relaxed)),
        ]);
        command
            .arg("-f")
            .arg(&file)
            .args([
                "-c",
                &clients.to_string(),
                "-t",
                &(orders / clients).to_string(),
            ])
            .arg(url);
        command.current_dir(&folder);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("it runs")
            .expect("pgbench is installed");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let rate = said.lines().find_map(|line| {
            line.strip_prefix("tps = ")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        });
        let latencies = latencies(&folder);
        let _ = std::fs::remove_dir_all(&folder);
        (rate.expect("a rate"), latencies)
    }
}

fn latencies(folder: &Path) -> Vec<f64> {
    let mut latencies = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the logs").flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("pgbench_log")
        {
            let log = std::fs::read_to_string(entry.path()).expect("a log");
            latencies.extend(
                log.lines()
                    .filter_map(|line| line.split(' ').nth(2)?.parse::<f64>().ok())
                    .map(|us| us / 1e3),
            );
        }
    }
    latencies
}

/// The same literal for pgbench, which takes what follows a colon for a variable.
fn without_colons(literal: &str) -> String {
    match literal
        .strip_prefix(" E")
        .or_else(|| literal.strip_prefix('E'))
    {
        _ if !literal.contains(':') => literal.to_owned(),
        Some(escaped) => format!("E{}", escaped.replace(':', "\\x3a")),
        None => format!("E{}", literal.replace(':', "\\x3a")),
    }
}

/// The values of a row as expressions: ids rise with time, as the engine's do, and buckets are
/// drawn.
fn values(change: &Change) -> Vec<String> {
    let uuid = |high: &str, low: &str| {
        format!("(lpad(to_hex({high}), 16, '0') || lpad(to_hex({low}), 16, '0'))::uuid")
    };
    let value = |cell: &crate::learnt::Cell| match cell.made {
        Made::Fixed => without_colons(&cell.literal),
        Made::Bucket => ":bucket".to_owned(),
        Made::User => uuid(":n::bigint * 7919", ":low::bigint"),
        Made::Number => {
            "'ORD-' || :run::text || '-' || :client_id::text || '-' || :n::text".to_owned()
        }
        Made::Id(at) => uuid(
            &format!(":high::bigint + {at}"),
            &format!(":low::bigint + {at}"),
        ),
    };
    change.row.cells.iter().map(value).collect()
}

fn statement(table: &Table, change: &Change, head: bool) -> String {
    let mut values = values(change);
    let names: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    if table.name == HEAD {
        return format!("UPDATE {HEAD} SET position = position + 1 WHERE partition = 0");
    } else if table.name == FEED {
        let at = names
            .iter()
            .position(|name| *name == "position")
            .expect("a position");
        let of_head = format!("(SELECT position FROM {HEAD} WHERE partition = 0)");
        values[at] = if head {
            of_head
        } else {
            "nextval('bench_positions')".to_owned()
        };
    }
    let equal = |at: &usize| format!("{} = {}", names[*at], values[*at]);
    let key = || {
        table
            .key
            .iter()
            .map(equal)
            .collect::<Vec<_>>()
            .join(" AND ")
    };
    match change.kind {
        Kind::New => format!(
            "INSERT INTO {} ({}) VALUES ({})",
            table.name,
            names.join(", "),
            values.join(", ")
        ),
        Kind::Changed => {
            let set: Vec<String> = change.changed.iter().map(equal).collect();
            format!(
                "UPDATE {} SET {} WHERE {}",
                table.name,
                set.join(", "),
                key()
            )
        }
        Kind::Gone => format!("DELETE FROM {} WHERE {}", table.name, key()),
    }
}

fn script(learnt: &Learnt, head: bool) -> String {
    let mut text =
        "\\set n :n + 1\n\\set high (:run * 10000000 + :n) * 65536\n\\set low :client_id * 4096\n\
         \\set bucket random(0, 4095)\n"
            .to_owned();
    for transaction in &learnt.transactions {
        text.push_str("\\startpipeline\nBEGIN;\n");
        for change in transaction {
            let table = &learnt.tables[change.table];
            if head || table.name != HEAD {
                text.push_str(&statement(table, change, head));
                text.push_str(";\n");
            }
        }
        text.push_str("COMMIT;\n\\endpipeline\n");
    }
    text
}
