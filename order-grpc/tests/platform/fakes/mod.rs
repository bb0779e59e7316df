//! The platform's services as they were seen to behave, on real sockets.

pub mod directory;
pub mod inventory;
pub mod peer;
