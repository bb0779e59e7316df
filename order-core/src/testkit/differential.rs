//! [`Twin`]: two stores that are asked the same, and the first question that they answer
//! differently.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::ids::{OrderId, UserId};
use crate::money::Currency;
use crate::number::OrderNumber;
use crate::order::{JournalRow, Order};
use crate::store::{
    Changeset, CommitError, Committed, Cursor, DumpPage, DumpQuery, Dumped, FeedCursor, FeedPage,
    FeedQuery, FeedRow, JournalQuery, KeyRecord, KeyUse, LeasePage, LeaseRequest, Leased,
    ListQuery, Loaded, Lookup, OrderPage, OrderStore, Peek, StoreError, StoreErrorKind, Unreadable,
    WorkItem, WorkSummary,
};

/// An [`OrderStore`] that asks two stores and answers as the first does.
///
/// Answers are compared in full, personal data included; of a [`StoreError`] only the kind is. Both
/// stores see the same sequence only if one task asks: it may have several questions open, which
/// both are asked in the order in which they are first polled. Both need the same clock. Cursors of
/// the feed are each store's own: the second is asked with the one that it gave where the first
/// gave the one it is asked with.
pub struct Twin<A, B> {
    /// The one whose answers are given.
    pub first: A,
    /// The one that must answer alike.
    pub second: B,
    /// Set if the feed of the second is in the order of the first: of changesets that are sent
    /// together, a store may take one before another that was sent earlier. If not, only whole
    /// feeds are compared, order by order. True.
    pub fed_alike: bool,
    difference: Mutex<Option<Difference>>,
    /// The second store's cursor for each of the first's.
    cursors: Mutex<HashMap<FeedCursor, FeedCursor>>,
}

/// A question with two answers.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The question.
    pub question: String,
    /// The answers of the first and of the second store, line by line.
    pub answers: [Vec<String>; 2],
}

impl<A: OrderStore, B: OrderStore> Twin<A, B> {
    /// Both as they are now, which should be alike.
    pub fn new(first: A, second: B) -> Self {
        Twin {
            first,
            second,
            fed_alike: true,
            difference: Mutex::default(),
            cursors: Mutex::default(),
        }
    }

    /// The first difference there was since this was last asked.
    pub fn difference(&self) -> Option<Difference> {
        self.difference
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The same question for the second store.
    fn translated(&self, query: &FeedQuery) -> FeedQuery {
        let cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        let after = query
            .after
            .as_ref()
            .map(|cursor| cursors.get(cursor).unwrap_or(cursor).clone());
        FeedQuery {
            after,
            limit: query.limit,
        }
    }

    fn learn(&self, first: &FeedPage, second: &FeedPage) {
        let given = |page: &FeedPage| {
            page.rows
                .iter()
                .map(|row| row.cursor.clone())
                .chain([page.next.clone()])
                .collect::<Vec<_>>()
        };
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        cursors.extend(given(first).into_iter().zip(given(second)));
    }

    fn compare<T: PartialEq + Debug>(
        &self,
        question: impl FnOnce() -> String,
        first: &T,
        second: &T,
    ) {
        if first == second {
            return;
        }
        let lines = |answer: &T| format!("{answer:#?}").lines().map(str::to_owned).collect();
        let difference = Difference {
            question: question(),
            answers: [lines(first), lines(second)],
        };
        self.difference
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(difference);
    }
}

/// The question, and where the answers part: of long ones only the lines around it.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const AROUND: usize = 3;
        writeln!(f, "{}", self.question)?;
        let [first, second] = &self.answers;
        if first == second {
            return write!(f, "  differs in what is not printed: personal data");
        }
        let head = first.iter().zip(second).take_while(|(a, b)| a == b).count();
        let tail = first[head..]
            .iter()
            .rev()
            .zip(second[head..].iter().rev())
            .take_while(|(a, b)| a == b)
            .count();
        for (name, answer) in [("the first answers", first), ("the second answers", second)] {
            writeln!(f, "  {name}")?;
            let (from, to) = (
                head.saturating_sub(AROUND),
                (answer.len() - tail + AROUND).min(answer.len()),
            );
            for (at, line) in answer.iter().enumerate().take(to).skip(from) {
                let differs = (head..answer.len() - tail).contains(&at);
                writeln!(f, "  {} {line}", if differs { '>' } else { ' ' })?;
            }
        }
        Ok(())
    }
}

/// A [`CommitError`] that can be compared.
#[derive(Debug, PartialEq)]
enum Refusal<'a> {
    KeyTaken(&'a KeyRecord),
    CommandKeyTaken(KeyUse),
    Fenced,
    RedemptionExhausted(&'a str),
    Conflict,
    NumberTaken,
    Store(StoreErrorKind),
}

fn committed(answer: &Result<Committed, CommitError>) -> Result<Committed, Refusal<'_>> {
    answer.as_ref().copied().map_err(|error| match error {
        CommitError::KeyTaken(record) => Refusal::KeyTaken(record),
        CommitError::CommandKeyTaken(used) => Refusal::CommandKeyTaken(*used),
        CommitError::Fenced => Refusal::Fenced,
        CommitError::RedemptionExhausted { name } => Refusal::RedemptionExhausted(name),
        CommitError::Conflict => Refusal::Conflict,
        CommitError::NumberTaken => Refusal::NumberTaken,
        CommitError::Store(error) => Refusal::Store(error.kind),
    })
}

fn plain<T>(answer: &Result<T, StoreError>) -> Result<&T, StoreErrorKind> {
    answer.as_ref().map_err(|error| error.kind)
}

type WholeOrder<'a> = (&'a Order, Option<&'a WorkItem>, Option<&'a KeyRecord>);

fn loaded(
    answer: &Result<Option<Loaded>, StoreError>,
) -> Result<Option<WholeOrder<'_>>, StoreErrorKind> {
    plain(answer).map(|loaded| {
        loaded
            .as_ref()
            .map(|Loaded { order, work, key }| (&**order, work.as_ref(), key.as_ref()))
    })
}

/// Leased items that can be compared. Which order cannot be read counts, and not in what words.
#[derive(Debug, PartialEq)]
struct LeasedItems<'a> {
    leased: Vec<(&'a Order, &'a WorkItem)>,
    unreadable: Vec<OrderId>,
    next_in: Option<Duration>,
}

fn leased(answer: &Result<LeasePage, StoreError>) -> Result<LeasedItems<'_>, StoreErrorKind> {
    plain(answer).map(
        |LeasePage {
             leased,
             unreadable,
             next_in,
             now: _,
         }| LeasedItems {
            leased: leased
                .iter()
                .map(|Leased { order, work }| (&**order, work))
                .collect(),
            unreadable: named(unreadable),
            next_in: *next_in,
        },
    )
}

fn named(unreadable: &[Unreadable]) -> Vec<OrderId> {
    unreadable
        .iter()
        .map(|unreadable| unreadable.order)
        .collect()
}

/// A page that can be compared.
#[derive(Debug, PartialEq)]
struct Page<'a> {
    orders: &'a [Arc<Order>],
    unreadable: Vec<OrderId>,
    next: Option<&'a Cursor>,
    total: u32,
}

fn page(answer: &Result<OrderPage, StoreError>) -> Result<Page<'_>, StoreErrorKind> {
    plain(answer).map(
        |OrderPage {
             orders,
             unreadable,
             next,
             total,
         }| Page {
            orders,
            unreadable: named(unreadable),
            next: next.as_ref(),
            total: *total,
        },
    )
}

/// A page of the feed that can be compared: without cursors.
#[derive(Debug, PartialEq)]
struct Fed<'a> {
    rows: Vec<(OrderNumber, Currency, OrderId, u64, Option<&'a JournalRow>)>,
    goes_on_after_the_last: bool,
}

fn fed(answer: &Result<FeedPage, StoreError>) -> Result<Fed<'_>, StoreErrorKind> {
    plain(answer).map(|FeedPage { rows, next }| Fed {
        rows: (rows.iter())
            .map(
                |FeedRow {
                     cursor: _,
                     order,
                     seq,
                     number,
                     currency,
                     row,
                 }| (*number, *currency, *order, *seq, row.as_ref().ok()),
            )
            .collect(),
        goes_on_after_the_last: rows.last().is_none_or(|last| last.cursor == *next),
    })
}

/// A page of a dump that can be compared.
#[derive(Debug, PartialEq)]
struct DumpedOrders<'a> {
    orders: &'a [Dumped],
    unreadable: Vec<OrderId>,
    next: Option<OrderId>,
}

fn dumped(answer: &Result<DumpPage, StoreError>) -> Result<DumpedOrders<'_>, StoreErrorKind> {
    plain(answer).map(
        |DumpPage {
             orders,
             unreadable,
             next,
         }| DumpedOrders {
            orders,
            unreadable: named(unreadable),
            next: *next,
        },
    )
}

#[async_trait]
impl<A: OrderStore, B: OrderStore> OrderStore for Twin<A, B> {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        let question = format!(
            "commit of {} rows to {} with {:?}",
            changeset.journal.len(),
            changeset.after.id,
            changeset.work
        );
        let first = self.first.commit(changeset.clone()).await;
        let second = self.second.commit(changeset).await;
        self.compare(|| question, &committed(&first), &committed(&second));
        first
    }

    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
        let (first, second) = (
            self.first.load(order.clone(), owner).await,
            self.second.load(order.clone(), owner).await,
        );
        self.compare(
            || format!("load of {order} for {owner:?}"),
            &loaded(&first),
            &loaded(&second),
        );
        first
    }

    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        let (first, second) = (self.first.peek(order).await, self.second.peek(order).await);
        self.compare(
            || format!("peek at {order}"),
            &plain(&first),
            &plain(&second),
        );
        first
    }

    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        let (first, second) = (self.first.list(query).await, self.second.list(query).await);
        self.compare(
            || format!("list by {query:?}"),
            &page(&first),
            &page(&second),
        );
        first
    }

    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        let (first, second) = (
            self.first.journal(query).await,
            self.second.journal(query).await,
        );
        self.compare(
            || format!("journal by {query:?}"),
            &plain(&first),
            &plain(&second),
        );
        first
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        let (first, second) = (
            self.first.lease(request).await,
            self.second.lease(request).await,
        );
        self.compare(
            || format!("lease by {request:?}"),
            &leased(&first),
            &leased(&second),
        );
        first
    }

    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        let (first, second) = (
            self.first.work_summary().await,
            self.second.work_summary().await,
        );
        self.compare(
            || "work_summary".to_owned(),
            &plain(&first),
            &plain(&second),
        );
        first
    }

    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        let (first, second) = (
            self.first.feed(query).await,
            self.second.feed(&self.translated(query)).await,
        );
        let whole = query.after.is_none()
            && [&first, &second]
                .into_iter()
                .flatten()
                .all(|p| p.rows.len() < query.limit as usize);
        match (self.fed_alike, whole) {
            (true, _) => self.compare(|| format!("feed by {query:?}"), &fed(&first), &fed(&second)),
            (false, true) => {
                let by_order = |answer| {
                    let mut fed: Result<Fed<'_>, _> = fed(answer);
                    if let Ok(fed) = &mut fed {
                        fed.rows.sort_by_key(|(_, _, order, seq, _)| (*order, *seq));
                    }
                    fed
                };
                self.compare(
                    || format!("feed by {query:?}"),
                    &by_order(&first),
                    &by_order(&second),
                );
            }
            (false, false) => {
                let kind = |answer| plain(answer).map(drop);
                self.compare(
                    || format!("feed by {query:?}"),
                    &kind(&first),
                    &kind(&second),
                );
            }
        }
        if let (Ok(first), Ok(second)) = (&first, &second) {
            self.learn(first, second);
        }
        first
    }

    async fn dump(&self, query: &DumpQuery) -> Result<DumpPage, StoreError> {
        let (first, second) = (self.first.dump(query).await, self.second.dump(query).await);
        self.compare(
            || format!("dump by {query:?}"),
            &dumped(&first),
            &dumped(&second),
        );
        first
    }
}
