//! Certificates and keys of PEM files (RFC 7468).

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::files::Named;
use crate::security::SecurityError;

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(
    file: &Named,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, SecurityError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(file.wrong("holds no certificate: expected PEM with sections CERTIFICATE")),
    }
}

/// The first private key of a PEM file.
pub(crate) fn private_key(
    file: &Named,
    pem: &[u8],
) -> Result<PrivateKeyDer<'static>, SecurityError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        file.wrong(
            "holds no private key: expected PEM with a section PRIVATE KEY that is not encrypted",
        )
    })
}

/// The authorities of a PEM file, at least one.
pub(crate) fn roots(file: &Named, pem: &[u8]) -> Result<RootCertStore, SecurityError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(file, pem)? {
        roots.add(authority).map_err(|e| file.wrong(e))?;
    }
    Ok(roots)
}
