//! TLS and mutual TLS.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use order_grpc::proto::order_service_client::OrderServiceClient;
use order_grpc::{
    Auth, AuthOptions, ClientName, Limits, Log, LogFormat, ServerOptions, Tls, TlsOptions,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::identities::{auth, bearer, file, made, shell};
use crate::world::*;

fn options(client_ca: bool, client_required: bool) -> TlsOptions {
    let client_ca = client_ca.then(|| file("ca.pem"));
    let usual = TlsOptions::new(file("server.pem"), file("server.key"));
    TlsOptions {
        client_ca,
        client_required,
        look_every: Duration::ZERO,
        ..usual
    }
}

fn over(tls: TlsOptions) -> ServerOptions {
    ServerOptions {
        tls: Some(Tls::open(tls).unwrap()),
        ..ServerOptions::default()
    }
}

/// A client that believes the authority of the recipe, and shows a certificate of `dir`, if any.
async fn connect(
    world: &World,
    shows: Option<(&Path, &str)>,
) -> Result<Channel, tonic::transport::Error> {
    let ca = std::fs::read(file("ca.pem")).unwrap();
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca))
        .domain_name("localhost");
    if let Some((dir, name)) = shows {
        let read = |kind: &str| std::fs::read(dir.join(format!("{name}.{kind}"))).unwrap();
        tls = tls.identity(Identity::from_pem(read("pem"), read("key")));
    }
    let endpoint = Endpoint::from_shared(format!("https://{}", world.address)).unwrap();
    endpoint.tls_config(tls).unwrap().connect().await
}

#[tokio::test]
async fn calls_over_tls_are_answered_and_those_in_the_clear_are_not() {
    let sink = Sink::default();
    let log = Log::to(LogFormat::Text, Box::new(sink.clone()));
    let world = World::with(ServerOptions {
        log: log.clone(),
        ..over(options(false, false))
    })
    .await;
    let mut client = OrderServiceClient::new(connect(&world, None).await.unwrap());
    let order = place(&mut client, &[1], "CARD").await;
    assert_eq!(
        client
            .get_order(by_id(&order.id))
            .await
            .unwrap()
            .into_inner(),
        order
    );

    let in_the_clear = Endpoint::from_shared(format!("http://{}", world.address))
        .unwrap()
        .connect()
        .await;
    let answer = match in_the_clear {
        Ok(channel) => OrderServiceClient::new(channel)
            .get_order(by_id(&order.id))
            .await
            .is_ok(),
        Err(_) => false,
    };
    assert!(!answer);
    log.flush();
    assert!(
        sink.text()
            .contains("WARN order_grpc: a TLS handshake failed: "),
        "{}",
        sink.text()
    );
}

#[tokio::test]
async fn a_handshake_that_does_not_come_ends_and_many_are_one_line_of_the_log() {
    let sink = Sink::default();
    let log = Log::to(LogFormat::Text, Box::new(sink.clone()));
    let limits = Limits {
        first_call: Duration::from_millis(100),
        ..Limits::default()
    };
    let world = World::with(ServerOptions {
        limits,
        log: log.clone(),
        ..over(options(false, false))
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(world.address).await.unwrap());
    }
    for mut stream in silent {
        let ended = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut [0; 1]))
            .await
            .expect("it is closed");
        assert!(!matches!(ended, Ok(1..)));
    }
    log.flush();
    assert_eq!(
        sink.text()
            .lines()
            .filter(|line| line.contains("event=handshake"))
            .count(),
        1,
        "{}",
        sink.text()
    );
    assert!(sink.text().contains("it took longer than 0.1 s"));
    let mut client = OrderServiceClient::new(connect(&world, None).await.unwrap());
    place(&mut client, &[1], "CARD").await;
}

#[tokio::test]
async fn a_handshake_ends_when_the_server_stops() {
    let mut world = World::with(over(options(false, false))).await;
    let _silent = TcpStream::connect(world.address).await.unwrap();
    connect(&world, None).await.unwrap();
    world.tell_to_stop();
    let stopped = tokio::time::timeout(Duration::from_secs(8), world.stopped()).await;
    assert_eq!(
        stopped.expect("it does not wait for the grace period"),
        order_grpc::Drained::Clean
    );
}

/// Certificates beside those of the recipe: of another authority, and of no service that is
/// configured. Made once, as tests run beside each other.
fn strangers() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = made().join("strangers");
        std::fs::create_dir_all(&dir).unwrap();
        let certificate = |name: &str, authority: &str| {
            format!(
                "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=desk.internal -addext subjectAltName=DNS:{name} -keyout {name}.key -out {name}.csr
                 openssl x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -copy_extensions copy -days 1 -out {name}.pem\n"
            )
        };
        let authority = "cp ../ca.pem ../ca.key .
                         openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 1 -subj /CN=Other -keyout other.key -out other.pem\n";
        shell(
            &dir,
            &[
                authority,
                &certificate("unknown.internal", "ca"),
                &certificate("desk.internal", "other"),
            ]
            .concat(),
        );
        dir
    })
}

#[tokio::test]
async fn a_service_is_known_by_its_certificate() {
    let strangers = strangers();
    let fingerprint = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(file("desk.pem"))
        .output()
        .unwrap();
    let fingerprint = String::from_utf8(fingerprint.stdout).unwrap();
    let hex = fingerprint.trim().split_once('=').unwrap().1;
    for name in [
        "dns:Desk.internal",
        "uri:spiffe://example/desk",
        &format!("sha256:{hex}"),
    ] {
        let name: ClientName = name.parse().unwrap();
        let services = [(name, "desk".to_owned())].into();
        let auth = Some(Auth::open(AuthOptions { services, ..auth() }).unwrap());
        let world = World::with(ServerOptions {
            auth,
            ..over(options(true, false))
        })
        .await;
        let mut desk =
            OrderServiceClient::new(connect(&world, Some((made(), "desk"))).await.unwrap());
        let refused = Refused::of(desk.create_order(request(&[1], 1, "CARD")).await);
        refused.is(Code::PermissionDenied, "FORBIDDEN");
        desk.list_orders(order_grpc::proto::ListOrdersRequest::default())
            .await
            .unwrap();
        // A token decides, where both are shown.
        let token = bearer(USER, "customer");
        let shown = [("authorization", token.as_str())];
        desk.create_order(with(request(&[1], 1, "CARD"), &shown))
            .await
            .unwrap();
        let wrong = with(
            request(&[1], 1, "CARD"),
            &[("authorization", "Bearer wrong")],
        );
        Refused::of(desk.create_order(wrong).await).is(Code::Unauthenticated, "UNAUTHENTICATED");

        let mut unknown = OrderServiceClient::new(
            connect(&world, Some((strangers, "unknown.internal")))
                .await
                .unwrap(),
        );
        let refused = Refused::of(
            unknown
                .list_orders(order_grpc::proto::ListOrdersRequest::default())
                .await,
        );
        refused.is(Code::Unauthenticated, "UNAUTHENTICATED");
        let mut nobody = OrderServiceClient::new(connect(&world, None).await.unwrap());
        let refused = Refused::of(
            nobody
                .list_orders(order_grpc::proto::ListOrdersRequest::default())
                .await,
        );
        refused.is(Code::Unauthenticated, "UNAUTHENTICATED");
        nobody
            .create_order(with(request(&[1], 1, "CARD"), &shown))
            .await
            .unwrap();
    }
}

/// Tells whether a call comes through at all. In TLS 1.3 a client learns that its certificate is
/// not believed when it first reads.
async fn comes_through(world: &World, shows: Option<(&Path, &str)>) -> bool {
    let Ok(channel) = connect(world, shows).await else {
        return false;
    };
    let answer = OrderServiceClient::new(channel)
        .get_order(by_id(NOBODY))
        .await;
    answer.unwrap_err().code() == Code::NotFound
}

#[tokio::test]
async fn where_a_certificate_is_required_nobody_comes_without_one_that_is_believed() {
    let strangers = strangers();
    let required = World::with(over(options(true, true))).await;
    assert!(comes_through(&required, Some((made(), "desk"))).await);
    assert!(!comes_through(&required, None).await);
    assert!(!comes_through(&required, Some((strangers, "desk.internal"))).await);
    let optional = World::with(over(options(true, false))).await;
    assert!(comes_through(&optional, None).await);
    assert!(
        !comes_through(&optional, Some((strangers, "desk.internal"))).await,
        "one of another authority is worse than none"
    );
}

#[tokio::test]
async fn certificates_are_changed_without_a_restart() {
    let dir = made().join("renewed");
    std::fs::create_dir_all(&dir).unwrap();
    shell(&dir, "cp ../server.pem ../server.key ../ca.pem ../ca.key .");
    let usual = TlsOptions::new(dir.join("server.pem"), dir.join("server.key"));
    let sink = Sink::default();
    let log = Log::to(LogFormat::Text, Box::new(sink.clone()));
    let tls = over(TlsOptions {
        look_every: Duration::ZERO,
        ..usual
    });
    let world = World::with(ServerOptions {
        log: log.clone(),
        ..tls
    })
    .await;
    assert!(comes_through(&world, None).await);
    // A new key, and a certificate for another name: only who takes the old one for it gets
    // through.
    shell(
        &dir,
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=x -addext subjectAltName=DNS:other -keyout new.key -out new.csr
         openssl x509 -req -in new.csr -CA ca.pem -CAkey ca.key -copy_extensions copy -days 1 -out new.pem
         cp new.key server.key",
    );
    assert!(
        comes_through(&world, None).await,
        "half of a pair changes nothing"
    );
    log.flush();
    assert!(
        sink.text().contains("is not the key of the certificate in"),
        "{}",
        sink.text()
    );
    std::fs::copy(dir.join("new.pem"), dir.join("server.pem")).unwrap();
    assert!(
        !comes_through(&world, None).await,
        "the certificate is for another name now"
    );
    std::fs::write(dir.join("server.pem"), "").unwrap();
    assert!(!comes_through(&world, None).await);
    shell(&dir, "cp ../server.pem ../server.key .");
    assert!(comes_through(&world, None).await);
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_is_wrong() {
    let wrong = |options: TlsOptions| Tls::open(options).unwrap_err().to_string();
    let (cert, key) = (file("server.pem"), file("server.key"));
    for (options, field, why) in [
        (
            TlsOptions::new("no-such.pem", &key),
            "tls.cert: no-such.pem",
            "cannot be read: No such file",
        ),
        (TlsOptions::new(made(), &key), "tls.cert: ", "is not a file"),
        (
            TlsOptions::new(&key, &key),
            "tls.cert: ",
            "holds no certificate",
        ),
        (
            TlsOptions::new(&cert, &cert),
            "tls.key: ",
            "holds no private key",
        ),
        (
            TlsOptions::new(&cert, file("desk.key")),
            "tls.key: ",
            "is not the key of the certificate in",
        ),
        (
            TlsOptions {
                client_ca: Some(key.clone()),
                ..TlsOptions::new(&cert, &key)
            },
            "tls.client_ca: ",
            "holds no certificate",
        ),
        (
            TlsOptions {
                client_required: true,
                ..TlsOptions::new(&cert, &key)
            },
            "tls.client_ca",
            "is required",
        ),
    ] {
        let said = wrong(options);
        assert!(said.starts_with(field) && said.contains(why), "{said}");
    }
}
