//! Outcomes of payment operations: what the provider answers, what its records or its callbacks
//! say, and what an operator found out.

use super::planned::PlannedPayment;
use crate::order::{
    AttentionReason, Event, Op, OperationKind, OperationState, Order, PaymentOperation,
    Verification,
};
use crate::rules::Env;
use crate::rules::attention::{outcome_known, raise, raise_once};
use crate::rules::fact::{Evidence, PaymentOutcome, ProviderAnswer};
use crate::rules::payment::state::{begin_by, is_wanted};

/// Returns the events of what became of operation `p`.
pub(in crate::rules) fn operation(
    order: &Order,
    p: &PaymentOperation,
    outcome: &PaymentOutcome,
    env: &Env<'_>,
) -> Vec<Event> {
    let n = p.n;
    let op = Op::Payment(n);
    match outcome {
        PaymentOutcome::Unknown { malformed } => {
            let asked = matches!(p.state, OperationState::Planned | OperationState::Armed);
            let unknown = asked.then_some(Event::PaymentUnknown { n });
            let look = (*malformed && p.state.is_open())
                .then(|| raise(order, AttentionReason::Malformed, Some(op)))
                .flatten();
            unknown.into_iter().chain(look).collect()
        }
        PaymentOutcome::Absent => absent(order, p, env),
        PaymentOutcome::Answer(answer) => heard(order, p, answer, env),
    }
}

/// An operation that provably never happened. A charge that is still wanted, and may still be
/// begun, gets a new number, and with it a new key.
fn absent(order: &Order, p: &PaymentOperation, env: &Env<'_>) -> Vec<Event> {
    if !matches!(p.state, OperationState::Armed | OperationState::Unknown) {
        let op = Some(Op::Payment(p.n));
        if p.verification.is_due() && p.state.came_to_nothing() {
            // What was refused need not be in the provider's records: they bear it out.
            return vec![Event::PaymentVerified { n: p.n }];
        }
        // The provider knows nothing of what we have on record: that proves nothing, and a person
        // is told.
        let look = p
            .verification
            .is_due()
            .then(|| raise_once(order, AttentionReason::Undecidable, op))
            .flatten();
        return look.into_iter().collect();
    }
    let mut events = vec![Event::PaymentNeverHappened { n: p.n }];
    // Whether there is stock for it is asked when it is begun.
    let wanted = p.is_attempt() && order.lifecycle.is_live() && is_wanted(order, env, p, false);
    if wanted && begin_by(order, env, p) > env.now {
        let planned = PlannedPayment::new(order, p.kind, &p.method, p.amount);
        events.push(planned.paid_with(&p.token, &p.return_url).event());
    }
    events.extend(outcome_known(order, Op::Payment(p.n)));
    events
}

/// Returns the events of what is said of operation `p`, by whomever.
pub(super) fn heard(
    order: &Order,
    p: &PaymentOperation,
    answer: &ProviderAnswer,
    env: &Env<'_>,
) -> Vec<Event> {
    // A void, refund or capture that was declined simply did not happen.
    let state = match answer.status {
        OperationState::Declined if !p.is_attempt() => OperationState::Failed,
        status => status,
    };
    let asked = matches!(answer.evidence, Evidence::LookUp | Evidence::Finding);
    let heard = Heard {
        order,
        p,
        answer,
        state,
        asked,
        env,
    };
    if heard.agrees() {
        return heard.borne_out();
    }
    if asked && state.is_open() && !p.state.is_open() {
        // Its records lag behind: they are asked again.
        return Vec::new();
    }
    let gives_way = heard.decides() || gives_way(p, answer.status);
    if !heard.is_sensible() || !gives_way || heard.is_asked_first() {
        return contradiction(order, p, answer);
    }
    let mut events = if state.is_open() {
        heard.waiting()
    } else {
        heard.settling()
    };
    events.extend(outcome_known(order, Op::Payment(p.n)));
    events
}

/// Something that is said of a payment operation.
pub(super) struct Heard<'a> {
    pub(super) order: &'a Order,
    pub(super) p: &'a PaymentOperation,
    pub(super) answer: &'a ProviderAnswer,
    /// The state that the operation would come to by it.
    pub(super) state: OperationState,
    /// True if the provider's records or a person were asked, so that it counts against what is
    /// recorded.
    asked: bool,
    pub(super) env: &'a Env<'a>,
}

impl Heard<'_> {
    /// Returns true if money moved by what is said.
    pub(super) const fn moves_money(&self) -> bool {
        moves_money(self.state)
    }

    /// Returns true if it is what is recorded.
    fn agrees(&self) -> bool {
        let unsettled = matches!(
            self.p.state,
            OperationState::Planned | OperationState::Armed | OperationState::Unknown
        );
        let amount = self.order.in_currency(self.p.settled);
        self.state == self.p.state
            && !unsettled
            && (!self.moves_money() || self.answer.amount == amount)
    }

    /// Returns true if a provider may say it of such an operation.
    fn is_sensible(&self) -> bool {
        fits(self.p.kind, self.answer.status)
            && self.answer.amount.currency == self.order.currency
            // Nothing is never what moved.
            && (!self.moves_money() || self.answer.amount.minor > 0)
    }

    /// Returns true if it counts whatever is recorded: what the provider's records say, and what an
    /// operator finds.
    fn decides(&self) -> bool {
        self.asked && self.is_sensible() && !self.state.is_open()
    }

    /// Returns true if a callback says that something happened after all that came to nothing
    /// before, so that the provider's records are asked before anything rests on it. Where they
    /// cannot be asked it is believed, unless somebody has looked into it.
    fn is_asked_first(&self) -> bool {
        use OperationState as S;
        let p = self.p;
        let came_to_nothing = matches!(p.state, S::Declined | S::Failed | S::Voided);
        let looked_into = matches!(p.verification, Verification::Done | Verification::Again);
        self.answer.evidence == Evidence::Report
            && came_to_nothing
            && (self.env.payment.look_up || looked_into)
    }

    /// Returns the events of what agrees with the records.
    fn borne_out(&self) -> Vec<Event> {
        let Heard { p, answer, .. } = *self;
        let n = p.n;
        let questioned = p.verification.is_due();
        let learnt = answer
            .capture_before
            .is_some_and(|t| p.capture_before.is_none_or(|u| u > t));
        // For how long it can be captured, whoever looks into it does not say: the records are
        // still asked for that.
        let for_how_long =
            answer.evidence == Evidence::Finding && lasts_unknown(p) && self.env.payment.look_up;
        let provider = matches!(answer.evidence, Evidence::Answer | Evidence::LookUp);
        match questioned && self.asked {
            true if learnt => vec![self.settled(true)],
            true if for_how_long => {
                vec![Event::PaymentVerified { n }, Event::PaymentQuestioned { n }]
            }
            true => vec![Event::PaymentVerified { n }],
            // What agrees is news while the records are asked: an answer that was on its way by
            // then is not the last word.
            false if questioned && answer.evidence == Evidence::Report => {
                vec![reported(p, answer)]
            }
            // Somebody else was faster with the rest of it.
            false if !questioned && provider && learnt && lasts_unknown(p) => {
                vec![self.settled(self.asked || p.verification == Verification::Done)]
            }
            false => Vec::new(),
        }
    }

    /// Returns the events of an operation that the provider or the customer is yet to decide.
    fn waiting(&self) -> Vec<Event> {
        let Heard { p, answer, .. } = *self;
        let n = p.n;
        let longest = p.created_at.after(self.env.policy.longest_wait);
        let mut events = vec![Event::PaymentWaiting {
            n,
            state: answer.status,
            reference: answer.reference.clone(),
            deadline: answer.deadline.min(longest),
            action: answer.action.clone(),
        }];
        // It was asked, and has not been decided: it is asked again when its time is over.
        let verified = p.verification.is_due() && self.asked;
        events.extend(verified.then_some(Event::PaymentVerified { n }));
        events
    }

    /// Returns the events of an operation that has come to its end, with the attention that raises
    /// or clears.
    fn settling(&self) -> Vec<Event> {
        let mut events = vec![self.settled(self.decides())];
        events.extend(self.attention());
        if self.is_questioned_at_once() {
            events.push(Event::PaymentQuestioned { n: self.p.n });
        }
        events
    }

    /// Returns true if the outcome is compared with the provider's records at once: another amount
    /// than was asked, an authorization of which only a callback or a person tells, and money that
    /// is said never to have come.
    fn is_questioned_at_once(&self) -> bool {
        let Heard { p, answer, .. } = *self;
        let look_up = self.env.payment.look_up;
        let other_amount = self.moves_money() && answer.amount.minor != p.amount && !self.decides();
        let unsaid = matches!(answer.evidence, Evidence::Report | Evidence::Finding)
            && answer.capture_before.is_none();
        let for_how_long = unsaid && self.state == OperationState::Authorized && look_up;
        // Whoever found that money never came may have looked before it did. An authorization may
        // be given up at the provider by hand.
        let came_since = answer.evidence == Evidence::Finding
            && p.is_attempt()
            && p.captured() > 0
            && !self.moves_money()
            && look_up;
        other_amount || for_how_long || came_since
    }

    fn settled(&self, verified: bool) -> Event {
        let answer = self.answer;
        Event::PaymentSettled {
            n: self.p.n,
            state: self.state,
            amount: if self.moves_money() {
                answer.amount.minor
            } else {
                0
            },
            reference: answer.reference.clone(),
            code: answer.code.clone(),
            capture_before: answer.capture_before,
            verified,
        }
    }
}

/// Returns true if the operation's state gives way to what the provider says now.
///
/// Success is never taken back by a late failure, and a late success is always believed: money has
/// moved.
fn gives_way(p: &PaymentOperation, to: OperationState) -> bool {
    use OperationState as S;
    match p.state {
        S::Planned | S::Armed | S::Unknown | S::Dropped => true,
        S::ActionRequired | S::Pending => to != p.state,
        S::Authorized => matches!(to, S::Captured | S::Voided),
        // It was believed that it never happened: whatever the provider says of it, it did.
        S::NeverHappened => true,
        S::Declined | S::Failed => matches!(to, S::Authorized | S::Captured | S::Refunded),
        // What was given up is not authorized again under its number: that was said before, and is
        // heard late.
        S::Voided => matches!(to, S::Captured | S::Refunded),
        S::Captured | S::Refunded => false,
    }
}

/// Returns true if a provider may say `status` of an operation of that kind.
pub(super) fn fits(kind: OperationKind, status: OperationState) -> bool {
    use OperationState as S;
    match kind {
        OperationKind::Authorize => {
            matches!(
                status,
                S::Authorized
                    | S::Captured
                    | S::Pending
                    | S::ActionRequired
                    | S::Declined
                    | S::Voided
                    | S::Failed
            )
        }
        OperationKind::Charge => {
            matches!(
                status,
                S::Captured | S::Pending | S::ActionRequired | S::Declined | S::Voided | S::Failed
            )
        }
        OperationKind::Capture => {
            matches!(status, S::Captured | S::Pending | S::Declined | S::Failed)
        }
        OperationKind::Void => matches!(status, S::Voided | S::Pending | S::Declined | S::Failed),
        OperationKind::Refund => {
            matches!(status, S::Refunded | S::Pending | S::Declined | S::Failed)
        }
    }
}

/// Returns true for an authorization of which nobody has said for how long it can be captured.
fn lasts_unknown(p: &PaymentOperation) -> bool {
    p.state == OperationState::Authorized && p.capture_before.is_none()
}

const fn moves_money(state: OperationState) -> bool {
    matches!(
        state,
        OperationState::Authorized | OperationState::Captured | OperationState::Refunded
    )
}

/// Returns the events of what contradicts the records: written down each time, looked up, and shown
/// to a person; it changes nothing by itself.
fn contradiction(order: &Order, p: &PaymentOperation, answer: &ProviderAnswer) -> Vec<Event> {
    let op = Some(Op::Payment(p.n));
    let other_currency = answer.amount.currency != order.currency;
    let other_amount = answer.status == p.state && answer.amount != order.in_currency(p.settled);
    let nothing = moves_money(answer.status) && answer.amount.minor <= 0;
    let reason = match other_currency || other_amount || nothing {
        true => AttentionReason::AmountMismatch,
        false => AttentionReason::UnexpectedReport,
    };
    let reported = reported(p, answer);
    if matches!(answer.evidence, Evidence::Answer | Evidence::LookUp) && p.state.is_open() {
        // What makes no sense is asked again, and is news once.
        return raise_once(order, reason, op)
            .into_iter()
            .flat_map(|look| [reported.clone(), look])
            .collect();
    }
    if answer.evidence == Evidence::LookUp {
        // The records themselves make no sense of it: only a person can.
        let asked = p
            .verification
            .is_due()
            .then_some(Event::PaymentVerified { n: p.n });
        return asked
            .into_iter()
            .chain(raise_once(order, AttentionReason::Undecidable, op))
            .collect();
    }
    std::iter::once(reported)
        .chain(raise(order, reason, op))
        .collect()
}

fn reported(p: &PaymentOperation, answer: &ProviderAnswer) -> Event {
    Event::PaymentReported {
        n: p.n,
        status: answer.status,
        amount: answer.amount.minor,
        currency: answer.amount.currency,
        reference: answer.reference.clone(),
    }
}
