//! The commands of the contract that the manager does not have yet: parsed and checked in full, and answered UNIMPLEMENTED.

use std::sync::Arc;

use order_core::ids::LineId;
use order_core::manager::{CommandOptions, OrderManager, Principal};
use order_core::order::{Order, Status};
use order_core::request::ItemInput;
use order_core::services::Clients;
use order_core::store::{OrderRef, OrderStore};

use crate::status::unimplemented;

/// What is to become of an order's lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EditRequest {
    /// One more line.
    Add(ItemInput),
    /// A line's new quantity.
    Change(LineId, u32),
    /// A line is taken off.
    Remove(LineId),
}

/// An order, and the number of its edit where that is not decided yet.
#[derive(Debug, Clone)]
pub(crate) struct EditAnswer {
    pub(crate) order: Arc<Order>,
    pub(crate) undecided: Option<u32>,
}

pub(crate) async fn update_status<S: OrderStore, C: Clients>(
    _manager: &OrderManager<S, C>,
    _principal: &Principal,
    _order: OrderRef,
    _options: CommandOptions,
    _status: Status,
    _notes: Option<String>,
) -> Result<Arc<Order>, tonic::Status> {
    Err(unimplemented("UpdateOrderStatus is not offered yet"))
}

pub(crate) async fn edit<S: OrderStore, C: Clients>(
    _manager: &OrderManager<S, C>,
    _principal: &Principal,
    _order: OrderRef,
    _options: CommandOptions,
    _edit: EditRequest,
) -> Result<EditAnswer, tonic::Status> {
    Err(unimplemented("editing items is not offered yet"))
}
