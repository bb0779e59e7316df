//! The clients of remote services against the services that the embedded shop is offered as,
//! through real sockets.

mod bounded;
mod conformance;
mod described;
mod ordering;
mod recorded;
mod street;
#[cfg(feature = "tls")]
mod tls;
