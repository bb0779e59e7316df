//! `order health`: whether a server serves, for those who watch over it.

use serde::Serialize;

use crate::exit::{Code, Failure, Outcome};
use crate::output::Out;
use crate::settings::{Health, Settings};

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

/// Where a server of this machine is reached that listens on `listen`.
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
