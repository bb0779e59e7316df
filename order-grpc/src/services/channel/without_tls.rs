//! Stands for TLS to a service where the crate is built without the feature `tls`.

use std::time::Duration;

use order_core::services::ServiceName;
use tonic::transport::Endpoint;

use super::{EndpointError, Tls};
use crate::security::LEFT_OUT;

impl Tls {
    pub(super) fn secure(
        &self,
        _to: Endpoint,
        service: ServiceName,
        _connect_timeout: Duration,
    ) -> Result<Endpoint, EndpointError> {
        let problem = format!("https {LEFT_OUT}");
        Err(EndpointError::Tls { service, problem })
    }
}
