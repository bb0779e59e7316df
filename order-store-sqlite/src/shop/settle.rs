//! Ending payments that wait at the desk, as a customer or a bank would.

use std::str::FromStr;

use order_core::order::OperationState;
use order_core::time::Timestamp;
use rusqlite::Connection;
use uuid::Uuid;

use super::Shop;
use super::desk::{approved, end, operation};
use super::error::{Failure, ShopError};
use super::reports::DeskPayment;

/// The ends of a payment that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// The money is there: a charge becomes `CAPTURED`, an authorization `AUTHORIZED`.
    Captured,
    /// It is not: the payment becomes `DECLINED` with the code `CARD_DECLINED`.
    Declined,
}

/// Reads `captured` or `declined`.
impl FromStr for Settlement {
    type Err = ParseSettlementError;
    fn from_str(s: &str) -> Result<Self, ParseSettlementError> {
        match s {
            "captured" => Ok(Settlement::Captured),
            "declined" => Ok(Settlement::Declined),
            _ => Err(ParseSettlementError(s.chars().take(32).collect())),
        }
    }
}

/// Neither of the two.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a settlement: expected captured or declined")]
pub struct ParseSettlementError(String);

impl Shop {
    /// Ends the pending or action-required payment under `key`, and tells what it is now.
    ///
    /// [`ShopError::UnknownPayment`] if there is none, [`ShopError::AlreadySettled`] if it has its
    /// outcome.
    pub async fn settle(
        &self,
        key: Uuid,
        settlement: Settlement,
    ) -> Result<DeskPayment, ShopError> {
        let now = self.now();
        self.write(move |db| settle(db, key, settlement, now)).await
    }
}

fn settle(
    db: &Connection,
    key: Uuid,
    settlement: Settlement,
    now: Timestamp,
) -> Result<DeskPayment, Failure> {
    let mut op = operation(db, key)?.ok_or(ShopError::UnknownPayment(key))?;
    if !matches!(
        op.status,
        OperationState::Pending | OperationState::ActionRequired
    ) {
        return Err(ShopError::AlreadySettled {
            key,
            status: op.status,
        }
        .into());
    }
    let (status, code) = match settlement {
        Settlement::Captured => (approved(op.kind), None),
        Settlement::Declined => (OperationState::Declined, Some("CARD_DECLINED")),
    };
    end(db, &mut op, status, code, now)?;
    Ok(op.into())
}
