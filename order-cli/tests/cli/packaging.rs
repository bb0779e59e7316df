//! Images and units cannot be run everywhere: what they say is read, and the commands in them are
//! run as they stand, without a container.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;

use serde_yaml_ng::Value;

use crate::bench::{Bench, Ran};
use crate::cluster::Cluster;
use crate::served::{Served, by_id, mugs};

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(top().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The whole path of a file of examples/.
fn example(name: &str) -> String {
    let path = top().join("examples").join(name).canonicalize();
    path.unwrap_or_else(|e| panic!("{name}: {e}"))
        .to_str()
        .unwrap()
        .to_owned()
}

fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// A port that was free when it was looked for.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .expect("a free port")
        .port()
}

/// A service of compose.yaml.
struct Container {
    command: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Container {
    fn of(compose: &Value, name: &str) -> Self {
        let service = &compose["services"][name];
        assert_eq!(
            (&service["read_only"], &service["image"]),
            (&true.into(), &"order".into()),
            "{name}"
        );
        let text = |value: &Value| {
            value
                .as_str()
                .unwrap_or_else(|| panic!("{name}: a text, not {value:?}"))
                .to_owned()
        };
        let command = service["command"]
            .as_sequence()
            .unwrap_or_else(|| panic!("{name} has no command"))
            .iter()
            .map(text)
            .collect();
        let env = service["environment"]
            .as_mapping()
            .into_iter()
            .flatten()
            .map(|(key, value)| (text(key), text(value)))
            .collect();
        Container { command, env }
    }

    /// The same, with what only a network of containers knows put as this machine has it.
    fn here(mut self, known: &[(&str, &str)]) -> Self {
        let put = |text: &mut String| {
            for (there, here) in known {
                *text = text.replace(there, here);
            }
        };
        self.command.iter_mut().for_each(put);
        self.env.values_mut().for_each(put);
        self
    }

    fn args(&self) -> Vec<&str> {
        self.command.iter().map(String::as_str).collect()
    }

    fn envs(&self) -> Vec<(&str, &str)> {
        self.env
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }

    fn run(&self, bench: &Bench) -> Ran {
        bench.run_with(&self.args(), &self.envs(), "")
    }

    fn serve(&self, bench: &Bench) -> Served {
        Served::by(bench, &self.args(), &[], &self.envs())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_containers_of_compose_are_a_shop_when_their_commands_are_run() {
    let mut compose: Value = serde_yaml_ng::from_str(&text_of("compose.yaml")).unwrap();
    // What is merged may have been merged of others.
    (0..2).for_each(|_| compose.apply_merge().unwrap());
    let config = |name: &str| {
        let file = compose["configs"][name]["file"]
            .as_str()
            .unwrap_or_else(|| panic!("no file for {name}"));
        top()
            .join(file)
            .canonicalize()
            .unwrap_or_else(|e| panic!("{file}: {e}"))
            .to_str()
            .unwrap()
            .to_owned()
    };
    for (name, published) in [
        ("order-1", "127.0.0.1:50053:50053"),
        ("order-2", "127.0.0.1:50063:50053"),
    ] {
        assert_eq!(
            compose["services"][name]["ports"][0], published,
            "nothing is reached from other machines"
        );
        assert_eq!(
            compose["services"][name]["stop_grace_period"], "20s",
            "a node is not killed while it comes to its end"
        );
    }
    let (cluster, bench) = (Cluster::start(), Bench::empty());
    let (settings, catalogue) = (config("order"), config("catalogue"));
    let database = cluster.url();
    let store =
        "postgres://order:${POSTGRES_PASSWORD:?set it in .env}@db:5432/order?sslmode=disable";
    let known = [
        (store, database.as_str()),
        ("/etc/order/order.toml", &settings),
        ("/etc/order/catalogue.toml", &catalogue),
    ];

    Container::of(&compose, "migrate")
        .here(&known)
        .run(&bench)
        .must(0);
    Container::of(&compose, "catalogue")
        .here(&known)
        .run(&bench)
        .must(0);
    let anywhere = [
        ("0.0.0.0:50060", "127.0.0.1:0"),
        ("0.0.0.0:50053", "127.0.0.1:0"),
    ];
    let shop = Container::of(&compose, "shop")
        .here(&anywhere)
        .serve(&bench);
    let at = shop.address.clone();
    let known = [&known[..], &anywhere, &[("shop:50060", at.as_str())]].concat();
    let nodes = ["order-1", "order-2"].map(|name| Container::of(&compose, name).here(&known));
    nodes[0].envs().iter().for_each(|(key, value)| {
        assert!(!value.contains("db:"), "{key} is as it should be: {value}")
    });
    let check: Vec<(&str, &str)> = nodes[0].envs();
    bench.run_with(&["services", "check"], &check, "").must(0);
    let [one, two] = nodes.map(|node| node.serve(&bench));
    for served in [&one, &two] {
        bench
            .run(&["health", "--server", &format!("http://{}", served.address)])
            .must(0);
    }
    let order = one
        .client()
        .await
        .create_order(mugs(2))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(order.status, "CONFIRMED");
    let seen = two
        .client()
        .await
        .get_order(by_id(&order.id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (seen.status.as_str(), seen.total_amount),
        ("CONFIRMED", order.total_amount)
    );
    assert_eq!(bench.stock("MUG-01", "reserved"), 2);
}

/// The instructions of a Dockerfile, with what follows each; lines that go on are joined.
fn instructions(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\n", " ");
    let lines = joined
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            line.split_once(' ')
                .map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()))
                .unwrap()
        })
        .collect()
}

#[test]
fn the_image_runs_as_nobody_and_its_commands_serve() {
    let all = instructions(&text_of("Dockerfile"));
    let of = |name: &str| -> Vec<&str> {
        all.iter()
            .filter(|(n, _)| n == name)
            .map(|(_, rest)| rest.as_str())
            .collect()
    };
    let words = |json: &str| -> Vec<String> {
        serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}"))
    };
    let known = [
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "USER",
        "ENV",
        "VOLUME",
        "EXPOSE",
        "HEALTHCHECK",
        "STOPSIGNAL",
        "ENTRYPOINT",
        "CMD",
    ];
    assert!(
        all.iter().all(|(name, _)| known.contains(&name.as_str())),
        "{all:?}"
    );
    assert_eq!(
        (of("USER"), of("STOPSIGNAL")),
        (vec!["nonroot"], vec!["SIGTERM"])
    );

    let arenas = "MALLOC_ARENA_MAX=2";
    assert_eq!(of("ENV"), [arenas]);
    assert!(text_of("examples/order.service").contains(&format!("\nEnvironment={arenas}\n")));

    // It is built by the compiler that the tests are run with, and by a profile that there is.
    let toolchain = text_of("rust-toolchain.toml");
    let version = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = \""))
        .unwrap()
        .trim_end_matches('"');
    let minor = version.rsplit_once('.').unwrap().0;
    assert!(
        of("FROM")[0].starts_with(&format!("rust:{minor}-")),
        "{}",
        of("FROM")[0]
    );
    assert!(
        of("RUN")[0].contains("--profile dist") && text_of("Cargo.toml").contains("[profile.dist]")
    );
    let binary = of("COPY")
        .into_iter()
        .find(|copy| copy.contains("target/dist/order"))
        .and_then(|copy| copy.split(' ').next_back());

    let entry = words(of("ENTRYPOINT")[0]);
    assert_eq!(Some(entry[0].as_str()), binary);
    let command = words(of("CMD")[0]);
    let health = words(of("HEALTHCHECK")[0].split_once("CMD ").unwrap().1);
    assert_eq!(health[0], entry[0]);
    let bench = Bench::with_shop();
    let listen = format!("127.0.0.1:{}", free_port());
    let env = [
        ("ORDER_LISTEN", listen.as_str()),
        ("ORDER_SERVER_LOG", "off"),
    ];
    let args: Vec<&str> = entry[1..]
        .iter()
        .chain(&command)
        .map(String::as_str)
        .collect();
    let health: Vec<&str> = health[1..].iter().map(String::as_str).collect();
    bench.run_with(&health, &env, "").must(1);
    let served = Served::by(&bench, &args, &[], &env);
    bench.run_with(&health, &env, "").must(0);
    let (code, said) = served.end("-TERM");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn the_commands_that_the_dockerfile_shows_make_a_shop_of_an_empty_volume() {
    let text = text_of("Dockerfile");
    let catalogue = example("catalogue.toml");
    let shown: Vec<Vec<String>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("#   docker run ")?.split_once(" order "))
        .map(|(options, command)| {
            assert!(options.contains("--read-only -v orders:/data"), "{options}");
            let here = command
                .replace("/examples/catalogue.toml", &catalogue)
                .replace("0.0.0.0:50053", "127.0.0.1:0");
            here.split(' ').map(str::to_owned).collect()
        })
        .collect();
    let [load, serve] = &shown[..] else {
        panic!("{shown:?}")
    };
    let bench = Bench::empty();
    bench.run(&refs(load)).must(0);
    let (code, said) = Served::by(&bench, &refs(serve), &[], &[]).end("-TERM");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn the_unit_of_systemd_is_well_formed_and_its_command_serves() {
    let text = text_of("examples/order.service");
    let mut section = "";
    let (mut before, mut start) = (None, None);
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            assert!(["Unit", "Service", "Install"].contains(&name), "{name}");
            section = name;
            continue;
        }
        let (key, value) = line
            .split_once('=')
            .unwrap_or_else(|| panic!("{line} is no setting"));
        let known: &[&str] = match section {
            "Unit" => &["Description", "After", "Wants"],
            "Install" => &["WantedBy"],
            _ => &[
                "Environment",
                "ExecStart",
                "ExecStartPre",
                "WorkingDirectory",
                "StateDirectory",
                "StateDirectoryMode",
                "DynamicUser",
                "Restart",
                "RestartSec",
                "KillSignal",
                "TimeoutStopSec",
                "LimitNOFILE",
                "NoNewPrivileges",
                "ProtectSystem",
                "ProtectHome",
                "PrivateTmp",
                "PrivateDevices",
                "ProtectKernelTunables",
                "ProtectKernelModules",
                "ProtectControlGroups",
                "RestrictAddressFamilies",
                "RestrictNamespaces",
                "LockPersonality",
                "MemoryDenyWriteExecute",
                "SystemCallArchitectures",
                "CapabilityBoundingSet",
            ],
        };
        assert!(known.contains(&key), "[{section}] has no {key}");
        match key {
            "ExecStartPre" => before = Some(value),
            "ExecStart" => start = Some(value),
            _ => {}
        }
    }
    let catalogue = example("catalogue.toml");
    let words = |line: Option<&str>| -> Vec<String> {
        let args = line.unwrap().strip_prefix("/usr/local/bin/order ").unwrap();
        let here = args.replace("/etc/order/catalogue.toml", &catalogue);
        here.split(' ').map(str::to_owned).collect()
    };
    // As on a machine that never had one: the directory is empty.
    let bench = Bench::empty();
    bench.run(&refs(&words(before))).must(0);
    let args = words(start);
    let served = Served::by(&bench, &refs(&args), &["--listen", "127.0.0.1:0"], &[]);
    let (code, said) = served.end("-TERM");
    assert!(
        code == Some(0) && said.lines().all(|line| line.starts_with('{')),
        "{said}"
    );
}
