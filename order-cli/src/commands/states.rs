//! `order states`.

use crate::exit::Outcome;
use crate::output::Out;

pub fn states(_out: &Out) -> Outcome {
    Ok(())
}
