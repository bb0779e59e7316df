//! Confirming and cancelling reservations: what the service's answers mean, given what was sent
//! before.

use std::sync::Arc;
use std::time::Duration;

use order_core::services::{CallError, ClosingRequest};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::Code;
use uuid::Uuid;

use super::holds::{Cancelled, Confirmed, Known};
use super::{SETTLE_MARGIN, Shared};
use crate::proto::inventory as wire;
use crate::proto::inventory::inventory_service_client::InventoryServiceClient;
use crate::services::context::carrying;
use crate::services::outcome::{Failure, plain};

/// The most that clocks may be apart where it matters whether a reservation may have expired.
const CLOCK_DOUBT: Duration = Duration::from_secs(60);

/// An end of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    Confirm,
    Cancel,
}

/// The service's answer to a confirm or cancel.
#[derive(Debug)]
enum Said {
    Done,
    /// It is neither to be confirmed nor to be cancelled any more.
    InvalidState,
    /// It cannot be confirmed any more, and keeps its units.
    Expired,
    Failed(Failure),
}

/// Confirms or cancels a reservation. Nobody else does either meanwhile, also once the caller is
/// gone: the call goes on, and what it comes to is remembered.
pub(super) async fn close(
    shared: &Arc<Shared>,
    request: &ClosingRequest,
    how: Close,
) -> Result<(), CallError> {
    request.deadline.check()?;
    if request.committed {
        return Err(CallError::refused("COMMITTED_UNITS_STAY"));
    }
    let Some(reference) = &request.reference else {
        return Err(CallError::refused("REFERENCE_UNKNOWN"));
    };
    let Ok(id) = Uuid::try_parse(reference.as_str()) else {
        return Err(CallError::refused("REFERENCE_INVALID"));
    };
    let usual = shared.channel.deadline();
    let patience = request
        .deadline
        .left()
        .map_or(usual, |left| left.min(usual));
    let Ok(inside) = tokio::time::timeout(patience, shared.holds.enter(id)).await else {
        return Err(CallError::not_done(format!(
            "not sent: an earlier call about reservation {id} may be under way"
        )));
    };
    let (shared, request, (tell, told)) = (Arc::clone(shared), request.clone(), oneshot::channel());
    tokio::spawn(carrying(Box::pin(async move {
        let until = Instant::now() + usual + SETTLE_MARGIN;
        let mut at_work = false;
        let answer = match how {
            Close::Confirm => shared.confirm(id, &request, &mut at_work).await,
            Close::Cancel => shared.cancel(id, &request, &mut at_work).await,
        };
        // Whoever asked may have gone.
        let _ = tell.send(answer);
        if at_work {
            tokio::time::sleep_until(until).await;
        }
        drop(inside);
    })));
    told.await
        .unwrap_or_else(|_| Err(CallError::unknown("the call ended without an answer")))
}

impl Shared {
    async fn confirm(
        &self,
        id: Uuid,
        request: &ClosingRequest,
        at_work: &mut bool,
    ) -> Result<(), CallError> {
        let known = self.holds.known(id).await;
        is_whole(known, request)?;
        self.holds
            .note(
                id,
                Known {
                    confirmed: known.confirmed.once_more(),
                    ..known
                },
            )
            .await;
        match self.say(id, request, Close::Confirm, at_work).await {
            Said::Done => {
                self.holds
                    .note(
                        id,
                        Known {
                            confirmed: Confirmed::Done,
                            ..known
                        },
                    )
                    .await;
                Ok(())
            }
            Said::InvalidState => {
                let over = request
                    .expires_at
                    .is_some_and(|t| t <= self.clock.now().after(CLOCK_DOUBT));
                let meaning = meaning_for_confirm(known, request.repeat, over, id);
                let confirmed = if meaning.is_ok() {
                    Confirmed::Done
                } else {
                    known.confirmed
                };
                self.holds.note(id, Known { confirmed, ..known }).await;
                meaning
            }
            Said::Expired => {
                // It was pending, so no earlier confirm was done, and none will be. Its units are
                // held until it is cancelled.
                let known = Known {
                    confirmed: Confirmed::Never,
                    cancelled: Cancelled::Expired,
                    ..known
                };
                self.holds.note(id, known).await;
                match self.say(id, request, Close::Cancel, at_work).await {
                    Said::Failed(failure) => match CallError::from(failure) {
                        CallError::Refused { .. } => Err(lost()),
                        // Nothing was confirmed, and it may still hold its units: this is to be
                        // asked for again.
                        not_yet => Err(not_yet),
                    },
                    Said::Done | Said::InvalidState | Said::Expired => Err(lost()),
                }
            }
            Said::Failed(failure) => {
                if is_proof(&failure) {
                    self.holds.note(id, known).await;
                }
                Err(failure.into())
            }
        }
    }

    async fn cancel(
        &self,
        id: Uuid,
        request: &ClosingRequest,
        at_work: &mut bool,
    ) -> Result<(), CallError> {
        let known = self.holds.known(id).await;
        is_whole(known, request)?;
        let perhaps = if known.cancelled == Cancelled::Never {
            Cancelled::Perhaps
        } else {
            known.cancelled
        };
        self.holds
            .note(
                id,
                Known {
                    cancelled: perhaps,
                    ..known
                },
            )
            .await;
        match self.say(id, request, Close::Cancel, at_work).await {
            Said::Done => {
                self.holds
                    .note(
                        id,
                        Known {
                            cancelled: Cancelled::Done,
                            ..known
                        },
                    )
                    .await;
                Ok(())
            }
            Said::InvalidState => {
                self.holds.note(id, known).await;
                meaning_for_cancel(known, request.repeat, id)
            }
            // It does not say so of a cancel.
            Said::Expired => Err(CallError::malformed(format!(
                "cancelling reservation {id}: it answered \"expired\""
            ))),
            Said::Failed(failure) => {
                if is_proof(&failure) {
                    self.holds.note(id, known).await;
                }
                Err(failure.into())
            }
        }
    }

    /// Sends it, and sorts the answer. Notes whether the service may be at work still.
    async fn say(
        &self,
        id: Uuid,
        request: &ClosingRequest,
        how: Close,
        at_work: &mut bool,
    ) -> Said {
        let reservation_id = id.to_string();
        let answer = match how {
            Close::Confirm => {
                let message = wire::ConfirmReservationRequest { reservation_id };
                let send = |wire| async {
                    InventoryServiceClient::new(wire)
                        .confirm_reservation(message)
                        .await
                };
                self.channel.call(&request.deadline, send).await
            }
            Close::Cancel => {
                let message = wire::CancelReservationRequest { reservation_id };
                let send = |wire| async {
                    InventoryServiceClient::new(wire)
                        .cancel_reservation(message)
                        .await
                };
                self.channel.call(&request.deadline, send).await
            }
        };
        *at_work = answer.as_ref().is_err_and(may_be_at_work);
        match answer {
            Ok(answer) => {
                let answered = answer.reservation.map(|r| r.id).unwrap_or_default();
                if Uuid::try_parse(&answered) == Ok(id) {
                    return Said::Done;
                }
                Said::Failed(Failure::Malformed {
                    message: plain(&format!(
                        "{how:?} of reservation {id}: it answered {answered:?}"
                    )),
                })
            }
            Err(Failure::Answered(status)) if status.code() == Code::FailedPrecondition => {
                match status.message() {
                    message if message.contains("invalid state") => Said::InvalidState,
                    message if message.contains("expired") => Said::Expired,
                    _ => Said::Failed(Failure::Answered(status)),
                }
            }
            Err(failure) => Said::Failed(failure),
        }
    }
}

impl Confirmed {
    /// The same, with one more that was sent.
    fn once_more(self) -> Self {
        if self == Confirmed::Never {
            Confirmed::Perhaps
        } else {
            self
        }
    }
}

/// Reservations are confirmed and cancelled as a whole, and the service is told no number: one that
/// is wrong must be refused here.
fn is_whole(known: Known, request: &ClosingRequest) -> Result<(), CallError> {
    match known.quantity {
        Some(units) if units != request.quantity => {
            Err(CallError::refused("WHOLE_RESERVATION_ONLY"))
        }
        _ => Ok(()),
    }
}

/// Tells whether nothing happened.
fn is_proof(failure: &Failure) -> bool {
    !matches!(CallError::from(failure.clone()), CallError::Unknown { .. })
}

/// Tells whether the service may go on with a call that came to this. What it answered with is
/// over; what a proxy or a broken connection says is none of its business.
fn may_be_at_work(failure: &Failure) -> bool {
    match failure {
        Failure::NotSent { .. } | Failure::Malformed { .. } => false,
        Failure::Lost { .. } => true,
        Failure::Answered(status) => {
            matches!(
                status.code(),
                Code::Cancelled | Code::Unknown | Code::DeadlineExceeded | Code::Unavailable
            )
        }
    }
}

/// The reservation has expired, was never confirmed, and holds nothing.
fn lost() -> CallError {
    CallError::reservation_lost("RESERVATION_LOST")
}

/// Interprets "reservation in invalid state" for a confirm: `over` if the reservation may have
/// expired, and another process of ours may have cancelled it for that.
fn meaning_for_confirm(known: Known, repeat: bool, over: bool, id: Uuid) -> Result<(), CallError> {
    let done = Ok(());
    let refused = Err(CallError::refused("INVALID_STATE"));
    match (known.confirmed, known.cancelled) {
        (_, Cancelled::Expired) => Err(lost()),
        // The first one was done; whoever does not repeat it asks for another.
        (Confirmed::Done, _) => {
            if repeat {
                done
            } else {
                refused
            }
        }
        // Ours was the cancel, and nothing was confirmed before it.
        (Confirmed::Never, Cancelled::Done) => refused,
        (Confirmed::Never, _) if !repeat => refused,
        (Confirmed::Perhaps, Cancelled::Never) | (Confirmed::Never, Cancelled::Never) if !over => {
            done
        }
        _ => Err(undecidable("confirmed", "cancelled", id)),
    }
}

/// Interprets "reservation in invalid state" for a cancel.
fn meaning_for_cancel(known: Known, repeat: bool, id: Uuid) -> Result<(), CallError> {
    match (known.cancelled, known.confirmed) {
        (Cancelled::Expired, _) => Ok(()),
        (_, Confirmed::Done) => Err(CallError::refused("INVALID_STATE")),
        (Cancelled::Done, _) if repeat => Ok(()),
        (Cancelled::Done, _) => Err(CallError::refused("INVALID_STATE")),
        (Cancelled::Never, _) if !repeat => Err(CallError::refused("INVALID_STATE")),
        (_, Confirmed::Perhaps) => Err(undecidable("cancelled", "confirmed", id)),
        (_, Confirmed::Never) => Ok(()),
    }
}

/// Nobody but a person can tell.
fn undecidable(wanted: &str, other: &str, id: Uuid) -> CallError {
    CallError::malformed(format!(
        "reservation {id} is not pending: it was {wanted} or {other}, and both were tried"
    ))
}

#[cfg(test)]
mod tests;
