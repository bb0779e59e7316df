//! The server over a real socket, called by tonic's own client.

mod beside;
mod callers;
mod changing;
mod codes;
mod compressed;
mod crowds;
mod draining;
mod holding;
mod identities;
mod items;
mod limits;
mod listing;
mod mounted;
mod placing;
mod raw;
mod store;
mod tls;
mod tokens;
mod world;
