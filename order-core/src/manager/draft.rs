//! A changeset in the making: events applied to a copy of the order, with the journal rows they
//! make.

use std::sync::Arc;

use crate::ids::ChangesetId;
use crate::order::{Actor, CommandKey, Event, JournalRow, Order, Placed, Redemption};
use crate::rules::{Env, Fact, begin, evolve, record, settle};
use crate::store::{Changeset, KeyRecord, RedemptionChange, WorkChange};
use crate::time::Timestamp;

/// The origin of journal rows.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub actor: Actor,
    pub cause: &'static str,
}

impl Source {
    pub(super) const fn worker() -> Self {
        Source {
            actor: Actor::System,
            cause: "worker",
        }
    }
}

#[derive(Debug)]
pub(super) struct Draft {
    pub before: Option<Arc<Order>>,
    pub order: Order,
    rows: Vec<JournalRow>,
    changeset: ChangesetId,
    at: Timestamp,
}

/// More rows than any change of an order makes.
const ROWS_MAX: usize = 1_000;

impl Draft {
    /// Changes to an order as it was read.
    pub(super) fn of(before: Arc<Order>, changeset: ChangesetId, now: Timestamp) -> Self {
        // Times of an order never go backwards, whatever the clock does.
        let at = now.max(before.updated_at);
        Draft {
            order: (*before).clone(),
            before: Some(before),
            rows: Vec::new(),
            changeset,
            at,
        }
    }

    /// A new order.
    pub(super) fn new(
        placed: Box<Placed>,
        source: &Source,
        changeset: ChangesetId,
        at: Timestamp,
    ) -> Self {
        let order = begin(&placed, at);
        let row = JournalRow {
            order: order.id,
            seq: 1,
            event: Event::Placed(placed),
            from: None,
            to: order.statuses.status,
            actor: source.actor.clone(),
            cause: source.cause.into(),
            notes: None,
            command_key: None,
            changeset,
            at,
        };
        Draft {
            before: None,
            order,
            rows: vec![row],
            changeset,
            at,
        }
    }

    /// For rules that undo each other and would go on for ever: better that this order is put aside
    /// as one that ends its workers.
    pub(super) fn does_not_settle(&self) -> String {
        let last: Vec<_> = self.rows.iter().rev().take(6).map(|r| &r.event).collect();
        format!("order {} does not settle: {last:?}", self.order.number)
    }

    /// Returns the number of rows so far.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn is_unchanged(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn push(&mut self, event: Event, source: &Source) {
        assert!(self.rows.len() < ROWS_MAX, "{}", self.does_not_settle());
        let from = self.order.statuses.status;
        evolve(&mut self.order, &event, &source.actor, self.at);
        self.rows.push(JournalRow {
            order: self.order.id,
            seq: self.order.version,
            event,
            from: Some(from),
            to: self.order.statuses.status,
            actor: source.actor.clone(),
            cause: source.cause.into(),
            notes: None,
            command_key: None,
            changeset: self.changeset,
            at: self.at,
        });
    }

    /// The world at the draft's time: what is judged by it is judged by the time that the journal
    /// says.
    pub(super) fn env<'a>(&self, env: &Env<'a>) -> Env<'a> {
        Env {
            now: env.now.max(self.at),
            ..*env
        }
    }

    /// Records a fact, whatever the order has become.
    pub(super) fn record(&mut self, fact: &Fact, source: &Source, env: &Env<'_>) {
        for event in record(&self.order, fact, &self.env(env)) {
            self.push(event, source);
        }
    }

    /// Appends the transitions that hold now.
    pub(super) fn settle(&mut self, env: &Env<'_>) {
        let source = Source {
            actor: Actor::System,
            cause: "settle",
        };
        let env = self.env(env);
        loop {
            let events = settle(&self.order, &env);
            if events.is_empty() {
                return;
            }
            for event in events {
                self.push(event, &source);
            }
        }
    }

    /// Puts what a person wrote, and the key that makes their command safe to repeat, on the first
    /// row.
    pub(super) fn sign(&mut self, notes: Option<String>, command_key: Option<CommandKey>) {
        if let Some(row) = self.rows.first_mut() {
            row.notes = notes;
            row.command_key = command_key;
        }
    }

    /// The order and the rows, for who only wants to see them.
    pub(super) fn into_parts(self) -> (Order, Vec<JournalRow>) {
        (self.order, self.rows)
    }

    pub(super) fn into_changeset(self, key: Option<KeyRecord>, work: WorkChange) -> Changeset {
        let redemptions = redemption_changes(self.before.as_deref(), &self.order);
        Changeset {
            id: self.changeset,
            before: self.before,
            after: Arc::new(self.order),
            journal: self.rows,
            key,
            redemptions,
            work,
        }
    }
}

/// Limited things are an order's while it lives: taken when it comes alive, given back when it
/// dies.
fn redemption_changes(before: Option<&Order>, after: &Order) -> Vec<RedemptionChange> {
    let held = before.is_some_and(|o| o.lifecycle.is_live());
    let take = after.lifecycle.is_live();
    if held == take {
        return Vec::new();
    }
    let change = |redemption: &Redemption| RedemptionChange {
        redemption: redemption.clone(),
        take,
    };
    after.redemptions.iter().map(change).collect()
}
