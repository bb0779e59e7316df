//! What is told of a payment operation: by the provider's answer, its records or a callback, or by
//! an operator who looked into it.

use super::fact::{Evidence, PaymentOutcome, PaymentReport};
use super::payments::{begin_by, is_wanted, may_collect};
use super::record::{clear, outcome_known, raise, raise_for, raise_once};
use super::{Env, Purpose, key, outside};
use crate::ids::Reference;
use crate::money::Money;
use crate::order::{
    AttentionReason, CustomerAction, Event, Lifecycle, NEVER_HAPPENED, Op, OperationKind,
    OperationOrigin, OperationState, Order, PaymentOperation, UnmatchedPayment, Verification,
};
use crate::text::Private;
use crate::time::Timestamp;

pub(super) fn record_payment(
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
        PaymentOutcome::Answer {
            status,
            reference,
            amount,
            code,
            deadline,
            action,
            capture_before,
            evidence,
        } => {
            let told = Told {
                status: *status,
                reference: reference.clone(),
                amount: *amount,
                code: code.clone(),
                deadline: *deadline,
                action: action.clone(),
                capture_before: *capture_before,
                by: match evidence {
                    Evidence::Answer => By::Answer,
                    Evidence::LookUp => By::LookUp,
                    Evidence::Finding => By::Finding,
                },
            };
            told_of(order, p, &told, env)
        }
    }
}

/// An operation that provably never happened. A charge that is still wanted, and may still be
/// begun, gets a new number, and with it a new key.
fn absent(order: &Order, p: &PaymentOperation, env: &Env<'_>) -> Vec<Event> {
    if !matches!(p.state, OperationState::Armed | OperationState::Unknown) {
        let op = Some(Op::Payment(p.n));
        if p.verification.is_due()
            && matches!(p.state, OperationState::Failed | OperationState::Declined)
        {
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
    let mut events = vec![Event::PaymentSettled {
        n: p.n,
        state: OperationState::Failed,
        amount: 0,
        reference: None,
        code: Some(NEVER_HAPPENED.into()),
        capture_before: None,
        verified: false,
    }];
    // Whether there is stock for it is asked when it is begun.
    let wanted = p.is_attempt() && may_collect(order) && is_wanted(order, env, p, false);
    if wanted && begin_by(order, env, p) > env.now {
        events.push(Event::PaymentPlanned {
            n: order.payments.len() as u32 + 1,
            kind: p.kind,
            parent: None,
            method: p.method.clone(),
            amount: p.amount,
            token: p.token.clone(),
            return_url: p.return_url.clone(),
        });
    }
    events.extend(outcome_known(order, Op::Payment(p.n)));
    events
}

/// Who says what became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The provider, asked to do it.
    Answer,
    /// The provider's records.
    LookUp,
    /// An operator who looked into it.
    Finding,
    /// The provider, unasked.
    Report,
}

/// What is said of an operation.
struct Told {
    status: OperationState,
    reference: Option<Reference>,
    amount: Money,
    code: Option<String>,
    deadline: Timestamp,
    action: Private<CustomerAction>,
    capture_before: Option<Timestamp>,
    by: By,
}

/// Whether the operation's state gives way to what the provider says now.
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
        S::Failed if p.never_happened() => true,
        S::Declined | S::Failed => matches!(to, S::Authorized | S::Captured | S::Refunded),
        // What was given up is not authorized again under its number: that was said before, and is
        // heard late.
        S::Voided => matches!(to, S::Captured | S::Refunded),
        S::Captured | S::Refunded => false,
    }
}

/// Whether a callback says that something happened after all that came to nothing before, so that
/// the provider's records are asked before anything rests on it. Where they cannot be asked it is
/// believed, unless somebody has looked into it.
fn is_asked_first(p: &PaymentOperation, told: &Told, env: &Env<'_>) -> bool {
    use OperationState as S;
    let came_to_nothing =
        matches!(p.state, S::Declined | S::Failed | S::Voided) && !p.never_happened();
    let looked_into = matches!(p.verification, Verification::Done | Verification::Again);
    told.by == By::Report && came_to_nothing && (env.payment.look_up || looked_into)
}

/// Whether a provider may say `status` of an operation of that kind.
fn fits(kind: OperationKind, status: OperationState) -> bool {
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

fn told_of(order: &Order, p: &PaymentOperation, told: &Told, env: &Env<'_>) -> Vec<Event> {
    let n = p.n;
    let op = Op::Payment(n);
    // A void, refund or capture that was declined simply did not happen.
    let state = match told.status {
        OperationState::Declined if !p.is_attempt() => OperationState::Failed,
        status => status,
    };
    let moves_money = moves_money(state);
    let unsettled = matches!(
        p.state,
        OperationState::Planned | OperationState::Armed | OperationState::Unknown
    );
    let same = state == p.state
        && !unsettled
        && (!moves_money || told.amount == order.in_currency(p.settled));
    let questioned = p.verification.is_due();
    let asked = matches!(told.by, By::LookUp | By::Finding);
    let sensible = fits(p.kind, told.status)
        && told.amount.currency == order.currency
        // Nothing is never what moved.
        && (!moves_money || told.amount.minor > 0);
    // What the provider's records say counts, and what an operator finds.
    let decides = asked && sensible && !state.is_open();
    if same {
        let learnt = told
            .capture_before
            .is_some_and(|t| p.capture_before.is_none_or(|u| u > t));
        // For how long it can be captured, whoever looks into it does not say: the records are
        // still asked for that.
        let for_how_long = told.by == By::Finding && lasts_unknown(p) && env.payment.look_up;
        let provider = matches!(told.by, By::Answer | By::LookUp);
        return match questioned && asked {
            true if learnt => vec![settled(n, state, told, moves_money, true)],
            true if for_how_long => {
                vec![Event::PaymentVerified { n }, Event::PaymentQuestioned { n }]
            }
            true => vec![Event::PaymentVerified { n }],
            // What agrees is news while the records are asked: an answer that was on its way by
            // then is not the last word.
            false if questioned && told.by == By::Report => vec![reported(p, told)],
            // Somebody else was faster with the rest of it.
            false if !questioned && provider && learnt && lasts_unknown(p) => {
                vec![settled(
                    n,
                    state,
                    told,
                    moves_money,
                    asked || p.verification == Verification::Done,
                )]
            }
            false => Vec::new(),
        };
    }
    if asked && state.is_open() && !p.state.is_open() {
        // Its records lag behind: they are asked again.
        return Vec::new();
    }
    if !sensible || !(decides || gives_way(p, told.status)) || is_asked_first(p, told, env) {
        return contradiction(order, p, told);
    }
    let mut events = Vec::new();
    if state.is_open() {
        events.push(Event::PaymentWaiting {
            n,
            state: told.status,
            reference: told.reference.clone(),
            deadline: told
                .deadline
                .min(p.created_at.after(env.policy.longest_wait)),
            action: told.action.clone(),
        });
        // It was asked, and has not been decided: it is asked again when its time is over.
        events.extend((questioned && asked).then_some(Event::PaymentVerified { n }));
    } else {
        events.push(settled(n, state, told, moves_money, decides));
        events.extend(follows_from(order, p, state, told, env));
        // More or less than was asked, and an authorization of which only a callback or a person
        // tells, is compared with the records.
        let other_amount = moves_money && told.amount.minor != p.amount && !decides;
        let unsaid = matches!(told.by, By::Report | By::Finding) && told.capture_before.is_none();
        let for_how_long = unsaid && state == OperationState::Authorized && env.payment.look_up;
        // Whoever found that money never came may have looked before it did. An authorization may
        // be given up at the provider by hand.
        let came_since = told.by == By::Finding
            && p.is_attempt()
            && p.captured() > 0
            && !moves_money
            && env.payment.look_up;
        events.extend(
            (other_amount || for_how_long || came_since).then_some(Event::PaymentQuestioned { n }),
        );
    }
    events.extend(outcome_known(order, op));
    events
}

/// Whether it is an authorization of which nobody has said for how long it can be captured.
fn lasts_unknown(p: &PaymentOperation) -> bool {
    p.state == OperationState::Authorized && p.capture_before.is_none()
}

const fn moves_money(state: OperationState) -> bool {
    matches!(
        state,
        OperationState::Authorized | OperationState::Captured | OperationState::Refunded
    )
}

fn settled(n: u32, state: OperationState, told: &Told, moves_money: bool, verified: bool) -> Event {
    Event::PaymentSettled {
        n,
        state,
        amount: if moves_money { told.amount.minor } else { 0 },
        reference: told.reference.clone(),
        code: told.code.clone(),
        capture_before: told.capture_before,
        verified,
    }
}

/// What a person must look at, or need not any more, when operation `p` has come to `state`.
fn follows_from(
    order: &Order,
    p: &PaymentOperation,
    state: OperationState,
    told: &Told,
    env: &Env<'_>,
) -> Vec<Event> {
    let op = Op::Payment(p.n);
    let moves_money = moves_money(state);
    let mut events = Vec::new();
    if moves_money && told.amount.minor != p.amount {
        events.extend(raise(order, AttentionReason::AmountMismatch, Some(op)));
    }
    if moves_money && p.is_attempt() && is_dead(order.lifecycle) {
        events.extend(raise(order, AttentionReason::MoneyOnDeadOrder, Some(op)));
    }
    // An order that counts on the money cannot be undone by its loss: a person must ask for it
    // again.
    let voiding = || {
        order
            .children(p.n)
            .any(|c| c.kind == OperationKind::Void && c.state.is_open())
    };
    let given_up =
        p.state == OperationState::Authorized && state == OperationState::Voided && !voiding();
    if given_up && order.lifecycle != Lifecycle::Pending && is_wanted(order, env, p, false) {
        events.extend(raise(order, AttentionReason::UnexpectedReport, Some(op)));
    }
    // Money that was there is not: what rested on it is for a person to see to.
    if p.captured() > 0 && state != OperationState::Captured {
        events.extend(raise(order, AttentionReason::UnexpectedReport, Some(op)));
    }
    let captured = |n| {
        order
            .payment(n)
            .is_some_and(|q| q.state == OperationState::Captured)
    };
    if state == OperationState::Voided && p.parent.is_some_and(captured) {
        events.extend(raise(order, AttentionReason::UnexpectedReport, Some(op)));
    }
    // A capture that was given up for failed, and asked for again, may have happened: more is taken
    // than was authorized.
    let rest = p.parent.map(|n| order.authorized_rest(n));
    if p.kind == OperationKind::Capture
        && moves_money
        && rest.is_some_and(|rest| told.amount.minor > rest)
    {
        events.extend(raise(order, AttentionReason::UnexpectedReport, Some(op)));
    }
    // So may a refund: more has gone back than came in, or than was to.
    if p.kind == OperationKind::Refund && moves_money {
        // What went back elsewhere is told of by itself, and may be heard of sooner or later than
        // this.
        let money = order.money();
        let left = money.captured - order.refunded_by(OperationOrigin::Engine) - told.amount.minor;
        let too_much = left < 0;
        let counted_on = p.state == OperationState::Failed && left < money.owed;
        if too_much || counted_on {
            events.extend(raise(order, AttentionReason::UnexpectedReport, Some(op)));
        }
        events.extend(clear(order, AttentionReason::RefundFailed, Some(op)));
    }
    if matches!(state, OperationState::Declined | OperationState::Failed) {
        let failed = |reason| raise_for(order, reason, Some(op), Some(p.amount));
        events.extend(match p.kind {
            OperationKind::Refund => failed(AttentionReason::RefundFailed),
            OperationKind::Void => failed(AttentionReason::VoidFailed),
            OperationKind::Capture => failed(AttentionReason::CaptureFailed),
            OperationKind::Authorize | OperationKind::Charge => None,
        });
    }
    events
}

/// Orders on which nobody expects money to move any more. While cancelling, it is expected to.
const fn is_dead(lifecycle: Lifecycle) -> bool {
    !lifecycle.is_live() && !matches!(lifecycle, Lifecycle::Cancelling)
}

/// Written down each time, looked up, and shown to a person; changes nothing by itself.
fn contradiction(order: &Order, p: &PaymentOperation, told: &Told) -> Vec<Event> {
    let op = Some(Op::Payment(p.n));
    let other_currency = told.amount.currency != order.currency;
    let other_amount = told.status == p.state && told.amount != order.in_currency(p.settled);
    let nothing = moves_money(told.status) && told.amount.minor <= 0;
    let reason = match other_currency || other_amount || nothing {
        true => AttentionReason::AmountMismatch,
        false => AttentionReason::UnexpectedReport,
    };
    let reported = reported(p, told);
    if matches!(told.by, By::Answer | By::LookUp) && p.state.is_open() {
        // What makes no sense is asked again, and is news once.
        return raise_once(order, reason, op)
            .into_iter()
            .flat_map(|look| [reported.clone(), look])
            .collect();
    }
    if told.by == By::LookUp {
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

fn reported(p: &PaymentOperation, told: &Told) -> Event {
    let Told {
        status,
        amount,
        reference,
        ..
    } = told;
    Event::PaymentReported {
        n: p.n,
        status: *status,
        amount: amount.minor,
        currency: amount.currency,
        reference: reference.clone(),
    }
}

/// Matches a report to an operation by our key first, then by the provider's reference; keeps what
/// matches none.
pub(super) fn record_report(order: &Order, report: &PaymentReport, env: &Env<'_>) -> Vec<Event> {
    if let Some(p) = operation_of(order, report) {
        return told_of(order, p, &Told::reported(report, env), env);
    }
    if let Some(events) = outside::payment(order, report) {
        return events;
    }
    let PaymentReport {
        key: _,
        reference,
        parent,
        status,
        amount,
    } = report;
    let unmatched = UnmatchedPayment {
        reference: reference.clone(),
        parent: parent.clone(),
        status: *status,
        amount: amount.minor,
        currency: amount.currency,
    };
    if order.unmatched.contains(&unmatched) {
        return Vec::new();
    }
    let look = raise(order, AttentionReason::UnexpectedReport, None);
    std::iter::once(Event::PaymentUnmatched(unmatched))
        .chain(outside::questioned(order, report))
        .chain(look)
        .collect()
}

impl Told {
    fn reported(report: &PaymentReport, env: &Env<'_>) -> Told {
        Told {
            status: report.status,
            reference: Some(report.reference.clone()),
            amount: report.amount,
            code: None,
            deadline: env.now.after(env.policy.action_deadline),
            action: Private(None),
            capture_before: None,
            by: By::Report,
        }
    }
}

/// The operation that a report is about.
fn operation_of<'o>(order: &'o Order, report: &PaymentReport) -> Option<&'o PaymentOperation> {
    let by_key = || {
        let wanted = report.key?;
        order
            .payments
            .iter()
            .find(|p| key(order.id, Purpose::Payment, p.n) == wanted)
    };
    let named = |p: &&PaymentOperation| p.reference.as_ref() == Some(&report.reference);
    by_key().or_else(|| {
        order
            .payments
            .iter()
            .filter(named)
            .find(|p| fits(p.kind, report.status))
    })
}

/// The events of a report that was kept because it fitted nothing, once what it names is known.
pub(super) fn matched(order: &Order, kept: &UnmatchedPayment, env: &Env<'_>) -> Option<Vec<Event>> {
    let report = PaymentReport {
        key: None,
        reference: kept.reference.clone(),
        parent: kept.parent.clone(),
        status: kept.status,
        amount: Money::new(kept.amount, kept.currency),
    };
    let mut events = match operation_of(order, &report) {
        Some(p) => told_of(order, p, &Told::reported(&report, env), env),
        None => outside::payment(order, &report)?,
    };
    events.insert(
        0,
        Event::UnmatchedMatched {
            reference: kept.reference.clone(),
            status: kept.status,
        },
    );
    if order.unmatched.len() == 1 {
        events.extend(clear(order, AttentionReason::UnexpectedReport, None));
    }
    Some(events)
}
