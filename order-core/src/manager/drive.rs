//! Driving an order: lease, next, call, record. The same loop places an order, cancels it, and
//! recovers it after a crash.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::calls::{Answer, Outcome};
use super::draft::{Draft, Source};
use super::sessions::LeaseHeld;
use super::worker::TroubleHook;
use super::{LEASE_RESERVE, OrderManager, telemetry};
use crate::error::Error;
use crate::ids::{Fence, OrderId};
use crate::order::{
    AttentionReason, Event, Op, OperationState, Order, PaymentOperation, ReservationState,
};
use crate::rules::{Call, Fact, Next, Verb, Wait, backoff, next, record};
use crate::services::Clients;
use crate::store::{
    CommitError, LeasePage, LeaseRequest, Leased, OrderStore, StoreError, StoreErrorKind, Tries,
    Try, Unreadable, WorkChange,
};
use crate::time::Timestamp;

/// The outcome of a round of work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WorkDone {
    /// The number of orders that were worked.
    pub orders: usize,
    /// Orders that were due and cannot be read. They are set aside for the length of a lease, and
    /// nothing else is.
    pub unreadable: Vec<Unreadable>,
    /// In how long the next of the others falls due, as it was when these were taken; `None` if
    /// none does.
    pub next_in: Option<Duration>,
}

/// A worker's lease on an order, from when it takes it until it gives it back.
pub(super) struct Session {
    /// The order as last committed.
    pub order: Arc<Order>,
    pub fence: Fence,
    pub revision: u64,
    /// Monotonic time from which the lease counts: taken before it was asked for.
    pub leased_at: Duration,
    /// The tries so far, as the worker knows them.
    pub tries: Tries,
    /// The tries so far, as the store knows them.
    pub saved: Tries,
    /// Operations armed by this worker and not called since: it knows that they were never sent.
    pub unsent: BTreeSet<Op>,
    /// True if nothing was awaited since the last commit, so that what it showed still holds.
    pub just_committed: bool,
    /// The last journal row the customer was told of by this worker; 0 if none.
    pub told: u64,
    /// True if the lease was taken over from a worker that never gave it back, and nothing was said
    /// of beginning yet.
    pub taken_over: bool,
    /// The number of workers in a row that began on the order and never gave it back.
    pub runs: u32,
    /// The hook that is told of a store that fails it; one that does nothing where a caller is.
    pub trouble: TroubleHook,
    /// The mark by which the lease is known as this manager's own.
    pub _held: LeaseHeld,
    /// The caller who waits for the order, if one does.
    pub answer: Option<Waiting>,
}

/// A caller, who is told as soon as what they wait for has come.
pub(super) type Waiting = (oneshot::Sender<Arc<Order>>, Wait);

/// The end of one round.
enum Round {
    Continue,
    Finished,
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Works one order until nothing is due for it now. Does nothing if there is no work, or
    /// somebody else is at it.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the store cannot be asked.
    pub async fn work(&self, order: OrderId) -> Result<WorkDone, Error> {
        self.lease_and_drive(1, Some(order), None).await
    }

    /// Takes leases on up to `limit` orders whose work is due, and works them side by side until
    /// nothing is due for them now.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the store cannot be asked.
    pub async fn work_due(&self, limit: u32) -> Result<WorkDone, Error> {
        self.lease_and_drive(limit, None, None).await
    }

    pub(super) async fn lease_and_drive(
        &self,
        limit: u32,
        order: Option<OrderId>,
        answer: Option<Waiting>,
    ) -> Result<WorkDone, Error> {
        let leased_at = self.inner.runtime.monotonic();
        let fence = self.inner.ids.fence(self.now());
        let request = LeaseRequest {
            fence,
            ttl: self.inner.policy.lease,
            limit,
            order,
        };
        let LeasePage {
            leased,
            unreadable,
            next_in,
            now: _,
        } = self.lease(&request).await?;
        let mut answer = answer;
        let done = WorkDone {
            orders: leased.len(),
            unreadable,
            next_in,
        };
        let sessions: Vec<Session> = leased
            .into_iter()
            .map(|c| self.session(c, fence, leased_at, answer.take()))
            .collect();
        join_all(sessions.into_iter().map(|s| self.drive(s))).await;
        Ok(done)
    }

    /// A session on a leased order. Whatever an earlier worker armed and did not answer for may
    /// have been called.
    pub(super) fn session(
        &self,
        leased: Leased,
        fence: Fence,
        leased_at: Duration,
        answer: Option<Waiting>,
    ) -> Session {
        let Leased { order, work } = leased;
        let was_left = self.inner.sessions.was_left(order.id);
        let mut tries = work.tries.clone();
        let quiet_at = self
            .now()
            .after(self.inner.policy.call_deadline + self.inner.policy.settle_margin);
        let armed_holds = order.reservations.iter().filter(|r| {
            r.closing.is_some()
                || matches!(r.state, ReservationState::Armed | ReservationState::Unknown)
        });
        let armed_payments = order
            .payments
            .iter()
            .filter(|p| matches!(p.state, OperationState::Armed | OperationState::Unknown));
        for op in armed_holds
            .map(|r| Op::Reservation(r.n))
            .chain(armed_payments.map(|p| Op::Payment(p.n)))
        {
            let tried = tries
                .0
                .entry(op)
                .or_insert_with(|| untried(false, quiet_at));
            // Who lost the lease may have called again since it said when all was quiet.
            if work.taken_over && !tried.clear {
                tried.quiet_at = tried.quiet_at.max(quiet_at);
            }
        }
        Session {
            order,
            fence,
            revision: work.revision,
            leased_at,
            saved: work.tries,
            tries,
            unsent: BTreeSet::new(),
            just_committed: true,
            told: 0,
            taken_over: work.taken_over && !was_left,
            runs: work.runs,
            trouble: TroubleHook::default(),
            _held: self.inner.sessions.lease(fence),
            answer,
        }
    }

    /// Works an order until nothing is due for it now.
    pub(super) async fn drive(&self, session: Session) {
        let span = telemetry::driving(&session.order);
        self.drive_on(session).instrument(span).await;
    }

    async fn drive_on(&self, mut session: Session) {
        let mut facts: Vec<Fact> = Vec::new();
        // Whether nothing is left to do is known only once it is planned.
        if session
            .answer
            .as_ref()
            .is_some_and(|(_, wait)| *wait == Wait::Decided)
        {
            session.answer_if_decided();
        }
        loop {
            let round = if session.taken_over {
                self.begin(&mut session).await
            } else if session.runs > self.inner.policy.runs_before_stuck {
                self.park(&mut session).await
            } else {
                self.round(&mut session, &mut facts).await
            };
            match round {
                Ok(Round::Continue) => {}
                Ok(Round::Finished) => return,
                Err(CommitError::Conflict) => {
                    // Somebody else changed the order: decide again on what it is now, if it is
                    // still ours to decide.
                    match self.load_any(session.order.id.into(), None).await {
                        Ok(Some(loaded)) => match loaded.work {
                            Some(work) if work.fence == Some(session.fence) => {
                                let (asked, now) = (&session.order, &loaded.order);
                                // Of what is to be looked up again, a report leaves no trace but in
                                // the journal.
                                let untold = |p: &PaymentOperation| !p.verification.is_due();
                                let unchanged = |n| {
                                    asked.payment(n) == now.payment(n)
                                        && now.payment(n).is_none_or(untold)
                                };
                                let same = |fact: &Fact| fact.payment().is_none_or(unchanged);
                                facts = facts
                                    .into_iter()
                                    .filter_map(|f| if same(&f) { Some(f) } else { f.overtaken() })
                                    .collect();
                                session.order = loaded.order;
                                session.revision = work.revision;
                                session.just_committed = false;
                            }
                            _ => {
                                telemetry::lease_lost(&session.order, facts.len());
                                return self.record_learnt(session.order.id, facts).await;
                            }
                        },
                        Ok(None) => return,
                        Err(e) => return self.say_goodbye(session, facts, e).await,
                    }
                }
                Err(CommitError::Fenced) => {
                    telemetry::lease_lost(&session.order, facts.len());
                    return self.record_learnt(session.order.id, facts).await;
                }
                Err(CommitError::Store(e)) => {
                    return self.say_goodbye(session, facts, e).await;
                }
                // No changeset of a worker's can be refused like that.
                Err(
                    e @ (CommitError::KeyTaken(_)
                    | CommitError::CommandKeyTaken(_)
                    | CommitError::RedemptionExhausted { .. }
                    | CommitError::NumberTaken),
                ) => {
                    let refused = StoreError::caused(
                        StoreErrorKind::Corrupt,
                        "the store refuses a worker's changeset",
                        e,
                    );
                    return self.say_goodbye(session, facts, refused).await;
                }
            }
        }
    }

    /// Says that an order is worked again that a worker before did not give back: if it is one on
    /// which workers die, that is what shows it.
    async fn begin(&self, session: &mut Session) -> Result<Round, CommitError> {
        let env = self.env();
        let draft = Draft::of(
            Arc::clone(&session.order),
            self.inner.ids.changeset_id(env.now),
            env.now,
        );
        let leased_at = self.inner.runtime.monotonic();
        let work = WorkChange::Begin {
            fence: session.fence,
            revision: session.revision,
            ttl: self.inner.policy.lease,
        };
        let (_, committed) = self.commit(draft.into_changeset(None, work)).await?;
        session.revision = if committed.revision == 0 {
            session.revision + 1
        } else {
            committed.revision
        };
        session.leased_at = leased_at;
        session.taken_over = false;
        session.runs += 1;
        telemetry::taken_over(&session.order, session.runs);
        Ok(Round::Continue)
    }

    /// One round: put down what is known, ask what is next, and either call or give the order back.
    async fn round(
        &self,
        session: &mut Session,
        facts: &mut Vec<Fact>,
    ) -> Result<Round, CommitError> {
        let env = self.env();
        let mut draft = Draft::of(
            Arc::clone(&session.order),
            self.inner.ids.changeset_id(env.now),
            env.now,
        );
        let worker = Source::worker();
        for fact in facts.iter() {
            draft.record(fact, &worker, &env);
        }
        draft.order.notified = draft.order.notified.max(session.told);
        let mut plan = settle_and_plan(&mut draft, &session.tries, &env);
        if !env.notify {
            draft.order.notified = draft.order.version;
        }
        if plan.calls.is_empty() {
            let (fence, revision) = (session.fence, session.revision);
            let work = if plan.is_done() {
                WorkChange::Done { fence, revision }
            } else {
                let tries = session.tries_to_hand_over(&draft.order);
                WorkChange::Release {
                    fence,
                    revision,
                    due: plan.wake,
                    tries,
                }
            };
            let (order, _) = self.commit(draft.into_changeset(None, work)).await?;
            session.order = order;
            session.answer_if_decided();
            return Ok(Round::Finished);
        }

        let to_arm: Vec<Op> = plan
            .calls
            .iter()
            .filter(|c| c.arm)
            .map(|c| c.op)
            .chain(plan.ahead.iter().copied())
            .collect();
        let called: Vec<Op> = plan
            .calls
            .iter()
            .filter(|c| c.verb.has_effect())
            .map(|c| c.op)
            .collect();
        let saved_as_unsent = called
            .iter()
            .any(|op| session.saved.get(*op).is_some_and(|t| t.clear));
        // Whoever reads the order sees what it owes before money is asked for.
        let owes_otherwise = plan.calls.iter().any(|c| c.verb.takes_money())
            && draft.order.owed_with_edit() != session.order.owed_with_edit();
        let needs_intent = !to_arm.is_empty()
            || saved_as_unsent
            || owes_otherwise
            || has_unsaved_intent(session, &draft.order, &plan);
        if needs_intent || self.is_lease_short(session) {
            if !to_arm.is_empty() {
                draft.push(
                    Event::Armed {
                        ops: to_arm.clone(),
                    },
                    &worker,
                );
            }
            for op in &to_arm {
                session.mark_unsent(*op);
            }
            // Planned again on what was committed: the same calls, now armed.
            self.commit_and_go_on(session, facts, draft, &called)
                .await?;
            return Ok(Round::Continue);
        }
        if plan.calls.iter().any(|c| c.verb.takes_money()) && !session.just_committed {
            self.look_once_more(session).await?;
            if self.is_lease_short(session) {
                // Looking took too long: the lease is extended first, if it still can be.
                return Ok(Round::Continue);
            }
        }
        // Whoever waits for the order does not wait until the customer has been told.
        let tells = |c: &Call| c.verb == Verb::Notify;
        if session.answer.is_some() && plan.calls.iter().any(tells) {
            if !plan.calls.iter().all(tells) {
                plan.calls.retain(|c| !tells(c));
            } else if draft.is_unchanged() {
                session.answer_if_decided();
            } else {
                self.commit_and_go_on(session, facts, draft, &called)
                    .await?;
                return Ok(Round::Continue);
            }
        }
        self.make_calls(session, facts, draft.order, plan.calls)
            .await;
        Ok(Round::Continue)
    }

    /// Before money moves: whether the order is still what it was and still ours. A conflict if
    /// not.
    async fn look_once_more(&self, session: &Session) -> Result<(), CommitError> {
        let seen = self.inner.store.peek(session.order.id).await?;
        let same = seen
            .is_some_and(|p| p.version == session.order.version && p.fence == Some(session.fence));
        if same {
            Ok(())
        } else {
            Err(CommitError::Conflict)
        }
    }

    /// Returns whether too little of the lease is left to start a call.
    fn is_lease_short(&self, session: &Session) -> bool {
        let policy = &self.inner.policy;
        let held = self
            .inner
            .runtime
            .monotonic()
            .saturating_sub(session.leased_at);
        policy.lease.saturating_sub(held) < policy.call_deadline + LEASE_RESERVE
    }

    /// Puts an order aside on which workers die again and again: a person must look, and nothing
    /// else suffers.
    async fn park(&self, session: &mut Session) -> Result<Round, CommitError> {
        let env = self.env();
        let mut draft = Draft::of(
            Arc::clone(&session.order),
            self.inner.ids.changeset_id(env.now),
            env.now,
        );
        let poison = Fact::NeedsAttention {
            reason: AttentionReason::Parked,
            about: None,
        };
        draft.record(&poison, &Source::worker(), &env);
        let (fence, revision, tries) = (session.fence, session.revision, session.saved.clone());
        self.commit(draft.into_changeset(
            None,
            WorkChange::Release {
                fence,
                revision,
                due: None,
                tries,
            },
        ))
        .await?;
        telemetry::parked(&session.order, session.runs);
        Ok(Round::Finished)
    }

    async fn commit_and_go_on(
        &self,
        session: &mut Session,
        facts: &mut Vec<Fact>,
        draft: Draft,
        called: &[Op],
    ) -> Result<(), CommitError> {
        let leased_at = self.inner.runtime.monotonic();
        let tries = session.tries_while_at_it(&draft.order, called);
        let work = WorkChange::Extend {
            fence: session.fence,
            revision: session.revision,
            ttl: self.inner.policy.lease,
            tries: tries.clone(),
        };
        let (order, committed) = self.commit(draft.into_changeset(None, work)).await?;
        session.revision = if committed.revision == 0 {
            session.revision + 1
        } else {
            committed.revision
        };
        session.order = order;
        session.saved = tries;
        session.leased_at = leased_at;
        session.just_committed = true;
        facts.clear();
        session.answer_if_decided();
        Ok(())
    }

    /// Makes the calls side by side and turns the answers into facts and tries.
    async fn make_calls(
        &self,
        session: &mut Session,
        facts: &mut Vec<Fact>,
        order: Order,
        calls: Vec<Call>,
    ) {
        let mut clear_before = BTreeSet::new();
        for call in calls.iter().filter(|c| c.verb.has_effect()) {
            if session.unsent.remove(&call.op)
                || session.tries.get(call.op).is_some_and(|t| t.clear)
            {
                clear_before.insert(call.op);
            }
        }
        let lease_end = session.leased_at + self.inner.policy.lease;
        let performed = calls.iter().map(|call| {
            let tried = session.tries.get(call.op);
            let repeat = !clear_before.contains(&call.op) && tried.is_some();
            let span = telemetry::calling(&order, *call, tried.map_or(0, |tried| tried.count));
            self.perform(&order, *call, repeat, lease_end)
                .instrument(span)
        });
        let answers = join_all(performed).await;
        session.just_committed = false;
        for answer in answers {
            self.take_in(session, facts, &order, answer, &clear_before);
        }
    }

    fn take_in(
        &self,
        session: &mut Session,
        facts: &mut Vec<Fact>,
        order: &Order,
        answer: Answer,
        clear_before: &BTreeSet<Op>,
    ) {
        let Answer {
            call,
            started,
            outcome,
            broken,
        } = answer;
        let op = call.op;
        if broken {
            facts.push(Fact::NeedsAttention {
                reason: AttentionReason::CapabilityBroken,
                about: Some(op),
            });
        }
        let now = self.now();
        // Who lost the connection at once knows no more than who waited: the service may be at work
        // for its whole time.
        let quiet_at = now
            .max(started.after(self.inner.policy.call_deadline))
            .after(self.inner.policy.settle_margin);
        match outcome {
            Outcome::Known(fact) => self.known(session, facts, order, op, fact),
            Outcome::Nothing { proven } => {
                let proves_from = session.tries.get(op).map_or(started, |t| t.quiet_at);
                if started >= proves_from {
                    self.known(session, facts, order, op, proven);
                } else if let Some(t) = session.tries.0.get_mut(&op) {
                    t.next_at = proves_from;
                }
            }
            Outcome::Told => {
                session.tries.0.remove(&op);
                if let Op::Notice(seq) = op {
                    session.told = seq;
                }
                facts.push(Fact::NoLongerNeedsAttention {
                    reason: AttentionReason::RetriesExhausted,
                    about: Some(op),
                });
            }
            Outcome::NotDone(message) => {
                self.failed(
                    session,
                    facts,
                    op,
                    message,
                    clear_before.contains(&op),
                    None,
                );
            }
            Outcome::Unknown { fact, message } => {
                facts.extend(fact);
                self.failed(session, facts, op, message, false, Some(quiet_at));
            }
        }
    }

    /// Takes in what is so. What changes nothing, such as a look-up that says what we know, is
    /// asked again later.
    fn known(
        &self,
        session: &mut Session,
        facts: &mut Vec<Fact>,
        order: &Order,
        op: Op,
        fact: Fact,
    ) {
        if record(order, &fact, &self.env()).is_empty() {
            self.undecided(session, op);
        } else {
            session.tries.0.remove(&op);
            facts.push(fact);
        }
    }

    /// Notes a call that was answered and decided nothing, and when to ask again. That is no
    /// failure of which to tell a person.
    fn undecided(&self, session: &mut Session, op: Op) {
        let now = self.now();
        let tried = session
            .tries
            .0
            .entry(op)
            .or_insert_with(|| untried(false, now));
        tried.count += 1;
        let policy = &self.inner.policy;
        let beyond = tried
            .count
            .saturating_sub(policy.tries_before_attention)
            .min(16);
        // What stays undecided is asked about less and less often, once a day at the least.
        let pause = match beyond {
            0 => backoff(policy, tried.count, self.inner.ids.random() as u64),
            _ => policy
                .backoff_longest
                .saturating_mul(1 << beyond)
                .min(UNDECIDED_LONGEST.max(policy.backoff_longest)),
        };
        tried.next_at = now.after(pause);
        tried.error = "not decided yet".into();
        tried.clear = false;
    }

    /// Notes a call that came to nothing, and when to call again.
    fn failed(
        &self,
        session: &mut Session,
        facts: &mut Vec<Fact>,
        op: Op,
        message: String,
        clear: bool,
        quiet_at: Option<Timestamp>,
    ) {
        let now = self.now();
        let policy = &self.inner.policy;
        let tried = session
            .tries
            .0
            .entry(op)
            .or_insert_with(|| untried(clear, now));
        tried.count += 1;
        // An outcome that is not known is looked into at once, and then with growing pauses.
        let pause = if quiet_at.is_some() && tried.count == 1 {
            Duration::ZERO
        } else {
            backoff(policy, tried.count, self.inner.ids.random() as u64)
        };
        tried.next_at = now.after(pause);
        let (tries, next_at, unknown) = (tried.count, tried.next_at, quiet_at.is_some());
        telemetry::to_repeat(&session.order, op, tries, next_at, unknown, &message);
        tried.error = message;
        tried.clear = clear;
        if let Some(quiet_at) = quiet_at {
            tried.quiet_at = quiet_at;
        }
        if tried.count == policy.tries_before_attention {
            facts.push(Fact::NeedsAttention {
                reason: AttentionReason::RetriesExhausted,
                about: Some(op),
            });
        }
    }
}

/// The longest pause before what was answered and not decided is asked about again.
const UNDECIDED_LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
fn untried(clear: bool, quiet_at: Timestamp) -> Try {
    Try {
        count: 0,
        next_at: Timestamp::MIN,
        error: String::new(),
        clear,
        quiet_at,
        stuck: None,
    }
}

/// Settles and plans until both have nothing more to record.
pub(super) fn settle_and_plan(
    draft: &mut Draft,
    tries: &Tries,
    env: &crate::rules::Env<'_>,
) -> Next {
    let source = Source {
        actor: crate::order::Actor::System,
        cause: "plan",
    };
    for _ in 0..ROUNDS_MAX {
        draft.settle(env);
        // By the same time as what has settled, or each could undo what the other plans.
        let plan = next(&draft.order, tries, &draft.env(env));
        if plan.events.is_empty() {
            return plan;
        }
        for event in plan.events {
            draft.push(event, &source);
        }
    }
    panic!("{}", draft.does_not_settle());
}

/// More rounds of settling and planning than any change of an order takes.
const ROUNDS_MAX: u32 = 100;

/// Returns whether a call rests on an intent that was planned in this round and is not durable yet,
/// such as a release.
fn has_unsaved_intent(session: &Session, order: &Order, plan: &Next) -> bool {
    plan.calls.iter().any(|c| match c.op {
        Op::Reservation(n) => {
            let closing = |o: &Order| o.reservation(n).and_then(|r| r.closing.map(|c| c.serial));
            closing(order) != closing(&session.order)
        }
        Op::Payment(n) => session.order.payment(n).is_none(),
        Op::Notice(seq) => seq > session.order.version,
    })
}

impl Session {
    /// Tells who waits, once what they wait for has come.
    fn answer_if_decided(&mut self) {
        if let Some((answer, _)) = self.answer.take_if(|(_, wait)| wait.is_over(&self.order)) {
            // Nobody may be waiting any more.
            let _ = answer.send(Arc::clone(&self.order));
        }
    }

    pub(super) fn mark_unsent(&mut self, op: Op) {
        self.unsent.insert(op);
        self.tries
            .0
            .entry(op)
            .or_insert_with(|| untried(true, Timestamp::MIN))
            .clear = true;
    }

    /// Returns the tries for the store while this worker goes on: whatever it may call without
    /// another commit counts as called.
    fn tries_while_at_it(&self, order: &Order, called: &[Op]) -> Tries {
        let mut tries = self.tries_to_hand_over(order);
        tries
            .0
            .retain(|op, t| t.count > 0 || !self.unsent.contains(op));
        for (op, t) in &mut tries.0 {
            if called.contains(op) || self.unsent.contains(op) {
                t.clear = false;
            }
        }
        tries
    }

    /// Returns the tries for the store when this worker stops: what it never sent was never sent.
    pub(super) fn tries_to_hand_over(&self, order: &Order) -> Tries {
        let mut tries = self.tries.clone();
        tries.0.retain(|op, _| match op {
            Op::Reservation(n) => order
                .reservation(*n)
                .is_some_and(|r| r.state.is_open() || r.closing.is_some()),
            Op::Payment(n) => order
                .payment(*n)
                .is_some_and(|p| !matches!(p.state, OperationState::Dropped)),
            Op::Notice(seq) => order.notified < *seq,
        });
        tries
    }
}
