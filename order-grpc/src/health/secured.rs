//! TLS to the server that is asked.

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::files::Named;
use crate::security::SecurityError;
use crate::services::Tls;
use crate::tls::pem;

/// Has the connection to the server at `url` secured.
pub(super) fn with(endpoint: Endpoint, url: &str, tls: &Tls) -> Result<Endpoint, SecurityError> {
    endpoint
        .tls_config(config(tls)?)
        .map_err(|e| SecurityError::new("health.server", format!("{url:?}: {e}")))
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
            pem::certificates(&file, &pem)?;
            config.ca_certificate(Certificate::from_pem(pem))
        }
        None => config.with_native_roots(),
    };
    config = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let (certificate, key) = (named("health.cert", certificate), named("health.key", key));
            let (chain, private) = (certificate.read()?, key.read()?);
            pem::certificates(&certificate, &chain)?;
            pem::private_key(&key, &private)?;
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
