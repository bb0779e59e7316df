//! Following all orders by the feed.

use std::time::Duration;

use order_core::error::{Error, ErrorKind};
use order_core::manager::{CommandOptions, Principal};
use order_core::policy::Policy;
use order_core::rules::Command;
use order_core::runtime::Runtime;
use order_core::services::InventoryCapabilities;
use order_core::store::{FeedCursor, FeedRow};

use super::world::*;

fn sequence(rows: &[FeedRow]) -> Vec<u64> {
    rows.iter().map(|row| row.seq).collect()
}

#[test]
fn a_watch_gives_every_row_once_and_goes_on_from_its_cursor() {
    let world = World::new();
    let first = world.place(&[1], "CARD");
    world.place(&[2], "DECLINED");
    let all = world
        .runtime
        .block_on(world.manager.changes(&operator(), None, 1000))
        .unwrap();
    assert!(all.rows.len() > 8, "{all:?}");
    for stop in 0..=all.rows.len() {
        let mut watch = world.manager.watch(&operator(), None).unwrap();
        assert_eq!(watch.cursor(), None);
        let mut seen: Vec<FeedRow> = (0..stop)
            .map(|_| world.runtime.block_on(watch.next()).unwrap())
            .collect();
        let mut again = world.manager.watch(&operator(), watch.cursor()).unwrap();
        while let Some(row) = world.runtime.block_on(again.next_now()).unwrap() {
            assert_eq!(again.cursor(), Some(row.cursor.clone()));
            seen.push(row);
        }
        assert_eq!(seen, all.rows);
        assert_eq!(again.cursor(), Some(all.next.clone()));
    }
    let of_first: Vec<FeedRow> = all
        .rows
        .iter()
        .filter(|row| row.order == first.id)
        .cloned()
        .collect();
    assert_eq!(sequence(&of_first), (1..=first.version).collect::<Vec<_>>());
    assert!(of_first.iter().all(|row| row.number == first.number));
}

#[test]
fn a_watch_waits_for_the_next_row_and_looks_as_often_as_the_policy_says() {
    let poll = Duration::from_secs(3);
    let world = World::with(
        InventoryCapabilities::IDEAL,
        None,
        Policy {
            watch_poll: poll,
            ..Policy::default()
        },
    );
    let mut watch = world.manager.watch(&operator(), None).unwrap();
    assert!(world.runtime.block_on(watch.next_now()).unwrap().is_none());
    let begun = world.runtime.monotonic();
    let manager = world.manager.clone();
    let runtime = world.runtime.clone();
    world.runtime.spawn(Box::pin(async move {
        runtime.sleep(Duration::from_secs(7)).await;
        let placed = manager
            .place(&operator(), request(&[1], "CARD"), Default::default())
            .await;
        assert!(placed.is_ok());
    }));
    let row = world.runtime.block_on(watch.next()).unwrap();
    assert_eq!(row.row.unwrap().event.name(), "PLACED");
    assert_eq!(world.runtime.monotonic() - begun, 3 * poll);
}

#[test]
fn only_operators_may_watch() {
    let world = World::new();
    world.place(&[1], "CARD");
    for principal in [
        Principal::Customer(USER.parse().unwrap()),
        Principal::Service("payment".into()),
    ] {
        let refused = world
            .runtime
            .block_on(world.manager.changes(&principal, None, 10))
            .unwrap_err();
        assert_eq!(refused.to_string(), "not allowed to watch all orders");
        assert_eq!(
            world.manager.watch(&principal, None).unwrap_err().kind(),
            ErrorKind::Forbidden
        );
    }
}

#[test]
fn a_page_out_of_range_or_after_a_foreign_cursor_is_invalid() {
    let (world, other) = (World::new(), World::new());
    world.place(&[1], "CARD");
    let changes = |world: &World, after: Option<FeedCursor>, limit| {
        world
            .runtime
            .block_on(world.manager.changes(&operator(), after, limit))
    };
    let field = |error: Error| match error {
        Error::Invalid(violations) => violations[0].field.clone(),
        other => panic!("{other}"),
    };
    for limit in [0, 1001] {
        assert_eq!(field(changes(&world, None, limit).unwrap_err()), "limit");
    }
    let next = changes(&world, None, 1).unwrap().next;
    assert_eq!(
        field(changes(&other, Some(next.clone()), 1).unwrap_err()),
        "after"
    );
    let mut watch = other.manager.watch(&operator(), Some(next)).unwrap();
    assert_eq!(
        field(other.runtime.block_on(watch.next()).unwrap_err()),
        "after"
    );
}

#[test]
fn what_an_operator_does_is_seen_as_a_change_by_that_operator() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    let end = world
        .runtime
        .block_on(world.manager.changes(&operator(), None, 1000))
        .unwrap()
        .next;
    let operator = operator();
    let note = world.manager.execute(
        &operator,
        order.id.into(),
        Command::Note,
        CommandOptions::default().with_notes("rang twice"),
    );
    world.runtime.block_on(note).unwrap();
    let later = world
        .runtime
        .block_on(world.manager.changes(&operator, Some(end), 1000))
        .unwrap()
        .rows;
    assert_eq!(sequence(&later), [order.version + 1]);
    assert_eq!(
        (
            later[0].row.as_ref().unwrap().event.name(),
            &later[0].row.as_ref().unwrap().actor
        ),
        ("NOTED", &operator.actor())
    );
}
