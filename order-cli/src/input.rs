//! Input from files and options, turned into the engine's requests.

pub mod addresses;
pub mod duration;
pub mod holds;
pub mod items;
pub mod lines;
pub mod near;
pub mod read;
pub mod renamed;
pub mod words;
