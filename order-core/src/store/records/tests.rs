//! Every record comes back from its values as it went in, and what cannot be read says where.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::ids::{Bucket, ChangesetId, Fence, UserId};
use crate::number::OrderNumber;
use crate::order::*;
use crate::store::{
    Changeset, CommitError, KeyRecord, KeyUse, RedemptionChange, StoreError, StoreErrorKind, Tries,
    Try, WorkChange, WorkItem,
};
use crate::testkit::orders::{self, With, at, fence, full, plain, text, work};
use crate::text::Private;

type Values = Vec<Value<'static>>;

/// The tables of a store, by name and key.
#[derive(Default)]
struct Rows(BTreeMap<(&'static str, String), Values>);

impl Rows {
    fn key<'a>(table: &Table, key: impl Iterator<Item = Value<'a>>) -> (&'static str, String) {
        let parts = key.map(|value| match value {
            Value::Int(n) => format!("{n:020}"),
            Value::Text(text) => text.into_owned(),
            other => format!("{other:?}"),
        });
        (table.name, parts.collect::<Vec<_>>().join("/"))
    }

    fn apply(&mut self, changes: &Changes) {
        for put in changes.order().into_iter().chain(changes.puts()) {
            let key = Rows::key(put.row.table(), put.row.key());
            let values: Values = put.row.values().map(Value::into_owned).collect();
            fits(put.row.table(), &values);
            match self.0.get_mut(&key) {
                None => {
                    assert!(put.is_new && put.changed == 0, "{key:?} is not there");
                    self.0.insert(key, values);
                }
                Some(stored) => {
                    assert!(!put.is_new, "{key:?} is there");
                    // What an update leaves alone is as it is to be.
                    for at in put.row.table().set(put.changed) {
                        stored[at] = values[at].clone();
                    }
                    let free = |at: &usize| !put.row.table().columns[*at].fixed;
                    assert!(
                        (0..values.len())
                            .filter(free)
                            .all(|at| stored[at] == values[at]),
                        "{key:?} differs"
                    );
                }
            }
        }
        for gone in changes.gone() {
            let key = Rows::key(gone.table(), gone.key());
            assert!(self.0.remove(&key).is_some(), "{key:?} is not there");
        }
    }

    fn of(&self, table: &Table) -> impl Iterator<Item = &Values> {
        self.0
            .iter()
            .filter(|((name, _), _)| *name == table.name)
            .map(|(_, values)| values)
    }

    fn load(&self) -> Result<(Order, Option<KeyRecord>), Unreadable> {
        let own = self.of(ORDERS).next().expect("the order is there");
        let mut stored: StoredOrder = read(&own[..], 0)?;
        for table in CHILDREN {
            assert_eq!(
                stored.has(table),
                self.of(table).next().is_some() || none_kept(&stored, table),
                "{}",
                table.name
            );
            for row in self.of(table) {
                stored.add(table, &row[..], 0)?;
            }
        }
        Ok(stored.finish())
    }
}

/// Metadata may be there and have no names.
fn none_kept(stored: &StoredOrder, table: &Table) -> bool {
    table == ORDER_METADATA && stored.has(table)
}

#[track_caller]
fn fits(table: &Table, values: &[Value<'_>]) {
    assert_eq!(values.len(), table.columns.len(), "{}", table.name);
    for (column, value) in table.columns.iter().zip(values) {
        match value.kind() {
            None => assert!(
                column.nullable,
                "{}.{} is never NULL",
                table.name, column.name
            ),
            Some(kind) => assert_eq!(kind, column.kind, "{}.{}", table.name, column.name),
        }
    }
}

/// Debug output hides what is personal: equality does not.
#[track_caller]
fn same(found: &Order, sent: &Order) {
    assert_eq!(found, sent);
    assert!(
        found.addresses == sent.addresses
            && found.notes == sent.notes
            && found.metadata == sent.metadata
    );
}

/// Commits changesets one after the other, and compares the order with what is found after each.
#[track_caller]
fn round_trips(changesets: &[Changeset]) {
    let mut rows = Rows::default();
    for changeset in changesets {
        let changes = Changes::of(changeset).unwrap();
        rows.apply(&changes);
        let mut expected = Order::clone(&changeset.after);
        expected
            .notices
            .retain(|notice| notice.seq > expected.notified);
        same(&rows.load().unwrap().0, &expected);
        assert_eq!(changes.journal().len(), changeset.journal.len());
        for (row, sent) in changes.journal().zip(&changeset.journal) {
            let values: Values = row.values().map(Value::into_owned).collect();
            fits(ORDER_STATUS_HISTORY, &values);
            let found: JournalRow = read(&values[..], 0).unwrap();
            let stored = JournalRow {
                event: decode_event(&encode_event(&sent.event)).unwrap(),
                ..sent.clone()
            };
            assert_eq!(found, stored);
        }
    }
}

fn changed(before: &Arc<Order>, after: Order) -> Changeset {
    orders::amend(before, |order| {
        *order = Order {
            version: order.version,
            ..after
        }
    })
}

#[test]
fn tables_are_numbered_by_their_place_and_have_their_keys_first() {
    for (n, table) in TABLES.iter().enumerate() {
        assert_eq!(table.n, n, "{}", table.name);
        assert!((1..=table.columns.len()).contains(&table.key));
        assert!(
            table
                .key_columns()
                .iter()
                .all(|c| !c.nullable && !c.indexed && !c.fixed),
            "{}",
            table.name
        );
        let names: std::collections::BTreeSet<_> = table.columns.iter().map(|c| c.name).collect();
        assert_eq!(names.len(), table.columns.len(), "{}", table.name);
    }
    assert!(
        CHILDREN
            .iter()
            .all(|table| TABLES[table.n] == *table && table.columns[0].name == "order_id")
    );
}

#[test]
fn a_statement_sets_what_may_have_changed() {
    let set = |changed| {
        ORDERS
            .set(changed)
            .map(|at| ORDERS.columns[at].name)
            .collect::<Vec<_>>()
    };
    let (none, all) = (set(0), set(u32::MAX));
    assert!(
        !none.contains(&"status")
            && none.contains(&"lifecycle")
            && !none.contains(&"id")
            && !none.contains(&"user_id")
    );
    assert_eq!(all.len(), none.len() + ORDERS.indexed().count());
    let names: Vec<_> = ORDERS.indexed().map(|at| ORDERS.columns[at].name).collect();
    assert_eq!(
        set(1)
            .iter()
            .filter(|name| names.contains(name))
            .collect::<Vec<_>>(),
        [&names[0]]
    );
    assert!(ORDERS.list("o.").starts_with("o.id, o.user_id, "));
}

#[test]
fn orders_come_back_whatever_they_hold() {
    for order in [plain(1), full(1)] {
        round_trips(&[orders::place_in(order, 2)]);
    }
    let key = orders::key_record(&full(1), "key");
    let placing = orders::place(full(1)).keyed("key");
    let mut rows = Rows::default();
    rows.apply(&Changes::of(&placing).unwrap());
    let (order, found) = rows.load().unwrap();
    assert_eq!((order.id, found), (full(1).id, Some(key)));
}

#[test]
fn records_change_come_and_go() {
    let placing = orders::place(plain(1));
    let full_of_it = changed(
        &placing.after,
        Order {
            id: plain(1).id,
            ..full(1)
        },
    );
    let back = changed(&full_of_it.after, plain(1));
    let again = changed(
        &back.after,
        Order {
            created_at: plain(1).created_at,
            ..full(1)
        },
    );
    let bare = changed(&again.after, again.after.without_personal());
    round_trips(&[placing, full_of_it, back, again, bare]);
}

#[test]
fn a_billing_address_has_a_row_where_it_is_another() {
    let same = plain(1);
    let mut other = plain(1);
    other.addresses.0.as_mut().unwrap().billing.city = "Leeds".into();
    let addresses = |order: Order| {
        Changes::of(&orders::place(order))
            .unwrap()
            .puts()
            .filter(|p| p.row.table() == ORDER_ADDRESSES)
            .count()
    };
    assert_eq!((addresses(same.clone()), addresses(other.clone())), (1, 2));
    let placing = orders::place(same.clone());
    let moved = changed(&placing.after, other);
    let back = changed(&moved.after, same);
    round_trips(&[placing, moved, back]);
}

#[test]
fn without_journal_rows_nothing_of_the_order_is_written() {
    let placed = orders::place_in(full(1), 2).after;
    let told = orders::amend_in(&placed, 0, |order| {
        order.notified = 1;
        order.notes = Private(Some("not written".into()));
    });
    let changes = Changes::of(&told).unwrap();
    assert!(
        changes.order().is_none()
            && changes.puts().next().is_none()
            && changes.journal().len() == 0
    );
    assert_eq!(changes.notified(), Some(1));
    assert_eq!(
        Changes::of(&work(&placed, WorkChange::Keep))
            .unwrap()
            .notified(),
        None
    );
}

#[test]
fn what_the_customer_was_told_is_left_out_when_reading() {
    let mut rows = Rows::default();
    rows.apply(&Changes::of(&orders::place_in(full(1), 2)).unwrap());
    let notified = ORDERS.columns.iter().position(|c| c.rises).unwrap();
    rows.0
        .iter_mut()
        .find(|((name, _), _)| *name == "orders")
        .unwrap()
        .1[notified] = Value::Int(1);
    let order = rows.load().unwrap().0;
    assert_eq!(order.notices.iter().map(|n| n.seq).collect::<Vec<_>>(), [2]);
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let placing = orders::place_in(plain(1), 2);
    let placed = Arc::clone(&placing.after);
    let refused = |changeset: Changeset| {
        assert_eq!(
            Changes::of(&changeset).unwrap_err().kind,
            StoreErrorKind::Corrupt
        )
    };
    refused(Changeset {
        before: Some(orders::place(plain(2)).after),
        ..orders::amend(&placed, |_| {})
    });
    refused(orders::amend(&placed, |order| order.version += 1));
    refused(Changeset {
        key: Some(orders::key_record(&plain(2), "key")),
        ..placing.clone()
    });
    let bucket = plain(1).id.bucket();
    let other = (1..)
        .map(|n| UserId::from_bytes([n; 16]))
        .find(|user| Bucket::of(user) != bucket)
        .unwrap();
    refused(orders::place(Order {
        user: other,
        ..plain(1)
    }));
    refused(orders::place(Order {
        number: OrderNumber::new(1, Bucket::of(&other)),
        ..plain(1)
    }));
    let mut foreign = placing.clone();
    foreign.journal[0].changeset = ChangesetId::from_bytes([9; 16]);
    refused(foreign);
    let mut restored = placing;
    restored.journal[1].changeset = ChangesetId::from_bytes([9; 16]);
    assert!(Changes::of(&restored).is_ok());
}

#[test]
fn every_value_of_every_enum_comes_back() {
    let mut n = 0;
    let mut each = |change: &dyn Fn(&mut Order)| {
        n += 1;
        let mut order = full(n);
        change(&mut order);
        round_trips(&[orders::place_in(order, 2)]);
    };
    macro_rules! every {
        ($($type:ident in $place:expr;)*) => {$(
            for value in $type::ALL {
                each(&|order: &mut Order| {
                    let place: fn(&mut Order, $type) = $place;
                    place(order, *value);
                });
            }
        )*};
    }
    every! {
        Lifecycle in |o, v| o.lifecycle = v;
        Status in |o, v| o.statuses.status = v;
        PaymentStatus in |o, v| o.statuses.payment = v;
        FulfilmentStatus in |o, v| o.statuses.fulfilment = v;
        ReturnStatus in |o, v| o.statuses.returned = v;
        PaymentTerms in |o, v| o.terms = v;
        ReservationState in |o, v| o.reservations[0].state = v;
        ClosingKind in |o, v| o.reservations[1].closing.as_mut().unwrap().kind = v;
        OperationKind in |o, v| o.payments[0].kind = v;
        OperationState in |o, v| (o.payments[0].state, o.unmatched[0].status) = (v, v);
        OperationOrigin in |o, v| o.payments[0].origin = v;
        Verification in |o, v| o.payments[0].verification = v;
        ShipmentState in |o, v| o.shipments[0].state = v;
        ReturnState in |o, v| o.returns[0].state = v;
        CreditKind in |o, v| o.credits[0].kind = v;
        DisputeState in |o, v| o.disputes[0].state = v;
        EditState in |o, v| o.edits[0].state = v;
        DiscardCause in |o, v| o.edits[0].cause = Some(v);
        Blocks in |o, v| o.holds[0].blocks = v;
        AttentionReason in |o, v| o.attention[0].reason = v;
        NoticeKind in |o, v| o.notices[0].kind = v;
    }
}

#[test]
fn work_items_come_back_and_their_leasable_time_is_worked_out() {
    let tried = Try {
        count: 2,
        next_at: at(1),
        error: "no".into(),
        clear: false,
        quiet_at: at(2),
        stuck: Some("odd".into()),
    };
    let tries = Tries([(Op::Payment(1), tried)].into());
    let free = WorkItem {
        due: Some(at(5)),
        fence: None,
        leased_until: None,
        revision: 1,
        taken_over: false,
        runs: 0,
        tries,
    };
    let leased = WorkItem {
        fence: Some(fence(1)),
        leased_until: Some(at(9)),
        taken_over: true,
        runs: 3,
        ..free.clone()
    };
    let stuck = WorkItem {
        due: None,
        tries: Tries::default(),
        ..free.clone()
    };
    for (item, leasable) in [
        (free, Value::Time(at(5))),
        (leased, Value::Time(at(9))),
        (stuck, Value::Null),
    ] {
        let tries = tries_json(&item.tries);
        let values = item.values(plain(1).id, tries.as_deref());
        fits(ORDER_WORK, &values);
        assert_eq!(values[1], leasable);
        assert_eq!(read_work(&values[..], 0).unwrap(), Some(item));
    }
    let none = vec![Value::Null; ORDER_WORK.columns.len()];
    assert_eq!(read_work(&none[..], 0).unwrap(), None);
}

/// Every value in turn is damaged: reading gives an error that names it, or an order, and never
/// panics.
#[test]
fn what_cannot_be_read_names_its_table_and_column() {
    let mut rows = Rows::default();
    rows.apply(&Changes::of(&orders::place_in(full(1), 2).keyed("key")).unwrap());
    let places: Vec<_> = rows.0.keys().cloned().collect();
    let damages = [
        Value::Null,
        Value::Text("NEWER".into()),
        Value::Int(-1),
        Value::Id([0; 16]),
    ];
    for key in places {
        let table = TABLES.iter().find(|table| table.name == key.0).unwrap();
        for (at, column) in table.columns.iter().enumerate() {
            for damage in &damages {
                let whole = rows.0[&key][at].clone();
                rows.0.get_mut(&key).unwrap()[at] = damage.clone();
                let own = &rows.0[&key];
                let found = match table.n {
                    0 => read::<StoredOrder>(&own[..], 0).map(drop),
                    _ => read::<StoredOrder>(&rows.of(ORDERS).next().unwrap()[..], 0)
                        .and_then(|mut stored| stored.add(table, &own[..], 0)),
                };
                if let Err(unreadable) = found {
                    assert_eq!(unreadable.table, table.name);
                    // Whether there is a closing, a key or an address is told by its first column.
                    let follows =
                        damage == &Value::Null || column.nullable || column.name == "records";
                    assert!(
                        unreadable.column == column.name || follows,
                        "{unreadable} for {}",
                        column.name
                    );
                    assert_eq!(StoreError::from(unreadable).kind, StoreErrorKind::Corrupt);
                } else if column.kind == Kind::Text && damage == &Value::Text("NEWER".into()) {
                    // Free texts are what they are.
                    let closed = [
                        "status",
                        "lifecycle",
                        "kind",
                        "payment_terms",
                        "verification",
                        "origin",
                        "cause",
                        "lots",
                        "plan",
                    ];
                    assert!(
                        !closed.contains(&column.name),
                        "{}.{} takes anything",
                        table.name,
                        column.name
                    );
                }
                rows.0.get_mut(&key).unwrap()[at] = whole;
            }
        }
    }
    rows.load().unwrap();
}

#[test]
fn a_newer_format_of_the_journal_is_said_to_be_newer() {
    let placing = orders::place(plain(1));
    let changes = Changes::of(&placing).unwrap();
    let mut values: Values = changes
        .journal()
        .next()
        .unwrap()
        .values()
        .map(Value::into_owned)
        .collect();
    values[2] = Value::Int(99);
    let unreadable = read::<JournalRow>(&values[..], 0).unwrap_err();
    assert_eq!(
        (unreadable.table, unreadable.column),
        ("order_status_history", "event")
    );
    let error = StoreError::from(unreadable);
    assert_eq!(
        (error.kind, error.message.as_str()),
        (StoreErrorKind::Corrupt, "it was written by a newer program")
    );
    values[2] = Value::Int(1);
    values[3] = Value::Text("{\"fused\":{}}".into());
    let error = StoreError::from(read::<JournalRow>(&values[..], 0).unwrap_err());
    assert_eq!(
        (error.kind, error.message.as_str()),
        (StoreErrorKind::Corrupt, "what is stored cannot be read")
    );
}

fn answer(changeset: &Changeset, facts: &Prefetched) -> Result<bool, CommitError> {
    match check(changeset, &mut &*facts) {
        Ok(Ok(Verdict::Replayed)) => Ok(true),
        Ok(Ok(Verdict::Write(_))) => Ok(false),
        Ok(Err(refusal)) => Err(refusal),
        Err(never) => match never {},
    }
}

#[test]
fn the_first_check_that_fails_is_the_answer() {
    let placed = orders::place(plain(1)).after;
    let ttl = Duration::from_secs(1);
    let work = WorkChange::Extend {
        fence: fence(1),
        revision: 3,
        ttl,
        tries: Tries::default(),
    };
    let changeset = orders::amend(&placed, |_| {})
        .commanded("command")
        .taking("coupon", 1)
        .working(work);
    let used = KeyUse {
        seq: 1,
        hash: uuid::Uuid::nil(),
    };
    let mut facts = Prefetched {
        replayed: true,
        command_keys: vec![(text("command"), used)],
        lease: Some((Some(fence(2)), 4)),
        redemptions: vec![("coupon".into(), false, 1)],
        version: Some(7),
        ..Prefetched::default()
    };
    assert!(answer(&changeset, &facts).unwrap());
    facts.replayed = false;
    assert!(
        matches!(answer(&changeset, &facts), Err(CommitError::CommandKeyTaken(u)) if u == used)
    );
    facts.command_keys.clear();
    assert!(matches!(
        answer(&changeset, &facts),
        Err(CommitError::Fenced)
    ));
    facts.lease = Some((Some(fence(1)), 4));
    assert!(
        matches!(answer(&changeset, &facts), Err(CommitError::RedemptionExhausted { name }) if name == "coupon")
    );
    facts.redemptions.clear();
    assert!(matches!(
        answer(&changeset, &facts),
        Err(CommitError::Conflict)
    ));
    facts.lease = Some((Some(fence(1)), 3));
    assert!(matches!(
        answer(&changeset, &facts),
        Err(CommitError::Conflict)
    ));
    facts.version = Some(1);
    assert!(!answer(&changeset, &facts).unwrap());
    let late = changeset.keyed("late");
    assert!(
        matches!(answer(&late, &facts), Err(CommitError::Store(e)) if e.kind == StoreErrorKind::Corrupt)
    );

    let placing = orders::place(plain(1)).keyed("key");
    let record = orders::key_record(&plain(2), "key");
    let mut facts = Prefetched {
        key: Some(record),
        version: Some(1),
        number_is_taken: true,
        ..Prefetched::default()
    };
    assert!(matches!(
        answer(&placing, &facts),
        Err(CommitError::KeyTaken(_))
    ));
    facts.key = None;
    assert!(matches!(
        answer(&placing, &facts),
        Err(CommitError::Conflict)
    ));
    facts.version = None;
    assert!(matches!(
        answer(&placing, &facts),
        Err(CommitError::NumberTaken)
    ));
    facts.number_is_taken = false;
    assert!(!answer(&placing, &facts).unwrap());
}

proptest! {
    /// However a changeset takes and gives back, an order holds a thing once and its uses are
    /// counted once.
    #[test]
    fn redemptions_are_tallied(held in any::<bool>(), others in 0u32..3, changes in prop::collection::vec(any::<bool>(), 0..6)) {
        let placed = orders::place(plain(1)).after;
        let mut changeset = orders::amend(&placed, |_| {});
        changeset.redemptions = changes.iter().map(|take| RedemptionChange { redemption: orders::limited("coupon", 2), take: *take }).collect();
        let in_use = others + u32::from(held);
        let facts = Prefetched { redemptions: vec![("coupon".into(), held, in_use)], version: Some(1), ..Prefetched::default() };
        match check(&changeset, &mut &facts) {
            Ok(Ok(Verdict::Write(tallies))) => {
                let Some(tally) = tallies.first() else { prop_assert!(changes.is_empty()); return Ok(()) };
                prop_assert_eq!((tallies.len(), tally.held_before, Some(&tally.held)), (1, held, changes.last()));
                prop_assert_eq!(tally.in_use, others + u32::from(tally.held));
            }
            Ok(Err(CommitError::RedemptionExhausted { .. })) => prop_assert!(others >= 2 && changes.contains(&true)),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn texts_come_back_bit_by_bit(notes in any::<String>(), city in any::<String>(), value in any::<String>(), cause in any::<String>()) {
        let mut order = full(1);
        order.notes = Private(Some(notes));
        order.addresses.0.as_mut().unwrap().shipping.city = city;
        order.metadata = Private(Some([(text("key"), value)].into()));
        let mut placing = orders::place_in(order, 2);
        placing.journal[1].cause = cause;
        round_trips(&[placing]);
    }

    #[test]
    fn a_lease_is_what_was_asked_for(revision in 0u64..9, due in prop::option::of(0i64..9), until in prop::option::of(0i64..9)) {
        let item = WorkItem {
            due: due.map(at),
            fence: until.map(|_| fence(2)),
            leased_until: until.map(at),
            revision,
            taken_over: false,
            runs: 0,
            tries: Tries::default(),
        };
        let leased = item.clone().leased(Fence::from_bytes([1; 16]), at(20));
        prop_assert_eq!((leased.taken_over, leased.revision), (until.is_some(), revision + 1));
        prop_assert_eq!(leased.leasable_at(), due.map(|_| at(20)));
    }
}
