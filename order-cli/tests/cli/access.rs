//! Callers of `order serve`, and asking it for its health: with what the recipe of
//! docs/security.md makes.

use order_grpc::proto::order_service_client::OrderServiceClient;
use order_grpc::proto::{ListOrdersRequest, UpdateOrderStatusRequest};
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::bench::Bench;
use crate::served::{Served, mugs};

/// Carries the recipe out in the bench's directory.
fn with_identities() -> Bench {
    let bench = Bench::with_shop();
    let text = include_str!("../../../docs/security.md");
    let recipe = text
        .split("```sh\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let ran = std::process::Command::new("sh")
        .args(["-euc", recipe])
        .current_dir(bench.dir())
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "the recipe needs openssl 3: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    bench
}

const GUARDED: &str = r#"
listen = "0.0.0.0:0"
[tls]
cert = "server.pem"
key = "server.key"
client_ca = "ca.pem"
[auth]
jwt_key = "jwt.pub"
services = ["desk=dns:desk.internal"]
"#;

#[tokio::test]
async fn with_tls_and_tokens_it_listens_for_other_machines_and_knows_its_callers() {
    let bench = with_identities();
    bench.write("order.toml", GUARDED);
    let served = Served::start(&bench, &[], &[]);
    let port = served.address.rsplit_once(':').unwrap().1.to_owned();
    let url = format!("https://localhost:{port}");

    let ran = bench
        .run(&["health", "--server", &url, "--tls-ca", "ca.pem"])
        .must(0);
    assert_eq!(ran.out, format!("{url} serves\n"));
    let env = [
        ("ORDER_HEALTH_SERVER", &*url),
        ("ORDER_HEALTH_CA", "ca.pem"),
    ];
    bench.run_with(&["health"], &env, "").must(0);
    bench
        .run(&["health", "--server", &url])
        .must(1)
        .says("cannot be reached");
    bench
        .run(&[
            "health",
            "--server",
            &url,
            "--tls-ca",
            "ca.pem",
            "--tls-name",
            "else",
        ])
        .must(1)
        .says("cannot be reached");
    bench
        .run(&["health", "--server", &format!("http://localhost:{port}")])
        .must(1);

    let ca = Certificate::from_pem(std::fs::read(bench.dir().join("ca.pem")).unwrap());
    let tls = ClientTlsConfig::new().ca_certificate(ca);
    let channel = Endpoint::from_shared(url)
        .unwrap()
        .tls_config(tls)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = OrderServiceClient::new(channel);
    let refused = client
        .list_orders(ListOrdersRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let token = std::fs::read_to_string(bench.dir().join("token")).unwrap();
    let mut asked = tonic::Request::new(mugs(1));
    asked
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    let order = client.create_order(asked).await.unwrap().into_inner();
    let ship = UpdateOrderStatusRequest {
        order_id: order.id.clone(),
        status: "SHIPPED".into(),
        notes: None,
    };
    assert_eq!(
        client.update_order_status(ship).await.unwrap_err().code(),
        Code::Unauthenticated
    );
    let (code, said) = served.end("-TERM");
    assert_eq!(code, Some(0));
    assert!(
        !said.contains("exposed") && !said.contains(&token),
        "{said}"
    );
    let history = bench.json(&["history", &order.id], 0);
    assert_eq!(history[0]["actor"], "operator:erin");
}

#[test]
fn whoever_insists_is_warned_in_the_log_of_what_is_missing() {
    let bench = with_identities();
    for (args, lacks) in [
        (&[][..], "every caller acts as an operator"),
        (
            &["--jwt-key", "jwt.pub"][..],
            "calls and tokens can be read on the way",
        ),
        (
            &["--tls-cert", "server.pem", "--tls-key", "server.key"][..],
            "every caller acts as an operator",
        ),
    ] {
        let at = ["--listen", "0.0.0.0:0"];
        bench
            .run(&[&["serve"], args, &at].concat())
            .must(2)
            .says("callers are not authenticated, or not by TLS");
        let served = Served::start(&bench, &[args, &at, &["--insecure"]].concat(), &[]);
        let (_, said) = served.end("-TERM");
        assert!(
            said.contains("WARN") && said.contains("event=exposed") && said.contains(lacks),
            "{said}"
        );
    }
}

#[test]
fn a_server_s_health_is_an_exit_code() {
    let bench = Bench::with_shop();
    let served = Served::start(&bench, &["--listen", "127.0.0.1:0"], &[]);
    let listen = [("ORDER_LISTEN", served.address.as_str())];
    bench.run_with(&["health"], &listen, "").must(0);
    let address = served.address.clone();
    drop(served);
    bench
        .run(&["health", "--server", &format!("http://{address}")])
        .must(1)
        .says("cannot be reached");
    for (server, why) in [
        ("ftp://x", "expected http"),
        ("", "expected http"),
        ("http://", "expected http"),
    ] {
        bench.run(&["health", "--server", server]).must(2).says(why);
    }
    bench
        .run(&["health", "--server", "https://x", "--tls-ca", "none.pem"])
        .must(2)
        .says("health.ca: none.pem: cannot be read");
    let half = [
        "health",
        "--server",
        "https://x",
        "--tls-ca",
        "order.toml",
        "--tls-cert",
        "c.pem",
    ];
    bench.write("order.toml", "");
    bench
        .run(&half)
        .must(2)
        .says("health.ca: order.toml: holds no certificate");
}

#[test]
fn settings_that_do_not_fit_together_are_refused_before_anybody_is_let_in() {
    let bench = Bench::empty();
    for (file, said) in [
        (
            "[tls]\ncert = \"c\"\n",
            "order.toml:2:8: tls.cert: needs the certificate's private key: set tls.key",
        ),
        ("[tls]\nkey = \"k\"\n", "tls.key: needs a certificate"),
        ("[tls]\nclient_ca = \"a\"\n", "tls.client_ca: needs TLS"),
        (
            "[tls]\nclient_cert = \"required\"\n",
            "tls.client_cert: needs TLS",
        ),
        (
            "[tls]\ncert = \"c\"\nkey = \"k\"\nclient_cert = \"required\"\n",
            "tls.client_ca: is missing",
        ),
        (
            "[tls]\nclient_cert = \"perhaps\"\n",
            "\"perhaps\" is not one of optional, required",
        ),
        (
            "[auth]\njwt_key = \"a\"\njwks = \"b\"\n",
            "order.toml:3:8: auth.jwks: auth.jwt_key is given too",
        ),
        (
            "[auth]\nissuer = \"i\"\n",
            "auth.issuer: is about tokens, and none is believed",
        ),
        (
            "[auth]\naudience = \"i\"\n",
            "auth.audience: is about tokens, and none is believed",
        ),
        (
            "[auth]\nservices = [\"desk=dns:desk\"]\n",
            "auth.services: needs client certificates",
        ),
        (
            "[auth]\nleeway = \"1h\"\n",
            "auth.leeway: 1h is out of range: 0s to 10m",
        ),
        (
            "[server]\nrate_burst = 0\n",
            "server.rate_burst: 0 is out of range: 1 to 1000000",
        ),
        (
            "[auth]\njwtkey = \"a\"\n",
            "there is no setting \"auth.jwtkey\"",
        ),
    ] {
        bench.write("order.toml", file);
        bench.run(&["config"]).must(2).says(said);
    }
    let tls = "[tls]\ncert = \"c\"\nkey = \"k\"\nclient_ca = \"a\"\n[auth]\n";
    bench.write("order.toml", format!("{tls}services = [\"desk\"]\n"));
    bench
        .run(&["config"])
        .must(2)
        .says("\"desk\": expected NAME=CERTIFICATE");
    bench.write("order.toml", format!("{tls}services = [\"desk=cn:x\"]\n"));
    bench
        .run(&["config"])
        .must(2)
        .says("\"cn:x\" does not name a client certificate: expected dns:NAME");
    bench.write(
        "order.toml",
        format!("{tls}services = [\"desk=dns:x\", \"desk=uri:spiffe://a/b=c\"]\n"),
    );
    bench.run(&["config"]).must(0);

    bench.write("order.toml", "");
    bench
        .run(&["serve", "--jwks", "none.json"])
        .must(2)
        .says("auth.jwks: none.json: cannot be read");
    bench
        .run(&["serve", "--jwks", "http://issuer.example/keys"])
        .must(2)
        .says("auth.jwks: is http, and not on this machine");
    bench
        .run(&["serve", "--tls-cert", "c.pem", "--tls-key", "k.pem"])
        .must(2)
        .says("tls.cert: c.pem: cannot be read");
    bench
        .run(&["serve", "--rate-limit", "-1"])
        .must(2)
        .says("expected a whole number from 0 to 1000000");
}
