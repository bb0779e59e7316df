//! Recognises callers: by a token of an issuer that is believed, or by a client certificate that
//! stands for a service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

#[cfg(feature = "tls")]
mod jwks;
#[cfg(feature = "tls")]
mod keys;
#[cfg(feature = "tls")]
mod recognise;
#[cfg(not(feature = "tls"))]
#[path = "auth/without.rs"]
mod recognise;
#[cfg(feature = "tls")]
mod token;

pub use recognise::Auth;

/// The ways in which callers prove who they are.
#[derive(Debug, Clone)]
pub struct AuthOptions {
    /// The public keys that tokens are checked with. None: no token is believed, and
    /// callers come by certificates.
    pub keys: Option<KeySource>,
    /// The `iss` that a token must have. None: it may be anything, and be missing.
    pub issuer: Option<String>,
    /// The audience that must be among a token's `aud`. None: it may be anything, and be missing.
    pub audience: Option<String>,
    /// The most that the clocks of issuers may be off. 30 s.
    pub leeway: Duration,
    /// The meaning of the claim `role`.
    pub roles: Roles,
    /// Services by the certificates that they show: what is in the certificate, and what the
    /// journal calls the service.
    pub services: BTreeMap<ClientName, String>,
    /// The shortest time after which files of keys are looked at again. 2 s.
    pub look_every: Duration,
    /// The times at which the keys of a URL are fetched again.
    pub refresh: Refresh,
}

impl Default for AuthOptions {
    fn default() -> Self {
        AuthOptions {
            keys: None,
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(30),
            roles: Roles::default(),
            services: BTreeMap::new(),
            look_every: Duration::from_secs(2),
            refresh: Refresh::default(),
        }
    }
}

/// A place where public keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A PEM file with one or several public keys.
    Pem(PathBuf),
    /// A JWKS file (RFC 7517).
    Jwks(PathBuf),
    /// A JWKS at a URL: https, or http on this machine.
    Url {
        /// The address.
        url: String,
        /// A PEM file: the authorities whose certificates are believed there. The system's own
        /// unless set.
        ca: Option<PathBuf>,
    },
}

/// Something that tells a client certificate from others: `dns:NAME` or `uri:NAME`, one of its
/// subject alternative names, or `sha256:HEX`, the SHA-256 of all of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientName(String);

impl FromStr for ClientName {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected dns:NAME, uri:NAME or sha256:64 hexadecimal digits";
        let (kind, name) = s
            .split_once(':')
            .ok_or_else(|| format!("{s:?} does not name a client certificate: {EXPECTED}"))?;
        let name = name.trim();
        let fits = |fits: bool, name: String| fits.then(|| ClientName(format!("{kind}:{name}")));
        let named = match kind {
            "dns" => fits(
                !name.is_empty() && !name.contains('*'),
                name.to_ascii_lowercase(),
            ),
            "uri" => fits(name.contains(':'), name.to_owned()),
            "sha256" => {
                let hex = name.replace(':', "").to_ascii_lowercase();
                fits(
                    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()),
                    hex,
                )
            }
            _ => None,
        };
        named.ok_or_else(|| format!("{s:?} does not name a client certificate: {EXPECTED}"))
    }
}

impl std::fmt::Display for ClientName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The meanings of the values of the claim `role`. A token without that claim is a customer's; one
/// with another value is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// Customers: they see and touch their own orders only.
    pub customer: Vec<String>,
    /// The people who run the shop.
    pub operator: Vec<String>,
    /// Other services, such as a payment provider's.
    pub service: Vec<String>,
}

impl Default for Roles {
    fn default() -> Self {
        let one = |name: &str| vec![name.to_owned()];
        Roles {
            customer: one("customer"),
            operator: one("operator"),
            service: one("service"),
        }
    }
}

/// The times at which keys are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// After what time keys are fetched again. 5 min.
    pub max_age: Duration,
    /// The time from the start of one attempt to the next: after one that failed, and when
    /// tokens name keys that are not there. 10 s.
    pub pause: Duration,
}

impl Default for Refresh {
    fn default() -> Self {
        Refresh {
            max_age: Duration::from_secs(300),
            pause: Duration::from_secs(10),
        }
    }
}

/// A reason why a caller is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "nobody is asked"))]
pub(crate) enum Refused {
    /// They have not proved who they are; the text is for the log.
    Unknown(String),
    /// The keys that it takes to know were never had.
    NoKeys,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_certificates_are_named_in_one_of_three_ways() {
        let hex = "ab".repeat(32);
        for (text, as_written) in [
            ("dns:Desk.Internal", "dns:desk.internal"),
            ("uri:spiffe://shop/desk", "uri:spiffe://shop/desk"),
            (
                &*format!("sha256:{}", hex.to_uppercase()),
                &*format!("sha256:{hex}"),
            ),
            (
                &*format!("sha256:{}", vec!["AB"; 32].join(":")),
                &*format!("sha256:{hex}"),
            ),
        ] {
            assert_eq!(text.parse::<ClientName>().unwrap().to_string(), as_written);
        }
        for bad in [
            "",
            "desk",
            "dns:",
            "dns:*.internal",
            "uri:desk",
            "sha256:ab",
            "cn:desk",
        ] {
            assert!(
                bad.parse::<ClientName>()
                    .unwrap_err()
                    .contains("expected dns:NAME"),
                "{bad}"
            );
        }
    }
}
