//! Calls in the clear, over TLS, and over TLS with a token, of the same server's orders.

use std::path::Path;

use order_core::manager::{PlaceOptions, Principal};
use order_grpc::proto::GetOrderRequest;
use order_grpc::proto::get_order_request::Identifier;
use order_grpc::{Auth, ServerOptions, Tls, TlsOptions};
use prost::Message as _;
use prost::bytes::Bytes;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::identities::{auth, bearer, file};
use crate::load::{Lane, closed_loop, median, median_ratio};
use crate::{IN_FLIGHT, ROUND, ROUNDS, open, serve_with, shop};

const READ: &str = "/order.OrderService/GetOrder";

pub async fn print(folder: &Path) {
    let manager = shop::manager(open(folder, "secured.db"), false);
    let (caller, options) = (Principal::operator("bench"), PlaceOptions::default());
    let placed = manager.place(&caller, shop::request(), options).await;
    let id = placed.expect("it is placed").order.id.to_string();
    let request = GetOrderRequest {
        identifier: Some(Identifier::Id(id)),
    };
    let request = Bytes::from(request.encode_to_vec());

    let usual = ServerOptions::default;
    let tls = || {
        let options = TlsOptions::new(file("server.pem"), file("server.key"));
        Some(Tls::open(options).expect("sound files"))
    };
    let known = Some(Auth::open(auth()).expect("a sound key"));
    let plain = serve_with(manager.clone(), usual()).await;
    let secret = serve_with(
        manager.clone(),
        ServerOptions {
            tls: tls(),
            ..usual()
        },
    )
    .await;
    let guarded = ServerOptions {
        tls: tls(),
        auth: known,
        ..usual()
    };
    let guarded = serve_with(manager, guarded).await;

    let ca = std::fs::read(file("ca.pem")).expect("the recipe makes it");
    let trusting = |address: &str| {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&ca))
            .domain_name("localhost");
        let endpoint = Endpoint::from_shared(format!("https://{address}")).expect("an address");
        endpoint.tls_config(tls).expect("a sound authority")
    };
    let token = bearer("erin", "operator").parse().expect("ASCII");
    let lanes = [
        Lane::connect(&plain, READ).await,
        Lane::over(&trusting(&secret), READ, None).await,
        Lane::over(&trusting(&guarded), READ, Some(token)).await,
    ];
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (lane, rates) in lanes.iter().zip(&mut rates) {
            let request = request.clone();
            let load = closed_loop(lane, IN_FLIGHT, ROUND, move |_| request.clone()).await;
            rates.push(load.all_done());
        }
    }
    let [plain, secret, known] = &mut rates;
    let ratios = [median_ratio(secret, plain), median_ratio(known, plain)];
    println!("GetOrder, {IN_FLIGHT} in flight, log on");
    println!(
        "{:>12} {:>12} {:>7} {:>19} {:>7}",
        "in clear/s", "TLS/s", "ratio", "TLS and RS256/s", "ratio"
    );
    println!(
        "{:>12.0} {:>12.0} {:>7.2} {:>19.0} {:>7.2}\n",
        median(plain),
        median(secret),
        ratios[0],
        median(known),
        ratios[1]
    );
}
