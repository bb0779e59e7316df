//! An operator's findings: what is so, where no service could tell.

use super::fact::{ClosingOutcome, Evidence, Fact, PaymentOutcome, PaymentReport, ProviderAnswer};
use super::finding::Finding;
use super::payment::outside;
use super::record::record;
use super::refusal::refusal;
use super::{Env, attention, evolve};
use crate::error::{Rejection, RejectionReason};
use crate::order::{Actor, Attention, AttentionReason, Event, Op, Order};
use crate::text::Private;

/// The events of a finding: a mark that somebody made it, and what follows from it.
pub(super) fn resolve(
    order: &Order,
    finding: &Finding,
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    let nothing = |what: String| {
        let message = format!("cannot resolve order {}: {what}", order.number);
        refusal(order, RejectionReason::NoSuchRecord, message)
    };
    let (about, facts) = match finding {
        Finding::Hold { n, outcome } => {
            order
                .reservation(*n)
                .ok_or_else(|| nothing(format!("it has no reservation {n}")))?;
            (
                Some(Op::Reservation(*n)),
                record(
                    order,
                    &Fact::Reservation {
                        n: *n,
                        outcome: outcome.clone(),
                    },
                    env,
                ),
            )
        }
        Finding::Closing { n, done } => {
            let r = order
                .reservation(*n)
                .ok_or_else(|| nothing(format!("it has no reservation {n}")))?;
            let closing = r.closing.ok_or_else(|| {
                nothing(format!(
                    "reservation {n} is neither being given back nor committed"
                ))
            })?;
            let outcome = if *done {
                ClosingOutcome::Done
            } else {
                ClosingOutcome::Refused {
                    code: "NOT_DONE".into(),
                }
            };
            let fact = Fact::Closing {
                n: *n,
                serial: closing.serial,
                kind: closing.kind,
                units: closing.units,
                committed: closing.committed,
                outcome,
            };
            (Some(Op::Reservation(*n)), record(order, &fact, env))
        }
        Finding::Payment {
            n,
            status,
            amount,
            reference,
        } => {
            order
                .payment(*n)
                .ok_or_else(|| nothing(format!("it has no payment {n}")))?;
            let outcome = PaymentOutcome::Answer(ProviderAnswer {
                status: *status,
                reference: reference.clone(),
                amount: order.in_currency(*amount),
                code: Some("RESOLVED".into()),
                deadline: env.now.after(env.policy.action_deadline),
                action: Private(None),
                capture_before: None,
                evidence: Evidence::Finding,
            });
            (
                Some(Op::Payment(*n)),
                record(order, &Fact::Payment { n: *n, outcome }, env),
            )
        }
        Finding::Moved {
            status,
            amount,
            reference,
        } => {
            if order
                .payments
                .iter()
                .any(|p| p.reference.as_ref() == Some(reference))
            {
                return Ok(Vec::new());
            }
            let kept = order.unmatched.iter().find(|u| u.reference == *reference);
            if let Some(n) = kept.and_then(|kept| outside::waited_for(order, kept)) {
                // Of which payment it was decides what can still be taken of that one.
                let message = format!(
                    "cannot resolve order {}: {reference} may be of payment {n}, which is in \
                        flight: resolve that first",
                    order.number
                );
                return Err(refusal(order, RejectionReason::PaymentUnderWay, message));
            }
            let report = PaymentReport {
                key: None,
                reference: reference.clone(),
                parent: None,
                status: *status,
                amount: order.in_currency(*amount),
            };
            (None, outside::moved(order, &report))
        }
        Finding::Unmatched { reference } => {
            if !order.unmatched.iter().any(|u| u.reference == *reference) {
                return Err(nothing(format!("it has no unmatched report {reference}")));
            }
            (
                None,
                vec![Event::UnmatchedDismissed {
                    reference: reference.clone(),
                }],
            )
        }
    };
    if facts.is_empty() {
        return Err(nothing(
            "that changes nothing: its records say so already".into(),
        ));
    }
    let mut after = order.clone();
    let mut events = vec![Event::Resolved { about }];
    events.extend(facts);
    for event in &events {
        evolve(
            &mut after,
            event,
            &Actor::System,
            env.now.max(order.updated_at),
        );
    }
    // Whoever made the finding has looked: at what it is about, at the money they say has moved, at
    // the last report that fitted nothing.
    let moved = matches!(finding, Finding::Moved { .. });
    while let Some(event) = moved
        .then(|| attention::refunded_elsewhere_anew(&after, env))
        .flatten()
    {
        evolve(
            &mut after,
            &event,
            &Actor::System,
            env.now.max(order.updated_at),
        );
        events.push(event);
    }
    let seen = |a: &&Attention| match (about, a.reason) {
        _ if a.acknowledged => false,
        (Some(_), _) => a.about == about,
        (None, AttentionReason::OutsideRefund) => a.about.is_none() && moved,
        (None, AttentionReason::UnexpectedReport) => {
            a.about.is_none() && after.unmatched.is_empty()
        }
        (None, _) => false,
    };
    events.extend(
        after
            .attention
            .iter()
            .filter(seen)
            .map(|a| Event::AttentionAcknowledged {
                reason: a.reason,
                about: a.about,
            }),
    );
    Ok(events)
}
