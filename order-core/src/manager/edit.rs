//! Edits: showing a change to what was ordered, and asking for it.

use std::sync::Arc;

use super::Action;
use super::commands::{Asked, buys, signed};
use super::goodbye::CONFLICTS_MAX;
use super::{Answered, CommandOptions, OrderManager, Principal, authorize};
use crate::error::{Error, Rejection, RejectionReason};
use crate::money::Minor;
use crate::order::{
    CommandKey, DiscardCause, Edit, EditState, Event, Numbered, Order, Reservation,
    ReservationState, Shortage,
};
use crate::request::EditRequest;
use crate::rules::{Env, Wait, decide, possible};
use crate::services::Clients;
use crate::store::{OrderRef, OrderStore};
use crate::text::Private;

/// The effect that an edit would have on an order.
#[derive(Debug, Clone)]
pub struct EditPreview {
    /// The order as it is.
    pub before: Arc<Order>,
    /// The order as it would be.
    pub after: Box<Order>,
    /// The amount that must be paid first, in minor units; 0 if nothing.
    pub due: Minor,
    /// The amount that would be sent back of what is paid by now, in minor units; 0 if nothing.
    pub back: Minor,
}

/// The outcome of asking for an edit.
#[derive(Debug, Clone)]
pub struct EditAnswer {
    /// The order as it is now.
    pub order: Arc<Order>,
    /// The edit's number; `None` if it changes nothing.
    pub edit: Option<u32>,
    /// The state of it: [`EditState::Open`] if it is not decided within the caller's time, or waits
    /// for the customer.
    pub state: EditState,
    /// The journal row of the same request that was made before under the same key: nothing was
    /// done now.
    pub repeats: Option<u64>,
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Prices an edit without asking for it.
    ///
    /// # Errors
    ///
    /// Those of [`Self::edit`] that come before anything is stored.
    pub async fn preview_edit(
        &self,
        principal: &Principal,
        order: OrderRef,
        request: &EditRequest,
    ) -> Result<EditPreview, Error> {
        let valid = request.validate()?;
        let before = self.load(principal, order).await?.order;
        authorize(principal, Action::Edit, Some(before.user))?;
        let command = self.edit_command(&before, &valid).await?;
        let events = decide(&before, &command, &self.env_of(&before))?;
        if buys(&before, &command) {
            self.check_may_order(before.user).await?;
        }
        let Some(Event::EditStarted { plan, due, .. }) = events.into_iter().next() else {
            return Err(nothing_changes(&before));
        };
        let mut after = Box::new((*before).clone());
        plan.apply(&mut after, before.updated_at);
        let money = before.money();
        let paid = money.captured - money.refunded - money.refunding;
        let back = (paid - after.owed()).max(0) - (paid - before.owed()).max(0);
        Ok(EditPreview {
            due,
            back,
            before,
            after,
        })
    }

    /// Changes what was ordered: prices it, secures the difference in stock and money, and applies
    /// it whole, or not at all. Waits until that is decided, only the customer or a provider can
    /// move it, or the caller's time is over.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with every violation; [`Error::NotFound`]; [`Error::KeyReused`];
    /// [`Error::Conflict`]; [`Error::Service`]; [`Error::Rejected`] when the order, a product or a
    /// line may not be changed now, and when the edit came to nothing
    /// ([`RejectionReason::OutOfStock`], [`RejectionReason::PaymentDeclined`],
    /// [`RejectionReason::EditDiscarded`]): the order is as it was then.
    pub async fn edit(
        &self,
        principal: &Principal,
        order: OrderRef,
        request: EditRequest,
        options: CommandOptions,
    ) -> Result<EditAnswer, Error> {
        let valid = request.validate()?;
        let hash = valid.request_hash();
        let (started, until) = (self.inner.runtime.monotonic(), self.answer_by(options.wait));
        for _ in 0..CONFLICTS_MAX {
            let loaded = self.load(principal, order).await?.order;
            authorize(principal, Action::Edit, Some(loaded.user))?;
            if let Some(key) = &options.key
                && let Some(row) = self
                    .repeated_row(
                        loaded.id,
                        &CommandKey {
                            key: key.clone(),
                            hash,
                        },
                    )
                    .await?
            {
                let n = if let Event::EditStarted { n, .. } = row.event {
                    Some(n)
                } else {
                    None
                };
                let order = self.attend(loaded.id, until, Wait::Quiet).await?;
                return answer(
                    Answered {
                        order,
                        repeats: Some(row.seq),
                    },
                    n,
                    &self.env(),
                );
            }
            let command = self.edit_command(&loaded, &valid).await?;
            let next = loaded.edits.next_number();
            // Priced on this version, and to be decided on no other.
            let spent = self.inner.runtime.monotonic().saturating_sub(started);
            let pinned = CommandOptions {
                key: options.key.clone(),
                expected_version: options.expected_version.or(Some(loaded.version)),
                wait: options.wait.map(|wait| wait.saturating_sub(spent)),
                notes: Private(None),
            };
            let asked = Asked {
                hash,
                ..Asked::new(&command, signed(&command, &options)?)
            };
            match self.command(principal, order, pinned, asked).await {
                // Asked for twice at once: which edit it is stands in the journal.
                Ok(Answered {
                    repeats: Some(_), ..
                }) => {}
                Ok(answered) => return answer(answered, Some(next), &self.env()),
                Err(Error::Conflict { .. }) if options.expected_version.is_none() => {}
                Err(e) => return Err(e),
            }
        }
        Err(super::commands::too_busy(order))
    }
}

fn nothing_changes(order: &Order) -> Error {
    Rejection::new(
        RejectionReason::NotOpen,
        format!("nothing of order {} would change", order.number),
    )
    .into()
}

/// The answer for edit `n` of the order as it is now; a refusal if it came to nothing.
fn answer(answered: Answered, n: Option<u32>, env: &Env<'_>) -> Result<EditAnswer, Error> {
    let Answered { order, repeats } = answered;
    let edit = n.and_then(|n| order.edits.iter().find(|e| e.n == n));
    let Some(edit) = edit else {
        return Ok(EditAnswer {
            order,
            edit: None,
            state: EditState::Applied,
            repeats,
        });
    };
    let (n, state) = (edit.n, edit.state);
    if state != EditState::Discarded {
        return Ok(EditAnswer {
            order,
            edit: Some(n),
            state,
            repeats,
        });
    }
    let (reason, why) = match edit.cause {
        Some(DiscardCause::StockRefused) => {
            (RejectionReason::OutOfStock, "the inventory has too little")
        }
        Some(DiscardCause::PaymentFailed) => (
            RejectionReason::PaymentDeclined,
            "the difference was not paid",
        ),
        Some(DiscardCause::Expired) => (RejectionReason::EditDiscarded, "it took too long"),
        Some(DiscardCause::OutOfDate) => (
            RejectionReason::EditDiscarded,
            "what it was to change has gone meanwhile",
        ),
        Some(DiscardCause::OrderOver) => (RejectionReason::EditDiscarded, "the order is over"),
        Some(DiscardCause::Requested) | None => {
            (RejectionReason::EditDiscarded, "it was called off")
        }
    };
    let message = format!(
        "edit {n} of order {} was discarded, the order is as it was: {why}",
        order.number
    );
    let rejection = Rejection {
        order: Some((order.id, order.number)),
        shortages: if reason == RejectionReason::OutOfStock {
            missing(&order, edit)
        } else {
            Vec::new()
        },
        possible: possible(&order, env),
        ..Rejection::new(reason, message)
    };
    Err(rejection.into())
}

/// Returns the units that the inventory refused while the edit was under way.
fn missing(order: &Order, edit: &Edit) -> Vec<Shortage> {
    let end = edit.reservation_end.unwrap_or(u32::MAX);
    let its = |r: &&Reservation| {
        r.state == ReservationState::Refused && (edit.reservation..end).contains(&r.n)
    };
    let refused = order.reservations.iter().filter(its);
    refused
        .map(|r| Shortage {
            sku: r.sku.clone(),
            requested: r.quantity,
            available: r.available,
        })
        .collect()
}
