//! Asking a server whether it serves (`grpc.health.v1`).

use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::files::{Named, SecurityError};
use crate::services::Tls;
use crate::tls;

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
        Some("https") => endpoint
            .tls_config(config(tls).map_err(|e| HealthError::Mistake(e.to_string()))?)
            .map_err(|e| mistake(e.to_string()))?,
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

fn config(tls: &Tls) -> Result<ClientTlsConfig, SecurityError> {
    let Tls {
        roots,
        certificate,
        key,
        domain,
    } = tls;
    let named = |field, path: &std::path::Path| Named {
        field,
        path: path.to_owned(),
    };
    let mut config = ClientTlsConfig::new();
    config = match roots {
        Some(path) => {
            let file = named("health.ca", path);
            let pem = file.read()?;
            tls::certificates(&file, &pem)?;
            config.ca_certificate(Certificate::from_pem(pem))
        }
        None => config.with_native_roots(),
    };
    config = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let (certificate, key) = (named("health.cert", certificate), named("health.key", key));
            let (chain, private) = (certificate.read()?, key.read()?);
            tls::certificates(&certificate, &chain)?;
            tls::private_key(&key, &private)?;
            config.identity(Identity::from_pem(chain, private))
        }
        (None, None) => config,
        (Some(_), None) => {
            return Err(SecurityError::new(
                "health.key",
                "is missing: health.cert needs its private key",
            ));
        }
        (None, Some(_)) => {
            return Err(SecurityError::new(
                "health.cert",
                "is missing: health.key needs its certificate",
            ));
        }
    };
    Ok(match domain {
        Some(domain) => config.domain_name(domain),
        None => config,
    })
}
