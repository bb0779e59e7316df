//! The clients of the platform's services, against services on real sockets that behave as the
//! platform's were seen to.

mod directory;
#[allow(
    dead_code,
    reason = "shared with the tests of the CLI, which use the rest of it"
)]
mod fakes;
mod inventory_client;
mod inventory_rows;
mod scenario;
mod suite;

use order_core::services::ServiceName;
use order_grpc::services::{Endpoint, ServiceChannel};

use crate::fakes::peer::Peer;

/// The way to a service, called as in production.
fn channel(service: ServiceName, peer: &Peer) -> ServiceChannel {
    ServiceChannel::new(service, &Endpoint::new(peer.url())).unwrap()
}
