//! What comes in from files and options, turned into the engine's requests.

pub mod create_order;
pub mod items;
pub mod proto_json;
pub mod read;
