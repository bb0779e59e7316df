//! The records of an order's later life, from shipments to metadata: which rows a changeset touches, how they are written,
//! and how they are read back. Most orders have none, and pay for none: see `orders.records` in `migrations/0003_life.sql`.

use std::collections::BTreeMap;

use order_core::ids::Name;
use order_core::order::{Address, Credit, Dispute, Edit, Order, Return, Shipment};
use order_core::text::Private;
use order_core::time::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::encode::{diff, row_id};
use super::read::children;
use super::rows::{self, to_json};
use super::sql;

/// Bits of `orders.records`.
const SHIPMENTS: i64 = 1;
const RETURNS: i64 = 2;
const CREDITS: i64 = 4;
const DISPUTES: i64 = 8;
const EDITS: i64 = 16;
const METADATA: i64 = 32;

/// What a changeset does to these records, made ready for the writer.
pub(super) struct Life {
    /// Of which of the tables the order has rows afterwards.
    pub(super) records: i64,
    changes: Vec<Change>,
}

/// One row; positions are those in the order as it becomes.
enum Change {
    Shipment { at: usize, id: Uuid, lines: String },
    Return { at: usize, id: Uuid, lines: String },
    Credit { at: usize, id: Uuid },
    Dispute { at: usize, n: u32, id: Uuid },
    Edit { at: usize, id: Uuid, plan: String },
    Metadata(Name),
    Gone { delete: &'static str, n: u32 },
    MetadataGone(Name),
}

/// The bits for what the order has.
fn records(order: &Order) -> i64 {
    let Order { shipments, returns, credits, disputes, edits, metadata, .. } = order;
    let bit = |bit, there| if there { bit } else { 0 };
    bit(SHIPMENTS, !shipments.is_empty())
        | bit(RETURNS, !returns.is_empty())
        | bit(CREDITS, !credits.is_empty())
        | bit(DISPUTES, !disputes.is_empty())
        | bit(EDITS, !edits.is_empty())
        | bit(METADATA, metadata.get().is_some())
}

impl Life {
    /// What turns the records of `before` into those of `after`.
    pub(super) fn new(before: Option<&Order>, after: &Order) -> Self {
        let records = records(after);
        let mut life = Life { records, changes: Vec::new() };
        if records == 0 && before.is_none_or(|before| self::records(before) == 0) {
            return life;
        }
        let id = |table: &str, n: u32| row_id(after.id, format_args!("{table}/{n}"));
        life.diff(
            sql::DELETE_SHIPMENT,
            before.map(|o| &o.shipments[..]),
            &after.shipments,
            |s| s.n,
            |at, s| Change::Shipment { at, id: id("shipment", s.n), lines: to_json(&s.lines) },
        );
        life.diff(
            sql::DELETE_RETURN,
            before.map(|o| &o.returns[..]),
            &after.returns,
            |r| r.n,
            |at, r| Change::Return { at, id: id("return", r.n), lines: to_json(&r.lines) },
        );
        life.diff(
            sql::DELETE_CREDIT,
            before.map(|o| &o.credits[..]),
            &after.credits,
            |c| c.n,
            |at, c| Change::Credit { at, id: id("credit", c.n) },
        );
        life.diff(
            sql::DELETE_EDIT,
            before.map(|o| &o.edits[..]),
            &after.edits,
            |e| e.n,
            |at, e| Change::Edit { at, id: id("edit", e.n), plan: to_json(&e.plan) },
        );
        life.diff_disputes(before.map_or(&[], |o| &o.disputes), &after.disputes, |n| id("dispute", n));
        life.diff_metadata(before.and_then(|o| o.metadata.get()), after.metadata.get());
        life
    }

    fn diff<T: PartialEq>(
        &mut self,
        delete: &'static str,
        before: Option<&[T]>,
        after: &[T],
        n: impl Fn(&T) -> u32,
        change: impl Fn(usize, &T) -> Change,
    ) {
        let (changed, gone) = diff(before, after, n);
        self.changes.extend(changed.into_iter().map(|at| change(at, &after[at])));
        self.changes.extend(gone.into_iter().map(|n| Change::Gone { delete, n }));
    }

    fn diff_disputes(&mut self, before: &[Dispute], after: &[Dispute], id: impl Fn(u32) -> Uuid) {
        for (at, n) in (0..after.len()).zip(1..).filter(|(at, _)| before.get(*at) != Some(&after[*at])) {
            self.changes.push(Change::Dispute { at, n, id: id(n) });
        }
        let gone = (1..).take(before.len()).skip(after.len());
        self.changes.extend(gone.map(|n| Change::Gone { delete: sql::DELETE_DISPUTE, n }));
    }

    fn diff_metadata(&mut self, before: Option<&BTreeMap<Name, String>>, after: Option<&BTreeMap<Name, String>>) {
        let nothing = BTreeMap::new();
        let (before, after) = (before.unwrap_or(&nothing), after.unwrap_or(&nothing));
        let changed = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
        self.changes.extend(changed.map(|(key, _)| Change::Metadata(key.clone())));
        let gone = before.keys().filter(|key| !after.contains_key(*key));
        self.changes.extend(gone.map(|key| Change::MetadataGone(key.clone())));
    }

    /// Writes what `order` has become.
    pub(super) fn write(&self, db: &Connection, order: &Order) -> rusqlite::Result<()> {
        let order_id = order.id.as_bytes();
        for change in &self.changes {
            match change {
                Change::Shipment { at, id, lines } => put_shipment(db, order, &order.shipments[*at], id, lines)?,
                Change::Return { at, id, lines } => put_return(db, order, &order.returns[*at], id, lines)?,
                Change::Credit { at, id } => put_credit(db, order, &order.credits[*at], id)?,
                Change::Dispute { at, n, id } => put_dispute(db, order, &order.disputes[*at], *n, id)?,
                Change::Edit { at, id, plan } => put_edit(db, order, &order.edits[*at], id, plan)?,
                Change::Metadata(key) => {
                    let value = order.metadata.get().and_then(|metadata| metadata.get(key));
                    db.prepare_cached(sql::PUT_METADATA)?.execute(params![order_id, key.as_str(), value])?
                }
                Change::Gone { delete, n } => db.prepare_cached(delete)?.execute(params![order_id, n])?,
                Change::MetadataGone(key) => db.prepare_cached(sql::DELETE_METADATA)?.execute(params![order_id, key.as_str()])?,
            };
        }
        Ok(())
    }
}

fn put_shipment(db: &Connection, order: &Order, shipment: &Shipment, id: &Uuid, lines_json: &str) -> rusqlite::Result<usize> {
    #[rustfmt::skip]
    let Shipment { n, lines: _, state, carrier, tracking, shipped_at, delivered_at, lost_at, created_at, updated_at } = shipment;
    #[rustfmt::skip]
    let row = params![
        order.id.as_bytes(), n, id.as_bytes(), state.as_str(), carrier, tracking, lines_json, shipped_at.map(Timestamp::as_micros),
        delivered_at.map(Timestamp::as_micros), lost_at.map(Timestamp::as_micros), created_at.as_micros(), updated_at.as_micros(),
    ];
    db.prepare_cached(sql::PUT_SHIPMENT)?.execute(row)
}

fn put_return(db: &Connection, order: &Order, returned: &Return, id: &Uuid, lines_json: &str) -> rusqlite::Result<usize> {
    let Return { n, lines: _, state, created_at, updated_at } = returned;
    #[rustfmt::skip]
    let row = params![
        order.id.as_bytes(), n, id.as_bytes(), state.as_str(), lines_json, created_at.as_micros(), updated_at.as_micros(),
    ];
    db.prepare_cached(sql::PUT_RETURN)?.execute(row)
}

fn put_credit(db: &Connection, order: &Order, credit: &Credit, id: &Uuid) -> rusqlite::Result<usize> {
    let Credit { n, kind, line, amount, at } = credit;
    let row = params![order.id.as_bytes(), n, id.as_bytes(), kind.as_str(), line, amount, at.as_micros()];
    db.prepare_cached(sql::PUT_CREDIT)?.execute(row)
}

fn put_dispute(db: &Connection, order: &Order, dispute: &Dispute, n: u32, id: &Uuid) -> rusqlite::Result<usize> {
    let Dispute { reference, payment, amount, state, opened_at, closed_at } = dispute;
    #[rustfmt::skip]
    let row = params![
        order.id.as_bytes(), n, id.as_bytes(), reference.as_str(), payment, amount, state.as_str(), opened_at.as_micros(),
        closed_at.map(Timestamp::as_micros),
    ];
    db.prepare_cached(sql::PUT_DISPUTE)?.execute(row)
}

fn put_edit(db: &Connection, order: &Order, edit: &Edit, id: &Uuid, plan_json: &str) -> rusqlite::Result<usize> {
    let Edit { n, plan: _, state, cause, due, payment, reservation, reservation_end, deadline, created_at, updated_at, address } =
        edit;
    let text = |field: fn(&Address) -> &String| address.get().map(field);
    let text_some = |field: fn(&Address) -> &Option<String>| address.get().and_then(|a| field(a).as_ref());
    #[rustfmt::skip]
    let row = params![
        order.id.as_bytes(), n, id.as_bytes(), state.as_str(), cause.map(|c| c.as_str()), due, payment, deadline.as_micros(),
        plan_json, text(|a| &a.first_name), text(|a| &a.last_name), text(|a| &a.address_line1), text_some(|a| &a.address_line2),
        text(|a| &a.city), text(|a| &a.state), text(|a| &a.postal_code), text(|a| &a.country), text_some(|a| &a.phone),
        text_some(|a| &a.email), created_at.as_micros(), updated_at.as_micros(), reservation, reservation_end,
    ];
    db.prepare_cached(sql::PUT_EDIT)?.execute(row)
}

/// Fills in the records of which `records` says that there are some.
pub(super) fn load(db: &Connection, records: i64, order: &mut Order) -> rusqlite::Result<()> {
    if records == 0 {
        return Ok(());
    }
    let id = order.id;
    if records & SHIPMENTS != 0 {
        order.shipments = children(db, sql::SELECT_SHIPMENTS, id, rows::shipment)?;
    }
    if records & RETURNS != 0 {
        order.returns = children(db, sql::SELECT_RETURNS, id, rows::returned)?;
    }
    if records & CREDITS != 0 {
        order.credits = children(db, sql::SELECT_CREDITS, id, rows::credit)?;
    }
    if records & DISPUTES != 0 {
        order.disputes = children(db, sql::SELECT_DISPUTES, id, rows::dispute)?;
    }
    if records & EDITS != 0 {
        order.edits = children(db, sql::SELECT_EDITS, id, rows::edit)?;
    }
    if records & METADATA != 0 {
        let mut statement = db.prepare_cached(sql::SELECT_METADATA)?;
        order.metadata = Private(Some(statement.query_map([id.as_bytes()], rows::metadata)?.collect::<Result<_, _>>()?));
    }
    Ok(())
}
