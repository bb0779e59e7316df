//! The built `order` binary, as people and programs use it.

mod backing;
mod bench;
mod beside;
mod bulk;
mod codes;
mod commands;
mod damage;
mod hostile;
mod killing;
mod life;
mod malformed;
mod python;
mod scripts;
mod served;
mod serving;
mod shapes;
mod watch;
