//! What is believed of tokens and certificates.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, header};
use order_core::manager::Principal;
use order_core::runtime::{Clock as _, SystemClock};
use tokio::sync::watch;

use super::jwks::Remote;
use super::keys::{self, Key};
use super::token::{self, Rules, Token};
use super::{AuthOptions, KeySource, Refused};
use crate::files::{Named, Watched};
use crate::log::Log;
use crate::security::SecurityError;
use crate::tls::Peer;

/// Recognises callers by tokens and certificates. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: Option<Keys>,
    rules: Rules,
    services: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Keys {
    File(Watched<Vec<Key>>),
    Url(Remote),
}

impl Auth {
    /// Reads the files that there are. What is at a URL is fetched once a server runs.
    ///
    /// # Errors
    ///
    /// [`SecurityError`] names the setting and what is wrong with it.
    pub fn open(options: AuthOptions) -> Result<Self, SecurityError> {
        let AuthOptions {
            keys,
            issuer,
            audience,
            leeway,
            roles,
            services,
            look_every,
            refresh,
        } = options;
        if keys.is_none() && services.is_empty() {
            let problem = "says neither whose tokens nor which client certificates are believed: name a key, a JWKS, or services";
            return Err(SecurityError::new("auth", problem));
        }
        for service in services.values() {
            if token::name(service).is_none() {
                let problem = format!(
                    "{service:?} is not the name of a service: expected 1 to 100 characters on one line"
                );
                return Err(SecurityError::new("auth.services", problem));
            }
        }
        let file = |field, path, parse: fn(&[u8]) -> Result<Vec<Key>, String>| {
            let parse = move |files: &[Named], contents: &[Vec<u8>]| {
                let content = contents.first().map(Vec::as_slice).unwrap_or_default();
                parse(content).map_err(|problem| match files.first() {
                    Some(file) => file.wrong(problem),
                    None => SecurityError::new(field, problem),
                })
            };
            Watched::open(
                "keys of tokens",
                vec![Named { field, path }],
                look_every,
                Box::new(parse),
            )
            .map(Keys::File)
        };
        let keys = match keys {
            None => None,
            Some(KeySource::Pem(path)) => Some(file("auth.jwt_key", path, keys::from_pem)?),
            Some(KeySource::Jwks(path)) => Some(file("auth.jwks", path, keys::from_jwks)?),
            Some(KeySource::Url { url, ca }) => Some(Keys::Url(Remote::new(&url, ca, refresh)?)),
        };
        let services = services
            .into_iter()
            .map(|(client, service)| (client.0, service))
            .collect();
        Ok(Auth(Arc::new(Inner {
            keys,
            rules: Rules {
                issuer,
                audience,
                leeway,
                roles,
            },
            services,
        })))
    }

    /// Finds out who calls. A token that is shown decides, also where the connection has a
    /// certificate: a service may call for somebody else.
    pub(crate) async fn caller(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
        log: &Log,
    ) -> Result<Principal, Refused> {
        let mut shown = headers.get_all(header::AUTHORIZATION).iter();
        let Some(first) = shown.next() else {
            return self.service(peer);
        };
        if shown.next().is_some() {
            return Err(doubt("more than one authorization was given"));
        }
        let text = first
            .to_str()
            .map_err(|_| doubt("the authorization is not ASCII"))?;
        let token = match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => token.trim(),
            _ => return Err(doubt("the authorization is not of the scheme Bearer")),
        };
        let token = Token::parse(token).map_err(Refused::Unknown)?;
        let keys = self.keys_for(&token, log).await?;
        token
            .bearer(&keys, &self.0.rules, SystemClock.now())
            .map_err(Refused::Unknown)
    }

    fn service(&self, peer: &Peer) -> Result<Principal, Refused> {
        let Some(names) = &peer.names else {
            return Err(doubt("neither a token nor a client certificate was given"));
        };
        let service = names.iter().find_map(|name| self.0.services.get(name));
        let service = service.ok_or_else(|| {
            doubt("the client certificate is none of a service that is configured")
        })?;
        Ok(Principal::Service(service.clone()))
    }

    /// The keys that there are, newer ones if the token names one that is not among them.
    async fn keys_for(&self, token: &Token<'_>, log: &Log) -> Result<Arc<Vec<Key>>, Refused> {
        match &self.0.keys {
            None => Err(doubt("tokens are not believed here")),
            Some(Keys::File(file)) => Ok(file.current(log).await),
            Some(Keys::Url(remote)) => {
                let known = remote.current();
                let fits = known
                    .as_ref()
                    .is_some_and(|keys| token.fitting(keys).next().is_some());
                if fits || !remote.newer().await {
                    return known.ok_or(Refused::NoKeys);
                }
                remote.current().ok_or(Refused::NoKeys)
            }
        }
    }

    /// Keeps fetched keys fresh until `stop` turns true.
    pub(crate) async fn keep_fresh(&self, log: &Log, stop: watch::Receiver<bool>) {
        if let Some(Keys::Url(remote)) = &self.0.keys {
            remote.keep_fresh(log, stop).await;
        }
    }
}

fn doubt(why: &str) -> Refused {
    Refused::Unknown(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_let_nobody_in_are_refused() {
        let wrong = |options| Auth::open(options).unwrap_err().to_string();
        assert!(wrong(AuthOptions::default()).starts_with("auth: says neither"));
        let services = BTreeMap::from([("dns:a".parse().unwrap(), " ".to_owned())]);
        assert!(
            wrong(AuthOptions {
                services,
                ..AuthOptions::default()
            })
            .starts_with("auth.services: \" \" is not")
        );
        let url = |url: &str| AuthOptions {
            keys: Some(KeySource::Url {
                url: url.into(),
                ca: None,
            }),
            ..AuthOptions::default()
        };
        for (bad, why) in [
            ("ftp://issuer/keys", "is neither https nor http"),
            ("issuer", "is neither https nor http"),
            ("https://", "is not a URL"),
            (
                "http://issuer.example/keys",
                "is http, and not on this machine",
            ),
            ("http://192.0.2.1/keys", "is http, and not on this machine"),
            ("http://u:secret@127.0.0.1/keys", "has a user or a password"),
        ] {
            let said = wrong(url(bad));
            assert!(
                said.starts_with("auth.jwks: ") && said.contains(why) && !said.contains("secret"),
                "{said}"
            );
        }
    }
}
