//! TLS to the server, as the URL or the environment asks for it.

use std::path::Path;

use order_core::store::{StoreError, StoreErrorKind};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::options::is_joined;

/// The values of `sslmode`. `allow`, which libpq also knows, is missing: the driver would take it
/// for `disable`.
const MODES: [(&str, PgSslMode); 5] = [
    ("disable", PgSslMode::Disable),
    ("prefer", PgSslMode::Prefer),
    ("require", PgSslMode::Require),
    ("verify-ca", PgSslMode::VerifyCa),
    ("verify-full", PgSslMode::VerifyFull),
];

/// The parameters of TLS that a URL may have.
pub(crate) const PARAMETERS: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

fn wrong(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::Misconfigured, message)
}

/// Adds what `of_url` says for the names of [`PARAMETERS`], or else `of_env` for libpq's variables
/// of these names.
///
/// A socket is not encrypted, whatever is asked for, and no one can listen in on it. Certificates
/// that were asked for are never passed over in silence: files are looked at here, and are read
/// again for each connection, so that they can be renewed.
pub(crate) fn secure(
    connect: PgConnectOptions,
    of_url: impl Fn(&str) -> Option<String>,
    of_env: impl Fn(&str) -> Option<String>,
) -> Result<PgConnectOptions, StoreError> {
    let variable = |name: &str| {
        of_env(&format!("PG{}", name.to_uppercase())).filter(|value| !value.is_empty())
    };
    let mode = match of_url("sslmode")
        .map(|mode| ("sslmode", mode))
        .or_else(|| Some(("PGSSLMODE", variable("sslmode")?)))
    {
        None => PgSslMode::Prefer,
        Some((name, asked)) => match MODES.iter().find(|(mode, _)| *mode == asked) {
            Some((_, mode)) => *mode,
            // It is not repeated: a mistake in a URL can put a password anywhere.
            None => {
                return Err(wrong(format!(
                    "{name} has no such value: use one of {}",
                    MODES.map(|(mode, _)| mode).join(", ")
                )));
            }
        },
    };
    if connect.get_socket().is_some() || connect.get_host().starts_with('/') {
        return Ok(connect.ssl_mode(PgSslMode::Disable));
    }
    let verifies = !matches!(
        mode,
        PgSslMode::Disable | PgSslMode::Prefer | PgSslMode::Allow
    );
    if let Some(idle) = PARAMETERS[1..]
        .iter()
        .find(|name| of_url(name).is_some())
        .filter(|_| !verifies)
    {
        return Err(wrong(format!(
            "{idle} needs sslmode=verify-full, verify-ca or require: add one of them"
        )));
    }
    let [root, cert, key] = [PARAMETERS[1], PARAMETERS[2], PARAMETERS[3]]
        .map(|name| of_url(name).or_else(|| variable(name)));
    if root.as_deref() == Some("system") && verifies && !matches!(mode, PgSslMode::VerifyFull) {
        return Err(wrong(
            "sslrootcert=system needs sslmode=verify-full: anybody can have a certificate of the system's authorities".into(),
        ));
    }
    // As libpq does: whoever names an authority wants it to be asked.
    let named = root.filter(|root| verifies && root != "system");
    let mode = if named.is_some() && matches!(mode, PgSslMode::Require) {
        PgSslMode::VerifyCa
    } else {
        mode
    };
    // Not the file that the driver has found in the environment by itself.
    let mut connect = connect.ssl_mode(mode).ssl_root_cert_from_pem(Vec::new());
    if let Some(root) = named {
        must_have(
            "sslrootcert",
            &root,
            "CERTIFICATE",
            "the certificate of the authority that signed the server's",
        )?;
        connect = connect.ssl_root_cert(root);
    }
    match (cert, key) {
        (Some(cert), Some(key)) if verifies => {
            must_have("sslcert", &cert, "CERTIFICATE", "the user's certificate")?;
            must_have(
                "sslkey",
                &key,
                "PRIVATE KEY",
                "the key of that certificate, without a passphrase",
            )?;
            connect = connect.ssl_client_cert(cert).ssl_client_key(key);
        }
        (Some(_), None) => return Err(wrong("sslcert needs sslkey, the file with its key".into())),
        (None, Some(_)) => {
            return Err(wrong(
                "sslkey needs sslcert, the file with its certificate".into(),
            ));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    Ok(connect)
}

/// Refuses a file without the thing that is looked for in it: the driver would take it for an empty
/// list, or for a server that is away.
fn must_have(name: &str, path: &str, what: &str, expected: &str) -> Result<(), StoreError> {
    if is_joined(path) {
        return Err(wrong(format!(
            "{name} in the URL of the store: expected a file with {expected}, whose path has none of ?, &, = and @"
        )));
    }
    let text = std::fs::read(Path::new(path)).map_err(|error| {
        StoreError::caused(
            StoreErrorKind::Misconfigured,
            format!("{name}: {path} cannot be read: expected a file with {expected}"),
            error,
        )
    })?;
    let text = String::from_utf8_lossy(&text);
    let is_there = text.lines().any(|line| {
        let label = line
            .trim()
            .strip_prefix("-----BEGIN ")
            .and_then(|line| line.strip_suffix("-----"));
        label.is_some_and(|label| label.ends_with(what) && !label.starts_with("ENCRYPTED"))
    });
    match is_there {
        true => Ok(()),
        false => Err(wrong(format!(
            "{name}: {path} has no {what} in PEM: expected {expected}"
        ))),
    }
}

/// Explains a failed handshake, and says what to do about it; none for what is no matter of TLS.
pub(crate) fn refusal(error: &sqlx::Error) -> Option<String> {
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    use rustls::Error::{AlertReceived, InvalidCertificate};
    match error {
        sqlx::Error::Tls(why) if why.to_string().contains("does not support TLS") => {
            return Some(
                "the server does not speak TLS: turn on ssl there, or take another sslmode"
                    .to_owned(),
            );
        }
        sqlx::Error::Tls(_) => {
            return Some("the database cannot be connected to by TLS".to_owned());
        }
        _ => {}
    }
    let sqlx::Error::Io(io) = error else {
        return None;
    };
    let remedy = match io.get_ref()?.downcast_ref::<rustls::Error>()? {
        InvalidCertificate(UnknownIssuer) => {
            "its certificate was not signed by an authority that is trusted: sslrootcert names the file with that authority's certificate"
        }
        InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "its certificate is for another name: connect by the name that it is for"
        }
        InvalidCertificate(
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. },
        ) => "its certificate is not valid now: renew it, or look at this machine's clock",
        InvalidCertificate(_) => {
            "its certificate cannot be accepted: look at how it was made, and at sslrootcert"
        }
        AlertReceived(_) => {
            "it broke off: it may want a certificate (sslcert and sslkey) that it can accept"
        }
        _ => "look at what the server's TLS is set up for",
    };
    Some(format!(
        "the server cannot be trusted with a connection by TLS: {remedy}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/ca.pem");
    const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/client.key");

    fn secured(
        host: &str,
        url: &[(&str, &str)],
        env: &[(&str, &str)],
    ) -> Result<PgSslMode, String> {
        let of = |pairs: &[(&str, &str)], name: &str| {
            pairs
                .iter()
                .find(|(of, _)| *of == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let connect = PgConnectOptions::new_without_pgpass().host(host);
        let secured = secure(connect, |name| of(url, name), |name| of(env, name));
        secured
            .map(|connect| connect.get_ssl_mode())
            .map_err(|error| {
                assert_eq!(error.kind, StoreErrorKind::Misconfigured);
                error.message
            })
    }

    #[test]
    fn the_url_counts_before_the_environment_and_a_socket_needs_none() {
        let mode = |host, url: &[_], env: &[_]| format!("{:?}", secured(host, url, env).unwrap());
        assert_eq!(mode("db", &[], &[]), "Prefer");
        assert_eq!(
            mode("db", &[], &[("PGSSLMODE", "verify-full")]),
            "VerifyFull"
        );
        assert_eq!(
            mode(
                "db",
                &[("sslmode", "disable")],
                &[("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", "/none")]
            ),
            "Disable"
        );
        assert_eq!(
            mode(
                "/tmp",
                &[("sslmode", "verify-full"), ("sslrootcert", "/none")],
                &[]
            ),
            "Disable"
        );
        // An authority that is named is asked.
        assert_eq!(mode("db", &[("sslmode", "require")], &[]), "Require");
        assert_eq!(
            mode("db", &[("sslmode", "require"), ("sslrootcert", CA)], &[]),
            "VerifyCa"
        );
        assert_eq!(
            mode("db", &[("sslmode", "require")], &[("PGSSLROOTCERT", CA)]),
            "VerifyCa"
        );
        assert_eq!(
            mode(
                "db",
                &[("sslmode", "verify-full"), ("sslrootcert", "system")],
                &[]
            ),
            "VerifyFull"
        );
        assert_eq!(mode("db", &[], &[("PGSSLROOTCERT", "system")]), "Prefer");
    }

    #[test]
    fn what_would_not_protect_is_refused_with_what_there_is() {
        let refused = |url: &[_], env: &[_]| secured("db", url, env).expect_err("it is refused");
        for weak in ["require", "verify-ca"] {
            let said = refused(&[("sslmode", weak), ("sslrootcert", "system")], &[]);
            assert!(
                said.starts_with("sslrootcert=system needs sslmode=verify-full"),
                "{said}"
            );
        }
        let modes =
            "has no such value: use one of disable, prefer, require, verify-ca, verify-full";
        for bad in ["", "allow", "verify_full", "VERIFY-FULL", "on", "secret"] {
            assert_eq!(
                refused(&[("sslmode", bad)], &[]),
                format!("sslmode {modes}")
            );
        }
        assert_eq!(
            refused(&[], &[("PGSSLMODE", "verify_full")]),
            format!("PGSSLMODE {modes}")
        );
        let of_no_use =
            "sslrootcert needs sslmode=verify-full, verify-ca or require: add one of them";
        assert_eq!(refused(&[("sslrootcert", CA)], &[]), of_no_use);
        assert_eq!(
            refused(&[("sslmode", "disable"), ("sslrootcert", CA)], &[]),
            of_no_use
        );
        let full = ("sslmode", "verify-full");
        assert!(
            refused(&[full, ("sslrootcert", "/none")], &[])
                .starts_with("sslrootcert: /none cannot be read: expected")
        );
        assert!(
            refused(&[full, ("sslrootcert", KEY)], &[])
                .ends_with("has no CERTIFICATE in PEM: expected the certificate of the authority that signed the server's")
        );
        assert!(
            refused(&[full, ("sslcert", CA), ("sslkey", CA)], &[])
                .contains("has no PRIVATE KEY in PEM")
        );
        assert!(refused(&[full, ("sslcert", CA)], &[]).contains("needs sslkey"));
        assert!(refused(&[full, ("sslkey", KEY)], &[]).contains("needs sslcert"));
    }
}
