//! Stands for the server's side of TLS where the crate is built without the feature `tls`.

use std::convert::Infallible;
use std::time::Duration;

use tokio::net::TcpStream;

use super::{Io, Peer, TlsOptions};
use crate::log::Log;
use crate::security::SecurityError;

/// TLS for a server. Cheap to clone.
///
/// This build is without the feature `tls`, so that there is none.
#[derive(Debug, Clone)]
pub struct Tls(Infallible);

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`SecurityError`], always: it names the feature that is missing.
    pub fn open(_options: TlsOptions) -> Result<Self, SecurityError> {
        Err(SecurityError::left_out("tls", "TLS"))
    }

    pub(super) async fn secure(
        &self,
        _stream: TcpStream,
        _within: Duration,
        _log: &Log,
    ) -> Option<(Box<dyn Io>, Peer)> {
        match self.0 {}
    }
}
