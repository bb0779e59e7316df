//! Carrying out one call: the request from the order's records, and the answer as a fact.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::{OrderManager, telemetry};
use crate::ids::Reference;
use crate::order::{
    Address, Closing, ClosingKind, Op, OperationKind, OperationState, Order, PaymentOperation,
    Reservation,
};
use crate::rules::{
    Call, ClosingOutcome, Evidence, Fact, PaymentOutcome, ProviderAnswer, Purpose,
    ReservationOutcome, Verb, closing_key, event_id, key,
};
use crate::services::{
    AttemptRequest, CallDeadline, CallError, Clients, ClosingRequest, FollowUpRequest,
    InventoryService, Notification, NotificationService, PaymentAnswer, PaymentLookup,
    PaymentService, ReservationLookup, ReserveAnswer, ReserveRequest, ServiceName,
};
use crate::store::OrderStore;
use crate::text::Private;
use crate::time::Timestamp;

/// The outcome of a call.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It was answered, and this is so.
    Known(Fact),
    /// A look-up found nothing; whether that proves anything depends on when it was asked.
    Nothing {
        /// The fact that holds if it proves something.
        proven: Fact,
    },
    /// The customer was told.
    Told,
    /// It provably did not happen.
    NotDone(String),
    /// It may have happened.
    Unknown {
        /// The fact to be recorded, if there is one.
        fact: Option<Fact>,
        /// The failure in words.
        message: String,
    },
}

/// A call that was made.
#[derive(Debug)]
pub(super) struct Answer {
    pub call: Call,
    pub started: Timestamp,
    pub outcome: Outcome,
    /// True if it contradicts what the service's client claims.
    pub broken: bool,
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Makes a call and waits for its answer, at most for the call deadline. Nothing is sent after
    /// the lease's end where the client looks at the deadline that it is given; notices may be.
    pub(super) async fn perform(
        &self,
        order: &Order,
        call: Call,
        repeat: bool,
        lease_end: Duration,
    ) -> Answer {
        let started = self.now();
        let runtime = &self.inner.runtime;
        // The lease's end is known from before it was asked for: however long the process stood
        // still since somebody looked at it.
        let end = (runtime.monotonic() + self.inner.policy.call_deadline).min(lease_end);
        let deadline = &CallDeadline::at(Arc::clone(runtime), end);
        let outcome = match (call.op, call.verb) {
            (Op::Reservation(n), verb) => match order.reservation(n) {
                Some(r) => {
                    self.perform_reserve(order, r, verb, repeat, started, deadline)
                        .await
                }
                None => nonsense(),
            },
            (Op::Payment(n), verb) => match order.payment(n) {
                Some(p) => {
                    self.perform_payment(order, p, verb, repeat, started, deadline)
                        .await
                }
                None => nonsense(),
            },
            (Op::Notice(seq), _) => self.perform_notice(order, seq, deadline).await,
        };
        let broken = contradicts(order, &outcome);
        Answer {
            call,
            started,
            outcome,
            broken,
        }
    }

    async fn perform_reserve(
        &self,
        order: &Order,
        r: &Reservation,
        verb: Verb,
        repeat: bool,
        started: Timestamp,
        deadline: &CallDeadline,
    ) -> Outcome {
        let inventory = self.inner.clients.inventory();
        let n = r.n;
        let reserve = || ReserveRequest {
            key: key(order.id, Purpose::Reserve, n),
            order: order.id,
            number: order.number,
            user: order.user,
            sku: r.sku.clone(),
            quantity: r.quantity,
            lifetime: self.inner.policy.reservation_lifetime,
            destination: shipping_address(order),
            deadline: deadline.clone(),
        };
        let fact = |outcome| Fact::Reservation { n, outcome };
        // An earlier call may have made the hold: then it lives since then at the earliest, however
        // late we hear of it.
        let since = if repeat || verb == Verb::LookUpReservation {
            r.created_at
        } else {
            started
        };
        match verb {
            Verb::Reserve => {
                let request = reserve();
                match self
                    .within_lease(
                        ServiceName::Inventory,
                        "reserve",
                        deadline,
                        inventory.reserve(&request),
                    )
                    .await
                {
                    Ok(answer) => match held(answer, r.quantity, since) {
                        Ok(outcome) => Outcome::Known(fact(outcome)),
                        Err(message) => Outcome::Unknown {
                            fact: Some(fact(ReservationOutcome::Unknown { malformed: true })),
                            message,
                        },
                    },
                    Err(CallError::Refused {
                        code, available, ..
                    }) => {
                        let available = match available {
                            Some(n) => Some(n),
                            None => self.available(&request, deadline).await,
                        };
                        Outcome::Known(fact(ReservationOutcome::Refused { available, code }))
                    }
                    Err(CallError::NotDone { message }) => Outcome::NotDone(message),
                    Err(CallError::Unknown { message, malformed }) => Outcome::Unknown {
                        fact: Some(fact(ReservationOutcome::Unknown { malformed })),
                        message,
                    },
                }
            }
            Verb::LookUpReservation => {
                let request = reserve();
                match self
                    .within_lease(
                        ServiceName::Inventory,
                        "look_up",
                        deadline,
                        inventory.look_up(&request),
                    )
                    .await
                {
                    Ok(ReservationLookup::Held(answer)) => match held(answer, r.quantity, since) {
                        Ok(outcome) => Outcome::Known(fact(outcome)),
                        Err(message) => Outcome::Unknown {
                            fact: Some(fact(ReservationOutcome::Unknown { malformed: true })),
                            message,
                        },
                    },
                    Ok(ReservationLookup::Committed) => {
                        Outcome::Known(fact(ReservationOutcome::Committed))
                    }
                    Ok(ReservationLookup::Released) => {
                        Outcome::Known(fact(ReservationOutcome::Released))
                    }
                    Ok(ReservationLookup::Expired) => {
                        Outcome::Known(fact(ReservationOutcome::Expired))
                    }
                    Ok(ReservationLookup::Absent) => Outcome::Nothing {
                        proven: fact(ReservationOutcome::Absent),
                    },
                    Ok(ReservationLookup::Undecidable) => Outcome::Nothing {
                        proven: fact(ReservationOutcome::Undecidable),
                    },
                    Err(e) => Outcome::NotDone(e.to_string()),
                }
            }
            Verb::Release | Verb::Commit => {
                let Some(Closing {
                    serial,
                    kind,
                    units,
                    committed,
                    unknown: _,
                }) = r.closing
                else {
                    return nonsense();
                };
                let purpose = match kind {
                    ClosingKind::Release => Purpose::Release,
                    ClosingKind::Commit => Purpose::Commit,
                };
                let request = ClosingRequest {
                    key: closing_key(order.id, purpose, n, serial),
                    reserve_key: key(order.id, Purpose::Reserve, n),
                    order: order.id,
                    number: order.number,
                    sku: r.sku.clone(),
                    quantity: units,
                    reference: r.reference.clone(),
                    committed,
                    repeat,
                    expires_at: r.expires_at,
                    destination: match kind {
                        ClosingKind::Commit => shipping_address(order),
                        ClosingKind::Release => Private(None),
                    },
                    deadline: deadline.clone(),
                };
                let answer = match kind {
                    ClosingKind::Release => {
                        self.within_lease(
                            ServiceName::Inventory,
                            "release",
                            deadline,
                            inventory.release(&request),
                        )
                        .await
                    }
                    ClosingKind::Commit => {
                        self.within_lease(
                            ServiceName::Inventory,
                            "commit",
                            deadline,
                            inventory.commit(&request),
                        )
                        .await
                    }
                };
                let hold = fact;
                let fact = |outcome| Fact::Closing {
                    n,
                    serial,
                    kind,
                    units,
                    committed,
                    outcome,
                };
                match answer {
                    Ok(()) => Outcome::Known(fact(ClosingOutcome::Done)),
                    Err(CallError::Refused {
                        reservation_lost: true,
                        ..
                    }) if kind == ClosingKind::Commit => {
                        Outcome::Known(hold(ReservationOutcome::Lost))
                    }
                    Err(CallError::Refused { code, .. }) => {
                        Outcome::Known(fact(ClosingOutcome::Refused { code }))
                    }
                    Err(CallError::NotDone { message }) => Outcome::NotDone(message),
                    Err(CallError::Unknown { message, malformed }) => Outcome::Unknown {
                        fact: Some(fact(ClosingOutcome::Unknown { malformed })),
                        message,
                    },
                }
            }
            Verb::Pay(_) | Verb::LookUpPayment | Verb::Notify => nonsense(),
        }
    }

    /// Asks how many units there are, after a refusal that did not say. Only for the message: no
    /// answer is an answer.
    async fn available(&self, request: &ReserveRequest, deadline: &CallDeadline) -> Option<u32> {
        let skus = [request.sku.clone()];
        let answer = self
            .within_lease(
                ServiceName::Inventory,
                "check",
                deadline,
                self.inner.clients.inventory().check(&skus),
            )
            .await
            .ok()?;
        answer
            .into_iter()
            .find(|a| a.sku == request.sku)
            .map(|a| a.available)
    }

    async fn perform_payment(
        &self,
        order: &Order,
        p: &PaymentOperation,
        verb: Verb,
        repeat: bool,
        started: Timestamp,
        deadline: &CallDeadline,
    ) -> Outcome {
        let payment = self.inner.clients.payment();
        let n = p.n;
        let own_key = key(order.id, Purpose::Payment, n);
        let answer = match verb {
            Verb::Pay(kind @ (OperationKind::Authorize | OperationKind::Charge)) => {
                let request = AttemptRequest {
                    key: own_key,
                    order: order.id,
                    number: order.number,
                    user: order.user,
                    amount: order.in_currency(p.amount),
                    method: p.method.clone(),
                    token: p.token.clone(),
                    return_url: p.return_url.clone(),
                    shipping: shipping_address(order),
                    billing: Private(order.addresses.get().map(|a| a.billing.clone())),
                    deadline: deadline.clone(),
                };
                match kind {
                    OperationKind::Authorize => {
                        self.within_lease(
                            ServiceName::Payment,
                            "authorize",
                            deadline,
                            payment.authorize(&request),
                        )
                        .await
                    }
                    _ => {
                        self.within_lease(
                            ServiceName::Payment,
                            "charge",
                            deadline,
                            payment.charge(&request),
                        )
                        .await
                    }
                }
            }
            Verb::Pay(kind) => {
                let Some(parent) = p.parent.and_then(|n| order.payment(n)) else {
                    return nonsense();
                };
                let request = FollowUpRequest {
                    key: own_key,
                    order: order.id,
                    number: order.number,
                    parent_key: key(order.id, Purpose::Payment, parent.n),
                    parent_reference: parent.reference.clone(),
                    amount: order.in_currency(p.amount),
                    repeat,
                    deadline: deadline.clone(),
                };
                match kind {
                    OperationKind::Capture => {
                        self.within_lease(
                            ServiceName::Payment,
                            "capture",
                            deadline,
                            payment.capture(&request),
                        )
                        .await
                    }
                    OperationKind::Void => {
                        self.within_lease(
                            ServiceName::Payment,
                            "void",
                            deadline,
                            payment.void(&request),
                        )
                        .await
                    }
                    _ => {
                        self.within_lease(
                            ServiceName::Payment,
                            "refund",
                            deadline,
                            payment.refund(&request),
                        )
                        .await
                    }
                }
            }
            Verb::LookUpPayment => {
                let request = PaymentLookup {
                    key: own_key,
                    order: order.id,
                    reference: p.reference.clone(),
                };
                return match self
                    .within_lease(
                        ServiceName::Payment,
                        "look_up",
                        deadline,
                        payment.look_up(&request),
                    )
                    .await
                {
                    Ok(Some(answer)) => self.told(order, p, answer, Evidence::LookUp, started),
                    Ok(None) => Outcome::Nothing {
                        proven: Fact::Payment {
                            n,
                            outcome: PaymentOutcome::Absent,
                        },
                    },
                    Err(e) => Outcome::NotDone(e.to_string()),
                };
            }
            Verb::Reserve
            | Verb::Release
            | Verb::Commit
            | Verb::LookUpReservation
            | Verb::Notify => {
                return nonsense();
            }
        };
        match answer {
            Ok(answer) => self.told(order, p, answer, Evidence::Answer, started),
            Err(CallError::Refused { code, .. }) => {
                let answer = PaymentOutcome::Answer(ProviderAnswer {
                    status: OperationState::Declined,
                    reference: None,
                    amount: order.in_currency(0),
                    code: Some(code),
                    deadline: self.now(),
                    action: None.into(),
                    capture_before: None,
                    evidence: Evidence::Answer,
                });
                Outcome::Known(Fact::Payment { n, outcome: answer })
            }
            Err(CallError::NotDone { message }) => Outcome::NotDone(message),
            Err(CallError::Unknown { message, malformed }) => Outcome::Unknown {
                fact: Some(Fact::Payment {
                    n,
                    outcome: PaymentOutcome::Unknown { malformed },
                }),
                message,
            },
        }
    }

    /// A provider's answer as a fact; what makes no sense is as good as no answer, and a person is
    /// told. How long an authorization lasts counts from when it was asked for, however late the
    /// answer is heard.
    fn told(
        &self,
        order: &Order,
        p: &PaymentOperation,
        answer: PaymentAnswer,
        evidence: Evidence,
        started: Timestamp,
    ) -> Outcome {
        let n = p.n;
        let malformed = |message: &str| Outcome::Unknown {
            fact: Some(Fact::Payment {
                n,
                outcome: PaymentOutcome::Unknown { malformed: true },
            }),
            message: message.into(),
        };
        let PaymentAnswer {
            status,
            reference,
            amount,
            code,
            wait,
            action,
            capture_within,
        } = answer;
        let moves_money = matches!(
            status,
            OperationState::Authorized | OperationState::Captured | OperationState::Refunded
        );
        if !status.is_a_providers() {
            return malformed("the payment service answered a status that is not one of its own");
        }
        let reference: Option<Reference> = match reference.parse() {
            Ok(reference) => Some(reference),
            Err(_) if reference.is_empty() && !moves_money => None,
            Err(_) => return malformed("the payment service answered without a usable reference"),
        };
        if moves_money && amount.minor <= 0 {
            return malformed("the payment service answered without an amount");
        }
        // On the order's own time, which may be ahead of this process's clock: what has only begun
        // is not over by it.
        let (now, started) = (
            self.now().max(order.updated_at),
            started.max(order.updated_at),
        );
        let outcome = PaymentOutcome::Answer(ProviderAnswer {
            status,
            reference,
            // Where nothing moved, whatever stands there says nothing: not even in which currency.
            amount: if moves_money {
                amount
            } else {
                order.in_currency(0)
            },
            code,
            deadline: now.after(wait.unwrap_or(self.inner.policy.action_deadline)),
            action,
            capture_before: capture_within.map(|d| started.after(d)),
            evidence,
        });
        Outcome::Known(Fact::Payment { n, outcome })
    }

    async fn perform_notice(&self, order: &Order, seq: u64, deadline: &CallDeadline) -> Outcome {
        let Some(notice) = order.notices.iter().find(|n| n.seq == seq) else {
            return nonsense();
        };
        let notification = Notification {
            event_id: event_id(order.id, seq),
            order: order.id,
            number: order.number,
            user: order.user,
            seq,
            kind: notice.kind,
        };
        match self
            .within_lease(
                ServiceName::Notification,
                "notify",
                deadline,
                self.inner.clients.notification().notify(&notification),
            )
            .await
        {
            Ok(()) => Outcome::Told,
            Err(CallError::Unknown { message, .. }) => Outcome::Unknown {
                fact: None,
                message,
            },
            // A refusal would be repeated for ever otherwise: it is, at the longest interval, and a
            // person is told.
            Err(e) => Outcome::NotDone(e.to_string()),
        }
    }

    /// Waits for a call that is made under a lease, at most until its deadline; one whose deadline
    /// is over is not begun, and says nothing of the service.
    async fn within_lease<T>(
        &self,
        service: ServiceName,
        method: &'static str,
        deadline: &CallDeadline,
        call: impl Future<Output = Result<T, CallError>> + Send,
    ) -> Result<T, CallError> {
        deadline.check()?;
        let started = self.inner.runtime.monotonic();
        let whole = self.inner.policy.call_deadline;
        let result = self
            .ended_within(deadline.left().map_or(whole, |left| left.min(whole)), call)
            .await;
        // That the client came to it too late says nothing of the service either.
        if !(matches!(result, Err(CallError::NotDone { .. })) && deadline.is_over()) {
            self.note_answer(service, method, started, &result);
        }
        result
    }

    /// Waits for a call at most for the call deadline, and notes for the breaker how it went.
    pub(super) async fn within<T>(
        &self,
        service: ServiceName,
        method: &'static str,
        call: impl Future<Output = Result<T, CallError>> + Send,
    ) -> Result<T, CallError> {
        let started = self.inner.runtime.monotonic();
        let result = self
            .ended_within(self.inner.policy.call_deadline, call)
            .await;
        self.note_answer(service, method, started, &result);
        if let Err(error) = &result {
            telemetry::unanswered(service, method, error);
        }
        result
    }

    fn note_answer<T>(
        &self,
        service: ServiceName,
        method: &'static str,
        started: Duration,
        result: &Result<T, CallError>,
    ) {
        let now = self.inner.runtime.monotonic();
        telemetry::answered(service, method, now.saturating_sub(started), result);
        let is_answer = matches!(result, Ok(_) | Err(CallError::Refused { .. }));
        if let Some(down) = self.inner.breakers.note(service, is_answer, now) {
            telemetry::breaker(service, down);
        }
    }

    /// Waits for a call at most for so long. A client that panics spoils its own call, and nothing
    /// beside it.
    async fn ended_within<T>(
        &self,
        most: Duration,
        call: impl Future<Output = Result<T, CallError>> + Send,
    ) -> Result<T, CallError> {
        let timer = self.inner.runtime.sleep(most);
        // A client that was given up by its own panic is not used again by this call, whatever
        // state it is in.
        let call = AssertUnwindSafe(call).catch_unwind();
        match select(Box::pin(call), timer).await {
            Either::Left((Ok(result), _)) => result,
            Either::Left((Err(panic), _)) => Err(CallError::unknown(format!(
                "the client panicked: {}",
                said(&*panic)
            ))),
            Either::Right(((), _)) => Err(CallError::unknown(format!(
                "no answer within {} ms",
                most.as_millis()
            ))),
        }
    }
}

/// Returns whether an answer contradicts an earlier one of the same service: an operation that was
/// answered under a name is found no more, or under another name. Whoever forgets or renames
/// operations charges twice when an answer is lost.
fn contradicts(order: &Order, outcome: &Outcome) -> bool {
    let (n, name) = match outcome {
        Outcome::Known(Fact::Payment {
            n,
            outcome:
                PaymentOutcome::Answer(ProviderAnswer {
                    reference: Some(name),
                    ..
                }),
        }) => (*n, Some(name)),
        Outcome::Nothing {
            proven: Fact::Payment { n, .. },
        } => (*n, None),
        _ => return false,
    };
    let known = order.payment(n).and_then(|p| p.reference.as_ref());
    known.is_some_and(|known| name != Some(known))
}

/// Returns the address that the order's goods go to, as far as it is still known.
fn shipping_address(order: &Order) -> Private<Address> {
    Private(order.addresses.get().map(|a| a.shipping.clone()))
}

/// Returns the message of a panic.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word")
}

/// A hold as answered, or why the answer makes no sense.
fn held(
    answer: ReserveAnswer,
    wanted: u32,
    since: Timestamp,
) -> Result<ReservationOutcome, String> {
    let ReserveAnswer {
        reference,
        quantity,
        lifetime,
    } = answer;
    if quantity != wanted {
        return Err(format!(
            "the inventory answered a hold of {quantity} units, not {wanted}"
        ));
    }
    let reference = reference
        .parse()
        .map_err(|_| "the inventory answered a hold without a usable reference".to_owned())?;
    Ok(ReservationOutcome::Held {
        reference: Some(reference),
        expires_at: lifetime.map(|l| since.after(l)),
    })
}

/// A call that `next` cannot have planned: nothing is sent.
fn nonsense() -> Outcome {
    Outcome::NotDone("the call does not fit the order's records".into())
}
