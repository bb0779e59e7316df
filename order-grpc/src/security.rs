//! The error of settings that say who may call, and how connections are secured.

/// A setting of who may call that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct SecurityError {
    /// The setting, such as `tls.key`.
    pub field: &'static str,
    /// Says what is wrong with it, and what would be right.
    pub problem: String,
}

impl SecurityError {
    pub(crate) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        SecurityError {
            field,
            problem: problem.into(),
        }
    }
    /// The error of a setting whose code was left out of this build.
    #[cfg(not(feature = "tls"))]
    pub(crate) fn left_out(field: &'static str, what: &str) -> Self {
        SecurityError::new(field, format!("{what} {LEFT_OUT}"))
    }
}

/// The end of what is said of a setting whose code was left out of this build.
#[cfg(not(feature = "tls"))]
pub(crate) const LEFT_OUT: &str =
    "needs the feature \"tls\" of order-grpc, which this build is without";

#[cfg(all(test, not(feature = "tls")))]
mod tests {
    use std::time::Duration;

    use order_core::services::ServiceName;

    use crate::services::{self, Endpoint, ServiceChannel};
    use crate::{Auth, AuthOptions, KeySource, Tls, TlsOptions, health};

    /// Each is asked for as somebody would who does not know how the program was built.
    #[tokio::test]
    async fn asking_for_tls_or_tokens_names_the_feature_that_has_them() {
        let server = Tls::open(TlsOptions::new("server.pem", "server.key")).unwrap_err();
        let auth = Auth::open(AuthOptions {
            keys: Some(KeySource::Pem("jwt.pub".into())),
            ..AuthOptions::default()
        });
        let to = Endpoint::new("https://127.0.0.1:1");
        let channel = ServiceChannel::new(ServiceName::Payment, &to).unwrap_err();
        let within = Duration::from_secs(1);
        let asked = health::ask("https://127.0.0.1:1", &services::Tls::default(), within).await;
        let asked = asked.unwrap_err();
        assert!(asked.is_mistake(), "asking again is of no use");
        for (error, of) in [
            (server.to_string(), "tls: TLS needs"),
            (auth.unwrap_err().to_string(), "auth: knowing callers needs"),
            (
                channel.to_string(),
                "payment service: TLS cannot be set up: https needs",
            ),
            (asked.to_string(), "health.server: https needs"),
        ] {
            let expected = format!("{of} the feature \"tls\" of order-grpc");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
