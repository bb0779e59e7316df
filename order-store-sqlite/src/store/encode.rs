//! A changeset made ready for the writer: which rows it touches, and their texts, worked out on the caller's thread.

use order_core::ids::OrderId;
use order_core::order::{Actor, AddressType, JournalRow, encode_event};
use order_core::store::{Changeset, StoreError, StoreErrorKind, WorkChange};
use serde::Serialize;
use uuid::Uuid;

use super::life::Life;
use super::rows::{lots_to_json, to_json};

/// A changeset with everything computed that the writer needs.
pub(super) struct Prepared {
    pub(super) changeset: Changeset,
    /// Whether the status or an amount changes: then the indexes of lists do too.
    pub(super) listed: bool,
    pub(super) number: String,
    pub(super) redemptions: Option<String>,
    pub(super) unmatched: Option<String>,
    pub(super) holds: Option<String>,
    pub(super) attention: Option<String>,
    /// Whether nobody has seen one of the reasons to look.
    pub(super) attention_open: bool,
    pub(super) notices: Option<String>,
    /// Positions of the lines to write, with their lots.
    pub(super) lines: Vec<(usize, String)>,
    /// Positions of the reservations to write, with their row's id.
    pub(super) reservations: Vec<(usize, Uuid)>,
    /// Positions of the payment operations to write, with their row's id.
    pub(super) payments: Vec<(usize, Uuid)>,
    pub(super) addresses: Vec<(AddressType, Uuid)>,
    /// Numbers of the lines, reservations and payment operations to remove.
    pub(super) lines_gone: Vec<u32>,
    pub(super) reservations_gone: Vec<u32>,
    pub(super) payments_gone: Vec<u32>,
    pub(super) addresses_gone: bool,
    pub(super) life: Life,
    /// Whether the notes of the journal rows before are to be erased.
    pub(super) redacts: bool,
    pub(super) journal: Vec<JournalTexts>,
    pub(super) tries: Option<String>,
}

/// The computed columns of a journal row.
pub(super) struct JournalTexts {
    pub(super) id: Uuid,
    pub(super) payload: String,
    pub(super) actor: String,
}

impl Prepared {
    /// Refuses a changeset whose parts do not belong together.
    pub(super) fn new(changeset: Changeset) -> Result<Self, StoreError> {
        check_shape(&changeset)?;
        let (before, after) = (changeset.before.as_deref(), &*changeset.after);
        let writes_order = !changeset.journal.is_empty();
        let rows = |name: &'static str| move |n: u32| row_id(after.id, format_args!("{name}/{n}"));
        let (reservation_id, payment_id) = (rows("reservation"), rows("payment"));
        // Without journal rows nothing of the order is written.
        let before_or_same = if writes_order { before } else { Some(after) };
        let (lines, lines_gone) = diff(before_or_same.map(|o| &o.lines[..]), &after.lines, |l| l.n);
        let (reservations, reservations_gone) = diff(before_or_same.map(|o| &o.reservations[..]), &after.reservations, |r| r.n);
        let (payments, payments_gone) = diff(before_or_same.map(|o| &o.payments[..]), &after.payments, |p| p.n);
        let addresses_change = before_or_same.map(|o| &o.addresses) != Some(&after.addresses);
        let has_addresses = after.addresses.get().is_some();
        let mut addresses = Vec::new();
        if addresses_change && has_addresses {
            for &kind in AddressType::ALL {
                addresses.push((kind, row_id(after.id, format_args!("address/{kind}"))));
            }
        }
        let listed = before.is_some_and(|before| {
            before.statuses.status != after.statuses.status
                || before.amounts != after.amounts
                || before.currency != after.currency
        });
        Ok(Prepared {
            listed,
            number: after.number.to_string(),
            redemptions: json_of(&after.redemptions),
            unmatched: json_of(&after.unmatched),
            holds: json_of(&after.holds),
            attention: json_of(&after.attention),
            attention_open: after.attention.iter().any(|a| !a.acknowledged),
            notices: json_of(&after.notices),
            lines: lines.into_iter().map(|at| (at, lots_to_json(&after.lines[at].lots))).collect(),
            reservations: reservations.into_iter().map(|at| (at, reservation_id(after.reservations[at].n))).collect(),
            payments: payments.into_iter().map(|at| (at, payment_id(after.payments[at].n))).collect(),
            addresses,
            lines_gone,
            reservations_gone,
            payments_gone,
            addresses_gone: addresses_change && !has_addresses && before.is_some(),
            life: Life::new(before_or_same, after),
            redacts: after.redacted_at.is_some() && before_or_same.is_some_and(|before| before.redacted_at.is_none()),
            journal: changeset.journal.iter().map(journal_texts).collect(),
            tries: match &changeset.work {
                WorkChange::Extend { tries, .. } | WorkChange::Release { tries, .. } if !tries.0.is_empty() => {
                    Some(to_json(tries))
                }
                _ => None,
            },
            changeset,
        })
    }
}

/// Clauses 2, 4, 6 and 23: what tells a replay from a conflict, and finds the keys of an order.
fn check_shape(changeset: &Changeset) -> Result<(), StoreError> {
    let Changeset { id, before, after, journal, key, redemptions: _, work: _ } = changeset;
    let expected = changeset.expected();
    let numbered = (expected + 1..).zip(journal);
    let restores = before.is_none();
    let sound = before.as_ref().is_none_or(|before| before.id == after.id)
        && after.version == expected + journal.len() as u64
        && numbered.into_iter().all(|(seq, row)| row.seq == seq && row.order == after.id)
        && journal.iter().enumerate().all(|(at, row)| row.changeset == *id || at > 0 && restores)
        && key.as_ref().is_none_or(|key| key.order == after.id && key.user == after.user);
    if sound {
        return Ok(());
    }
    let message = format!("changeset {id} of order {} is not in itself sound: its rows or its key are not its own", after.id);
    Err(StoreError::new(StoreErrorKind::Corrupt, message))
}

/// Positions in `after` of what `before` does not have there, and numbers that only `before` has.
pub(super) fn diff<T: PartialEq>(before: Option<&[T]>, after: &[T], n: impl Fn(&T) -> u32) -> (Vec<usize>, Vec<u32>) {
    let before = before.unwrap_or_default();
    let changed = (0..after.len()).filter(|&at| before.get(at) != Some(&after[at])).collect();
    let gone = before.iter().map(&n).filter(|&old| !after.iter().any(|new| n(new) == old)).collect();
    (changed, gone)
}

fn journal_texts(row: &JournalRow) -> JournalTexts {
    JournalTexts {
        id: row_id(row.order, format_args!("history/{}", row.seq)),
        payload: encode_event(&row.event),
        actor: match &row.actor {
            Actor::System => "system".to_owned(),
            actor => actor.to_string(),
        },
    }
}

/// The id of a row that has none of its own: a name-based UUID (RFC 9562, 5.5) within its order.
pub(super) fn row_id(order: OrderId, name: std::fmt::Arguments<'_>) -> Uuid {
    Uuid::new_v5(&order.uuid(), name.to_string().as_bytes())
}

fn json_of<T: Serialize>(records: &Vec<T>) -> Option<String> {
    (!records.is_empty()).then(|| to_json(records))
}
