//! Connections to an issuer of tokens, to ask for its keys.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::Uri;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::files::Named;
use crate::security::SecurityError;
use crate::tls::{Io, pem};

/// An address that is to be asked: `https://…`, or `http://…`.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    host: String,
    port: u16,
    /// None: in the clear.
    tls: Option<Arc<ClientConfig>>,
}

impl Target {
    /// Reads an address, and the authorities that are believed there: those of the PEM file `ca`,
    /// or the system's own.
    pub(crate) fn parse(url: &str, ca: Option<PathBuf>) -> Result<Self, SecurityError> {
        // An address may hold a password, and is not repeated.
        let wrong = |problem: &str| {
            SecurityError::new(
                "auth.jwks",
                format!("{problem}: expected https://HOST/PATH"),
            )
        };
        let uri: Uri = url.parse().map_err(|_| wrong("is not a URL"))?;
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(wrong("has a user or a password"));
        }
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| wrong("has no host"))?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let (tls, usual) = match uri.scheme_str() {
            Some("https") => (Some(client(ca)?), 443),
            Some("http") if is_here(&host) => (None, 80),
            Some("http") => return Err(wrong("is http, and not on this machine")),
            _ => return Err(wrong("is neither https nor http")),
        };
        let port = uri.port_u16().unwrap_or(usual);
        Ok(Target {
            uri,
            host,
            port,
            tls,
        })
    }

    /// Connects; in the clear to this machine only, since whoever can change what is said on the
    /// way could forge every token.
    pub(crate) async fn connect(&self) -> std::io::Result<Box<dyn Io>> {
        let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the host has no address");
        for address in lookup_host((self.host.as_str(), self.port)).await? {
            if self.tls.is_none() && !address.ip().to_canonical().is_loopback() {
                last = std::io::Error::other(format!(
                    "{} is not on this machine: https is needed",
                    address.ip()
                ));
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return self.secured(stream).await,
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    async fn secured(&self, stream: TcpStream) -> std::io::Result<Box<dyn Io>> {
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
        Ok(Box::new(
            TlsConnector::from(Arc::clone(tls))
                .connect(name, stream)
                .await?,
        ))
    }
}

/// Tells whether a host is this machine, as far as its name says.
fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse()
            .is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

fn client(ca: Option<PathBuf>) -> Result<Arc<ClientConfig>, SecurityError> {
    let roots = match ca {
        Some(path) => {
            let file = Named { field: CA, path };
            pem::roots(&file, &file.read()?)?
        }
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| SecurityError::new(CA, e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The setting that names authorities.
const CA: &str = "auth.jwks_ca";

fn system_roots() -> Result<RootCertStore, SecurityError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let problem = "is needed: this system has no authorities that are believed; name a PEM file of those that are";
        return Err(SecurityError::new(CA, problem));
    }
    Ok(roots)
}
