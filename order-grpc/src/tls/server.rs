//! The server's side of TLS.

use std::sync::Arc;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::Level;

use super::pem::{certificates, private_key, roots};
use super::{Io, Peer, TlsOptions};
use crate::files::{Named, Watched};
use crate::log::Log;
use crate::security::SecurityError;
use crate::sparse::Sparse;

/// TLS for a server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Watched<ServerConfig>,
    failed: Sparse,
}

/// The application protocol of HTTP/2 (RFC 9113, 3.1).
const H2: &[u8] = b"h2";

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`SecurityError`] names the setting, the file, and what is wrong with it.
    pub fn open(options: TlsOptions) -> Result<Self, SecurityError> {
        let TlsOptions {
            cert,
            key,
            client_ca,
            client_required,
            look_every,
        } = options;
        if client_required && client_ca.is_none() {
            let problem = "is required, since clients must have a certificate: name a PEM file of the authorities that are believed";
            return Err(SecurityError::new("tls.client_ca", problem));
        }
        let named = |field, path| Named { field, path };
        let mut files = vec![named("tls.cert", cert), named("tls.key", key)];
        files.extend(client_ca.map(|path| named("tls.client_ca", path)));
        let parse =
            move |files: &[Named], contents: &[Vec<u8>]| config(files, contents, client_required);
        let config = Watched::open("TLS certificates", files, look_every, Box::new(parse))?;
        Ok(Tls(Arc::new(Inner {
            config,
            failed: Sparse::default(),
        })))
    }

    /// Carries out a handshake that takes at most `within`. None, and a word in the log, if it
    /// fails.
    pub(super) async fn secure(
        &self,
        stream: TcpStream,
        within: Duration,
        log: &Log,
    ) -> Option<(Box<dyn Io>, Peer)> {
        let problem = match tokio::time::timeout(within, self.shake(stream, log)).await {
            Ok(Ok(stream)) => {
                let peer = Peer::of(&stream);
                return Some((Box::new(stream), peer));
            }
            Ok(Err(e)) => e.to_string(),
            Err(_elapsed) => format!("it took longer than {} s", within.as_secs_f32()),
        };
        self.0.failed.say(log, Level::WARN, "handshake", || {
            format!("a TLS handshake failed: {problem}")
        });
        None
    }

    async fn shake(&self, stream: TcpStream, log: &Log) -> std::io::Result<TlsStream<TcpStream>> {
        let config = self.0.config.current(log).await;
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        match stream.get_ref().1.alpn_protocol() {
            Some(H2) => Ok(stream),
            _ => Err(std::io::Error::other(
                "the client does not say that it speaks HTTP/2 (ALPN h2)",
            )),
        }
    }
}

fn config(
    files: &[Named],
    contents: &[Vec<u8>],
    client_required: bool,
) -> Result<ServerConfig, SecurityError> {
    let ([cert, key, ca @ ..], [cert_pem, key_pem, ca_pem @ ..]) = (files, contents) else {
        return Err(SecurityError::new("tls", "needs a certificate and a key"));
    };
    let chain = certificates(cert, cert_pem)?;
    let private = private_key(key, key_pem)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| SecurityError::new("tls", e.to_string()))?;
    let builder = match (ca.first(), ca_pem.first()) {
        (Some(ca), Some(pem)) => {
            let roots = Arc::new(roots(ca, pem)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier = if client_required {
                verifier
            } else {
                verifier.allow_unauthenticated()
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|e| ca.wrong(e))?)
        }
        _ => builder.with_no_client_auth(),
    };
    // Also finds out whether the two belong together.
    let mut config = builder
        .with_single_cert(chain, private)
        .map_err(|e| match e {
            rustls::Error::InconsistentKeys(_) => key.wrong(format_args!(
                "is not the key of the certificate in {}",
                cert.path.display()
            )),
            e => key.wrong(e),
        })?;
    config.alpn_protocols = vec![H2.to_vec()];
    Ok(config)
}

impl Peer {
    fn of(stream: &TlsStream<TcpStream>) -> Self {
        let shown = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(<[_]>::first);
        Peer {
            names: shown.map(|certificate| names(certificate).into()),
        }
    }
}

/// The names of a certificate: SHA-256 of all of it, and its subject alternative names of DNS and
/// URI.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let hex: String = digest(&SHA256, certificate)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut names = vec![format!("sha256:{hex}")];
    if let Ok(parsed) = webpki::EndEntityCert::try_from(certificate) {
        names.extend(
            parsed
                .valid_dns_names()
                .map(|name| format!("dns:{}", name.to_ascii_lowercase())),
        );
        names.extend(parsed.valid_uri_names().map(|name| format!("uri:{name}")));
    }
    names
}
