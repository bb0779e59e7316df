//! Principals: who asks, and the check that they may.

use crate::error::Error;
use crate::ids::UserId;
use crate::order::Actor;
pub use crate::rules::Action;

/// The person or program that asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A customer: their own orders only.
    Customer(UserId),
    /// A person who runs the shop.
    Operator(String),
    /// Another service, such as a payment provider.
    Service(String),
}

impl Principal {
    /// An operator of that name.
    pub fn operator(name: impl Into<String>) -> Self {
        Principal::Operator(name.into())
    }

    /// Returns the name that the journal has for them.
    pub fn actor(&self) -> Actor {
        match self {
            Principal::Customer(id) => Actor::User(*id),
            Principal::Operator(name) => Actor::Operator(name.clone()),
            Principal::Service(name) => Actor::Service(name.clone()),
        }
    }

    /// The owner that store queries are restricted to: a foreign order is not found, like a missing
    /// one.
    pub const fn scope(&self) -> Option<UserId> {
        match self {
            Principal::Customer(id) => Some(*id),
            Principal::Operator(_) | Principal::Service(_) => None,
        }
    }
}

/// Returns whether `principal` may do `action` to something of `owner`'s; `None` for what has no
/// owner yet.
///
/// # Errors
///
/// [`Error::Forbidden`] when their role does not include it, or when they act for somebody else.
pub fn authorize(
    principal: &Principal,
    action: Action,
    owner: Option<UserId>,
) -> Result<(), Error> {
    let allowed = match principal {
        Principal::Operator(_) => true,
        Principal::Service(_) => matches!(action, Action::RecordPayment | Action::Read),
        Principal::Customer(id) => action.customer_may() && owner.is_none_or(|o| o == *id),
    };
    if allowed {
        Ok(())
    } else {
        Err(Error::Forbidden {
            action: action.name(),
        })
    }
}
