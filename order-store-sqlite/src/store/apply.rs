//! One changeset inside the open transaction: checks that only read, one write that decides, then writes that cannot be
//! refused. So a refused changeset leaves nothing behind for its group.

use order_core::ids::{Fence, OrderId};
use order_core::order::{
    Address, AddressType, Addresses, Amounts, Closing, CommandKey, Counters, CustomerAction, JournalRow, Line, Order,
    PaymentOperation, Reservation, Statuses,
};
use order_core::store::{Changeset, CommitError, Committed, KeyRecord, KeyUse, RedemptionChange, WorkChange};
use order_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};
use uuid::Uuid;

use super::encode::{JournalTexts, Prepared};
use super::{rows, sql, work};

/// Applies the changeset, or says why not. An `Err` of SQLite leaves the transaction fit for nothing but a rollback.
pub(super) fn apply(db: &Connection, prepared: &Prepared, now: Timestamp) -> rusqlite::Result<Result<Committed, CommitError>> {
    match decide(db, prepared)? {
        Ok(tallies) => {
            write_records(db, prepared, &tallies)?;
            let revision = change_work(db, prepared, now)?;
            Ok(Ok(Committed { replayed: false, revision }))
        }
        // Clause 2 comes first, but matters only where something else would refuse.
        Err(refusal) => {
            let Prepared { changeset, .. } = prepared;
            let row = params![changeset.after.id.as_bytes(), (changeset.expected() + 1).cast_signed(), changeset.id.as_bytes()];
            let replayed = db.prepare_cached(sql::REPLAYED)?.exists(row)?;
            Ok(if replayed { Ok(Committed { replayed, revision: 0 }) } else { Err(refusal) })
        }
    }
}

/// A claim as the changeset leaves it.
struct Tally<'a> {
    name: &'a str,
    held_before: bool,
    held: bool,
    in_use: u32,
}

/// Clause 3, in its order; the last of its checks is the first write.
fn decide<'a>(db: &Connection, prepared: &'a Prepared) -> rusqlite::Result<Result<Vec<Tally<'a>>, CommitError>> {
    let changeset = &prepared.changeset;
    let id = changeset.after.id.as_bytes();
    let writes_order = !changeset.journal.is_empty();

    if let (Some(key), true) = (&changeset.key, writes_order)
        && let Some(taken) = find_key(db, key)?
    {
        return Ok(Err(CommitError::KeyTaken(Box::new(taken))));
    }
    if let Some(used) = command_key_use(db, changeset)? {
        return Ok(Err(CommitError::CommandKeyTaken(used)));
    }
    let mut revision_holds = true;
    if let Some((fence, revision)) = changeset.work.fence() {
        let lease: Option<(Option<[u8; 16]>, i64)> =
            db.prepare_cached(sql::SELECT_LEASE)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match lease {
            Some((Some(held), stored)) if Fence::from_bytes(held) == fence => revision_holds = stored == revision.cast_signed(),
            _ => return Ok(Err(CommitError::Fenced)),
        }
    }
    let tallies = match tally(db, changeset.after.id, if writes_order { &changeset.redemptions } else { &[] })? {
        Ok(tallies) => tallies,
        Err(exhausted) => return Ok(Err(exhausted)),
    };
    if !revision_holds {
        return Ok(Err(CommitError::Conflict));
    }
    let verdict = if writes_order { put_order(db, prepared)? } else { put_notified(db, prepared)? };
    Ok(verdict.map(|()| tallies))
}

fn find_key(db: &Connection, key: &KeyRecord) -> rusqlite::Result<Option<KeyRecord>> {
    let KeyRecord { user, method, key, request_hash: _, order: _ } = key;
    let mut statement = db.prepare_cached(sql::SELECT_KEY)?;
    statement.query_row(params![user.as_bytes(), method.as_str(), key.as_str()], rows::key).optional()
}

/// Where the first command key of the new rows that is taken was used: in a row that is there, or in an earlier new one.
fn command_key_use(db: &Connection, changeset: &Changeset) -> rusqlite::Result<Option<KeyUse>> {
    let mut keys: Vec<(&CommandKey, u64)> = Vec::new();
    for (command_key, seq) in changeset.journal.iter().filter_map(|row| Some((row.command_key.as_ref()?, row.seq))) {
        let row = params![changeset.after.id.as_bytes(), command_key.key.as_str()];
        let used =
            |row: &Row<'_>| Ok(KeyUse { seq: row.get(0).map(i64::cast_unsigned)?, hash: row.get(1).map(Uuid::from_bytes)? });
        let stored = db.prepare_cached(sql::COMMAND_KEY_USE)?.query_row(row, used).optional()?;
        let earlier = || keys.iter().find(|(earlier, _)| earlier.key == command_key.key);
        if let Some(used) = stored.or_else(|| earlier().map(|(earlier, seq)| KeyUse { seq: *seq, hash: earlier.hash })) {
            return Ok(Some(used));
        }
        keys.push((command_key, seq));
    }
    Ok(None)
}

/// What the redemptions become, in the order of the changes.
fn tally<'a>(
    db: &Connection,
    order: OrderId,
    changes: &'a [RedemptionChange],
) -> rusqlite::Result<Result<Vec<Tally<'a>>, CommitError>> {
    let mut tallies: Vec<Tally<'a>> = Vec::new();
    for RedemptionChange { redemption, take } in changes {
        let at = match tallies.iter().position(|t| t.name == redemption.name) {
            Some(at) => at,
            None => {
                let (held, in_use) = db
                    .prepare_cached(sql::SELECT_CLAIM)?
                    .query_row(params![order.as_bytes(), redemption.name], |row| Ok((row.get(0)?, row.get(1)?)))?;
                tallies.push(Tally { name: &redemption.name, held_before: held, held, in_use });
                tallies.len() - 1
            }
        };
        let tally = &mut tallies[at];
        match (take, tally.held) {
            (true, false) if tally.in_use >= redemption.limit => {
                return Ok(Err(CommitError::RedemptionExhausted { name: redemption.name.clone() }));
            }
            (true, false) => tally.in_use += 1,
            (false, true) => tally.in_use = tally.in_use.saturating_sub(1),
            (true, true) | (false, false) => {}
        }
        tally.held = *take;
    }
    Ok(Ok(tallies))
}

/// Writes the order's own row on condition of its version.
fn put_order(db: &Connection, prepared: &Prepared) -> rusqlite::Result<Result<(), CommitError>> {
    let Prepared { changeset, listed, number, redemptions, unmatched, holds, attention, attention_open, notices, life, .. } =
        prepared;
    #[rustfmt::skip]
    let Order {
        id, number: _, user, version, lifecycle, statuses, currency, lines: _, amounts, shipping_method, payment_method, terms,
        external_ref, coupon, redemptions: _, attempt, reservations: _, payments: _, unmatched: _, shipments: _, returns: _, credits: _, disputes: _,
        edits: _, holds: _, attention: _, notices: _, notified, placing_deadline, retry_until, created_at, updated_at,
        confirmed_at, completed_at, cancelled_at, addresses: _, notes, metadata: _, redriven_at, redacted_at,
    } = &*changeset.after;
    let Statuses { status, payment, fulfilment, returned } = statuses;
    let Amounts { subtotal, discount, tax, tax_included, shipping, shipping_tax, total } = amounts;
    let id = id.as_bytes();
    #[rustfmt::skip]
    let always = params![
        id, version.cast_signed(), lifecycle.as_str(), payment.as_str(), fulfilment.as_str(), returned.as_str(), payment_method.as_str(),
        terms.as_str(), shipping_method.as_ref().map(|n| n.as_str()), coupon.as_ref().map(|n| n.as_str()), notes.0, attempt,
        redemptions, unmatched, holds, attention, notices, placing_deadline.as_micros(), retry_until.map(Timestamp::as_micros),
        updated_at.as_micros(), completed_at.map(Timestamp::as_micros), cancelled_at.map(Timestamp::as_micros), notified.cast_signed(),
        confirmed_at.map(Timestamp::as_micros), redriven_at.map(Timestamp::as_micros), redacted_at.map(Timestamp::as_micros),
        life.records, attention_open,
    ];
    #[rustfmt::skip]
    let listing = params![
        status.as_str(), total, subtotal, tax, tax_included, shipping, shipping_tax, discount, currency.code(),
    ];
    let Some(before) = &changeset.before else {
        let fixed = params![user.as_bytes(), number, created_at.as_micros(), external_ref.as_ref().map(|r| r.as_str())];
        let inserted = execute(db, sql::INSERT_ORDER, &[always, listing, fixed])?;
        if inserted == 1 {
            return Ok(Ok(()));
        }
        let exists = db.prepare_cached(sql::ORDER_EXISTS)?.exists([id])?;
        return Ok(Err(if exists { CommitError::Conflict } else { CommitError::NumberTaken }));
    };
    let condition = params![before.version.cast_signed()];
    let updated = if *listed {
        execute(db, sql::UPDATE_ORDER_LISTED, &[always, listing, condition])?
    } else {
        execute(db, sql::UPDATE_ORDER, &[always, condition])?
    };
    Ok(if updated == 1 { Ok(()) } else { Err(CommitError::Conflict) })
}

fn execute(db: &Connection, sql: &str, parts: &[&[&dyn ToSql]]) -> rusqlite::Result<usize> {
    db.prepare_cached(sql)?.execute(params_from_iter(parts.iter().copied().flatten()))
}

/// Clause 5: the notified number moves whatever the version is.
fn put_notified(db: &Connection, prepared: &Prepared) -> rusqlite::Result<Result<(), CommitError>> {
    let changeset = &prepared.changeset;
    let id = changeset.after.id.as_bytes();
    // A lease that is held proves that the order exists.
    let exists = changeset.work.fence().is_some() || db.prepare_cached(sql::ORDER_EXISTS)?.exists([id])?;
    if !exists {
        return Ok(Err(CommitError::Conflict));
    }
    let notified = changeset.after.notified;
    if changeset.before.as_ref().is_none_or(|before| before.notified != notified) {
        db.prepare_cached(sql::UPDATE_NOTIFIED)?.execute(params![id, notified.cast_signed()])?;
    }
    Ok(Ok(()))
}

/// Everything but the order's own row and the work item.
fn write_records(db: &Connection, prepared: &Prepared, tallies: &[Tally<'_>]) -> rusqlite::Result<()> {
    let Prepared { changeset, lines, reservations, payments, addresses, journal, .. } = prepared;
    let order = &*changeset.after;
    let id = order.id.as_bytes();
    for (at, lots) in lines {
        put_line(db, order, &order.lines[*at], lots)?;
    }
    for (at, row) in reservations {
        put_reservation(db, order, &order.reservations[*at], row)?;
    }
    for (at, row) in payments {
        put_payment(db, order, &order.payments[*at], row)?;
    }
    for (kind, row) in addresses {
        put_address(db, order, *kind, row)?;
    }
    let gone = [
        (sql::DELETE_ITEM, &prepared.lines_gone),
        (sql::DELETE_RESERVATION, &prepared.reservations_gone),
        (sql::DELETE_PAYMENT, &prepared.payments_gone),
    ];
    for (delete, numbers) in gone {
        for n in numbers {
            db.prepare_cached(delete)?.execute(params![id, n])?;
        }
    }
    if prepared.addresses_gone {
        db.prepare_cached(sql::DELETE_ADDRESSES)?.execute([id])?;
    }
    prepared.life.write(db, order)?;
    if prepared.redacts {
        db.prepare_cached(sql::ERASE_NOTES)?.execute(params![id, changeset.expected().cast_signed()])?;
    }
    for (row, texts) in changeset.journal.iter().zip(journal) {
        insert_journal(db, row, texts)?;
    }
    if let Some(first) = changeset.journal.first() {
        let (first, rows) = (first.seq.cast_signed(), changeset.journal.len() as u64);
        db.prepare_cached(sql::INSERT_FEED)?.execute(params![id, first, rows.cast_signed()])?;
    }
    if let (Some(key), false) = (&changeset.key, changeset.journal.is_empty()) {
        let KeyRecord { user, method, key, request_hash, order } = key;
        db.prepare_cached(sql::INSERT_KEY)?.execute(params![
            user.as_bytes(),
            method.as_str(),
            key.as_str(),
            request_hash.as_bytes(),
            order.as_bytes()
        ])?;
    }
    for &Tally { name, held_before, held, in_use } in tallies.iter().filter(|t| t.held_before != t.held) {
        debug_assert_ne!(held_before, held);
        let change = if held { sql::INSERT_CLAIM } else { sql::DELETE_CLAIM };
        db.prepare_cached(change)?.execute(params![id, name])?;
        match in_use {
            0 => db.prepare_cached(sql::DELETE_CLAIM_COUNT)?.execute([name])?,
            in_use => db.prepare_cached(sql::PUT_CLAIM_COUNT)?.execute(params![name, in_use])?,
        };
    }
    Ok(())
}

fn put_line(db: &Connection, order: &Order, line: &Line, lots_json: &str) -> rusqlite::Result<usize> {
    #[rustfmt::skip]
    let Line {
        n, id, product, variant, sku, name, quantity, unit_price, discount, subtotal, requires_shipping, counters, lots: _,
        created_at, updated_at,
    } = line;
    let Counters { cancelled, planned, shipped, delivered, returned, restocked, lost } = counters;
    #[rustfmt::skip]
    let row = params![
        order.id.as_bytes(), n, id.as_bytes(), product.as_bytes(), variant.as_ref().map(|v| v.as_bytes()), sku.as_str(), name,
        quantity, unit_price, discount, subtotal, requires_shipping, cancelled, planned, shipped, delivered, returned, restocked,
        lost, lots_json, created_at.as_micros(), updated_at.as_micros(),
    ];
    db.prepare_cached(sql::PUT_ITEM)?.execute(row)
}

fn put_reservation(db: &Connection, order: &Order, reservation: &Reservation, row_id: &Uuid) -> rusqlite::Result<usize> {
    #[rustfmt::skip]
    let Reservation {
        n, sku, quantity, attempt, state, committed, released, replaces, closing, closings, closing_refused, reference, expires_at,
        refusals, available, created_at, updated_at,
    } = reservation;
    let closing =
        closing.map(|Closing { serial, kind, units, committed, unknown }| (kind.as_str(), unknown, serial, units, committed));
    #[rustfmt::skip]
    let row = params![
        order.id.as_bytes(), n, row_id.as_bytes(), sku.as_str(), quantity, attempt, state.as_str(), committed, released, replaces,
        closing.map(|c| c.0), closing.map(|c| c.1), closing.map(|c| c.2), closing.map(|c| c.3), closing.map(|c| c.4), closings,
        closing_refused, reference.as_ref().map(|r| r.as_str()), expires_at.map(Timestamp::as_micros), available, refusals,
        created_at.as_micros(), updated_at.as_micros(),
    ];
    db.prepare_cached(sql::PUT_RESERVATION)?.execute(row)
}

fn put_payment(db: &Connection, order: &Order, payment: &PaymentOperation, row_id: &Uuid) -> rusqlite::Result<usize> {
    #[rustfmt::skip]
    let PaymentOperation {
        n, parent, kind, origin, method, amount, settled, state, verification, reference, code, capture_before, deadline, token,
        return_url, action, created_at, updated_at,
    } = payment;
    let (url, data) = match action.get() {
        Some(CustomerAction { url, data }) => (Some(url), data.as_ref()),
        None => (None, None),
    };
    #[rustfmt::skip]
    let row = params![
        order.id.as_bytes(), n, row_id.as_bytes(), parent, kind.as_str(), origin.as_str(), method.as_str(), amount, settled,
        order.currency.code(), state.as_str(), reference.as_ref().map(|r| r.as_str()), code, capture_before.map(Timestamp::as_micros),
        deadline.map(Timestamp::as_micros), token.0, return_url.0, url, data, created_at.as_micros(), updated_at.as_micros(),
        verification.as_str(),
    ];
    db.prepare_cached(sql::PUT_PAYMENT)?.execute(row)
}

fn put_address(db: &Connection, order: &Order, kind: AddressType, row_id: &Uuid) -> rusqlite::Result<usize> {
    let Some(Addresses { shipping, billing }) = order.addresses.get() else { return Ok(0) };
    #[rustfmt::skip]
    let Address {
        first_name, last_name, address_line1, address_line2, city, state, postal_code, country, phone, email,
    } = match kind {
        AddressType::Shipping => shipping,
        AddressType::Billing => billing,
    };
    #[rustfmt::skip]
    let row = params![
        order.id.as_bytes(), kind.as_str(), row_id.as_bytes(), first_name, last_name, address_line1, address_line2, city, state,
        postal_code, country, phone, email, order.created_at.as_micros(), order.updated_at.as_micros(),
    ];
    db.prepare_cached(sql::PUT_ADDRESS)?.execute(row)
}

fn insert_journal(db: &Connection, row: &JournalRow, texts: &JournalTexts) -> rusqlite::Result<usize> {
    let JournalRow { order, seq, event, from, to, actor: _, cause, notes, command_key, changeset, at } = row;
    let JournalTexts { id, payload, actor } = texts;
    #[rustfmt::skip]
    let row = params![
        order.as_bytes(), seq.cast_signed(), id.as_bytes(), event.name(), from.map(|s| s.as_str()), to.as_str(), payload, notes, actor, cause,
        command_key.as_ref().map(|k| k.key.as_str()), command_key.as_ref().map(|k| k.hash.into_bytes()), changeset.as_bytes(), at.as_micros(),
    ];
    db.prepare_cached(sql::INSERT_JOURNAL)?.execute(row)
}

/// Returns the item's revision afterwards; 0 if there is none.
fn change_work(db: &Connection, prepared: &Prepared, now: Timestamp) -> rusqlite::Result<u64> {
    let Prepared { changeset, tries, .. } = prepared;
    let order = changeset.after.id;
    match &changeset.work {
        // A new order has no item yet.
        WorkChange::Keep if changeset.before.is_none() => Ok(0),
        WorkChange::Keep => work::revision(db, order),
        WorkChange::Lease { fence, ttl, due } => work::lease(db, order, *due, *fence, now.after(*ttl)),
        WorkChange::Wake { due } => work::wake(db, order, *due),
        WorkChange::Begin { fence: _, revision, ttl } => work::begin(db, order, now.after(*ttl)).map(|()| revision + 1),
        WorkChange::Extend { fence: _, revision, ttl, tries: _ } => {
            work::extend(db, order, now.after(*ttl), tries.as_deref())?;
            Ok(revision + 1)
        }
        WorkChange::Release { fence: _, revision, due, tries: _ } => {
            work::release(db, order, *due, tries.as_deref())?;
            Ok(revision + 1)
        }
        WorkChange::Done { .. } => work::done(db, order).map(|()| 0),
    }
}
