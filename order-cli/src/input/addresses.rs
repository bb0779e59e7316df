//! Addresses that follow an option: in JSON, or in a file.

use std::path::Path;

use order_core::request::AddressInput;

use super::{create_order, read};
use crate::exit::Outcome;

/// Reads an address, `option` being the name that mistakes in its JSON are told with; `None` if
/// there is no text.
///
/// # Errors
///
/// Bad input, with its place.
pub fn read(option: &str, text: Option<&str>) -> Outcome<Option<AddressInput>> {
    let Some(text) = text else { return Ok(None) };
    if text.trim_start().starts_with('{') {
        return create_order::address(option, text).map(Some);
    }
    let json = read::text(Path::new(text), read::REQUEST_MAX)?;
    create_order::address(&read::name(Path::new(text)), &json).map(Some)
}
