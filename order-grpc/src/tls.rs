//! TLS and mutual TLS: certificates from files that may be replaced at any time, HTTP/2 and nothing
//! else.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::log::Log;

#[cfg(feature = "tls")]
pub(crate) mod pem;
#[cfg(feature = "tls")]
mod server;
#[cfg(not(feature = "tls"))]
#[path = "tls/without.rs"]
mod server;

pub use server::Tls;

/// The certificates that a server shows, and those that it lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// A PEM file: the server's certificate, and those that lead to its root.
    pub cert: PathBuf,
    /// A PEM file: the certificate's private key.
    pub key: PathBuf,
    /// A PEM file: the authorities whose client certificates are believed. None: clients are not
    /// asked for one.
    pub client_ca: Option<PathBuf>,
    /// Turns clients without a certificate of `client_ca` away. Otherwise they may
    /// come, and say by a token who they are.
    pub client_required: bool,
    /// The shortest time after which the files are looked at again when somebody connects. 2 s.
    pub look_every: Duration,
}

impl TlsOptions {
    /// A server that shows `cert`, whose private key is `key`, and asks clients for nothing.
    pub fn new(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let look_every = Duration::from_secs(2);
        TlsOptions {
            cert: cert.into(),
            key: key.into(),
            client_ca: None,
            client_required: false,
            look_every,
        }
    }
}

/// A connection, of whatever kind.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// The other end of a connection, as far as the connection itself says who it is: an extension of
/// its requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer {
    /// The names in the certificate it showed, as [`crate::ClientName`] writes them. None without a
    /// certificate.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "nobody reads it"))]
    pub(crate) names: Option<Arc<[String]>>,
}

/// Makes of a connection what calls can be served on: as it is, or by a handshake that takes at
/// most `within`. None, and a word in the log, if nothing comes of it.
pub(crate) async fn open(
    tls: Option<&Tls>,
    stream: TcpStream,
    within: Duration,
    log: &Log,
) -> Option<(Box<dyn Io>, Peer)> {
    // Without it answers are only slower.
    let _ = stream.set_nodelay(true);
    match tls {
        Some(tls) => tls.secure(stream, within, log).await,
        None => Some((Box::new(stream), Peer::default())),
    }
}
