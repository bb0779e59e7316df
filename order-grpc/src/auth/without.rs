//! Stands for what recognises callers where the crate is built without the feature `tls`.

use std::convert::Infallible;

use http::HeaderMap;
use order_core::manager::Principal;
use tokio::sync::watch;

use super::{AuthOptions, Refused};
use crate::log::Log;
use crate::security::SecurityError;
use crate::tls::Peer;

/// Recognises callers by tokens and certificates. Cheap to clone.
///
/// This build is without the feature `tls`, so that there is none.
#[derive(Debug, Clone)]
pub struct Auth(Infallible);

impl Auth {
    /// Reads the files that there are.
    ///
    /// # Errors
    ///
    /// [`SecurityError`], always: it names the feature that is missing.
    pub fn open(_options: AuthOptions) -> Result<Self, SecurityError> {
        Err(SecurityError::left_out("auth", "knowing callers"))
    }

    pub(crate) async fn caller(
        &self,
        _headers: &HeaderMap,
        _peer: &Peer,
        _log: &Log,
    ) -> Result<Principal, Refused> {
        match self.0 {}
    }

    pub(crate) async fn keep_fresh(&self, _log: &Log, _stop: watch::Receiver<bool>) {
        match self.0 {}
    }
}
