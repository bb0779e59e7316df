//! Commands by topic: each file has the options of its commands, and what they do.
//!
//! A new command that changes an order is a struct with its options that implements
//! [`Change`](operator::Change), and an entry in the list of [`changes`]. Any other is a struct and
//! a function, and an entry in the list of `args.rs`.

pub mod attention;
pub mod bulk;
pub mod changes;
pub mod check;
pub mod config;
mod credits;
mod details;
mod edits;
pub mod health;
mod holds;
mod lifecycle;
pub mod lists;
pub mod migrate;
pub mod operator;
pub mod options;
mod payment;
pub mod placing;
mod returns;
pub mod serve;
pub mod services;
pub mod shell;
mod shipping;
pub mod shop;
pub mod show;
pub mod states;
pub mod watch;
pub mod work;
