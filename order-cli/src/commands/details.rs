//! `order metadata`, `address` and `note`: what is kept with an order, and changes nothing else.

use clap::Args;
use order_core::ids::Name;
use order_core::order::{AddressType, Order};
use order_core::rules::Command;
use order_core::store::OrderRef;
use order_core::text::Private;

use super::operator::{Asked, Change};
use super::options::{ById, How, Once};
use crate::exit::{Failure, Outcome};
use crate::input::addresses::{self, AddressText};

/// Options of `metadata`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Metadata {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// Keep VALUE under KEY
    #[arg(long, value_name = "KEY=VALUE", group = "what")]
    pub set: Option<String>,
    /// Keep nothing under KEY any more
    #[arg(long, value_name = "KEY", group = "what")]
    pub remove: Option<Name>,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Metadata {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        let (key, value) = match (&self.set, &self.remove) {
            (Some(text), _) => {
                let (key, value) = text
                    .split_once('=')
                    .ok_or_else(|| Failure::bad_input("--set: expected KEY=VALUE"))?;
                let key: Name = key.parse().map_err(|e| Failure::from(e).context("--set"))?;
                (key, Some(value.to_owned()))
            }
            (None, Some(key)) => (key.clone(), None),
            (None, None) => return Err(Failure::bad_input("--set or --remove is needed")),
        };
        let value = Private(value);
        Ok(Asked::Command(Command::SetMetadata { key, value }))
    }
}

/// Options of `address`.
#[derive(Debug, Args)]
pub struct Address {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The address that changes: shipping or billing
    #[arg(long = "type", value_name = "TYPE", value_parser = address_type)]
    pub which: AddressType,
    /// The address as it is now, in JSON, or a file with it
    #[arg(long, value_name = "FILE|JSON")]
    pub file: AddressText,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Address {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        match addresses::read("--file", Some(&self.file))? {
            Some(input) => Ok(Asked::Command(Command::ChangeAddress {
                which: self.which,
                address: Private(Some(input.validate(self.which)?)),
            })),
            None => Err(Failure::bad_input("--file is empty")),
        }
    }
}

fn address_type(text: &str) -> Result<AddressType, String> {
    match text {
        "shipping" => Ok(AddressType::Shipping),
        "billing" => Ok(AddressType::Billing),
        _ => Err("expected shipping or billing".into()),
    }
}

/// Options of `note`.
#[derive(Debug, Args)]
pub struct Note {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The note, at most 2000 characters
    pub text: String,
    /// The key and the version.
    #[command(flatten)]
    pub once: Once,
}

impl Change for Note {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        How {
            reason: self.text.clone(),
            once: self.once.clone(),
        }
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::Note))
    }
}
