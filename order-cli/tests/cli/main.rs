//! The built `order` binary, as people and programs use it.

#[cfg(feature = "tls")]
mod access;
mod backing;
mod bench;
mod beside;
mod bulk;
#[allow(
    dead_code,
    reason = "shared with the tests of the store, which use all of it"
)]
#[path = "../../../order-store-postgres/tests/common/cluster.rs"]
mod cluster;
mod codes;
mod commands;
mod configuring;
mod connecting;
mod damage;
mod disorder;
mod documented;
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the tests of their clients, which use all of it"
)]
#[path = "../../../order-grpc/tests/platform/fakes/mod.rs"]
mod fakes;
mod following;
mod holding;
mod hostile;
mod killing;
mod life;
mod malformed;
mod nodes;
mod offering;
mod packaging;
mod peers;
mod platform;
mod python;
mod scripts;
mod served;
mod services;
mod serving;
mod shapes;
mod showing;
mod upgrade;
mod watch;
