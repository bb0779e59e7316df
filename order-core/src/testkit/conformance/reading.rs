//! Clauses 16 and 18: orders and journals as they are read back.

use super::StoreFactory;
use super::support::*;
use crate::order::{
    Actor, AddressType, Attention, AttentionReason, Blocks, Closing, ClosingKind, Credit,
    CreditKind, DiscardCause, Dispute, DisputeState, Edit, EditState, Event, FulfilmentStatus,
    JournalRow, Lifecycle, Notice, NoticeKind, OperationKind, OperationOrigin, OperationState,
    Order, OrderHold, PaymentOperation, PaymentStatus, PaymentTerms, Reservation, ReservationState,
    Return, ReturnState, ReturnStatus, Shipment, ShipmentState, Status, UnmatchedPayment,
    decode_event, derive, encode_event,
};
use crate::store::{JournalQuery, KeyMethod, Lookup, OrderStore};
use crate::testkit::orders::*;
use crate::text::Private;

pub(super) async fn c16_an_order_is_loaded_as_it_was_committed<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    round_trips(&store, place(plain(1))).await;
    round_trips(&store, place_in(full(2), 2)).await;
    let bare = Order {
        addresses: Private(None),
        notes: Private(Some(String::new())),
        ..plain(3)
    };
    round_trips(&store, place(bare)).await;
    let named = applied(
        &store,
        place(Order {
            external_ref: Some(text("channel/'1001'")),
            ..full(4)
        }),
    )
    .await;
    round_trips(&store, amend(&named, |order| order.round += 1)).await;
    assert_eq!(
        *load(&store, order_id(1)).await.order,
        Order {
            version: 1,
            ..plain(1)
        }
    );
}

pub(super) async fn c16_every_record_can_change_come_and_go<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let empty = round_trips(&store, place_in(plain(1), 2)).await;
    let turn_into = |other: Order| {
        move |order: &mut Order| {
            let (version, updated_at) = (order.version, order.updated_at);
            *order = Order {
                version,
                updated_at,
                ..other
            };
        }
    };
    let grown = round_trips(&store, amend(&empty, turn_into(full(1)))).await;
    let changed = amend(&grown, |order| {
        let line = &mut order.lines[1];
        line.counters.cancelled = 3;
        line.lots.pop();
        line.lots[0].units = 3;
        line.updated_at = at(9);
        order.reservations[0] = Reservation {
            updated_at: at(9),
            ..reservation(1, ReservationState::Released)
        };
        order.payments[3] = PaymentOperation {
            settled: 4800,
            reference: Some(text("pay_4")),
            ..payment(4, OperationKind::Charge, OperationState::Captured)
        };
        order.unmatched.remove(0);
        order.holds.remove(0);
        order.attention.remove(0);
        order.notices.remove(0);
        order.redemptions.remove(0);
        order.retry_until = None;
        order.shipments.remove(0);
        order.returns[1].lines[0].restocked = 1;
        order.credits.pop();
        order.disputes[0].state = DisputeState::Lost;
        order.edits[1].state = EditState::Applied;
        order.edits[1].address = Private(None);
        let metadata = order.metadata.0.get_or_insert_default();
        metadata.remove(&text("basket"));
        metadata.insert(text("channel"), "shop".into());
        metadata.insert(text("basket 2"), String::new());
        order.confirmed_at = Some(at(9));
        order.stuck_retried_at = None;
        order.statuses = derive(order);
    });
    let changed = round_trips(&store, changed).await;
    let shrunk = round_trips(&store, amend(&changed, turn_into(plain(1)))).await;
    let swapped = amend(&shrunk, |order| {
        turn_into(full(1))(order);
        order.holds.reverse();
        order.attention.reverse();
        order.unmatched.reverse();
        order.redemptions.reverse();
        order.disputes.push(Dispute {
            reference: text("dp_2"),
            ..order.disputes[0].clone()
        });
        order.disputes.reverse();
    });
    round_trips(&store, swapped).await;
}

pub(super) async fn c16_what_an_order_comes_to_have_changes_record_by_record<F: StoreFactory>(
    f: &F,
) {
    type Step = fn(&mut Order, Order);
    // One kind at a time comes, grows, changes and goes, beside others that stay.
    let steps: [Step; 21] = [
        |order, full| order.shipments.extend(full.shipments.into_iter().take(1)),
        |order, full| order.shipments = full.shipments,
        |order, _| order.shipments[0].state = ShipmentState::Cancelled,
        |order, full| order.returns = full.returns,
        |order, _| drop(order.returns.remove(0)),
        |order, full| order.credits = full.credits,
        |order, _| order.credits[1].amount += 1,
        |order, _| order.credits.clear(),
        |order, full| order.disputes = full.disputes,
        |order, _| {
            order.disputes.insert(
                0,
                Dispute {
                    reference: text("dp_0"),
                    payment: None,
                    ..order.disputes[0].clone()
                },
            )
        },
        |order, _| drop(order.disputes.remove(1)),
        |order, full| order.edits.extend(full.edits.into_iter().take(1)),
        |order, full| order.edits = full.edits,
        |order, _| order.edits[1].address = Private(Some(address(" (corrected)"))),
        |order, _| {
            (order.edits[1].state, order.edits[1].address) = (EditState::Applied, Private(None))
        },
        |order, full| order.metadata = full.metadata,
        |order, _| {
            drop(
                order
                    .metadata
                    .0
                    .get_or_insert_default()
                    .remove(&text("basket")),
            )
        },
        |order, _| {
            drop(
                order
                    .metadata
                    .0
                    .get_or_insert_default()
                    .insert(text("channel"), "shop".into()),
            )
        },
        |order, _| order.metadata = Private(None),
        |order, _| (order.shipments.clear(), order.returns.clear()).0,
        |order, _| (order.disputes.clear(), order.edits.clear()).0,
    ];
    let store = fresh(f).await;
    let mut orders = [
        applied(&store, place(plain(1))).await,
        applied(&store, place(plain(2))).await,
    ];
    for step in steps {
        for order in &mut orders {
            *order = round_trips(&store, amend(order, |order| step(order, full(1)))).await;
        }
    }
    // A line that an edit took off is still there.
    let taken_off = amend(&orders[0], |order| {
        let line = &mut order.lines[0];
        (line.quantity, line.subtotal) = (0, 0);
        line.lots.clear();
        (order.amounts.subtotal, order.amounts.total) = (0, 0);
    });
    round_trips(&store, taken_off).await;
}

pub(super) async fn c16_every_state_there_is_can_be_stored<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let mut n = 0;
    let mut next = || {
        n += 1;
        plain(n)
    };
    for &lifecycle in Lifecycle::ALL {
        let mut order = Order {
            lifecycle,
            ..next()
        };
        order.completed_at = (lifecycle == Lifecycle::Completed).then(|| at(0));
        order.cancelled_at = (lifecycle == Lifecycle::Cancelled).then(|| at(0));
        order.statuses = derive(&order);
        round_trips(&store, place(order)).await;
    }
    let shown = [
        Status::Confirmed,
        Status::Processing,
        Status::PartiallyShipped,
        Status::Shipped,
        Status::PartiallyDelivered,
        Status::Delivered,
    ];
    for status in shown {
        let mut order = Order {
            lifecycle: Lifecycle::Confirmed,
            ..next()
        };
        order.statuses.status = status;
        round_trips(&store, place(order)).await;
    }
    for &payment in PaymentStatus::ALL {
        let mut order = next();
        order.statuses.payment = payment;
        round_trips(&store, place(order)).await;
    }
    for &fulfilment in FulfilmentStatus::ALL {
        let mut order = next();
        order.statuses.fulfilment = fulfilment;
        round_trips(&store, place(order)).await;
    }
    for &returned in ReturnStatus::ALL {
        let mut order = next();
        order.statuses.returned = returned;
        round_trips(&store, place(order)).await;
    }
    for acknowledged in [false, true] {
        let attention = vec![Attention {
            reason: AttentionReason::Dispute,
            about: None,
            amount: None,
            since: at(0),
            acknowledged,
        }];
        round_trips(
            &store,
            place(Order {
                attention,
                ..next()
            }),
        )
        .await;
    }
    for &terms in PaymentTerms::ALL {
        round_trips(&store, place(Order { terms, ..next() })).await;
    }
    round_trips(&store, place(with_every_state(next()))).await;
}

/// `order` with a record in each of the states that its records may be in.
fn with_every_state(mut order: Order) -> Order {
    order.reservations = (1..)
        .zip(ReservationState::ALL)
        .map(|(n, &state)| reservation(n, state))
        .collect();
    for kind in ClosingKind::ALL {
        for (committed, unknown) in [(false, false), (false, true), (true, false), (true, true)] {
            let n = order.reservations.len() as u32 + 1;
            let closing = Some(Closing {
                serial: n,
                kind: *kind,
                units: 2,
                committed,
                unknown,
            });
            order.reservations.push(Reservation {
                closing,
                closings: n + 1,
                ..reservation(n, ReservationState::Held)
            });
        }
    }
    for &kind in OperationKind::ALL {
        for &state in OperationState::ALL {
            order
                .payments
                .push(payment(order.payments.len() as u32 + 1, kind, state));
        }
    }
    for &origin in OperationOrigin::ALL {
        let n = order.payments.len() as u32 + 1;
        order.payments.push(PaymentOperation {
            origin,
            ..payment(n, OperationKind::Refund, OperationState::Refunded)
        });
    }
    let sample = full(1);
    for (n, &state) in (1..).zip(ShipmentState::ALL) {
        order.shipments.push(Shipment {
            n,
            state,
            ..sample.shipments[0].clone()
        });
    }
    for (n, &state) in (1..).zip(ReturnState::ALL) {
        order.returns.push(Return {
            n,
            state,
            ..sample.returns[0].clone()
        });
    }
    for (n, &kind) in (1..).zip(CreditKind::ALL) {
        order.credits.push(Credit {
            n,
            kind,
            ..sample.credits[0].clone()
        });
    }
    for &state in DisputeState::ALL {
        order.disputes.push(Dispute {
            reference: text(state.as_str()),
            state,
            ..sample.disputes[0].clone()
        });
    }
    let states = EditState::ALL.iter().map(|&state| (state, None));
    let causes = DiscardCause::ALL
        .iter()
        .map(|&cause| (EditState::Discarded, Some(cause)));
    for (n, (state, cause)) in (1..).zip(states.chain(causes)) {
        order.edits.push(Edit {
            n,
            state,
            cause,
            ..sample.edits[0].clone()
        });
    }
    for &status in OperationState::ALL {
        let reference = text(&format!("pay_{status}"));
        order.unmatched.push(UnmatchedPayment {
            reference,
            parent: None,
            status,
            amount: 1,
            currency: order.currency,
        });
    }
    for &blocks in Blocks::ALL {
        let kind = text(blocks.as_str());
        order.holds.push(OrderHold {
            kind,
            blocks,
            placed_by: Actor::System,
            until: None,
        });
    }
    for &reason in AttentionReason::ALL {
        order.attention.push(Attention {
            reason,
            about: None,
            amount: None,
            since: at(0),
            acknowledged: false,
        });
    }
    for &kind in NoticeKind::ALL {
        order.notices.push(Notice { seq: 1, kind });
    }
    order
}

pub(super) async fn c16_an_order_is_found_by_id_by_number_and_by_key<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    for n in 1..=5 {
        applied(&store, place(plain(n)).keyed("key")).await;
    }
    applied(&store, place(plain(7))).await;
    let key = |n| Lookup::Key {
        user: user_id(n),
        method: KeyMethod::Place,
        key: text("key"),
    };
    for n in 1..=5 {
        for order in [Lookup::Id(order_id(n)), Lookup::Number(number(n)), key(n)] {
            let loaded = store.load(order, None).await.unwrap().unwrap();
            assert_eq!(
                (loaded.order.id, loaded.key),
                (order_id(n), Some(key_record(&loaded.order, "key")))
            );
        }
    }
    assert_eq!(load(&store, order_id(7)).await.key, None);
    let import = Lookup::Key {
        user: user_id(1),
        method: KeyMethod::Import,
        key: text("key"),
    };
    for order in [
        Lookup::Id(order_id(6)),
        Lookup::Number(number(6)),
        key(6),
        key(7),
        import,
    ] {
        assert!(
            store.load(order.clone(), None).await.unwrap().is_none(),
            "{order}"
        );
    }
}

pub(super) async fn c16_only_its_owner_sees_an_order<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).working(wake(at(1)))).await;
    applied(&store, place(plain(2))).await;
    for by in [Lookup::Id(order.id), Lookup::Number(order.number)] {
        assert_eq!(
            store
                .load(by.clone(), Some(order.user))
                .await
                .unwrap()
                .unwrap()
                .order,
            order
        );
        assert!(
            store
                .load(by.clone(), Some(user_id(2)))
                .await
                .unwrap()
                .is_none()
        );
        assert!(store.load(by, Some(user_id(3))).await.unwrap().is_none());
    }
}

pub(super) async fn c16_an_order_is_loaded_with_its_work_item<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).working(wake(at(0)))).await;
    let leased = take(&store, fence(1), 1).await.remove(0).work;
    for by in [Lookup::Id(order.id), Lookup::Number(order.number)] {
        assert_eq!(
            store.load(by, None).await.unwrap().unwrap().work,
            Some(leased.clone())
        );
    }
    commit(&store, work(&order, done(fence(1), leased.revision))).await;
    assert_eq!(load(&store, order.id).await.work, None);
}

pub(super) async fn c18_the_journal_comes_in_sequence<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let mut order = applied(&store, place_in(plain(1), 3)).await;
    applied(&store, place_in(plain(2), 5)).await;
    for k in 1..=4 {
        order = applied(&store, amend_in(&order, k, |_| {})).await;
    }
    for (after, limit, from, to) in [
        (0, 1000, 1, 13),
        (0, 1, 1, 1),
        (0, 3, 1, 3),
        (2, 4, 3, 6),
        (12, 5, 13, 13),
        (10, 3, 11, 13),
    ] {
        let rows = store
            .journal(&JournalQuery::of(order.id, after, limit))
            .await
            .unwrap();
        assert!(
            rows.iter().map(|row| row.seq).eq(from..=to),
            "after {after}, at most {limit}: {rows:?}"
        );
        assert!(rows.iter().all(|row| row.order == order.id));
    }
    for (order, after, limit) in [
        (order.id, 13, 10),
        (order.id, 99, 10),
        (order.id, 0, 0),
        (order_id(3), 0, 10),
    ] {
        assert_eq!(
            store
                .journal(&JournalQuery::of(order, after, limit))
                .await
                .unwrap(),
            []
        );
    }
}

pub(super) async fn c18_the_row_of_a_command_key_is_found<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let placed = applied(&store, place(plain(1)).commanded("key")).await;
    let order = applied(&store, amend_in(&placed, 3, |_| {}).commanded("KEY")).await;
    let order = applied(&store, amend(&order, |_| {}).commanded("key-2")).await;
    let other = applied(&store, place(plain(2)).commanded("other")).await;
    for (order, key, seq) in [
        (&order, "key", 1),
        (&order, "KEY", 2),
        (&order, "key-2", 5),
        (&other, "other", 1),
    ] {
        let found = store
            .journal(&JournalQuery::of_key(order.id, text(key)))
            .await
            .unwrap();
        assert_eq!(
            found,
            journal(&store, order.id)
                .await
                .get(seq - 1..seq)
                .unwrap_or_default()
        );
        assert_eq!(found[0].command_key, Some(command_key(key)));
    }
    for (order, key) in [
        (&order, "other"),
        (&other, "key"),
        (&order, "ke"),
        (&order, "key-22"),
    ] {
        assert_eq!(
            store
                .journal(&JournalQuery::of_key(order.id, text(key)))
                .await
                .unwrap(),
            [],
            "{key}"
        );
    }
    for (after, limit, rows) in [(4, 1, 1), (5, 1, 0), (0, 0, 0), (0, 9, 1)] {
        let query = JournalQuery {
            command_key: Some(text("key-2")),
            ..JournalQuery::of(order.id, after, limit)
        };
        assert_eq!(
            store.journal(&query).await.unwrap().len(),
            rows,
            "{query:?}"
        );
    }
}

pub(super) async fn c18_the_journal_keeps_every_part_of_a_row<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let mut order = applied(&store, place(plain(1))).await;
    let actors = [
        Actor::User(user_id(1)),
        Actor::Operator("eve: the \"operator\"".into()),
        Actor::Service("payment".into()),
        Actor::System,
    ];
    for (i, actor) in (1..).zip(actors) {
        let mut changeset = amend(&order, |order| order.round = i);
        let row: &mut JournalRow = &mut changeset.journal[0];
        row.actor = actor;
        row.cause = format!("cause {i}");
        row.notes = (i > 1).then(|| "x".repeat(i as usize - 2));
        row.command_key = (i > 2).then(|| command_key(&format!("command-{i}")));
        row.event = Event::StockHeld {
            n: i,
            reference: Some(text("hold")),
            expires_at: (i > 2).then(|| at(7)),
        };
        row.from = (i != 3).then_some(Status::Pending);
        row.to = Status::ALL[i as usize];
        order = round_trips(&store, changeset).await;
    }
}

pub(super) async fn c18_the_journal_keeps_no_personal_data_of_events<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place_in(full(1), 2)).await;
    let mut changeset = amend_in(&order, 6, |_| {});
    changeset.journal[0].event = Event::PaymentPlanned {
        n: 6,
        kind: OperationKind::Charge,
        parent: None,
        method: text("card"),
        amount: 4800,
        token: Private(Some("tok_visa".into())),
        return_url: Private(Some("https://shop.example/back".into())),
    };
    let action = order.payments[3].action.clone();
    changeset.journal[1].event = Event::PaymentWaiting {
        n: 6,
        state: OperationState::ActionRequired,
        reference: None,
        deadline: at(60),
        action,
    };
    changeset.journal[2].event = Event::EditStarted {
        n: 3,
        plan: Box::default(),
        due: 0,
        method: text("card"),
        deadline: at(60),
        token: Private(Some("tok_visa".into())),
        return_url: Private(Some("https://shop.example/back".into())),
        address: Private(Some(address(""))),
    };
    changeset.journal[3].event = Event::AddressChanged {
        which: AddressType::Billing,
        address: Private(Some(address(""))),
    };
    let value = Private(Some("gift for Charles".into()));
    changeset.journal[4].event = Event::MetadataChanged {
        key: text("label"),
        removed: false,
        value,
    };
    let token = Private(Some("tok_visa".into()));
    let return_url = Private(Some("https://shop.example/back".into()));
    let (method, terms) = (text("card"), PaymentTerms::Confirm);
    changeset.journal[5].event = Event::PaymentRetried {
        method,
        terms,
        placing_deadline: at(60),
        token,
        return_url,
    };
    let sent = [placed_event(&order)]
        .into_iter()
        .chain(changeset.journal.iter().map(|row| row.event.clone()));
    let sent: Vec<Event> = sent.collect();
    applied(&store, changeset).await;
    let rows = journal(&store, order.id).await;
    assert_eq!(rows.len(), 1 + sent.len());
    for (row, sent) in [&rows[0]].into_iter().chain(&rows[2..]).zip(&sent) {
        assert!(row.event != *sent);
        assert!(
            row.event == decode_event(&encode_event(sent)).unwrap(),
            "{row:?}"
        );
    }
}
