//! Options about who may call a server, and of asking one for its health.

use std::path::PathBuf;

use clap::Args;

use super::whole;

/// Who may call `serve`; docs/security.md says how the parts fit together.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who may call")]
pub struct Access {
    /// The server's certificate, in PEM, with those that lead to its root: calls come over TLS
    /// [env: ORDER_TLS_CERT]
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM [env: ORDER_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// The authorities, in PEM, whose client certificates are believed [env: ORDER_TLS_CLIENT_CA]
    #[arg(long, value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,
    /// The demand for a client's certificate: optional or required [env: ORDER_TLS_CLIENT_CERT]
    /// [default: optional]
    #[arg(long, value_name = "optional|required")]
    pub tls_client_cert: Option<String>,
    /// The public keys, in PEM, that tokens are signed for [env: ORDER_AUTH_JWT_KEY]
    #[arg(long, value_name = "FILE")]
    pub jwt_key: Option<PathBuf>,
    /// The same as a JWKS: a file, or a URL with https [env: ORDER_AUTH_JWKS]
    #[arg(long, value_name = "FILE|URL")]
    pub jwks: Option<String>,
    /// The `iss` that a token must have [env: ORDER_AUTH_ISSUER]
    #[arg(long, value_name = "NAME")]
    pub jwt_issuer: Option<String>,
    /// The audience that must be among a token's `aud` [env: ORDER_AUTH_AUDIENCE]
    #[arg(long, value_name = "NAME")]
    pub jwt_audience: Option<String>,
    /// A service and the client certificate that it shows, such as desk=dns:desk.internal;
    /// repeatable [env: ORDER_AUTH_SERVICES]
    #[arg(long, value_name = "NAME=CERTIFICATE")]
    pub service: Vec<String>,
    /// The number of orders a customer may place in a minute; 0 for as many as they like [env:
    /// ORDER_SERVER_RATE_LIMIT] [default: 60]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<0, 1_000_000>)]
    pub rate_limit: Option<u32>,
    /// The number of them at once [env: ORDER_SERVER_RATE_BURST] [default: 20]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<1, 1_000_000>)]
    pub rate_burst: Option<u32>,
}

/// Options of `health`.
#[derive(Debug, Args)]
pub struct Health {
    /// The server, http://HOST:PORT or https://HOST:PORT [env: ORDER_HEALTH_SERVER] [default: where
    /// `serve` would listen]
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The authorities, in PEM, that are believed instead of the system's [env: ORDER_HEALTH_CA]
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// The certificate that is shown, in PEM, where the server requires one [env:
    /// ORDER_HEALTH_CERT]
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, in PEM [env: ORDER_HEALTH_KEY]
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// The name that the server's certificate must have, if it is not the URL's host [env:
    /// ORDER_HEALTH_NAME]
    #[arg(long, value_name = "NAME")]
    pub tls_name: Option<String>,
}
