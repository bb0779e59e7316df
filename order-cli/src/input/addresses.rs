//! Addresses that follow an option: in JSON, or in a file.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use order_core::request::AddressInput;

use super::read;
use crate::exit::Outcome;
use order_core::json;

/// An address as it is typed: in JSON, or the name of a file with it.
#[derive(Clone, PartialEq, Eq)]
pub struct AddressText(pub String);

impl FromStr for AddressText {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(AddressText(text.to_owned()))
    }
}

impl fmt::Debug for AddressText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressText([redacted])")
    }
}

/// Reads an address, `option` being the name that mistakes in its JSON are told with; `None` if
/// there is no text.
///
/// # Errors
///
/// Bad input, with its place.
pub fn read(option: &str, text: Option<&AddressText>) -> Outcome<Option<AddressInput>> {
    let Some(AddressText(text)) = text else {
        return Ok(None);
    };
    if text.trim_start().starts_with('{') {
        return Ok(Some(json::address(option, text)?));
    }
    let body = read::text(Path::new(text), read::REQUEST_MAX)?;
    Ok(Some(json::address(&read::name(Path::new(text)), &body)?))
}
