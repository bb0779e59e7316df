//! The server over a real socket, called by tonic's own client.

mod beside;
#[cfg(feature = "tls")]
mod callers;
mod changing;
mod codes;
mod compressed;
mod crowds;
mod draining;
mod holding;
#[cfg(feature = "tls")]
mod identities;
mod items;
mod limits;
mod listing;
mod mounted;
mod placing;
mod raw;
mod store;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tokens;
mod world;
