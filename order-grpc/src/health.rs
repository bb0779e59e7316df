//! Asking a server whether it serves (`grpc.health.v1`).

use std::time::Duration;

use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::services::Tls;

#[cfg(feature = "tls")]
mod secured;
#[cfg(not(feature = "tls"))]
#[path = "health/without_tls.rs"]
mod secured;

/// A reason why a server is not known to serve.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// It can never be asked like this.
    #[error("{0}")]
    Mistake(String),
    /// It cannot be reached.
    #[error("cannot be reached")]
    Unreachable(#[source] tonic::transport::Error),
    /// It answered something else.
    #[error("answered {0}")]
    Answered(String),
    /// It did not answer.
    #[error("did not answer within {} s", .0.as_secs_f32())]
    Silent(Duration),
}

impl HealthError {
    /// Tells whether asking again can never help.
    pub const fn is_mistake(&self) -> bool {
        matches!(self, HealthError::Mistake(_))
    }
}

/// Asks the server at `url`, `http://…` or `https://…`, whether it serves, and waits at most
/// `within` for the answer.
///
/// # Errors
///
/// [`HealthError`] says why it is not known to serve.
pub async fn ask(url: &str, tls: &Tls, within: Duration) -> Result<(), HealthError> {
    let mistake =
        |problem: String| HealthError::Mistake(format!("health.server: {url:?}: {problem}"));
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|_| mistake("expected http://HOST:PORT".into()))?;
    let endpoint = match endpoint.uri().scheme_str() {
        Some("https") => {
            secured::with(endpoint, url, tls).map_err(|e| HealthError::Mistake(e.to_string()))?
        }
        Some("http") => endpoint,
        _ => {
            return Err(mistake(
                "expected http://HOST:PORT or https://HOST:PORT".into(),
            ));
        }
    };
    let asked = async {
        let channel = endpoint.connect().await.map_err(HealthError::Unreachable)?;
        let answer = HealthClient::new(channel)
            .check(HealthCheckRequest::default())
            .await;
        let answer = answer.map_err(|status| {
            HealthError::Answered(format!("{:?}: {}", status.code(), status.message()))
        })?;
        match answer.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            other => Err(HealthError::Answered(other.as_str_name().to_owned())),
        }
    };
    tokio::time::timeout(within, asked)
        .await
        .unwrap_or(Err(HealthError::Silent(within)))
}
