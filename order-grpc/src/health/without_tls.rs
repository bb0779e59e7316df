//! Stands for TLS to the server that is asked where the crate is built without the feature `tls`.

use tonic::transport::Endpoint;

use crate::security::SecurityError;
use crate::services::Tls;

pub(super) fn with(_: Endpoint, _url: &str, _: &Tls) -> Result<Endpoint, SecurityError> {
    Err(SecurityError::left_out("health.server", "https"))
}
