//! The built `order` binary, as people and programs use it.

mod bench;
mod codes;
mod commands;
mod damage;
mod malformed;
mod scripts;
mod serving;
mod shapes;
mod watch;
