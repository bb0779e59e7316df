//! Tokens of every wrong kind, and where the keys of the right ones come from.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use order_grpc::{AuthOptions, KeySource, Log, LogFormat, Refresh, ServerOptions};
use ring::hmac;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::Code;

use crate::callers::{call, contract};
use crate::identities::{
    auth, bearer, claims, file, knowing, made, now, shell, signed, signed_with, unsigned,
};
use crate::raw;
use crate::world::*;

/// Everything that may be wrong with what a caller shows, with what the log says of it.
fn wrong() -> Vec<(&'static str, Vec<String>, &'static str)> {
    let rs256 = json!({"alg": "RS256"});
    let good = claims(USER, "customer");
    let but = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        vec![format!("Bearer {}", signed(&rs256, &claims))]
    };
    let of = |token: String| vec![format!("Bearer {token}")];
    let public = std::fs::read(file("jwt.pub")).unwrap();
    let hs256 = unsigned(&json!({"alg": "HS256"}), &good);
    let mac = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &public),
        hs256.as_bytes(),
    );
    shell(
        made(),
        "openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out other.key",
    );
    let other = std::fs::read(file("other.key")).unwrap();
    let right = signed(&rs256, &good);
    let (start, end) = right.split_at(right.len() - 9);
    vec![
        (
            "nothing",
            vec![],
            "neither a token nor a client certificate",
        ),
        (
            "alg none",
            of(format!("{}.", unsigned(&json!({"alg": "none"}), &good))),
            "neither RS256 nor ES256",
        ),
        (
            "HS256 with the public key",
            of(format!("{hs256}.{}", URL_SAFE_NO_PAD.encode(mac))),
            "neither RS256 nor ES256",
        ),
        (
            "ES256 for an RSA key",
            of(signed(&json!({"alg": "ES256"}), &good)),
            "no key fits",
        ),
        (
            "another's key",
            of(signed_with(&other, &rs256, &good)),
            "signature is wrong",
        ),
        (
            "a bit of the signature",
            of(format!("{start}AAAA{}", &end[4..])),
            "signature is wrong",
        ),
        (
            "another issuer",
            but("iss", json!("https://else.example")),
            "another issuer",
        ),
        (
            "another audience",
            but("aud", json!("shop")),
            "another audience",
        ),
        ("no audience", but("aud", Value::Null), "another audience"),
        ("expired", but("exp", json!(now() - 31)), "expired"),
        (
            "not yet valid",
            but("nbf", json!(now() + 600)),
            "not valid yet",
        ),
        ("no exp", but("exp", Value::Null), "no \"exp\""),
        (
            "no user",
            but("sub", Value::Null),
            "neither \"user_id\" nor \"sub\"",
        ),
        ("a user that is none", but("sub", json!("erin")), "no UUID"),
        (
            "an unknown role",
            but("role", json!("root")),
            "not one that is configured",
        ),
        ("garbage", of("garbage".into()), "three parts"),
        (
            "huge",
            of(format!("{right}{}", "A".repeat(9000))),
            "longer than",
        ),
        (
            "two authorizations",
            vec![format!("Bearer {right}"); 2],
            "more than one",
        ),
        (
            "another scheme",
            vec![format!("Basic {right}")],
            "scheme Bearer",
        ),
        ("no scheme", vec![right.clone()], "scheme Bearer"),
        ("an empty token", of(String::new()), "scheme Bearer"),
    ]
}

#[tokio::test]
async fn wrong_tokens_are_refused_by_every_call_and_only_the_log_says_why() {
    let sink = Sink::default();
    let log = Log::to(LogFormat::Text, Box::new(sink.clone()));
    let world = World::with(ServerOptions {
        log: log.clone(),
        ..knowing(auth())
    })
    .await;
    let wrong = wrong();
    for path in contract() {
        for (what, shown, _) in &wrong {
            let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
            assert_eq!(
                call(&world, &path, raw::framed(&by_id(NOBODY)), &shown).await,
                Code::Unauthenticated,
                "{path}: {what}"
            );
        }
    }
    let mut client = world.client().await;
    let mut told = Vec::new();
    for (_, shown, _) in &wrong {
        let shown: Vec<_> = shown
            .iter()
            .map(|text| ("authorization", text.as_str()))
            .collect();
        let refused = Refused::of(client.get_order(with(by_id(NOBODY), &shown)).await);
        refused.is(Code::Unauthenticated, "UNAUTHENTICATED");
        // Only the request's id differs.
        let request = refused.details.request_info().unwrap();
        let details = format!("{:?}", refused.details).replace(&request.request_id, "ID");
        told.push(format!("{} {details}", refused.status.message()));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "all of them are told the same: {told:?}");
    assert!(
        client
            .list_orders(with(
                Default::default(),
                &[("authorization", &bearer(USER, "customer"))]
            ))
            .await
            .is_ok()
    );

    log.flush();
    let text = sink.text();
    for (what, shown, said) in &wrong {
        let lines = text.lines().filter(|line| {
            line.contains("code=UNAUTHENTICATED") && line.contains(&said.replace('"', "\\\""))
        });
        assert!(
            lines.count() >= 9,
            "{what}: the log says {said:?} for each call"
        );
        for part in shown
            .iter()
            .flat_map(|text| text.split(['.', ' ']))
            .filter(|part| part.len() > 12)
        {
            assert!(
                !text.contains(part),
                "{what}: the log repeats what was shown"
            );
        }
    }
}

#[tokio::test]
async fn keys_are_changed_in_their_file_without_a_restart() {
    let dir = made().join("rotating");
    std::fs::create_dir_all(&dir).unwrap();
    shell(
        &dir,
        "cp ../jwt.pub keys.pem; openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out new.key",
    );
    let keys = dir.join("keys.pem");
    let world = World::with(knowing(AuthOptions {
        keys: Some(KeySource::Pem(keys.clone())),
        ..auth()
    }))
    .await;
    let new = std::fs::read(dir.join("new.key")).unwrap();
    let new = format!(
        "Bearer {}",
        signed_with(&new, &json!({"alg": "RS256"}), &claims(USER, "customer"))
    );
    let old = bearer(USER, "customer");
    let codes = async || {
        let ask = async |token: &str| {
            call(
                &world,
                "/order.OrderService/ListOrders",
                raw::framed(&()),
                &[token],
            )
            .await
        };
        (ask(&old).await, ask(&new).await)
    };
    assert_eq!(codes().await, (Code::Ok, Code::Unauthenticated));
    shell(&dir, "openssl pkey -in new.key -pubout >> keys.pem");
    assert_eq!(codes().await, (Code::Ok, Code::Ok), "two keys in one file");
    std::fs::write(&keys, "broken").unwrap();
    assert_eq!(
        codes().await,
        (Code::Ok, Code::Ok),
        "a broken file changes nothing"
    );
    shell(&dir, "openssl pkey -in new.key -pubout > keys.pem");
    assert_eq!(codes().await, (Code::Unauthenticated, Code::Ok));
}

/// An issuer that publishes keys, and counts who asks.
struct Issuer {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    /// The answer it gives: a status line's end, and a body.
    answer: Arc<Mutex<(&'static str, String)>>,
}

impl Issuer {
    async fn new(body: String) -> Self {
        Issuer::over(None, body).await
    }

    /// The same by https, with the server's certificate of the recipe.
    async fn with_tls(body: String) -> Self {
        let chain = CertificateDer::pem_file_iter(file("server.pem"))
            .unwrap()
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .unwrap();
        Issuer::over(Some(TlsAcceptor::from(Arc::new(config))), body).await
    }

    async fn over(tls: Option<TlsAcceptor>, body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, answer) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(Mutex::new(("200 OK", body))),
        );
        let (count, said) = (Arc::clone(&asked), Arc::clone(&answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let said = said.lock().unwrap().clone();
                match &tls {
                    None => answer_with(stream, said).await,
                    Some(tls) => {
                        // Whoever does not believe the certificate goes away.
                        if let Ok(stream) = tls.accept(stream).await {
                            answer_with(stream, said).await;
                        }
                    }
                }
            }
        });
        Issuer {
            address,
            asked,
            answer,
        }
    }

    fn keys(&self) -> KeySource {
        KeySource::Url {
            url: format!("http://{}/keys?all", self.address),
            ca: None,
        }
    }

    fn answers(&self, status: &'static str, body: String) {
        *self.answer.lock().unwrap() = (status, body);
    }
}

async fn answer_with(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    (status, body): (&'static str, String),
) {
    let mut request = [0; 1024];
    let read = stream.read(&mut request).await.unwrap();
    assert!(request[..read].starts_with(b"GET /keys?all HTTP/1.1\r\n"));
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    // Whoever asked may have gone.
    let _ = stream.shutdown().await;
}

/// A JWKS with the key of the recipe, under that id.
fn jwks(id: &str) -> String {
    let key = PrivateKeyDer::from_pem_file(file("jwt.key")).unwrap();
    let pair = ring::signature::RsaKeyPair::from_pkcs8(key.secret_der()).unwrap();
    let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
    let of = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}, {"kty": "RSA", "kid": id, "n": of(&public.n), "e": of(&public.e)}]})
        .to_string()
}

fn with_id(id: &str) -> String {
    format!(
        "Bearer {}",
        signed(
            &json!({"alg": "RS256", "kid": id}),
            &claims(USER, "customer")
        )
    )
}

async fn list(world: &World, token: &str) -> Code {
    call(
        world,
        "/order.OrderService/ListOrders",
        raw::framed(&()),
        &[token],
    )
    .await
}

#[tokio::test]
async fn keys_at_a_url_are_fetched_and_fetched_again_for_a_key_that_is_new() {
    let issuer = Issuer::new(jwks("1")).await;
    let refresh = Refresh {
        max_age: Duration::from_secs(3600),
        pause: Duration::ZERO,
    };
    let world = World::with(knowing(AuthOptions {
        keys: Some(issuer.keys()),
        refresh,
        ..auth()
    }))
    .await;
    assert_eq!(
        list(&world, &with_id("1")).await,
        Code::Ok,
        "the first call waits for the keys"
    );
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
    issuer.answers("200 OK", jwks("2"));
    assert_eq!(
        list(&world, &with_id("2")).await,
        Code::Ok,
        "a new key is fetched when it is first met"
    );
    assert_eq!(
        list(&world, &with_id("1")).await,
        Code::Unauthenticated,
        "and one that is gone is not believed any more"
    );

    for (status, body) in [
        ("500 Oops", jwks("3")),
        ("302 Found", jwks("3")),
        ("200 OK", "{}".into()),
        ("200 OK", r#"{"keys":[]}"#.into()),
    ] {
        issuer.answers(status, body);
        let before = issuer.asked.load(Ordering::SeqCst);
        assert_eq!(
            list(&world, &with_id("3")).await,
            Code::Unauthenticated,
            "{status}"
        );
        assert!(
            issuer.asked.load(Ordering::SeqCst) > before,
            "{status}: it was asked"
        );
        assert_eq!(
            list(&world, &with_id("2")).await,
            Code::Ok,
            "{status}: the old keys stay"
        );
    }
}

#[tokio::test]
async fn keys_come_by_https_from_an_issuer_whose_authority_is_believed() {
    let issuer = Issuer::with_tls(jwks("1")).await;
    let refresh = Refresh {
        max_age: Duration::from_secs(3600),
        pause: Duration::from_secs(3600),
    };
    for (ca, code) in [
        (Some(file("ca.pem")), Code::Ok),
        (Some(file("desk.pem")), Code::Unavailable),
    ] {
        let url = format!("https://localhost:{}/keys?all", issuer.address.port());
        let keys = Some(KeySource::Url { url, ca });
        let world = World::with(knowing(AuthOptions {
            keys,
            refresh,
            ..auth()
        }))
        .await;
        assert_eq!(list(&world, &with_id("1")).await, code);
    }
}

#[tokio::test]
async fn however_many_unknown_keys_are_named_the_issuer_is_asked_seldom() {
    let issuer = Issuer::new(jwks("1")).await;
    let refresh = Refresh {
        max_age: Duration::from_secs(3600),
        pause: Duration::from_secs(3600),
    };
    let world = World::with(knowing(AuthOptions {
        keys: Some(issuer.keys()),
        refresh,
        ..auth()
    }))
    .await;
    assert_eq!(list(&world, &with_id("1")).await, Code::Ok);
    let mut client = world.client().await;
    for n in 0..200 {
        let shown = with_id(&format!("unknown-{n}"));
        let refused = Refused::of(
            client
                .list_orders(with(
                    Default::default(),
                    &[("authorization", shown.as_str())],
                ))
                .await,
        );
        refused.is(Code::Unauthenticated, "UNAUTHENTICATED");
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
    assert_eq!(list(&world, &with_id("1")).await, Code::Ok);
}

#[tokio::test]
async fn without_any_keys_a_caller_is_told_to_come_again() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let keys = Some(KeySource::Url {
        url: format!("http://{nobody}/keys"),
        ca: None,
    });
    let refresh = Refresh {
        max_age: Duration::from_secs(3600),
        pause: Duration::from_secs(3600),
    };
    let world = World::with(knowing(AuthOptions {
        keys,
        refresh,
        ..auth()
    }))
    .await;
    let mut client = world.client().await;
    let shown = with_id("1");
    let refused = Refused::of(
        client
            .list_orders(with(
                Default::default(),
                &[("authorization", shown.as_str())],
            ))
            .await,
    );
    assert!(
        refused
            .is(Code::Unavailable, "AUTH_UNAVAILABLE")
            .may_be_retried()
    );
    let nothing = Refused::of(client.list_orders(with(Default::default(), &[])).await);
    nothing.is(Code::Unauthenticated, "UNAUTHENTICATED");
}
