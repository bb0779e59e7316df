//! Archived orders: all that belongs to an order on one line of JSON, to be kept, or taken to
//! another store.
//!
//! A line holds the journal, the idempotency key, and what the journal does not hold: personal
//! data, payment tokens, and what the customer has been told. Everything else follows from the
//! journal by [`begin`] and [`evolve`], so a line has no second copy that could contradict it, and
//! reading one checks it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::ids::{ChangesetId, IdempotencyKey, Name, OrderId};
use crate::number::OrderNumber;
use crate::order::{
    Actor, Address, Addresses, CommandKey, CustomerAction, Event, JournalRow, Order,
    PaymentOperation, Redemption, Status, decode_event, encode_event,
};
use crate::rules::{begin, begin_imported, evolve};
use crate::store::{Changeset, Dumped, KeyMethod, KeyRecord, RedemptionChange, WorkChange};
use crate::text::Private;
use crate::time::Timestamp;

/// The format that lines are written in. Every released format is read for ever.
pub const ARCHIVE_FORMAT: u32 = 1;

/// The reason why a text is not an archived order.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Written by a newer version.
    #[error("archive format {0} is newer than this program reads ({ARCHIVE_FORMAT}): upgrade it")]
    NewerFormat(u32),
    /// Not a line that [`write()`] writes. Says where, and quotes nothing: it may be personal.
    #[error("not an archived order: {what} at character {column}")]
    Unreadable {
        /// The text that stands there.
        what: &'static str,
        /// The line, counted from 1.
        column: usize,
    },
    /// A field says something that cannot be.
    #[error("{field}: {problem}")]
    Damaged {
        /// The path of the field, such as `journal[2].to`.
        field: String,
        /// The mistake, and what would be right.
        problem: String,
    },
}

fn damaged(field: impl Into<String>, problem: impl Into<String>) -> ArchiveError {
    ArchiveError::Damaged {
        field: field.into(),
        problem: problem.into(),
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    format: u32,
    order_id: OrderId,
    order_number: OrderNumber,
    status: Status,
    version: u64,
    notified: u64,
    journal: Vec<Row>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Key>,
    #[serde(default)]
    private: PrivateParts,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    seq: u64,
    /// As the journal keeps it, with a format number of its own.
    event: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Status>,
    to: Status,
    actor: Actor,
    cause: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command_key: Option<IdempotencyKey>,
    /// There exactly if the key is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command_hash: Option<Uuid>,
    changeset: ChangesetId,
    at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    method: KeyMethod,
    key: IdempotencyKey,
    request_hash: Uuid,
}

/// The parts of an order that are not in its journal.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PrivateParts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shipping_address: Option<PlainAddress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    billing_address: Option<PlainAddress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<Name, String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    payments: Vec<PaymentParts>,
    /// The address to which the goods go once the open edit is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edit_address: Option<PlainAddress>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentParts {
    n: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    return_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<Action>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainAddress {
    first_name: String,
    last_name: String,
    address_line1: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address_line2: Option<String>,
    city: String,
    state: String,
    postal_code: String,
    country: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

impl From<&Address> for PlainAddress {
    fn from(address: &Address) -> Self {
        let Address {
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        } = address.clone();
        PlainAddress {
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        }
    }
}

impl From<PlainAddress> for Address {
    fn from(address: PlainAddress) -> Self {
        let PlainAddress {
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        } = address;
        Address {
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        }
    }
}

/// An order on one line, without its end. The same order gives the same bytes.
///
/// The line holds personal data and payment tokens.
pub fn write(dumped: &Dumped) -> String {
    let Dumped {
        order,
        journal,
        key,
    } = dumped;
    let line = Line {
        format: ARCHIVE_FORMAT,
        order_id: order.id,
        order_number: order.number,
        status: order.statuses.status,
        version: order.version,
        notified: order.notified,
        journal: journal.iter().filter_map(row_of).collect(),
        key: key.as_ref().map(key_of),
        private: private_of(order),
    };
    // No map of it has keys that are no texts, and nothing in it fails to serialise: the two ways
    // this could fail.
    serde_json::to_string(&line).unwrap_or_default()
}

fn row_of(row: &JournalRow) -> Option<Row> {
    let JournalRow {
        order: _,
        seq,
        event,
        from,
        to,
        actor,
        cause,
        notes,
        command_key,
        changeset,
        at,
    } = row;
    Some(Row {
        seq: *seq,
        // Always there: what encoding gives is JSON.
        event: RawValue::from_string(encode_event(event)).ok()?,
        from: *from,
        to: *to,
        actor: actor.clone(),
        cause: cause.clone(),
        notes: notes.clone(),
        command_key: command_key.as_ref().map(|k| k.key.clone()),
        command_hash: command_key.as_ref().map(|k| k.hash),
        changeset: *changeset,
        at: *at,
    })
}

fn key_of(record: &KeyRecord) -> Key {
    let KeyRecord {
        user: _,
        method,
        key,
        request_hash,
        order: _,
    } = record;
    Key {
        method: *method,
        key: key.clone(),
        request_hash: *request_hash,
    }
}

fn private_of(order: &Order) -> PrivateParts {
    let addresses = order.addresses.get();
    PrivateParts {
        shipping_address: addresses.map(|a| PlainAddress::from(&a.shipping)),
        billing_address: addresses.map(|a| PlainAddress::from(&a.billing)),
        notes: order.notes.get().cloned(),
        metadata: order.metadata.get().cloned(),
        payments: order.payments.iter().filter_map(payment_parts).collect(),
        edit_address: order
            .open_edit()
            .and_then(|e| e.address.get())
            .map(PlainAddress::from),
    }
}

fn payment_parts(p: &PaymentOperation) -> Option<PaymentParts> {
    let action = p.action.get().map(|CustomerAction { url, data }| Action {
        url: url.clone(),
        data: data.clone(),
    });
    let parts = PaymentParts {
        n: p.n,
        token: p.token.get().cloned(),
        return_url: p.return_url.get().cloned(),
        action,
    };
    let empty = parts.token.is_none() && parts.return_url.is_none() && parts.action.is_none();
    (!empty).then_some(parts)
}

/// The order on a line that [`write()`] of this or any earlier release wrote, without the line's
/// end.
///
/// # Errors
///
/// [`ArchiveError`] for anything else, for a journal with gaps, and for one that does not lead to
/// the statuses that stand beside it.
pub fn read(line: &str) -> Result<Dumped, ArchiveError> {
    let Format { format } = serde_json::from_str(line).map_err(|e| unreadable(&e))?;
    if format > ARCHIVE_FORMAT {
        return Err(ArchiveError::NewerFormat(format));
    }
    let line: Line = serde_json::from_str(line).map_err(|e| unreadable(&e))?;
    let Line {
        format: _,
        order_id,
        order_number,
        status,
        version,
        notified,
        journal,
        key,
        private,
    } = line;
    let mut rows = Vec::with_capacity(journal.len());
    for (row, i) in journal.into_iter().zip(0..) {
        rows.push(journal_row(order_id, row, i)?);
    }
    let mut order = replay(&rows)?;
    let expect = |field: &str, said: String, is: String| match said == is {
        true => Ok(()),
        false => Err(damaged(
            field,
            format!("is {said}, but the journal says {is}"),
        )),
    };
    expect("order_id", order_id.to_string(), order.id.to_string())?;
    expect(
        "order_number",
        order_number.to_string(),
        order.number.to_string(),
    )?;
    expect(
        "status",
        status.to_string(),
        order.statuses.status.to_string(),
    )?;
    expect("version", version.to_string(), order.version.to_string())?;
    if notified > version {
        return Err(damaged(
            "notified",
            format!("is {notified}, but the journal has {version} rows"),
        ));
    }
    order.notified = notified;
    order.notices.retain(|notice| notice.seq > notified);
    put_private(&mut order, private)?;
    let user = order.user;
    let record = |Key {
                      method,
                      key,
                      request_hash,
                  }| KeyRecord {
        user,
        method,
        key,
        request_hash,
        order: order_id,
    };
    let key = key.map(record);
    Ok(Dumped {
        order: Arc::new(order),
        journal: rows,
        key,
    })
}

fn unreadable(error: &serde_json::Error) -> ArchiveError {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Eof => "it breaks off",
        Category::Data => "a field that is unknown, missing or of another type",
        Category::Syntax | Category::Io => "no JSON",
    };
    ArchiveError::Unreadable {
        what,
        column: error.column().max(1),
    }
}

fn journal_row(order: OrderId, row: Row, i: usize) -> Result<JournalRow, ArchiveError> {
    let Row {
        seq,
        event,
        from,
        to,
        actor,
        cause,
        notes,
        command_key,
        command_hash,
        changeset,
        at,
    } = row;
    let command_key = match (command_key, command_hash) {
        (Some(key), Some(hash)) => Some(CommandKey { key, hash }),
        (None, None) => None,
        (Some(_), None) => {
            return Err(damaged(
                format!("journal[{i}].command_hash"),
                "is missing, and a command key is there",
            ));
        }
        (None, Some(_)) => {
            return Err(damaged(
                format!("journal[{i}].command_key"),
                "is missing, and a command's hash is there",
            ));
        }
    };
    let event = decode_event(event.get())
        .map_err(|e| damaged(format!("journal[{i}].event"), e.to_string()))?;
    Ok(JournalRow {
        order,
        seq,
        event,
        from,
        to,
        actor,
        cause,
        notes,
        command_key,
        changeset,
        at,
    })
}

/// The order that a whole journal leads to, without what stands outside it.
fn replay(journal: &[JournalRow]) -> Result<Order, ArchiveError> {
    let mut replayed: Option<Order> = None;
    for (row, i) in journal.iter().zip(0usize..) {
        let field = |name: &str| format!("journal[{i}].{name}");
        let seq = i as u64 + 1;
        if row.seq != seq {
            return Err(damaged(
                field("seq"),
                format!("is {}, expected {seq}", row.seq),
            ));
        }
        let from = replayed.as_ref().map(|o| o.statuses.status);
        if row.from != from {
            let name = |s: Option<Status>| s.map_or("nothing", Status::as_str);
            return Err(damaged(
                field("from"),
                format!(
                    "is {}, the row before leads to {}",
                    name(row.from),
                    name(from)
                ),
            ));
        }
        match (&mut replayed, &row.event) {
            (None, Event::Placed(placed)) => replayed = Some(begin(placed, row.at)),
            (None, Event::Imported(imported)) => replayed = Some(begin_imported(imported, row.at)),
            (None, event) => {
                return Err(damaged(
                    field("event"),
                    format!("{} begins no order", event.name()),
                ));
            }
            (Some(_), Event::Placed(_) | Event::Imported(_)) => {
                return Err(damaged(
                    field("event"),
                    format!("{} stands in the middle of a journal", row.event.name()),
                ));
            }
            (Some(order), event) => evolve(order, event, &row.actor, row.at),
        }
        let to = replayed.as_ref().map(|o| o.statuses.status);
        if to.is_some_and(|to| to != row.to) {
            let is = to.map_or("", Status::as_str);
            return Err(damaged(
                field("to"),
                format!("is {}, but {} leads to {is}", row.to, row.event.name()),
            ));
        }
    }
    replayed.ok_or_else(|| damaged("journal", "is empty"))
}

fn put_private(order: &mut Order, private: PrivateParts) -> Result<(), ArchiveError> {
    let PrivateParts {
        shipping_address,
        billing_address,
        notes,
        metadata,
        payments,
        edit_address,
    } = private;
    order.addresses = Private(match (shipping_address, billing_address) {
        (Some(shipping), Some(billing)) => Some(Addresses {
            shipping: shipping.into(),
            billing: billing.into(),
        }),
        (None, None) => None,
        (Some(_), None) => {
            return Err(damaged(
                "private.billing_address",
                "is missing, and a shipping address is there",
            ));
        }
        (None, Some(_)) => {
            return Err(damaged(
                "private.shipping_address",
                "is missing, and a billing address is there",
            ));
        }
    });
    order.notes = Private(notes);
    order.metadata = Private(metadata);
    for (
        PaymentParts {
            n,
            token,
            return_url,
            action,
        },
        i,
    ) in payments.into_iter().zip(0usize..)
    {
        let unknown = || {
            damaged(
                format!("private.payments[{i}].n"),
                format!("the order has no payment {n}"),
            )
        };
        let p = n
            .checked_sub(1)
            .and_then(|at| order.payments.get_mut(at as usize))
            .ok_or_else(unknown)?;
        p.token = Private(token);
        p.return_url = Private(return_url);
        p.action = Private(action.map(|Action { url, data }| CustomerAction { url, data }));
    }
    if let Some(address) = edit_address {
        match order
            .open_edit()
            .is_some()
            .then(|| order.edits.last_mut())
            .flatten()
        {
            Some(edit) => edit.address = Private(Some(address.into())),
            None => {
                return Err(damaged(
                    "private.edit_address",
                    "is there, and no edit is under way",
                ));
            }
        }
    }
    Ok(())
}

/// The changeset that makes `dumped` an order of a store that does not have it, as clause 23 of
/// [`OrderStore`](crate::store::OrderStore) says.
///
/// # Errors
///
/// [`ArchiveError`] for an order without a journal.
pub fn restoring(dumped: Dumped, work: WorkChange) -> Result<Changeset, ArchiveError> {
    let Dumped {
        order,
        journal,
        key,
    } = dumped;
    let id = journal
        .first()
        .map(|row| row.changeset)
        .ok_or_else(|| damaged("journal", "is empty"))?;
    // It held them all along, so there is room for it, whatever others have taken meanwhile.
    let take = |redemption: &Redemption| RedemptionChange {
        redemption: Redemption {
            name: redemption.name.clone(),
            limit: u32::MAX,
        },
        take: true,
    };
    let redemptions = if order.lifecycle.is_live() {
        order.redemptions.iter().map(take).collect()
    } else {
        Vec::new()
    };
    Ok(Changeset {
        id,
        before: None,
        after: order,
        journal,
        key,
        redemptions,
        work,
    })
}
