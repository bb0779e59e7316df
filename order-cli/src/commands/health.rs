//! `order health`: whether a server serves, for those who watch over it.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::exit::{Code, Failure, Outcome};
use crate::output::Out;
use crate::settings::{Health, Override, Settings};

/// Options of `health`.
#[derive(Debug, Args)]
pub struct AskHealth {
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

impl AskHealth {
    /// Returns the settings that its options stand for.
    pub fn overrides(&self) -> Vec<Override> {
        let AskHealth {
            server,
            tls_ca,
            tls_cert,
            tls_key,
            tls_name,
        } = self;
        vec![
            Override::of("health.server", "--server", server.clone()),
            Override::of_path("health.ca", "--tls-ca", tls_ca.as_deref()),
            Override::of_path("health.cert", "--tls-cert", tls_cert.as_deref()),
            Override::of_path("health.key", "--tls-key", tls_key.as_deref()),
            Override::of("health.name", "--tls-name", tls_name.clone()),
        ]
    }
}

#[derive(Debug, Serialize)]
struct HealthView {
    server: String,
    status: &'static str,
}

/// Asks a server. Fails with code 1 if it does not serve, or cannot be asked.
pub async fn health(settings: &Settings, out: &Out) -> Outcome {
    let Health {
        server,
        tls,
        within,
    } = settings.health.clone();
    let url =
        server.unwrap_or_else(|| usual(&settings.server.listen, settings.access.tls.is_some()));
    match order_grpc::health::ask(&url, &tls, within).await {
        Ok(()) => {
            let said = format!("{url} serves\n");
            out.one(
                &HealthView {
                    server: url,
                    status: "SERVING",
                },
                || said,
            )
        }
        Err(e) if e.is_mistake() => Err(Failure::caused(Code::BadInput, &e)),
        Err(e) => Err(Failure::caused(Code::Refused, &e).context(url)),
    }
}

/// Returns the URL of a server of this machine that listens on `listen`.
fn usual(listen: &str, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let (host, port) = listen.rsplit_once(':').unwrap_or((listen, "50053"));
    let host = match host {
        "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        host => host,
    };
    format!("{scheme}://{host}:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_here() {
        assert_eq!(usual("0.0.0.0:50053", true), "https://127.0.0.1:50053");
        assert_eq!(usual("[::]:1", false), "http://[::1]:1");
        assert_eq!(usual("orders.example:2", false), "http://orders.example:2");
    }
}
