//! Every state that is reached on two axes, breadth first, and the way that work takes from each to
//! rest.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use order_core::audit::{check_at_rest, check_records};
use order_core::order::{
    Actor, AttentionReason, Blocks, Closing, DisputeState, Event, Lifecycle, Op, OperationKind,
    OperationState, Order, Placed,
};
use order_core::rules::{
    Call, ClosingOutcome, Env, Fact, Next, ReservationOutcome, Verb, begin, decide, evolve, next,
    record, settle,
};
use order_core::store::Tries;
use order_core::testkit::orders::{at, text};
use order_core::time::Timestamp;

use super::axes::{Axis, Input, SURPRISES_MAX};
use super::key::{Key, key};
use crate::journey::{answer, closing_fact, looked_up, success};
use crate::shop::Shop;

/// Steps that work may take from any state to rest.
const STEPS_MAX: u32 = 60;

#[derive(Clone)]
pub struct State {
    pub order: Order,
    pub now: Timestamp,
    /// The last closing of each reservation, whose answer may come late.
    pub closings: Vec<Option<Closing>>,
    /// The number of facts that were not what work hopes for.
    pub surprises: u8,
}

impl State {
    pub const fn may_surprise(&self) -> bool {
        self.surprises < SURPRISES_MAX
    }

    pub fn evolve(&mut self, event: &Event) {
        evolve(&mut self.order, event, &Actor::System, self.now);
        self.closings.resize(self.order.reservations.len(), None);
        for (last, r) in self.closings.iter_mut().zip(&self.order.reservations) {
            *last = r.closing.or(*last);
        }
    }
}

/// The step by which a state came of another.
#[derive(Clone, Copy)]
enum Step {
    /// The work that was due went well, or the next due time came.
    Work,
    /// The worker died as soon as it had armed something.
    Crash,
    /// One of the inputs there were, by its place.
    Input(u16),
}

/// Two axes of an order in a shop.
pub struct Walk {
    pub shop: Shop,
    pub axes: [Axis; 2],
    /// States after which the walk is cut short.
    pub states_max: usize,
}

/// The findings of a walk.
#[derive(Default)]
pub struct Found {
    pub states: usize,
    pub steps: usize,
    pub resting: usize,
    /// The most steps that work takes to rest.
    pub longest: u32,
    /// True if there are more states than were walked.
    pub cut: bool,
}

/// The states seen so far. Of those that were looked at only their keys are kept, and how each was
/// reached.
#[derive(Default)]
struct Seen {
    numbers: HashMap<Key, u32>,
    /// The end of a state with such a key once it has settled: the number of that state.
    settled: HashMap<Key, u32>,
    reached: Vec<Reached>,
    /// States to look at, by their surprises: fewest first, since whatever follows from more
    /// follows from fewer too.
    queues: [VecDeque<(u32, State, Next)>; SURPRISES_MAX as usize + 1],
}

struct Reached {
    from: u32,
    step: Step,
    /// The fewest surprises on a way there.
    surprises: u8,
    /// The state to which work leads from it, itself if it rests; `None` until it has been looked
    /// at.
    leads_to: Option<u32>,
}

impl Seen {
    fn add(&mut self, key: Key, (state, plan): (State, Next), from: u32, step: Step) -> u32 {
        let surprises = state.surprises;
        let new = self.reached.len() as u32;
        let number = *self.numbers.entry(key).or_insert(new);
        let reached = Reached {
            from,
            step,
            surprises,
            leads_to: None,
        };
        if number == new {
            self.reached.push(reached);
        } else if self.reached[number as usize].surprises > surprises {
            self.reached[number as usize] = reached;
        } else {
            return number;
        }
        self.queues[usize::from(surprises)].push_back((number, state, plan));
        number
    }

    fn take(&mut self) -> Option<(u32, State, Next)> {
        loop {
            let next = self.queues.iter_mut().find_map(VecDeque::pop_front)?;
            if self.reached[next.0 as usize].leads_to.is_none() {
                return Some(next);
            }
        }
    }

    /// The state that one comes to, if that is known already, and reached with no more surprises.
    fn settles_as(&self, before: Key, surprises: u8) -> bool {
        self.settled
            .get(&before)
            .is_some_and(|n| self.reached[*n as usize].surprises <= surprises)
    }
}

impl Walk {
    pub fn env(&self, now: Timestamp) -> Env<'_> {
        self.shop.env(now)
    }

    /// Applies what settles and is planned; says what is to be called then.
    pub fn come_to_rest(&self, state: &mut State) -> Result<Next, String> {
        let before = state.order.money();
        state.order.notices.clear();
        for _ in 0..40 {
            let env = self.env(state.now);
            let settled = settle(&state.order, &env);
            if !settled.is_empty() {
                settled.iter().for_each(|event| state.evolve(event));
                continue;
            }
            let plan = next(&state.order, &Tries::default(), &env);
            if plan.events.is_empty() {
                let after = state.order.money();
                let kept = after.captured >= before.captured && after.refunded >= before.refunded;
                return if kept {
                    Ok(plan)
                } else {
                    Err("money vanishes".into())
                };
            }
            for event in plan.events {
                state.evolve(&event);
            }
        }
        Err("settling and planning do not come to an end".into())
    }

    fn key(&self, state: &State) -> Key {
        key(state, self.axes.contains(&Axis::Stock))
    }

    /// The events of an input; none if it is refused or no news.
    fn events(&self, state: &State, input: &Input) -> Vec<Event> {
        match input {
            Input::Command(command) => {
                decide(&state.order, command, &self.env(state.now)).unwrap_or_default()
            }
            Input::Fact(fact) => record(&state.order, fact, &self.env(state.now)),
        }
    }

    fn inputs(&self, state: &State) -> Vec<Input> {
        let mut inputs = Vec::new();
        let [first, second] = self.axes;
        first.inputs(second, state, &mut inputs);
        if second != first {
            second.inputs(first, state, &mut inputs);
        }
        inputs
    }

    /// One step of work that goes well: whatever is due is called and answered yes, or the next due
    /// time comes. `None` at rest.
    fn work(&self, state: &State, plan: &Next) -> Option<State> {
        if plan.calls.is_empty() {
            let now = plan.wake.filter(|_| plan.stuck.is_empty())?;
            return Some(State {
                now,
                ..state.clone()
            });
        }
        let mut after = self.crash(state, plan).unwrap_or_else(|| state.clone());
        for call in &plan.calls {
            let fact = self.goes_well(&after, *call);
            for event in record(&after.order, &fact, &self.env(after.now)) {
                after.evolve(&event);
            }
        }
        // Pauses are over before the next step.
        after.now = after.now.after(Duration::from_secs(1));
        Some(after)
    }

    /// Works until something has changed; `None` at rest.
    fn works(&self, state: &State, plan: &Next) -> Result<Option<(State, Next)>, String> {
        let Some(mut after) = self.work(state, plan) else {
            return Ok(None);
        };
        let mut then = self.come_to_rest(&mut after)?;
        let before = self.key(state);
        for _ in 0..STEPS_MAX {
            if self.key(&after) != before {
                return Ok(Some((after, then)));
            }
            match self.work(&after, &then) {
                Some(later) => after = later,
                None => return Ok(None),
            }
            then = self.come_to_rest(&mut after)?;
        }
        Err(format!("work changes nothing: {then:?}"))
    }

    /// Arms what is to be called, and no more.
    fn crash(&self, state: &State, plan: &Next) -> Option<State> {
        let ops: Vec<Op> = plan.calls.iter().filter(|c| c.arm).map(|c| c.op).collect();
        if ops.is_empty() {
            return None;
        }
        let mut after = state.clone();
        after.evolve(&Event::Armed { ops });
        Some(after)
    }

    /// Returns the state once something has happened; `None` if that is refused or no news.
    fn happens(&self, state: &State, input: &Input) -> Option<State> {
        let events = self.events(state, input);
        if events.is_empty() {
            return None;
        }
        let surprises = input.surprises(&state.order);
        if surprises && !state.may_surprise() {
            return None;
        }
        let mut after = state.clone();
        after.surprises += u8::from(surprises);
        for event in events {
            after.evolve(&event);
        }
        Some(after)
    }

    fn goes_well(&self, state: &State, call: Call) -> Fact {
        let order = &state.order;
        match call.op {
            Op::Reservation(n) => {
                let r = order.reservation(n).expect("it exists");
                match call.verb {
                    Verb::Release | Verb::Commit => closing_fact(r, ClosingOutcome::Done),
                    Verb::LookUpReservation if !self.shop.inventory.look_up => Fact::Reservation {
                        n,
                        outcome: ReservationOutcome::Undecidable,
                    },
                    _ => Fact::Reservation {
                        n,
                        outcome: held(n),
                    },
                }
            }
            Op::Payment(n) => {
                let p = order.payment(n).expect("it exists");
                let waited = matches!(
                    p.state,
                    OperationState::ActionRequired | OperationState::Pending
                );
                let captured = p
                    .parent
                    .and_then(|n| order.payment(n))
                    .is_some_and(|q| q.state == OperationState::Captured);
                let status = match p.kind {
                    _ if call.verb == Verb::LookUpPayment && waited => OperationState::Declined,
                    // What is settled, a look-up finds as it is.
                    _ if call.verb == Verb::LookUpPayment && !p.state.is_open() => p.state,
                    OperationKind::Void if captured => OperationState::Declined,
                    kind => success(kind),
                };
                let amount = if p.state.is_open() {
                    p.amount
                } else {
                    p.settled
                };
                let outcome = answer(order, status, n, amount, later(state.now));
                Fact::Payment {
                    n,
                    outcome: if call.verb == Verb::LookUpPayment {
                        looked_up(outcome)
                    } else {
                        outcome
                    },
                }
            }
            Op::Notice(_) => unreachable!("nobody is told"),
        }
    }

    /// Everything that is reached from the placing. Panics with the way there where something does
    /// not hold.
    pub fn explore(&self, placed: &Placed) -> Found {
        self.visit(placed, &mut |_| Ok(()))
    }

    /// The same, and checks of every state what `each` checks of it.
    pub fn visit(
        &self,
        placed: &Placed,
        each: &mut dyn FnMut(&State) -> Result<(), String>,
    ) -> Found {
        let mut seen = Seen::default();
        let mut found = Found::default();
        let mut start = begin_state(placed);
        let plan = self
            .come_to_rest(&mut start)
            .unwrap_or_else(|why| panic!("{why}"));
        seen.add(self.key(&start), (start, plan), 0, Step::Work);
        while let Some((this, state, plan)) = seen.take() {
            if found.states >= self.states_max {
                found.cut = true;
                break;
            }
            found.states += 1;
            let checked = check(&state, &plan)
                .and_then(|()| each(&state))
                .and_then(|()| self.spread(&state, &plan, this, &mut seen, &mut found));
            let then = checked.unwrap_or_else(|why| self.fail(placed, &seen, this, &state, &why));
            found.resting += usize::from(then == this);
            seen.reached[this as usize].leads_to = Some(then);
        }
        found.longest = longest(&seen.reached).unwrap_or_else(|(this, why)| {
            self.fail(
                placed,
                &seen,
                this,
                &self.follow(placed, &seen, this).0,
                why,
            );
        });
        found
    }

    /// Takes every step from a state; says which state work leads to.
    fn spread(
        &self,
        state: &State,
        plan: &Next,
        this: u32,
        seen: &mut Seen,
        found: &mut Found,
    ) -> Result<u32, String> {
        let then = match self.works(state, plan)? {
            Some((after, plan)) => {
                found.steps += 1;
                seen.add(self.key(&after), (after, plan), this, Step::Work)
            }
            None => this,
        };
        let crashed = self.crash(state, plan).map(|after| (after, Step::Crash));
        let inputs = self.inputs(state);
        let happened = inputs
            .iter()
            .zip(0..)
            .filter_map(|(input, i)| Some((self.happens(state, input)?, Step::Input(i))));
        for (mut after, step) in crashed.into_iter().chain(happened) {
            found.steps += 1;
            let before = self.key(&after);
            if seen.settles_as(before, after.surprises) {
                continue;
            }
            let plan = self
                .come_to_rest(&mut after)
                .map_err(|why| format!("{why}, after {}", self.says(&inputs, step)))?;
            let number = seen.add(self.key(&after), (after, plan), this, step);
            seen.settled.insert(before, number);
        }
        Ok(then)
    }

    fn says(&self, inputs: &[Input], step: Step) -> String {
        match step {
            Step::Work => "work".into(),
            Step::Crash => "a crash".into(),
            Step::Input(i) => format!("{:?}", inputs[usize::from(i)]),
        }
    }

    /// The state of that number, and what happened on the way there.
    fn follow(&self, placed: &Placed, seen: &Seen, mut number: u32) -> (State, Vec<String>) {
        let mut steps = Vec::new();
        while number > 0 {
            let reached = &seen.reached[number as usize];
            steps.push(reached.step);
            number = reached.from;
        }
        let mut state = begin_state(placed);
        let mut said = Vec::new();
        for step in steps.into_iter().rev() {
            let plan = self.come_to_rest(&mut state).unwrap_or_default();
            let inputs = self.inputs(&state);
            said.push(self.says(&inputs, step));
            let after = match step {
                Step::Work => self
                    .works(&state, &plan)
                    .ok()
                    .flatten()
                    .map(|(after, _)| after),
                Step::Crash => self.crash(&state, &plan),
                Step::Input(i) => self.happens(&state, &inputs[usize::from(i)]),
            };
            state = after.unwrap_or(state);
        }
        let _ = self.come_to_rest(&mut state);
        (state, said)
    }

    fn fail(&self, placed: &Placed, seen: &Seen, number: u32, state: &State, why: &str) -> ! {
        let way = self.follow(placed, seen, number).1.join("\n  ");
        panic!(
            "{:?}: {why}\non the way\n  {way}\n{:#?}",
            self.axes, state.order
        );
    }
}

fn begin_state(placed: &Placed) -> State {
    State {
        order: begin(placed, at(0)).without_personal(),
        now: at(0),
        closings: Vec::new(),
        surprises: 0,
    }
}

/// Asserts what holds of every state; and, if nothing is due, at rest.
fn check(state: &State, plan: &Next) -> Result<(), String> {
    let order = &state.order;
    let mut breaches = Vec::new();
    check_records(order, &mut breaches);
    if plan.is_done() {
        breaches.extend(check_at_rest(order));
    }
    if !breaches.is_empty() {
        return Err(format!("{breaches:?}"));
    }
    // What a person has seen and put aside keeps nothing waiting.
    let told = order.attention.iter().any(|a| !a.acknowledged);
    let backordered = [
        AttentionReason::StockLost,
        AttentionReason::SuspectReservation,
    ]
    .iter()
    .any(|r| order.has_attention(*r));
    let disputed = order.disputes.iter().any(|d| d.state == DisputeState::Open);
    let waits = match order.lifecycle {
        Lifecycle::Pending => !order.is_blocked(Blocks::Confirm) && !backordered,
        Lifecycle::Cancelling => !told && !disputed,
        _ => false,
    };
    if !plan.stuck.is_empty() && order.attention.is_empty() {
        Err(format!("stuck in silence: {:?}", plan.stuck))
    } else if plan.is_done() && waits {
        Err("it waits for nobody".into())
    } else {
        Ok(())
    }
}

/// The most steps that work takes to rest; a state from which it never comes there, and why.
fn longest(reached: &[Reached]) -> Result<u32, (u32, &'static str)> {
    let mut steps: Vec<Option<u32>> = vec![None; reached.len()];
    for first in 0..reached.len() {
        let mut path = Vec::new();
        let mut this = first;
        let known = loop {
            if let Some(n) = steps[this] {
                break n + 1;
            }
            path.push(this);
            if path.len() > STEPS_MAX as usize {
                return Err((first as u32, "work goes round in circles"));
            }
            // A walk cut short does not know where work leads from its last states.
            match reached[this].leads_to {
                Some(then) if then as usize != this => this = then as usize,
                _ => break 0,
            }
        };
        for (state, i) in path.iter().rev().zip(0..) {
            steps[*state] = Some(known + i);
        }
    }
    Ok(steps.into_iter().flatten().max().unwrap_or(0))
}

pub fn held(n: u32) -> ReservationOutcome {
    ReservationOutcome::Held {
        reference: Some(text(&format!("hold-{n}"))),
        expires_at: None,
    }
}

pub fn later(now: Timestamp) -> Timestamp {
    now.after(Duration::from_secs(600))
}
