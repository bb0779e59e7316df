//! The things that happen to orders after they are placed: shops and customers ship, cancel,
//! credit, send back, edit, repair, erase.
//!
//! What is tried is mostly possible on the order as it was seen, and sometimes anything at all.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;

use super::bank::refund_by_hand;
use super::customers::{expect, retry};
use super::dice::Table;
use super::fixture::METHODS;
use super::keys::KeyWatch;
use super::lock;
use super::world::{Manager, World, short};
use order_core::audit::Invariant;
use order_core::error::{Error, ErrorKind};
use order_core::ids::{IdempotencyKey, Name, OrderId};
use order_core::manager::{Answered, CommandOptions, Principal};
use order_core::order::{
    AddressType, AttentionReason, Blocks, ClosingKind, EditState, HoldEnd, Lifecycle, LineCredit,
    LineUnits, OperationKind, OperationState, Order, ReceivedUnits, ReservationState, ReturnState,
    ShipmentState, Status,
};
use order_core::request::{EditRequest, ItemInput, LineRef};
use order_core::rules::{Command, Finding, Purpose, ReservationOutcome, closing_key, key};
use order_core::runtime::{BoxFuture, Clock};
use order_core::testkit::services::{LedgerPayment, LedgerReservation};
use order_core::text::Private;

/// Does something to the order, as it is seen now or, by a repeat, as it was seen long ago.
pub(super) async fn operate(world: &Arc<World>, id: OrderId) {
    if world.chance(80) {
        return repeat(world).await;
    }
    let Some(order) = world.store.inspect(id, |o, _, _| Arc::clone(o)) else {
        return;
    };
    match world.weighted(&doings(&order, world.chance(60))) {
        Doing::Command(make) => {
            let Some(command) = make(world, &order) else {
                return;
            };
            let key = world.chance(300).then(|| Keyed {
                key: key_of(world, &command),
                notes: notes_of(world, &command),
            });
            let expected = world.chance(100).then_some(order.version);
            if let Some(key) = &key {
                lock(&world.oracle)
                    .asked
                    .push((id, command.clone(), key.clone()));
            }
            if key.is_some() && world.chance(200) {
                join(
                    execute(world, &order, &command, key.clone(), expected),
                    execute(world, &order, &command, key, expected),
                )
                .await;
            } else {
                execute(world, &order, &command, key, expected).await;
            }
        }
        Doing::Edit => edit(world, &order).await,
        Doing::Readdress => readdress(world, &order).await,
        Doing::PayAgain => retry(world, id).await,
        Doing::Resolve => {
            if let Some(command) = resolve(world, &order) {
                execute(world, &order, &command, None, None).await;
            }
        }
        Doing::RefundByHand => drop(refund_by_hand(world, &order)),
    }
}

/// A thing that can be done to an order.
#[derive(Clone, Copy)]
enum Doing {
    Command(fn(&World, &Order) -> Option<Command>),
    Edit,
    Readdress,
    PayAgain,
    Resolve,
    RefundByHand,
}

/// Returns what may be tried on an order as it is, and how often; anything if it is `wild`.
fn doings(order: &Order, wild: bool) -> Table<Doing> {
    use Lifecycle as L;
    let when = |possible: bool, weight: u32| if possible || wild { weight } else { 0 };
    let is = |of: &[Lifecycle]| of.contains(&order.lifecycle);
    let shipment = |state| order.shipments.iter().any(|s| s.state == state);
    let left = order
        .shipments
        .iter()
        .any(|s| s.state.has_left() && s.state != ShipmentState::Shipped);
    let returned = |state| order.returns.iter().any(|r| r.state == state);
    let confirmed = is(&[L::Confirmed]);
    let to_ship = confirmed
        && order
            .lines
            .iter()
            .any(|l| l.requires_shipping && l.open() > 0);
    let alive = is(&[L::Pending, L::Confirmed]);
    let delivered = order
        .lines
        .iter()
        .any(|l| l.counters.delivered > l.counters.returned);
    let over = order.lifecycle.is_terminal() || is(&[L::Completed]);
    let edit_open = order.open_edit().is_some();
    let is_short = order.has_attention(AttentionReason::PaymentShort);
    let c = Doing::Command;
    Table::new(&[
        (when(to_ship, 6), c(plan)),
        (when(to_ship, 18), c(ship)),
        (when(shipment(ShipmentState::Planned), 18), c(ship_planned)),
        (
            when(shipment(ShipmentState::Planned), 4),
            c(cancel_shipment),
        ),
        (when(shipment(ShipmentState::Shipped), 24), c(deliver)),
        (when(shipment(ShipmentState::Shipped), 5), c(fail)),
        (when(shipment(ShipmentState::Shipped), 5), c(send_back)),
        (when(shipment(ShipmentState::Shipped), 5), c(lose)),
        // What was taken for true of a shipment turns out otherwise.
        (when(left, 3), c(deliver)),
        (when(left, 1), c(fail)),
        (when(left, 1), c(send_back)),
        (when(left, 1), c(lose)),
        (when(confirmed, 4), c(cancel_lines)),
        (when(to_ship, 3), c(|_, _| Some(Command::CancelRest))),
        (when(confirmed, 1), c(|_, _| Some(Command::Cancel))),
        (when(confirmed, 2), c(|_, _| Some(Command::Complete))),
        (when(is(&[L::Confirmed, L::Completed]), 4), c(credit)),
        (when(is(&[L::Confirmed, L::Completed]), 4), c(credit_lines)),
        (when(delivered, 24), c(request_return)),
        (
            when(returned(ReturnState::Requested), 20),
            c(|w, o| numbered(w, o, |number| Command::ApproveReturn { number })),
        ),
        (
            when(returned(ReturnState::Requested), 3),
            c(|w, o| numbered(w, o, |number| Command::RejectReturn { number })),
        ),
        (when(returned(ReturnState::Approved), 24), c(receive)),
        (
            when(returned(ReturnState::Approved), 8),
            c(|w, o| numbered(w, o, |number| Command::CloseReturn { number })),
        ),
        (when(alive, 5), c(place_hold)),
        (when(!order.holds.is_empty(), 6), c(release_hold)),
        (when(alive && !edit_open, 12), Doing::Edit),
        (when(edit_open, 4), c(|_, _| Some(Command::DiscardEdit))),
        (when(alive, 3), Doing::Readdress),
        (when(!order.attention.is_empty(), 3), c(acknowledge)),
        (3, c(set_status)),
        (3, c(set_metadata)),
        (2, c(|_, _| Some(Command::Note))),
        (2, c(|_, _| Some(Command::RetryStuck))),
        (3, Doing::Resolve),
        (when(over, 4), c(|_, _| Some(Command::Redact))),
        (when(is(&[L::PaymentFailed]), 14), Doing::PayAgain),
        (when(confirmed, 2), Doing::PayAgain),
        (when(is_short, 10), Doing::PayAgain),
        (when(is_short, 6), c(write_off)),
        (when(!order.payments.is_empty(), 1), Doing::RefundByHand),
        (4, c(tried)),
    ])
}

/// A key, and what is written under it.
#[derive(Clone)]
pub(super) struct Keyed {
    key: IdempotencyKey,
    notes: &'static str,
}

/// One of few keys, so that some come back, and now and then for another command.
fn key_of(world: &World, command: &Command) -> IdempotencyKey {
    let name = if world.chance(100) {
        "any"
    } else {
        command.spec().tag
    };
    format!("{}-{}", name.replace(' ', "-"), world.choose(4))
        .parse()
        .expect("a valid key")
}

fn notes_of(world: &World, command: &Command) -> &'static str {
    if *command == Command::Note || world.chance(100) {
        "as told on the telephone"
    } else {
        ""
    }
}

/// Asks for something again that was asked for under a key, whatever has happened since.
async fn repeat(world: &Arc<World>) {
    let asked = {
        let oracle = lock(&world.oracle);
        let n = oracle.asked.len();
        (n > 0).then(|| oracle.asked[world.choose(n)].clone())
    };
    let Some((id, command, key)) = asked else {
        return;
    };
    let Some(order) = world.store.inspect(id, |o, _, _| Arc::clone(o)) else {
        return;
    };
    execute(world, &order, &command, Some(key), None).await;
}

/// Carries a command out at some process, and checks the answer.
pub(super) async fn execute(
    world: &Arc<World>,
    order: &Order,
    command: &Command,
    keyed: Option<Keyed>,
    expected_version: Option<u64>,
) -> Option<Result<Answered, Error>> {
    let id = order.id;
    let by_customer = matches!(
        command,
        Command::Cancel | Command::CancelLines { .. } | Command::RequestReturn { .. }
    );
    let principal = match by_customer && world.chance(500) {
        true => Principal::Customer(order.user),
        false => Principal::operator("simulated"),
    };
    let notes = keyed
        .as_ref()
        .map_or_else(|| notes_of(world, command), |k| k.notes);
    let key = keyed.map(|k| k.key);
    let watch = KeyWatch::new(world, id, key.as_ref(), || {
        command.hash(Some(notes).filter(|n| !n.is_empty()))
    });
    let options = CommandOptions {
        key,
        expected_version,
        ..CommandOptions::default().with_notes(notes)
    };
    let (text, sent) = (format!("{command:?}"), command.clone());
    let request = |m: Manager| -> BoxFuture<_> {
        Box::pin(async move { m.execute(&principal, id.into(), sent, options).await })
    };
    let answer = world.ask(request).await;
    world.trace(|| match &answer {
        Some(Ok(Answered { order, .. })) => {
            format!(
                "{} {text}: {} at version {}",
                short(id),
                order.statuses.status,
                order.version
            )
        }
        Some(Err(e)) => format!("{} {text}: {e}", short(id)),
        None => format!("{} {text}: no answer", short(id)),
    });
    if let (Some(watch), Some(answer)) = (watch, &answer) {
        watch.judge(world, answer.as_ref().map(|a| a.repeats));
    }
    match &answer {
        Some(Ok(Answered { order: after, .. })) => {
            world.seen(after);
            if *command == Command::Cancel
                && !matches!(
                    after.lifecycle,
                    Lifecycle::Cancelling | Lifecycle::Cancelled
                )
            {
                world.breach(
                    Invariant::CancelledForGood,
                    format!("cancelling {id} was answered with {}", after.lifecycle),
                );
            }
            lock(&world.coverage).command(command.spec().tag, true);
            if matches!(
                command,
                Command::Cancel
                    | Command::SetStatus {
                        status: Status::Cancelled
                    }
            ) {
                lock(&world.oracle).cancelled.insert(id);
            }
        }
        Some(Err(e)) => {
            expect(
                world,
                e,
                &[
                    ErrorKind::Rejected,
                    ErrorKind::Conflict,
                    ErrorKind::KeyReused,
                ],
            );
            lock(&world.coverage).command(command.spec().tag, false);
        }
        None => {}
    }
    answer
}

/// Some of the units that are there, line by line; now and then one too many.
fn some(world: &World, there: impl Iterator<Item = (u32, u32)>) -> Vec<LineUnits> {
    let mut lines = Vec::new();
    for (line, units) in there.filter(|(_, units)| *units > 0) {
        if world.chance(700) {
            lines.push(LineUnits {
                line,
                units: 1 + world.choose(units as usize) as u32,
            });
        }
    }
    if let Some(last) = lines.last_mut()
        && world.chance(30)
    {
        last.units += 1;
    }
    lines
}

fn open(order: &Order) -> impl Iterator<Item = (u32, u32)> + '_ {
    order
        .lines
        .iter()
        .filter(|l| l.requires_shipping)
        .map(|l| (l.n, l.open()))
}

/// Any command that the rules themselves try on the order: a new one is met without a line here.
fn tried(world: &World, order: &Order) -> Option<Command> {
    let mut samples = order_core::rules::samples(order);
    let n = world.choose(samples.len());
    Some(samples.swap_remove(n))
}

fn plan(world: &World, order: &Order) -> Option<Command> {
    Some(Command::PlanShipment {
        lines: some(world, open(order)),
    })
}

fn ship(world: &World, order: &Order) -> Option<Command> {
    let lines = some(world, open(order));
    let carrier = world.chance(500).then(|| "Carrier".to_owned());
    Some(Command::Ship {
        shipment: None,
        lines,
        tracking: carrier.clone(),
        carrier,
    })
}

/// One of the order's shipments, mostly one of that state.
fn shipment_in(world: &World, order: &Order, states: &[ShipmentState]) -> Option<u32> {
    let fitting: Vec<u32> = order
        .shipments
        .iter()
        .filter(|s| states.contains(&s.state))
        .map(|s| s.n)
        .collect();
    match fitting.is_empty() || world.chance(30) {
        true => Some(1 + world.choose(2) as u32),
        false => Some(fitting[world.choose(fitting.len())]),
    }
}

fn ship_planned(world: &World, order: &Order) -> Option<Command> {
    let shipment = shipment_in(world, order, &[ShipmentState::Planned]);
    Some(Command::Ship {
        shipment,
        lines: Vec::new(),
        carrier: Some("Carrier".into()),
        tracking: None,
    })
}

/// One of the order's shipments that have left: mostly one that is on its way, now and then one of
/// which something else was taken for true.
fn sent(world: &World, order: &Order) -> Option<u32> {
    const LEFT: [ShipmentState; 5] = [
        ShipmentState::Shipped,
        ShipmentState::Delivered,
        ShipmentState::Failed,
        ShipmentState::Lost,
        ShipmentState::Returned,
    ];
    let on_its_way = order
        .shipments
        .iter()
        .any(|s| s.state == ShipmentState::Shipped)
        && !world.chance(100);
    shipment_in(world, order, if on_its_way { &LEFT[..1] } else { &LEFT })
}

fn deliver(world: &World, order: &Order) -> Option<Command> {
    Some(Command::Deliver {
        shipment: sent(world, order).filter(|_| world.chance(700)),
    })
}

fn fail(world: &World, order: &Order) -> Option<Command> {
    sent(world, order).map(|shipment| Command::FailShipment { shipment })
}

fn lose(world: &World, order: &Order) -> Option<Command> {
    sent(world, order).map(|shipment| Command::LoseShipment { shipment })
}

fn send_back(world: &World, order: &Order) -> Option<Command> {
    sent(world, order).map(|shipment| Command::ReturnToSender { shipment })
}

fn cancel_shipment(world: &World, order: &Order) -> Option<Command> {
    shipment_in(world, order, &[ShipmentState::Planned])
        .map(|shipment| Command::CancelShipment { shipment })
}

fn cancel_lines(world: &World, order: &Order) -> Option<Command> {
    Some(Command::CancelLines {
        lines: some(world, order.lines.iter().map(|l| (l.n, l.open()))),
    })
}

/// All of an amount, some of it, or a little too much.
fn part_of(world: &World, amount: i64) -> i64 {
    world.pick(&[1, 100, amount / 3, amount / 2, amount, amount, amount + 1])
}

fn credit(world: &World, order: &Order) -> Option<Command> {
    Some(Command::Credit {
        amount: part_of(world, order.owed()),
    })
}

fn write_off(world: &World, order: &Order) -> Option<Command> {
    let amount = world
        .chance(400)
        .then(|| part_of(world, order.short(world.runtime.now())));
    Some(Command::WriteOff { amount })
}

fn credit_lines(world: &World, order: &Order) -> Option<Command> {
    let credit = |l: &order_core::order::Line| LineCredit {
        line: l.n,
        amount: part_of(world, l.owed()),
    };
    Some(Command::CreditLines {
        lines: order
            .lines
            .iter()
            .filter(|_| world.chance(600))
            .map(credit)
            .collect(),
    })
}

fn request_return(world: &World, order: &Order) -> Option<Command> {
    let there = order.lines.iter().map(|l| {
        (
            l.n,
            l.counters.delivered.saturating_sub(l.counters.returned),
        )
    });
    Some(Command::RequestReturn {
        lines: some(world, there),
    })
}

/// A command about one of the order's returns, the latest more often.
fn numbered(world: &World, order: &Order, make: fn(u32) -> Command) -> Option<Command> {
    let last = order.returns.len().max(1) as u32;
    Some(make(if world.chance(700) {
        last
    } else {
        1 + world.choose(last as usize) as u32
    }))
}

fn receive(world: &World, order: &Order) -> Option<Command> {
    let approved = order
        .returns
        .iter()
        .rev()
        .find(|r| r.state == ReturnState::Approved)?;
    if world.chance(300) {
        return Some(Command::ReceiveReturn {
            number: approved.n,
            lines: Vec::new(),
        });
    }
    let there = some(
        world,
        approved
            .lines
            .iter()
            .map(|l| (l.line, approved.outstanding(l.line))),
    );
    let received = |l: LineUnits| {
        let restock = world.choose(l.units as usize + 1) as u32;
        ReceivedUnits {
            line: l.line,
            restock,
            scrap: l.units - restock,
        }
    };
    Some(Command::ReceiveReturn {
        number: approved.n,
        lines: there.into_iter().map(received).collect(),
    })
}

const HOLDS: [&str; 3] = ["review", "fraud", "warehouse"];

fn place_hold(world: &World, _: &Order) -> Option<Command> {
    let until = world.pick(&[
        None,
        Some(Duration::from_secs(2)),
        Some(Duration::from_secs(900)),
    ]);
    Some(Command::PlaceHold {
        kind: world.pick(&HOLDS).parse().expect("a valid name"),
        blocks: world.pick(&[
            None,
            Some(Blocks::Confirm),
            Some(Blocks::Capture),
            Some(Blocks::Ship),
        ]),
        until: until.map(HoldEnd::After),
    })
}

fn release_hold(world: &World, order: &Order) -> Option<Command> {
    let placed = order
        .holds
        .get(world.choose(order.holds.len()))
        .map(|h| h.kind.clone());
    let kind: Name = placed.unwrap_or_else(|| HOLDS[0].parse().expect("a valid name"));
    Some(Command::ReleaseHold { kind })
}

fn acknowledge(world: &World, order: &Order) -> Option<Command> {
    let open = order.attention.get(world.choose(order.attention.len()))?;
    Some(Command::Acknowledge {
        reason: open.reason,
        about: open.about.filter(|_| world.chance(700)),
    })
}

fn set_status(world: &World, _: &Order) -> Option<Command> {
    Some(Command::SetStatus {
        status: world.pick(Status::ALL),
    })
}

fn set_metadata(world: &World, _: &Order) -> Option<Command> {
    let value = world
        .pick(&[None, Some("one"), Some("two")])
        .map(ToOwned::to_owned);
    Some(Command::SetMetadata {
        key: "crm".parse().expect("a valid name"),
        value: Private(value),
    })
}

async fn readdress(world: &Arc<World>, order: &Order) {
    let id = order.id;
    let which = world.pick(&[AddressType::Shipping, AddressType::Billing]);
    let address = world.fixture.address(
        world.pick(&["US", "US", "DE"]),
        world.pick(&["Springfield", "Shelbyville"]),
    );
    let principal = Principal::Customer(order.user);
    let request = |m: Manager| -> BoxFuture<_> {
        Box::pin(async move {
            let address = Private(Some(address.validate(which)?));
            let command = Command::ChangeAddress { which, address };
            m.execute(&principal, id.into(), command, CommandOptions::default())
                .await
        })
    };
    match world.ask(request).await {
        Some(Ok(after)) => {
            world.seen(&after.order);
            lock(&world.coverage).command("change address", true);
        }
        Some(Err(e)) => expect(world, &e, &[ErrorKind::Rejected]),
        None => {}
    }
}

async fn edit(world: &Arc<World>, order: &Order) {
    let id = order.id;
    let fixture = world.fixture;
    let mut request = EditRequest::default();
    if world.chance(400) {
        let product_id = fixture.products[world.choose(fixture.products.len())].to_string();
        request.add.push(ItemInput {
            product_id,
            variant_id: None,
            quantity: 1 + world.choose(2) as i64,
        });
    }
    for line in order.lines.iter().filter(|l| l.quantity > 0) {
        let name = if world.chance(500) {
            LineRef::Number(line.n)
        } else {
            LineRef::Id(line.id)
        };
        match world.choose(6) {
            0 | 1 => request.set.push((name, i64::from(line.quantity) + 1)),
            2 if line.quantity > 1 => request.set.push((name, i64::from(line.quantity) - 1)),
            3 => request.remove.push(name),
            _ => {}
        }
    }
    if world.chance(200) {
        request.shipping_address =
            Some(fixture.address(world.pick(&["US", "DE", "CA", "FR"]), "Elsewhere"));
    }
    if world.chance(300) {
        request.payment_method = Some(METHODS[world.choose(METHODS.len())].into());
    }
    request.payment_token = Some("tok_edit".into());
    let key = world.chance(300).then(|| {
        format!("edit-{}", world.choose(4))
            .parse()
            .expect("a valid key")
    });
    let options = CommandOptions {
        key,
        expected_version: world.chance(100).then_some(order.version),
        ..Default::default()
    };
    let principal = Principal::Customer(order.user);
    let dry = world.chance(150);
    let watch = match request.validate() {
        Ok(valid) if !dry => {
            KeyWatch::new(world, id, options.key.as_ref(), || valid.request_hash())
        }
        _ => None,
    };
    let asked = request.clone();
    let sent = |m: Manager| -> BoxFuture<_> {
        Box::pin(async move {
            if dry {
                return m
                    .preview_edit(&principal, id.into(), &asked)
                    .await
                    .map(|p| (p.before, None, None));
            }
            m.edit(&principal, id.into(), asked, options)
                .await
                .map(|a| (a.order, Some(a.state), a.repeats))
        })
    };
    let answer = world.ask(sent).await;
    world.trace(|| match &answer {
        Some(Ok((after, state, _))) => format!(
            "{} {request:?}: {state:?} at version {}",
            short(id),
            after.version
        ),
        Some(Err(e)) => format!("{} {request:?}: {e}", short(id)),
        None => format!("{} {request:?}: no answer", short(id)),
    });
    if let (Some(watch), Some(answer)) = (watch, &answer) {
        watch.judge_edit(world, answer.as_ref().map(|(.., repeats)| *repeats));
    }
    match answer {
        Some(Ok((after, state, _))) => {
            world.seen(&after);
            if state.is_some_and(|s| s != EditState::Discarded) {
                lock(&world.coverage).command("priced edit", true);
            }
        }
        Some(Err(e)) => {
            let kinds = [
                ErrorKind::Rejected,
                ErrorKind::Conflict,
                ErrorKind::Invalid,
                ErrorKind::NotFound,
                ErrorKind::KeyReused,
            ];
            expect(world, &e, &kinds);
            lock(&world.coverage).command("priced edit", false);
        }
        None => {}
    }
}

/// Returns what somebody finds out who asks the services' people: only what is so, and cannot
/// change any more.
pub(super) fn resolve(world: &World, order: &Order) -> Option<Command> {
    let mut findings = Vec::new();
    let late = |key| lock(&world.oracle).late.contains(&key);
    for r in &order.reservations {
        let under = key(order.id, Purpose::Reserve, r.n);
        let find = |l: &[LedgerReservation]| l.iter().find(|h| h.key == under).cloned();
        let there = world.inventory.with_ledger(find);
        // In the end they are left as they are: whether what was told got lost is looked at then.
        if r.state == ReservationState::Suspect && !late(under) && !world.is_calm() {
            let outcome = match &there {
                Some(h) if h.held == h.quantity => ReservationOutcome::Held {
                    reference: h.reference.parse().ok(),
                    expires_at: h.expires_at,
                },
                Some(_) => continue,
                None => ReservationOutcome::Absent,
            };
            findings.push(Finding::Hold { n: r.n, outcome });
        }
        // What the inventory really lost, and only rarely.
        if let Some(name) = r
            .reference
            .as_ref()
            .filter(|_| r.state == ReservationState::Held && r.closing.is_none())
        {
            let whole = r.committed + r.released == 0 && !world.is_calm();
            if lock(&world.oracle).lost.contains_key(name.as_str()) {
                findings.push(Finding::Hold {
                    n: r.n,
                    outcome: ReservationOutcome::Lost,
                });
            } else if whole && world.chance(100) && world.inventory.lose(name.as_str()) {
                lock(&world.oracle).lost.insert(name.to_string(), order.id);
                findings = vec![Finding::Hold {
                    n: r.n,
                    outcome: ReservationOutcome::Lost,
                }];
                break;
            }
        }
        if let Some(c) = r.closing.filter(|c| c.unknown) {
            let purpose = if c.kind == ClosingKind::Commit {
                Purpose::Commit
            } else {
                Purpose::Release
            };
            // By the number that nothing else moves: what is no longer held may have lapsed.
            let done = there.is_some_and(|h| match c.kind {
                ClosingKind::Commit => h.committed == r.committed + c.units,
                ClosingKind::Release if c.committed => h.committed + c.units == r.committed,
                ClosingKind::Release => h.held + c.units == r.held(),
            });
            if done && !late(closing_key(order.id, purpose, r.n, c.serial)) {
                findings.push(Finding::Closing { n: r.n, done: true });
            }
        }
    }
    for p in order
        .payments
        .iter()
        .filter(|p| p.is_attempt() || p.verification.is_due())
    {
        use OperationState::{
            ActionRequired, Authorized, Captured, Declined, Pending, Refunded, Unknown, Voided,
        };
        let under = key(order.id, Purpose::Payment, p.n);
        let by_name = |e: &&LedgerPayment| {
            e.outside
                && p.reference
                    .as_ref()
                    .is_some_and(|r| r.as_str() == e.reference)
        };
        let made_outside = || {
            world
                .payments
                .with_ledger(|l| l.iter().find(by_name).map(|e| e.key))
        };
        let report = world
            .payments
            .report(under)
            .or_else(|| world.payments.report(made_outside()?));
        let asked_for =
            matches!(p.state, Pending | ActionRequired | Unknown) || p.verification.is_due();
        let Some(report) = report.filter(|_| asked_for) else {
            continue;
        };
        // For how long it lasts only the records say, whom a worker asks once it has the lease:
        // nobody tells the same again until then.
        let is_known =
            p.state == Authorized && report.status == p.state && p.capture_before.is_none();
        if is_known && world.is_calm() && world.config.payment.look_up {
            continue;
        }
        if matches!(
            report.status,
            Authorized | Captured | Declined | Voided | Refunded
        ) {
            let (status, amount) = (report.status, report.amount.minor);
            findings.push(Finding::Payment {
                n: p.n,
                status,
                amount,
                reference: Some(report.reference),
            });
        }
    }
    // Somebody else has captured all of an authorization, and nobody could say of which.
    for p in order
        .payments
        .iter()
        .filter(|p| order.authorized_rest(p.n) > 0)
    {
        let under = key(order.id, Purpose::Payment, p.n);
        if world.is_calm()
            && order.unmatched.is_empty()
            && world.payments.rest(under, OperationKind::Capture) == 0
        {
            let (status, reference) = (OperationState::Voided, p.reference.clone());
            findings.push(Finding::Payment {
                n: p.n,
                status,
                amount: 0,
                reference,
            });
        }
    }
    // Not while it may be of a payment in flight.
    let in_flight = order
        .payments
        .iter()
        .any(|p| p.is_attempt() && p.state.is_open() && p.state != OperationState::Planned);
    for u in order
        .unmatched
        .iter()
        .filter(|u| u.parent.is_none() || !in_flight)
    {
        let entry = world.payments.with_ledger(|l| {
            l.iter()
                .find(|e| e.reference == u.reference.as_str())
                .cloned()
        });
        let known = |r: &str| {
            order
                .payments
                .iter()
                .any(|p| p.reference.as_ref().is_some_and(|n| n.as_str() == r))
        };
        findings.push(match entry.filter(|e| e.outside && !known(&e.reference)) {
            Some(e) => Finding::Moved {
                status: e.status,
                amount: e.amount.minor,
                reference: u.reference.clone(),
            },
            None => Finding::Unmatched {
                reference: u.reference.clone(),
            },
        });
    }
    if findings.is_empty() {
        return None;
    }
    let finding = findings.swap_remove(world.choose(findings.len()));
    Some(Command::Resolve { finding })
}
