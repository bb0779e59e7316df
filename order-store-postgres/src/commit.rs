//! A group of changesets as the arguments of `order_commit_v1`, and what it answers as the contract
//! has it.

use std::collections::HashMap;

use order_core::ids::{Bucket, Fence, OrderId};
use order_core::store::records::{CHILDREN, Changes, Gone, Prefetched, Row, Value, Verdict, check};
use order_core::store::{
    Changeset, CommitError, Committed, KeyRecord, KeyUse, StoreError, StoreErrorKind, WorkChange,
};
use order_core::time::Timestamp;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};
use uuid::Uuid;

use crate::schema::Buckets;
use crate::statements::COMMIT;
use crate::wire::{
    Array, BIGINT, BOOLEAN, Bound, Fields, INTEGER, SMALLINT, TEXT, TIMESTAMPTZ, UUID,
};

/// A changeset, and the rows it writes, worked out on the caller's task.
pub(crate) struct Prepared {
    pub(crate) changeset: Changeset,
    pub(crate) changes: Changes,
}

impl Prepared {
    /// Refuses a changeset whose parts do not belong together.
    pub(crate) fn new(changeset: Changeset) -> Result<Self, StoreError> {
        Ok(Prepared {
            changes: Changes::of(&changeset)?,
            changeset,
        })
    }

    pub(crate) fn order(&self) -> OrderId {
        self.changeset.after.id
    }

    /// Without journal rows there is nothing but the work item and the notified number (clause 5).
    pub(crate) fn writes_order(&self) -> bool {
        !self.changeset.journal.is_empty()
    }

    pub(crate) fn is_new(&self) -> bool {
        self.writes_order() && self.changeset.expected() == 0
    }

    /// The idempotency key, where it matters.
    pub(crate) fn key(&self) -> Option<&KeyRecord> {
        self.changeset.key.as_ref().filter(|_| self.writes_order())
    }

    /// Returns whether it is refused whatever is stored.
    fn is_doomed(&self) -> bool {
        let commands = || {
            self.changeset
                .journal
                .iter()
                .filter_map(|row| row.command_key.as_ref())
        };
        let twice = commands().enumerate().any(|(at, command)| {
            commands()
                .take(at)
                .any(|earlier| earlier.key == command.key)
        });
        twice || (self.key().is_some() && !self.is_new())
    }
}

/// The longest time to live; a longer one is for ever, since a time that PostgreSQL does not hold
/// may come of it.
const TTL_MAX_US: i64 = 100_000 * 365 * 86_400 * 1_000_000;

/// A time to live in microseconds; none for ever.
pub(crate) fn ttl(ttl: std::time::Duration) -> Option<i64> {
    i64::try_from(ttl.as_micros())
        .ok()
        .filter(|micros| *micros <= TTL_MAX_US)
}

/// A bucket for the name of a redemption: a hash of its bytes, as that of users is of theirs.
fn bucket_of(name: &str) -> u16 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let folded = (0..6).fold(0, |folded, n| folded ^ (hash >> (12 * n)));
    (folded & 0xfff) as u16
}

/// The values of rows by their kinds.
struct Cells {
    ids: Array,
    ints: Array,
    texts: Array,
    flags: Array,
    times: Array,
}

impl Cells {
    fn push(&mut self, kind: order_core::store::records::Kind, value: &Value<'_>) {
        use order_core::store::records::Kind;
        match (kind, value) {
            (Kind::Id, Value::Id(id)) => self.ids.id(Some(id)),
            (Kind::Id, _) => self.ids.null(),
            (Kind::Int, Value::Int(n)) => self.ints.int(Some(*n)),
            (Kind::Int, _) => self.ints.null(),
            (Kind::Text, Value::Text(text)) => self.texts.text(Some(text)),
            (Kind::Text, _) => self.texts.null(),
            (Kind::Flag, Value::Flag(flag)) => self.flags.flag(*flag),
            (Kind::Flag, _) => self.flags.null(),
            (Kind::Time, Value::Time(time)) => self.times.time(Some(*time)),
            (Kind::Time, _) => self.times.null(),
        }
    }
}

/// A row of a section: one to write in full, or one to delete by its key.
enum Item<'a> {
    Row(Row<'a>),
    Gone(Gone<'a>),
}

/// The rows of the group, section by section as `order_write_v1` takes them.
fn rows(group: &[&Prepared]) -> (Array, Array, Cells) {
    let mut sections: Vec<Vec<(usize, Item<'_>)>> = Vec::new();
    sections.resize_with(2 + 3 * CHILDREN.len() + 1, Vec::new);
    let of_child = |n: usize| 2 + 3 * (n - 1);
    let last = sections.len() - 1;
    for (g, Prepared { changes, .. }) in (1..).zip(group) {
        if let Some(put) = changes.order() {
            sections[usize::from(!put.is_new)].push((g, Item::Row(put.row)));
        }
        for put in changes.puts() {
            let section = of_child(put.row.table().n) + usize::from(!put.is_new);
            sections[section].push((g, Item::Row(put.row)));
        }
        for gone in changes.gone() {
            sections[of_child(gone.table().n) + 2].push((g, Item::Gone(gone)));
        }
        sections[last].extend(changes.journal().map(|row| (g, Item::Row(row))));
    }
    let (mut counts, mut of) = (Array::new(INTEGER), Array::new(INTEGER));
    let mut cells = Cells {
        ids: Array::new(UUID),
        ints: Array::new(BIGINT),
        texts: Array::new(TEXT),
        flags: Array::new(BOOLEAN),
        times: Array::new(TIMESTAMPTZ),
    };
    for section in &sections {
        counts.integer(section.len());
        counts.integer(of.len());
        let Cells {
            ids,
            ints,
            texts,
            flags,
            times,
        } = &cells;
        for values in [ids, ints, texts, flags, times] {
            counts.integer(values.len());
        }
        for (g, item) in section {
            of.integer(*g);
            // The first column is the order's id, which is sent once for each changeset.
            match item {
                Item::Row(row) => {
                    let columns = row.table().columns.iter().zip(row.values()).skip(1);
                    columns.for_each(|(column, value)| cells.push(column.kind, &value));
                }
                Item::Gone(gone) => {
                    let columns = gone.table().columns.iter().zip(gone.key()).skip(1);
                    columns.for_each(|(column, value)| cells.push(column.kind, &value));
                }
            }
        }
    }
    (counts, of, cells)
}

/// The changes that a changeset makes to the work item, as numbers that the function knows.
struct Work<'a> {
    kind: i64,
    fence: Option<&'a Fence>,
    revision: Option<u64>,
    ttl: Option<std::time::Duration>,
    due: Option<Timestamp>,
}

fn work(change: &WorkChange) -> Work<'_> {
    let nothing = Work {
        kind: 0,
        fence: None,
        revision: None,
        ttl: None,
        due: None,
    };
    match change {
        WorkChange::Keep => nothing,
        WorkChange::Lease { fence, ttl, due } => Work {
            kind: 1,
            fence: Some(fence),
            ttl: Some(*ttl),
            due: Some(*due),
            ..nothing
        },
        WorkChange::Wake { due } => Work {
            kind: 2,
            due: Some(*due),
            ..nothing
        },
        WorkChange::Begin {
            fence,
            revision,
            ttl,
        } => Work {
            kind: 3,
            fence: Some(fence),
            revision: Some(*revision),
            ttl: Some(*ttl),
            ..nothing
        },
        WorkChange::Extend {
            fence,
            revision,
            ttl,
            tries: _,
        } => Work {
            kind: 4,
            fence: Some(fence),
            revision: Some(*revision),
            ttl: Some(*ttl),
            ..nothing
        },
        WorkChange::Release {
            fence,
            revision,
            due,
            tries: _,
        } => Work {
            kind: 5,
            fence: Some(fence),
            revision: Some(*revision),
            due: *due,
            ..nothing
        },
        WorkChange::Done { fence, revision } => Work {
            kind: 6,
            fence: Some(fence),
            revision: Some(*revision),
            ..nothing
        },
    }
}

/// The place where a group's changesets are all to be found: in one bucket, where buckets are
/// apart, and in one partition of the feed.
#[derive(Debug, Clone, Copy)]
struct Place {
    bucket: Option<Bucket>,
    partition: u16,
    /// The bucket that the head of the partition stands in.
    head: u16,
}

impl Place {
    fn of(group: &[&Prepared], buckets: &Buckets) -> Self {
        let bucket = group.first().map(|first| first.order().bucket());
        let (partition, head) = bucket
            .map(|bucket| buckets.partition_and_head(bucket))
            .unwrap_or_default();
        Place {
            bucket: bucket.filter(|_| buckets.are_apart()),
            partition,
            head,
        }
    }
}

/// The store and the schema that a group is for, and the time by which it is judged if not the
/// database's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meant<'a> {
    pub(crate) store: Uuid,
    pub(crate) schema: i32,
    pub(crate) buckets: &'a Buckets,
    pub(crate) now: Option<Timestamp>,
}

/// The call of `order_commit_v1` for a group of one place, no two of which are of one order, key or
/// number.
pub(crate) fn call(meant: Meant<'_>, group: &[&Prepared]) -> Query<'static, Postgres, PgArguments> {
    let mut buckets = Array::new(SMALLINT);
    let [mut orders, mut changesets, mut users, mut fences] = [(); 4].map(|()| Array::new(UUID));
    let [
        mut expected,
        mut row_counts,
        mut notified,
        mut works,
        mut revisions,
        mut ttls,
    ] = [(); 6].map(|()| Array::new(BIGINT));
    let [mut doomed, mut redacts] = [(); 2].map(|()| Array::new(BOOLEAN));
    let [mut numbers, mut methods, mut keys, mut tries] = [(); 4].map(|()| Array::new(TEXT));
    let mut dues = Array::new(TIMESTAMPTZ);
    let (mut command_of, mut command_keys) = (Array::new(INTEGER), Array::new(TEXT));
    let mut redeem = Redeem::new();
    for (g, prepared) in (1..).zip(group) {
        let Prepared { changeset, changes } = prepared;
        let Changeset {
            id,
            after,
            journal,
            work: change,
            ..
        } = changeset;
        buckets.small(after.id.bucket().number());
        orders.id(Some(after.id.as_bytes()));
        changesets.id(Some(id.as_bytes()));
        expected.int(Some(changeset.expected().cast_signed()));
        row_counts.int(Some(journal.len() as i64));
        doomed.flag(prepared.is_doomed());
        redacts.flag(changes.redacts());
        notified.int(
            changes
                .notified()
                .filter(|_| !prepared.writes_order())
                .map(u64::cast_signed),
        );
        numbers.text(
            prepared
                .is_new()
                .then(|| after.number.to_string())
                .as_deref(),
        );
        let key = prepared.key();
        users.id(key.map(|key| key.user.as_bytes()));
        methods.text(key.map(|key| key.method.as_str()));
        keys.text(key.map(|key| key.key.as_str()));
        let Work {
            kind,
            fence,
            revision,
            ttl: for_so_long,
            due,
        } = work(change);
        works.int(Some(kind));
        fences.id(fence.map(Fence::as_bytes));
        revisions.int(revision.map(u64::cast_signed));
        ttls.int(for_so_long.and_then(ttl));
        dues.time(due);
        tries.text(changes.tries());
        for command in journal.iter().filter_map(|row| row.command_key.as_ref()) {
            command_of.integer(g);
            command_keys.text(Some(command.key.as_str()));
        }
        if prepared.writes_order() {
            redeem.add(g, changeset);
        }
    }
    let (counts, of, cells) = rows(group);
    let Meant {
        store,
        schema,
        buckets: of_all,
        now,
    } = meant;
    let place = Place::of(group, of_all);
    let query = sqlx::query(AssertSqlSafe(COMMIT.as_str()));
    let query = query.bind(Bound::small(place.bucket.map(|bucket| bucket.number())));
    let query = query
        .bind(Bound::small(Some(place.partition)))
        .bind(Bound::small(Some(place.head)));
    let query = query
        .bind(Bound::id(Some(store.as_bytes())))
        .bind(Bound::integer(schema));
    let query = query
        .bind(Bound::time(now))
        .bind(buckets)
        .bind(orders)
        .bind(changesets)
        .bind(expected)
        .bind(row_counts);
    let query = query
        .bind(doomed)
        .bind(redacts)
        .bind(notified)
        .bind(numbers)
        .bind(users)
        .bind(methods)
        .bind(keys);
    let query = query
        .bind(works)
        .bind(fences)
        .bind(revisions)
        .bind(ttls)
        .bind(dues)
        .bind(tries);
    let query = query.bind(command_of).bind(command_keys);
    let query = query
        .bind(redeem.of)
        .bind(redeem.name)
        .bind(redeem.limit)
        .bind(redeem.take)
        .bind(redeem.last);
    let query = query.bind(redeem.name_buckets).bind(redeem.names_sent);
    let query = query.bind(counts).bind(of);
    query
        .bind(cells.ids)
        .bind(cells.ints)
        .bind(cells.texts)
        .bind(cells.flags)
        .bind(cells.times)
}

/// The uses of limited things that the group takes and gives back.
struct Redeem {
    of: Array,
    name: Array,
    limit: Array,
    take: Array,
    last: Array,
    name_buckets: Array,
    names_sent: Array,
    /// The place of each name among those that are sent.
    names: HashMap<String, usize>,
}

impl Redeem {
    fn new() -> Self {
        Redeem {
            of: Array::new(INTEGER),
            name: Array::new(INTEGER),
            limit: Array::new(BIGINT),
            take: Array::new(BOOLEAN),
            last: Array::new(BOOLEAN),
            name_buckets: Array::new(SMALLINT),
            names_sent: Array::new(TEXT),
            names: HashMap::new(),
        }
    }

    fn add(&mut self, g: usize, changeset: &Changeset) {
        for (at, change) in changeset.redemptions.iter().enumerate() {
            let name = &change.redemption.name;
            let place = match self.names.get(name) {
                Some(place) => *place,
                None => {
                    self.name_buckets.small(bucket_of(name));
                    self.names_sent.text(Some(name));
                    self.names.insert(name.clone(), self.names.len() + 1);
                    self.names.len()
                }
            };
            self.of.integer(g);
            self.name.integer(place);
            self.limit.int(Some(change.redemption.limit.into()));
            self.take.flag(change.take);
            self.last.flag(
                !changeset.redemptions[at + 1..]
                    .iter()
                    .any(|later| later.redemption.name == *name),
            );
        }
    }
}

/// The outcome of one changeset; `Err(None)` if the database and this program do not agree on it,
/// as when it changed meanwhile.
pub(crate) type Answer = Result<Committed, Option<CommitError>>;

/// Reads what the function answered for one changeset.
pub(crate) fn answer(prepared: &Prepared, row: &PgRow) -> Result<Answer, StoreError> {
    read_answer(prepared, row).map_err(|source| {
        let source = std::io::Error::other(source);
        StoreError::caused(
            StoreErrorKind::Unknown,
            "the answer of the database cannot be read",
            source,
        )
    })
}

fn read_answer(
    prepared: &Prepared,
    row: &PgRow,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let row = Fields::of(row)?;
    if row.flag(0)?.unwrap_or_default() {
        let revision = row.int(1)?.unwrap_or_default().cast_unsigned();
        return Ok(Ok(Committed {
            replayed: false,
            revision,
        }));
    }
    let number = |n: i64| n.cast_unsigned();
    let key = match (prepared.key(), row.id(6)?, row.id(7)?) {
        (Some(key), Some(order), Some(hash)) => Some(KeyRecord {
            request_hash: Uuid::from_bytes(hash),
            order: OrderId::from_bytes(order),
            ..key.clone()
        }),
        _ => None,
    };
    let mut command_keys = Vec::new();
    for ((key, seq), hash) in row
        .texts(9)?
        .into_iter()
        .zip(row.ints(10)?)
        .zip(row.ids(11)?)
    {
        command_keys.push((
            key.parse()?,
            KeyUse {
                seq: number(seq),
                hash: Uuid::from_bytes(hash),
            },
        ));
    }
    let redemptions = row
        .texts(12)?
        .into_iter()
        .zip(row.flags(13)?)
        .zip(row.ints(14)?);
    let facts = Prefetched {
        version: row.int(2)?.map(number),
        replayed: row.flag(3)?.unwrap_or_default(),
        lease: row
            .int(4)?
            .map(number)
            .zip(Some(row.id(5)?))
            .map(|(revision, fence)| (fence.map(Fence::from_bytes), revision)),
        key,
        number_is_taken: row.flag(8)?.unwrap_or_default(),
        command_keys,
        redemptions: redemptions
            .map(|((name, held), in_use)| {
                (
                    name.to_owned(),
                    held,
                    u32::try_from(in_use).unwrap_or(u32::MAX),
                )
            })
            .collect(),
    };
    let Ok(verdict) = check(&prepared.changeset, &mut &facts);
    Ok(match verdict {
        Err(refusal) => Err(Some(refusal)),
        Ok(Verdict::Replayed) => Ok(Committed {
            replayed: true,
            revision: 0,
        }),
        Ok(Verdict::Write(_)) => Err(None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use order_core::store::records::ORDERS;

    #[test]
    fn the_children_of_an_order_are_numbered_from_one_on() {
        assert_eq!(ORDERS.n, 0);
        assert!(CHILDREN.iter().map(|table| table.n).eq(1..=CHILDREN.len()));
    }

    #[test]
    fn names_spread_over_all_buckets() {
        let of: std::collections::BTreeSet<u16> = (0..100_000)
            .map(|n| bucket_of(&format!("coupon/{n}")))
            .collect();
        assert!(of.len() > 4_090 && of.iter().all(|bucket| *bucket < 4_096));
    }
}
