//! `order_work`: work items, and what a changeset makes of one.

use std::borrow::Cow;

use super::Record;
use super::read::{Columns, Stored};
use super::table::{Column, Kind, Table, Unreadable, Value};
use crate::ids::{Fence, OrderId};
use crate::store::{Tries, WorkChange, WorkItem};
use crate::time::Timestamp;

/// One row for each order with something left to do.
///
/// Leases are taken by `leasable_at` alone: an index of `(leasable_at, order_id)` is all they walk.
pub const ORDER_WORK: &Table = &Table {
    n: 13,
    name: "order_work",
    key: 1,
    columns: &[
        Column::id("order_id"),
        // From when on the lease can be taken: the later of the next two; NULL: stuck.
        Column::time("leasable_at").nullable().indexed(),
        Column::time("due_at").nullable(),
        Column::time("leased_until").nullable(),
        Column::id("fence").nullable(),
        Column::int("revision"),
        Column::flag("taken_over"),
        Column::int("runs"),
        // JSON: what was tried, per operation. The last column, so that a statement can leave it
        // alone.
        Column::text("tries").nullable(),
    ],
};

impl WorkItem {
    /// The item after somebody has taken the lease on it until then.
    pub fn leased(self, fence: Fence, until: Timestamp) -> WorkItem {
        WorkItem {
            taken_over: self.fence.is_some(),
            fence: Some(fence),
            leased_until: Some(until),
            revision: self.revision + 1,
            ..self
        }
    }

    /// The values of its row, in the order of [`ORDER_WORK`]'s columns. `tries` is what was tried
    /// as JSON, as [`tries_json`] gives it: a store that has it ready, or leaves that column alone,
    /// need not write it out again.
    pub fn values<'a>(&self, order: OrderId, tries: Option<&'a str>) -> [Value<'a>; 9] {
        let WorkItem {
            due,
            fence,
            leased_until,
            revision,
            taken_over,
            runs,
            tries: _,
        } = self;
        let time = |time: Option<Timestamp>| time.map_or(Value::Null, Value::Time);
        [
            Value::Id(*order.as_bytes()),
            time(self.leasable_at()),
            time(*due),
            time(*leased_until),
            fence.map_or(Value::Null, |fence| Value::Id(*fence.as_bytes())),
            Value::Int(revision.cast_signed()),
            Value::Flag(*taken_over),
            Value::Int((*runs).into()),
            tries.map_or(Value::Null, |tries| Value::Text(Cow::Borrowed(tries))),
        ]
    }
}

/// Returns what was tried as JSON; none if nothing was.
pub fn tries_json(tries: &Tries) -> Option<String> {
    // There is nothing in it that could fail.
    (!tries.0.is_empty()).then(|| serde_json::to_string(tries).unwrap_or_default())
}

/// The item of a row, whose columns may all be NULL, as after an outer join.
pub fn read_work<R: Stored + ?Sized>(row: &R, from: usize) -> Result<Option<WorkItem>, Unreadable> {
    let wrong = |why| Unreadable {
        table: ORDER_WORK.name,
        column: ORDER_WORK.columns[0].name,
        why,
    };
    match row.value(from, Kind::Id).map_err(wrong)? {
        Value::Null => Ok(None),
        _ => super::read(row, from).map(Some),
    }
}

impl Record for WorkItem {
    const TABLE: &'static Table = ORDER_WORK;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        let (due, leased_until) = (c.skip(2).time_some()?, c.time_some()?);
        Ok(WorkItem {
            due,
            leased_until,
            fence: c.id_some()?.map(Fence::from_bytes),
            revision: c.int()?,
            taken_over: c.flag()?,
            runs: c.int()?,
            tries: c.json_some()?,
        })
    }
}

impl WorkChange {
    /// Returns what was tried as the item has it afterwards; none where it keeps what it had.
    pub const fn tries(&self) -> Option<&Tries> {
        match self {
            WorkChange::Extend { tries, .. } | WorkChange::Release { tries, .. } => Some(tries),
            WorkChange::Keep
            | WorkChange::Lease { .. }
            | WorkChange::Wake { .. }
            | WorkChange::Begin { .. }
            | WorkChange::Done { .. } => None,
        }
    }

    /// Returns what becomes of the item that is there, if one is.
    ///
    /// Every change raises the revision, even a waking that finds the item due sooner: what the
    /// holder of the lease read before it is out of date.
    pub fn apply(self, item: Option<WorkItem>, now: Timestamp) -> Option<WorkItem> {
        if self == WorkChange::Keep {
            return item;
        }
        let nothing = WorkItem {
            due: None,
            fence: None,
            leased_until: None,
            revision: 0,
            taken_over: false,
            runs: 0,
            tries: Tries::default(),
        };
        let mut item = item.unwrap_or(nothing);
        item.revision += 1;
        match self {
            WorkChange::Keep => {}
            WorkChange::Lease { fence, ttl, due } => {
                item.due = Some(due);
                item.fence = Some(fence);
                item.leased_until = Some(now.after(ttl));
                item.taken_over = false;
            }
            WorkChange::Wake { due } => {
                item.due = Some(item.due.map_or(due, |before| before.min(due)))
            }
            WorkChange::Begin {
                ttl,
                fence: _,
                revision: _,
            } => {
                item.leased_until = Some(now.after(ttl));
                item.runs = item.runs.saturating_add(1);
            }
            WorkChange::Extend {
                ttl,
                tries,
                fence: _,
                revision: _,
            } => {
                item.leased_until = Some(now.after(ttl));
                item.tries = tries;
            }
            WorkChange::Release {
                due,
                tries,
                fence: _,
                revision: _,
            } => {
                item.due = due;
                item.fence = None;
                item.leased_until = None;
                item.taken_over = false;
                item.runs = 0;
                item.tries = tries;
            }
            WorkChange::Done {
                fence: _,
                revision: _,
            } => return None,
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FENCE: Fence = Fence::from_bytes([7; 16]);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn leased() -> WorkItem {
        let lease = WorkChange::Lease {
            fence: FENCE,
            ttl: Duration::from_secs(10),
            due: at(3),
        };
        lease.apply(None, at(0)).unwrap()
    }

    #[test]
    fn an_item_can_be_leased_when_it_is_due_and_free() {
        let item = leased();
        assert_eq!(item.leasable_at(), Some(at(10)));
        let later = WorkItem {
            due: Some(at(12)),
            ..item.clone()
        };
        assert_eq!(later.leasable_at(), Some(at(12)));
        assert_eq!(
            WorkItem {
                due: None,
                ..item.clone()
            }
            .leasable_at(),
            None
        );
        assert_eq!(
            WorkItem {
                leased_until: None,
                ..item
            }
            .leasable_at(),
            Some(at(3))
        );
    }

    #[test]
    fn a_lease_that_nobody_gave_back_is_taken_over() {
        let again = leased().leased(Fence::from_bytes([8; 16]), at(30));
        assert!(again.taken_over && again.revision == 2 && again.leased_until == Some(at(30)));
        let release = WorkChange::Release {
            fence: FENCE,
            revision: 1,
            due: Some(at(9)),
            tries: Tries::default(),
        };
        let free = release.apply(Some(leased()), at(1)).unwrap();
        assert!(!free.leased(FENCE, at(30)).taken_over);
    }

    #[test]
    fn every_change_but_keeping_raises_the_revision() {
        let (fence, revision, ttl, tries) = (FENCE, 1, Duration::from_secs(1), Tries::default());
        let changes = [
            WorkChange::Lease {
                fence,
                ttl,
                due: at(1),
            },
            WorkChange::Wake { due: at(99) },
            WorkChange::Begin {
                fence,
                revision,
                ttl,
            },
            WorkChange::Extend {
                fence,
                revision,
                ttl,
                tries: tries.clone(),
            },
            WorkChange::Release {
                fence,
                revision,
                due: None,
                tries,
            },
        ];
        for change in changes {
            assert_eq!(
                change
                    .clone()
                    .apply(Some(leased()), at(1))
                    .unwrap()
                    .revision,
                2,
                "{change:?}"
            );
        }
        assert_eq!(
            WorkChange::Keep.apply(Some(leased()), at(1)),
            Some(leased())
        );
        assert_eq!(WorkChange::Keep.apply(None, at(1)), None);
        assert_eq!(
            WorkChange::Done { fence, revision }.apply(Some(leased()), at(1)),
            None
        );
    }
}
