//! The shop's records of orders, for the auditor.

use async_trait::async_trait;
use order_core::audit::Ledgers;
use order_core::audit::ledgers::{
    LedgerError, PaymentRecord, ReservationRecord, StockCount, StockRecord,
};
use order_core::ids::OrderId;

use super::{DeskPayment, ReservationRow, ReservationState, ShelfRow, Shop, StockRow};

#[async_trait]
impl Ledgers for Shop {
    async fn reservations_of(&self, order: OrderId) -> Result<Vec<ReservationRecord>, LedgerError> {
        Ok(self
            .holds_of(order)
            .await?
            .into_iter()
            .map(Into::into)
            .collect())
    }

    async fn payments_of(&self, order: OrderId) -> Result<Vec<PaymentRecord>, LedgerError> {
        let payments = Shop::payments_of(self, order).await?;
        Ok(payments.into_iter().map(Into::into).collect())
    }

    async fn orders_with_stock(&self) -> Result<Vec<OrderId>, LedgerError> {
        let holds = self.holds().await?.into_iter();
        Ok(holds
            .filter(|hold| hold.state == ReservationState::Held)
            .map(|hold| hold.order)
            .collect())
    }

    async fn orders_with_payments(&self) -> Result<Vec<OrderId>, LedgerError> {
        Ok(self
            .payments()
            .await?
            .into_iter()
            .map(|p| p.order)
            .collect())
    }

    async fn stock(&self) -> Result<Vec<StockRecord>, LedgerError> {
        Ok(self.shelf().await?.into_iter().map(Into::into).collect())
    }
}

impl From<ReservationRow> for ReservationRecord {
    fn from(row: ReservationRow) -> Self {
        let ReservationRow {
            order,
            key,
            sku,
            quantity,
            held,
            committed,
            state: _,
            reference: _,
            created_at: _,
            updated_at: _,
        } = row;
        ReservationRecord {
            order,
            key,
            sku,
            quantity,
            held,
            committed,
        }
    }
}

impl From<DeskPayment> for PaymentRecord {
    fn from(payment: DeskPayment) -> Self {
        let DeskPayment {
            order,
            key,
            kind,
            parent,
            amount,
            status,
            reference: _,
            code: _,
            captured,
            refunded,
            created_at: _,
            capture_before: _,
        } = payment;
        PaymentRecord {
            order,
            key,
            parent,
            kind,
            amount,
            status,
            captured,
            refunded,
        }
    }
}

impl From<ShelfRow> for StockRecord {
    fn from(row: ShelfRow) -> Self {
        let ShelfRow {
            sku,
            stock,
            held,
            committed,
        } = row;
        let counted = stock.map(|stock| {
            let StockRow {
                sku: _,
                on_hand,
                reserved,
                available: _,
                committed,
                stocked,
            } = stock;
            StockCount {
                on_hand,
                reserved,
                committed,
                stocked,
            }
        });
        StockRecord {
            sku,
            counted,
            held,
            committed,
        }
    }
}
