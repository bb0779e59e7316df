//! Certificates, keys and tokens, made by the recipe of docs/security.md.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use order_grpc::{Auth, AuthOptions, KeySource, ServerOptions};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::world::USER;

/// Another customer.
pub const OTHER: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a36";

/// Runs `script` in `dir`.
pub fn shell(dir: &Path, script: &str) {
    let ran = Command::new("sh")
        .args(["-euc", script])
        .current_dir(dir)
        .output()
        .expect("there is a shell");
    assert!(
        ran.status.success(),
        "the recipe needs openssl 3: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

/// The directory where the recipe was carried out, once for all tests.
pub fn made() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("identities-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let text = include_str!("../../../docs/security.md");
        let recipe = text
            .split("```sh\n")
            .nth(1)
            .unwrap()
            .split("```")
            .next()
            .unwrap();
        shell(&dir, recipe);
        dir
    })
}

pub fn file(name: &str) -> PathBuf {
    made().join(name)
}

pub fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

/// A token, signed with the key of the recipe whatever it says.
pub fn signed(header: &Value, claims: &Value) -> String {
    let pem = std::fs::read(file("jwt.key")).unwrap();
    signed_with(&pem, header, claims)
}

pub fn signed_with(pem: &[u8], header: &Value, claims: &Value) -> String {
    let key = PrivateKeyDer::from_pem_slice(pem).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_der()).unwrap();
    let signed = unsigned(header, claims);
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The claims of a good token.
pub fn claims(who: &str, role: &str) -> Value {
    json!({"sub": who, "role": role, "exp": now() + 600, "iss": "https://issuer.example", "aud": "orders"})
}

pub fn bearer(who: &str, role: &str) -> String {
    format!(
        "Bearer {}",
        signed(&json!({"alg": "RS256"}), &claims(who, role))
    )
}

/// Everybody who may come: the customer whose orders these are, another, a service, an operator.
pub fn callers() -> [(&'static str, String); 4] {
    [
        ("owner", bearer(USER, "customer")),
        ("other", bearer(OTHER, "customer")),
        ("service", bearer("desk", "service")),
        ("operator", bearer("erin", "operator")),
    ]
}

pub fn auth() -> AuthOptions {
    AuthOptions {
        keys: Some(KeySource::Pem(file("jwt.pub"))),
        issuer: Some("https://issuer.example".into()),
        audience: Some("orders".into()),
        look_every: Duration::ZERO,
        ..AuthOptions::default()
    }
}

/// A server that knows its callers.
pub fn knowing(options: AuthOptions) -> ServerOptions {
    ServerOptions {
        auth: Some(Auth::open(options).unwrap()),
        ..ServerOptions::default()
    }
}
