//! One order on its way: commands, facts, time and work applied to it as the manager applies them,
//! but purely.
//!
//! Every event goes through [`Journey::push`] and every plan through [`Journey::plan`], where what
//! must hold of each is checked; so a test that only walks about has already tested much.

use std::collections::BTreeSet;
use std::time::Duration;

use order_core::error::Rejection;
use order_core::order::{
    Actor, AttentionReason, Closing, Event, Lifecycle, Op, OperationKind, OperationOrigin,
    OperationState, Order, PaymentOperation, Placed, Reservation, ReservationState, decode_event,
    encode_event,
};
use order_core::rules::{
    Call, ClosingOutcome, Command, Evidence, Fact, Next, PaymentOutcome, ProviderAnswer,
    ReservationOutcome, Verb, backoff, begin, decide, evolve, next, record, settle,
};
use order_core::store::{Tries, Try};
use order_core::testkit::orders::{at, text};
use order_core::text::Private;
use order_core::time::Timestamp;

use super::invariants;
use super::shop::Shop;

/// The answer of a service to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The call takes effect; a look-up finds that it has happened. A void of captured money is
    /// refused.
    Yes,
    /// A definite no.
    No,
    /// Another amount than was asked, or a success that should be impossible.
    Odd,
    /// The provider will say later.
    Pending,
    /// The customer must act first.
    Action,
    /// No answer: it may have happened. A look-up finds nothing.
    Unknown,
    /// An answer that makes no sense.
    Malformed,
    /// It provably did not happen.
    NotDone,
    /// The worker dies before it can record anything.
    Crash,
}

#[derive(Clone)]
pub struct Journey {
    pub shop: Shop,
    pub order: Order,
    pub now: Timestamp,
    pub tries: Tries,
    /// The journal as stored: payload, actor, time.
    pub rows: Vec<(String, Actor, Timestamp)>,
    /// The lifecycle edges taken: from, event, to.
    pub edges: BTreeSet<(Lifecycle, &'static str, Lifecycle)>,
    /// The number of times that a command planned a payment: at placing, and for each retry.
    pub planned_by_command: usize,
    /// The number of operations that were proven never to have happened.
    pub proven_absent: usize,
    /// The number of attempts that were dropped before they were sent.
    pub never_sent: usize,
}

const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// More rounds than planning ever needs: each plan may make room for the next, but none may go on
/// for ever.
const PLANS_MAX: usize = 8;

impl Journey {
    pub fn place(shop: Shop, placed: &Placed) -> Self {
        let order = begin(placed, at(0));
        let row = (
            encode_event(&Event::Placed(Box::new(placed.clone()))),
            Actor::User(order.user),
            at(0),
        );
        let planned_by_command = order.payments.len();
        let mut journey = Journey {
            shop,
            order,
            now: at(0),
            tries: Tries::default(),
            rows: vec![row],
            edges: BTreeSet::new(),
            planned_by_command,
            proven_absent: 0,
            never_sent: 0,
        };
        journey.settle();
        journey
    }

    pub fn push(&mut self, event: Event, actor: &Actor) {
        invariants::before_event(&self.order, &event, &self.shop.env(self.now));
        let (from, version, attempts) = (self.order.lifecycle, self.order.version, self.attempts());
        // Times of an order never go backwards, whatever the clock does.
        let at = self.now.max(self.order.updated_at);
        let before = self.order.clone();
        evolve(&mut self.order, &event, actor, at);
        invariants::no_money_vanishes(&before, &self.order);
        assert_eq!(self.order.version, version + 1);
        assert_eq!(self.order.updated_at, at);
        match &event {
            Event::PaymentRetried { .. } | Event::EditStarted { .. } => {
                self.planned_by_command += self.attempts() - attempts
            }
            Event::PaymentPlanned { parent: None, .. } if matches!(actor, Actor::Operator(_)) => {
                self.planned_by_command += 1
            }
            // One that was never sent makes room for one that asks for less.
            Event::PaymentDropped { n } if before.payment(*n).is_some_and(|p| p.is_attempt()) => {
                self.never_sent += 1
            }
            Event::PaymentNeverHappened { .. } => self.proven_absent += 1,
            _ => {}
        }
        self.edges
            .insert((from, event.name(), self.order.lifecycle));
        self.rows.push((encode_event(&event), actor.clone(), at));
        invariants::always(&self.order);
        // What no command planned replaces what provably never happened, and nothing else.
        assert!(
            self.attempts() <= self.planned_by_command + self.proven_absent + self.never_sent,
            "an attempt that nobody asked for"
        );
    }

    fn attempts(&self) -> usize {
        self.order
            .payments
            .iter()
            .filter(|p| p.is_attempt() && p.origin == OperationOrigin::Engine)
            .count()
    }

    /// Appends the transitions that hold now; few, and none twice.
    pub fn settle(&mut self) {
        let most =
            8 + self.order.holds.len() + self.order.reservations.len() + self.order.unmatched.len();
        for _ in 0..most {
            let env = self.shop.env(self.now);
            let events = settle(&self.order, &env);
            if events.is_empty() {
                return invariants::committed(&self.order, &self.shop.env(self.now));
            }
            for event in events {
                self.push(event, &Actor::System);
            }
        }
        let last: Vec<&str> = self
            .rows
            .iter()
            .rev()
            .take(most)
            .map(|(payload, ..)| payload.as_str())
            .collect();
        panic!(
            "settling does not come to an end: {last:#?}\n{:#?}",
            self.order
        );
    }

    /// Settles and plans until both have nothing more to record.
    pub fn plan(&mut self) -> Next {
        for _ in 0..PLANS_MAX {
            self.settle();
            let env = self.shop.env(self.now);
            let plan = next(&self.order, &self.tries, &env);
            invariants::of_plan(&self.order, &plan, &env);
            if plan.events.is_empty() {
                return plan;
            }
            for event in plan.events {
                self.push(event, &Actor::System);
            }
        }
        panic!("planning does not come to an end: {:#?}", self.order);
    }

    pub fn command(&mut self, command: &Command) -> Result<(), Rejection> {
        let events = decide(&self.order, command, &self.shop.env(self.now))?;
        for event in events {
            self.push(event, &Actor::Operator("eve".into()));
        }
        self.settle();
        Ok(())
    }

    /// Records facts in one commit.
    pub fn facts(&mut self, facts: &[Fact]) {
        for fact in facts {
            let events = record(&self.order, fact, &self.shop.env(self.now));
            for event in events {
                self.push(event, &Actor::Service("provider".into()));
            }
        }
        self.settle();
    }

    pub fn advance(&mut self, by: Duration) {
        self.now = self.now.after(by);
    }

    /// One round of a worker: plan, arm, call, record. Gives the plan when it holds nothing to
    /// call.
    pub fn work(&mut self, reply: &mut dyn FnMut(&Order, Call) -> Reply) -> Option<Next> {
        self.take_lease();
        let plan = self.plan();
        if plan.calls.is_empty() {
            self.hand_over();
            return Some(plan);
        }
        let to_arm: Vec<Op> = plan
            .calls
            .iter()
            .filter(|c| c.arm)
            .map(|c| c.op)
            .chain(plan.ahead.iter().copied())
            .collect();
        if !to_arm.is_empty() {
            self.push(
                Event::Armed {
                    ops: to_arm.clone(),
                },
                &Actor::System,
            );
            for op in to_arm {
                self.tries
                    .0
                    .entry(op)
                    .or_insert_with(|| untried(true, Timestamp::from_micros(i64::MIN)))
                    .clear = true;
            }
            let armed = self.plan();
            let as_armed: Vec<Call> = plan
                .calls
                .iter()
                .map(|c| Call { arm: false, ..*c })
                .collect();
            assert_eq!(
                (armed.calls, armed.ahead),
                (as_armed, Vec::new()),
                "what was planned is what is armed"
            );
        }
        let mut facts = Vec::new();
        for call in plan.calls {
            let reply = reply(&self.order, call);
            self.answered(call, reply, &mut facts);
        }
        self.facts(&facts);
        self.hand_over();
        None
    }

    /// Marks as possibly called what an earlier worker armed and did not answer for.
    fn take_lease(&mut self) {
        let quiet_at = self
            .now
            .after(self.shop.policy.call_deadline + self.shop.policy.settle_margin);
        let order = &self.order;
        let holds = order.reservations.iter().filter(|r| {
            r.closing.is_some()
                || matches!(r.state, ReservationState::Armed | ReservationState::Unknown)
        });
        let payments = order
            .payments
            .iter()
            .filter(|p| matches!(p.state, OperationState::Armed | OperationState::Unknown));
        for op in holds
            .map(|r| Op::Reservation(r.n))
            .chain(payments.map(|p| Op::Payment(p.n)))
        {
            self.tries
                .0
                .entry(op)
                .or_insert_with(|| untried(false, quiet_at));
        }
    }

    fn hand_over(&mut self) {
        let order = &self.order;
        self.tries.0.retain(|op, _| match op {
            Op::Reservation(n) => order
                .reservation(*n)
                .is_some_and(|r| r.state.is_open() || r.closing.is_some()),
            Op::Payment(n) => order
                .payment(*n)
                .is_some_and(|p| p.state != OperationState::Dropped),
            Op::Notice(seq) => order.notified < *seq,
        });
    }

    fn answered(&mut self, call: Call, reply: Reply, facts: &mut Vec<Fact>) {
        let op = call.op;
        let was_clear = self.tries.get(op).is_some_and(|t| t.clear);
        let settled = |n: u32| self.order.payment(n).is_some_and(|p| !p.state.is_open());
        // Who told of a settled payment knows it, when it answers at all.
        let reply = match (op, reply) {
            (Op::Payment(n), Reply::Unknown | Reply::Malformed)
                if call.verb == Verb::LookUpPayment && settled(n) =>
            {
                Reply::Pending
            }
            (_, reply) => reply,
        };
        let found_nothing = matches!(reply, Reply::Unknown)
            || (matches!(reply, Reply::No) && call.verb == Verb::LookUpReservation);
        match reply {
            Reply::Crash => match self.tries.0.get_mut(&op) {
                Some(tried) if tried.count > 0 => tried.clear = false,
                _ => drop(self.tries.0.remove(&op)),
            },
            Reply::NotDone => self.failed(op, was_clear && call.verb.has_effect(), None, facts),
            _ if !call.verb.has_effect() && found_nothing => {
                let quiet_at = self.tries.get(op).map_or(self.now, |t| t.quiet_at);
                if self.now >= quiet_at {
                    self.news(op, self.nothing(op), facts);
                } else if let Some(tried) = self.tries.0.get_mut(&op) {
                    tried.next_at = quiet_at;
                }
            }
            Reply::Unknown | Reply::Malformed => {
                let malformed = reply == Reply::Malformed;
                match (op, call.verb) {
                    (Op::Reservation(n), Verb::Release | Verb::Commit) => {
                        let r = self.order.reservation(n).expect("it exists");
                        facts.push(closing_fact(r, ClosingOutcome::Unknown { malformed }));
                    }
                    (Op::Reservation(n), _) => facts.push(Fact::Reservation {
                        n,
                        outcome: ReservationOutcome::Unknown { malformed },
                    }),
                    (Op::Payment(n), _) => facts.push(Fact::Payment {
                        n,
                        outcome: PaymentOutcome::Unknown { malformed },
                    }),
                    (Op::Notice(_), _) => {}
                }
                let quiet_at = self.now.after(self.shop.policy.settle_margin);
                self.failed(op, false, Some(quiet_at), facts);
            }
            Reply::Yes | Reply::No | Reply::Odd | Reply::Pending | Reply::Action => {
                let Some(fact) = self.said(call, reply) else {
                    return if reply == Reply::Yes {
                        self.told(op)
                    } else {
                        self.failed(op, was_clear, None, facts)
                    };
                };
                self.news(op, fact, facts);
            }
        }
    }

    /// An answer that is known already counts as no answer: else the question would be asked again
    /// at once, and for ever.
    fn news(&mut self, op: Op, fact: Fact, facts: &mut Vec<Fact>) {
        if record(&self.order, &fact, &self.shop.env(self.now)).is_empty() {
            self.failed(op, false, None, facts);
        } else {
            self.tries.0.remove(&op);
            facts.push(fact);
        }
    }

    fn told(&mut self, op: Op) {
        self.tries.0.remove(&op);
        if let Op::Notice(seq) = op {
            self.order.notified = seq;
        }
    }

    fn failed(&mut self, op: Op, clear: bool, quiet_at: Option<Timestamp>, facts: &mut Vec<Fact>) {
        let now = self.now;
        let tried = self
            .tries
            .0
            .entry(op)
            .or_insert_with(|| untried(clear, now));
        tried.count += 1;
        let at_once = quiet_at.is_some() && tried.count == 1;
        let pause = if at_once {
            Duration::ZERO
        } else {
            backoff(&self.shop.policy, tried.count, u64::MAX / 2)
        };
        tried.next_at = now.after(pause);
        tried.clear = clear;
        tried.quiet_at = quiet_at.unwrap_or(tried.quiet_at);
        if tried.count == self.shop.policy.tries_before_attention {
            facts.push(Fact::NeedsAttention {
                reason: AttentionReason::RetriesExhausted,
                about: Some(op),
            });
        }
    }

    /// The proof of a look-up that finds nothing.
    fn nothing(&self, op: Op) -> Fact {
        match op {
            Op::Payment(n) => Fact::Payment {
                n,
                outcome: PaymentOutcome::Absent,
            },
            Op::Reservation(n) if self.shop.inventory.look_up => Fact::Reservation {
                n,
                outcome: ReservationOutcome::Absent,
            },
            Op::Reservation(n) => Fact::Reservation {
                n,
                outcome: ReservationOutcome::Undecidable,
            },
            Op::Notice(_) => unreachable!("notices are not looked up"),
        }
    }

    /// The words of a service on an operation; `None` for a notice.
    fn said(&self, call: Call, reply: Reply) -> Option<Fact> {
        match call.op {
            Op::Reservation(n) => self
                .order
                .reservation(n)
                .map(|r| self.said_of_hold(r, call.verb, reply)),
            Op::Payment(n) => self
                .order
                .payment(n)
                .map(|p| self.said_of_payment(p, call.verb, reply)),
            Op::Notice(_) => None,
        }
    }

    fn said_of_hold(&self, r: &Reservation, verb: Verb, reply: Reply) -> Fact {
        let n = r.n;
        let no = matches!(reply, Reply::No);
        match verb {
            Verb::Release | Verb::Commit => closing_fact(
                r,
                if no {
                    ClosingOutcome::Refused {
                        code: "NOT_NOW".into(),
                    }
                } else {
                    ClosingOutcome::Done
                },
            ),
            Verb::LookUpReservation if !self.shop.inventory.look_up => Fact::Reservation {
                n,
                outcome: ReservationOutcome::Undecidable,
            },
            _ if no => Fact::Reservation {
                n,
                outcome: ReservationOutcome::Refused {
                    available: Some(0),
                    code: "OUT_OF_STOCK".into(),
                },
            },
            _ => {
                let expires_at = (reply != Reply::Yes).then(|| self.now.after(LIFETIME));
                Fact::Reservation {
                    n,
                    outcome: ReservationOutcome::Held {
                        reference: Some(text(&format!("hold-{n}"))),
                        expires_at,
                    },
                }
            }
        }
    }

    fn said_of_payment(&self, p: &PaymentOperation, verb: Verb, reply: Reply) -> Fact {
        let captured = p
            .parent
            .and_then(|n| self.order.payment(n))
            .is_some_and(|q| q.state == OperationState::Captured);
        let status = match (reply, p.kind) {
            // What is settled is not decided later.
            (Reply::Pending | Reply::Action, _)
                if verb == Verb::LookUpPayment && !p.state.is_open() =>
            {
                p.state
            }
            (Reply::No, _) => OperationState::Declined,
            (Reply::Pending, _) => OperationState::Pending,
            (Reply::Action, OperationKind::Authorize | OperationKind::Charge) => {
                OperationState::ActionRequired
            }
            (Reply::Yes, OperationKind::Void) if captured => OperationState::Declined,
            (_, kind) => success(kind),
        };
        let amount = match reply {
            Reply::Odd => p.amount - 1,
            Reply::Pending | Reply::Action if !p.state.is_open() => p.settled,
            _ => p.amount,
        };
        let outcome = answer(
            &self.order,
            status,
            p.n,
            amount,
            self.now.after(Duration::from_secs(600)),
        );
        Fact::Payment {
            n: p.n,
            outcome: if verb == Verb::LookUpPayment {
                looked_up(outcome)
            } else {
                outcome
            },
        }
    }

    /// The order that replaying the stored journal gives.
    pub fn replayed(&self) -> Order {
        let mut rows = self
            .rows
            .iter()
            .map(|(payload, actor, at)| (decode_event(payload).unwrap(), actor, *at));
        let Some((Event::Placed(placed), _, at)) = rows.next() else {
            panic!("the first row is the placing")
        };
        let mut order = begin(&placed, at);
        for (event, actor, at) in rows {
            evolve(&mut order, &event, actor, at);
        }
        order
    }
}

/// The outcome of the closing that is under way on `r`.
pub fn closing_fact(r: &Reservation, outcome: ClosingOutcome) -> Fact {
    let Closing {
        serial,
        kind,
        units,
        committed,
        unknown: _,
    } = r.closing.expect("a closing is under way");
    Fact::Closing {
        n: r.n,
        serial,
        kind,
        units,
        committed,
        outcome,
    }
}

fn untried(clear: bool, quiet_at: Timestamp) -> Try {
    Try {
        count: 0,
        next_at: Timestamp::from_micros(i64::MIN),
        error: String::new(),
        clear,
        quiet_at,
        stuck: None,
    }
}

/// The state of an operation once it has happened.
pub fn success(kind: OperationKind) -> OperationState {
    match kind {
        OperationKind::Authorize => OperationState::Authorized,
        OperationKind::Charge | OperationKind::Capture => OperationState::Captured,
        OperationKind::Void => OperationState::Voided,
        OperationKind::Refund => OperationState::Refunded,
    }
}

/// The same as the provider's records have it.
pub fn looked_up(outcome: PaymentOutcome) -> PaymentOutcome {
    match outcome {
        PaymentOutcome::Answer(ProviderAnswer {
            status,
            reference,
            amount,
            code,
            deadline,
            action,
            capture_before,
            evidence: _,
        }) => {
            let evidence = Evidence::LookUp;
            PaymentOutcome::Answer(ProviderAnswer {
                status,
                reference,
                amount,
                code,
                deadline,
                action,
                capture_before,
                evidence,
            })
        }
        outcome => outcome,
    }
}

/// A provider's answer about operation `n`.
pub fn answer(
    order: &Order,
    status: OperationState,
    n: u32,
    amount: i64,
    deadline: Timestamp,
) -> PaymentOutcome {
    PaymentOutcome::Answer(ProviderAnswer {
        status,
        reference: Some(text(&format!("pay-{n}"))),
        amount: order.in_currency(amount),
        code: (status == OperationState::Declined).then(|| "NO_FUNDS".into()),
        deadline,
        action: Private(None),
        capture_before: None,
        evidence: Evidence::Answer,
    })
}
