//! TLS to a service.

use std::path::Path;
use std::time::Duration;

use order_core::services::ServiceName;
use order_core::text::chain;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::{EndpointError, Tls};

impl Tls {
    /// Has connections secured, once every file has been read and holds what it should.
    pub(super) fn secure(
        &self,
        to: Endpoint,
        service: ServiceName,
        connect_timeout: Duration,
    ) -> Result<Endpoint, EndpointError> {
        let config = self.config(service)?.timeout(connect_timeout);
        let refused = |e: tonic::transport::Error| EndpointError::Tls {
            service,
            problem: chain(&e),
        };
        to.tls_config(config).map_err(refused)
    }

    /// Returns what tonic is told, once every file has been read and holds what it should.
    fn config(&self, service: ServiceName) -> Result<ClientTlsConfig, EndpointError> {
        let Tls {
            roots,
            certificate,
            key,
            domain,
        } = self;
        let wrong = |setting, problem: String| EndpointError::Setting {
            service,
            setting,
            problem,
        };
        let read = |setting, path: &Path| {
            let failed = |source| EndpointError::File {
                service,
                setting,
                path: path.to_owned(),
                source,
            };
            std::fs::read(path).map_err(failed)
        };
        let certificates = |setting, path: &Path| {
            let pem = read(setting, path)?;
            let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            match all {
                Ok(all) if !all.is_empty() => Ok(pem),
                _ => Err(wrong(
                    setting,
                    format!("{} holds no certificate: expected PEM", path.display()),
                )),
            }
        };
        let mut config = ClientTlsConfig::new();
        config = match roots {
            Some(path) => {
                config.ca_certificate(Certificate::from_pem(certificates("tls.roots", path)?))
            }
            None => config.with_native_roots(),
        };
        match (certificate, key) {
            (Some(certificate), Some(path)) => {
                let certificate = certificates("tls.certificate", certificate)?;
                let key = read("tls.key", path)?;
                if PrivateKeyDer::from_pem_slice(&key).is_err() {
                    return Err(wrong(
                        "tls.key",
                        format!("{} holds no private key: expected PEM", path.display()),
                    ));
                }
                config = config.identity(Identity::from_pem(certificate, key));
            }
            (None, None) => {}
            (Some(_), None) => {
                return Err(wrong(
                    "tls.key",
                    "is missing: tls.certificate needs its private key".to_owned(),
                ));
            }
            (None, Some(_)) => {
                return Err(wrong(
                    "tls.certificate",
                    "is missing: tls.key needs its certificate".to_owned(),
                ));
            }
        }
        if let Some(domain) = domain {
            config = config.domain_name(domain);
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::services::{self, ServiceChannel};

    #[tokio::test]
    async fn files_that_make_no_sense_are_refused_when_a_channel_is_made() {
        let here = || Some(PathBuf::from("Cargo.toml"));
        for (tls, expected) in [
            (
                (Tls {
                    roots: Some("no/such/file".into()),
                    ..Tls::default()
                }),
                "cannot read tls.roots no/such/file",
            ),
            (
                (Tls {
                    roots: here(),
                    ..Tls::default()
                }),
                "tls.roots Cargo.toml holds no certificate: expected PEM",
            ),
            (
                (Tls {
                    certificate: here(),
                    ..Tls::default()
                }),
                "tls.key is missing",
            ),
            (
                (Tls {
                    key: here(),
                    ..Tls::default()
                }),
                "tls.certificate is missing",
            ),
        ] {
            let endpoint = services::Endpoint {
                tls,
                ..services::Endpoint::new("https://127.0.0.1:1")
            };
            let error = ServiceChannel::new(ServiceName::Payment, &endpoint)
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
