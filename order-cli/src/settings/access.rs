//! Settings about who may call a server, and about asking one for its health.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use order_grpc::services::Tls as ClientTls;
use order_grpc::{AuthOptions, ClientName, KeySource, RateLimit, Roles, TlsOptions};

use super::layers::{Given, Layers, Origin, Value};
use crate::exit::{Failure, Outcome};

/// A clock that is further off says nothing about time.
const LEEWAY_MAX: Duration = Duration::from_secs(600);
/// The most that a rate and a burst can be.
const RATE_MAX: i64 = 1_000_000;
/// The form of a service and its certificate.
const SERVICE: &str = "expected NAME=CERTIFICATE, such as desk=dns:desk.internal";

/// The callers a server knows.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// TLS, if calls come over it.
    pub tls: Option<TlsOptions>,
    /// The proof that callers need, if they do.
    pub auth: Option<AuthOptions>,
    /// The number of orders a customer may place.
    pub rate_limit: Option<RateLimit>,
}

/// The way a server is asked for its health.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// The server's URL; none for where this program would serve.
    pub server: Option<String>,
    /// The authorities that are believed, and the certificate that is shown.
    pub tls: ClientTls,
    /// The time it may take to answer.
    pub within: Duration,
}

pub(super) fn access(layers: &mut Layers) -> Outcome<Access> {
    let tls = tls(layers)?;
    let asks_clients = tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    let auth = auth(layers, asks_clients)?;
    let usual = RateLimit::default();
    let per_minute = layers.whole(
        "server.rate_limit",
        0..=RATE_MAX,
        usual.per_minute.get().into(),
    )?;
    let burst = layers.whole("server.rate_burst", 1..=RATE_MAX, usual.burst.get().into())?;
    let n = |n| u32::try_from(n).ok().and_then(NonZeroU32::new);
    let rate_limit = n(per_minute)
        .zip(n(burst))
        .map(|(per_minute, burst)| RateLimit { per_minute, burst });
    Ok(Access {
        tls,
        auth,
        rate_limit,
    })
}

/// A setting that may be missing.
fn optional<T: Value + Clone>(layers: &mut Layers, key: &'static str) -> Outcome<Option<Given<T>>> {
    let given = layers.given::<T>(key)?;
    let (shown, from) = match &given {
        Some(given) => (given.value.show(), given.from.clone()),
        None => (String::new(), Origin::Usual),
    };
    layers.in_force(key, shown, from);
    Ok(given)
}

fn tls(layers: &mut Layers) -> Outcome<Option<TlsOptions>> {
    let cert = optional::<PathBuf>(layers, "tls.cert")?;
    let key = optional::<PathBuf>(layers, "tls.key")?;
    let client_ca = optional::<PathBuf>(layers, "tls.client_ca")?;
    let client_required = layers.choice(
        "tls.client_cert",
        &[("optional", false), ("required", true)],
        false,
    )?;
    match (cert, key) {
        (Some(cert), Some(key)) => {
            if client_required && client_ca.is_none() {
                return Err(Failure::bad_input(
                    "tls.client_ca: is missing: tls.client_cert requires one of its certificates",
                ));
            }
            let options = TlsOptions::new(cert.value, key.value);
            Ok(Some(TlsOptions {
                client_ca: client_ca.map(|given| given.value),
                client_required,
                ..options
            }))
        }
        (Some(cert), None) => Err(cert.problem("needs the certificate's private key: set tls.key")),
        (None, Some(key)) => Err(key.problem("needs a certificate: set tls.cert")),
        (None, None) => match client_ca {
            Some(ca) => Err(ca.problem("needs TLS: set tls.cert and tls.key")),
            None if client_required => Err(Failure::bad_input(
                "tls.client_cert: needs TLS: set tls.cert and tls.key",
            )),
            None => Ok(None),
        },
    }
}

fn auth(layers: &mut Layers, asks_clients: bool) -> Outcome<Option<AuthOptions>> {
    let usual = AuthOptions::default();
    let jwt_key = optional::<PathBuf>(layers, "auth.jwt_key")?;
    let jwks = optional::<String>(layers, "auth.jwks")?;
    let jwks_ca = optional::<PathBuf>(layers, "auth.jwks_ca")?;
    let issuer = optional::<String>(layers, "auth.issuer")?;
    let audience = optional::<String>(layers, "auth.audience")?;
    let leeway = layers.duration("auth.leeway", Duration::ZERO..=LEEWAY_MAX, usual.leeway)?;
    let Roles {
        customer,
        operator,
        service,
    } = usual.roles.clone();
    let roles = Roles {
        customer: layers.or("auth.role_customer", customer)?,
        operator: layers.or("auth.role_operator", operator)?,
        service: layers.or("auth.role_service", service)?,
    };
    let services = optional::<Vec<String>>(layers, "auth.services")?;
    let keys = match (jwt_key, jwks) {
        (Some(_), Some(jwks)) => {
            return Err(jwks.problem("auth.jwt_key is given too, and one of them must go"));
        }
        (Some(pem), None) => Some(KeySource::Pem(pem.value)),
        (None, Some(jwks)) if jwks.value.contains("://") => Some(KeySource::Url {
            url: jwks.value,
            ca: jwks_ca.map(|given| given.value),
        }),
        (None, Some(jwks)) => Some(KeySource::Jwks(jwks.value.into())),
        (None, None) => None,
    };
    // What a token must say is of no use, and perhaps a mistake, where none is believed.
    if keys.is_none()
        && let Some(given) = issuer.as_ref().or(audience.as_ref())
    {
        return Err(
            given.problem("is about tokens, and none is believed: set auth.jwt_key or auth.jwks")
        );
    }
    let named = match &services {
        Some(given) if !asks_clients => {
            return Err(given.problem("needs client certificates: set tls.client_ca"));
        }
        Some(given) => given
            .value
            .iter()
            .map(|text| service_of(text).map_err(|e| given.problem(e)))
            .collect::<Outcome<_>>()?,
        None => Default::default(),
    };
    if keys.is_none() && services.is_none() {
        return Ok(None);
    }
    let (issuer, audience) = (
        issuer.map(|given| given.value),
        audience.map(|given| given.value),
    );
    Ok(Some(AuthOptions {
        keys,
        issuer,
        audience,
        leeway,
        roles,
        services: named,
        ..usual
    }))
}

/// A service and its certificate, `NAME=CERTIFICATE`.
fn service_of(text: &str) -> Result<(ClientName, String), String> {
    let (name, certificate) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?}: {SERVICE}"))?;
    let certificate: ClientName = certificate.parse()?;
    Ok((certificate, name.trim().to_owned()))
}

pub(super) fn health(layers: &mut Layers) -> Outcome<Health> {
    let server = optional::<String>(layers, "health.server")?.map(|given| given.value);
    let mut file =
        |key| optional::<PathBuf>(layers, key).map(|given| given.map(|given| given.value));
    let (roots, certificate, key) = (
        file("health.ca")?,
        file("health.cert")?,
        file("health.key")?,
    );
    let domain = optional::<String>(layers, "health.name")?.map(|given| given.value);
    let within = layers.duration(
        "health.within",
        Duration::from_millis(1)..=Duration::from_secs(600),
        Duration::from_secs(3),
    )?;
    Ok(Health {
        server,
        tls: ClientTls {
            roots,
            certificate,
            key,
            domain,
        },
        within,
    })
}
