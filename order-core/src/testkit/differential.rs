//! [`Twin`]: two stores that are asked the same, and the first question that they answer differently.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::ids::{IdempotencyKey, OrderId, UserId};
use crate::number::OrderNumber;
use crate::order::{JournalRow, Order};
use crate::store::{
    Changeset, ClaimRequest, Claimed, CommitError, Committed, Cursor, DumpQuery, Dumped, FeedCursor, FeedPage, FeedQuery,
    FeedRow, JournalQuery, KeyMethod, KeyRecord, KeyUse, ListQuery, Loaded, OrderPage, OrderRef, OrderStore, Peek, StoreError,
    StoreErrorKind, WorkItem, WorkSummary,
};

/// An [`OrderStore`] that asks two stores and answers as the first does.
///
/// Answers are compared in full, personal data included; of a [`StoreError`] only the kind is. Both stores see the same
/// sequence only if one task asks: it may have several questions open, which both are asked in the order in which they are
/// first polled. Both need the same clock. Cursors of the feed are each store's own: the second is asked with the one that it
/// gave where the first gave the one it is asked with.
pub struct Twin<A, B> {
    /// The one whose answers are given.
    pub first: A,
    /// The one that must answer alike.
    pub second: B,
    difference: Mutex<Option<Difference>>,
    /// The second store's cursor for each of the first's.
    cursors: Mutex<HashMap<FeedCursor, FeedCursor>>,
}

/// A question with two answers.
#[derive(Debug, Clone)]
pub struct Difference {
    /// What was asked.
    pub question: String,
    /// What the first and the second store said, line by line.
    pub answers: [Vec<String>; 2],
}

impl<A: OrderStore, B: OrderStore> Twin<A, B> {
    /// Both as they are now, which should be alike.
    pub fn new(first: A, second: B) -> Self {
        Twin { first, second, difference: Mutex::default(), cursors: Mutex::default() }
    }

    /// The first difference there was since this was last asked.
    pub fn difference(&self) -> Option<Difference> {
        self.difference.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The same question for the second store.
    fn translated(&self, query: &FeedQuery) -> FeedQuery {
        let cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        let after = query.after.map(|cursor| cursors.get(&cursor).copied().unwrap_or(cursor));
        FeedQuery { after, limit: query.limit }
    }

    fn learn(&self, first: &FeedPage, second: &FeedPage) {
        let given = |page: &FeedPage| page.rows.iter().map(|row| row.cursor).chain([page.next]).collect::<Vec<_>>();
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        cursors.extend(given(first).into_iter().zip(given(second)));
    }

    fn compare<T: PartialEq + Debug>(&self, question: impl FnOnce() -> String, first: &T, second: &T) {
        if first == second {
            return;
        }
        let lines = |answer: &T| format!("{answer:#?}").lines().map(str::to_owned).collect();
        let difference = Difference { question: question(), answers: [lines(first), lines(second)] };
        self.difference.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(difference);
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
        let tail = first[head..].iter().rev().zip(second[head..].iter().rev()).take_while(|(a, b)| a == b).count();
        for (name, answer) in [("the first answers", first), ("the second answers", second)] {
            writeln!(f, "  {name}")?;
            let (from, to) = (head.saturating_sub(AROUND), (answer.len() - tail + AROUND).min(answer.len()));
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
    ClaimExhausted(&'a str),
    Conflict,
    NumberTaken,
    Store(StoreErrorKind),
}

fn committed(answer: &Result<Committed, CommitError>) -> Result<Committed, Refusal<'_>> {
    answer.as_ref().copied().map_err(|error| match error {
        CommitError::KeyTaken(record) => Refusal::KeyTaken(record),
        CommitError::CommandKeyTaken(used) => Refusal::CommandKeyTaken(*used),
        CommitError::Fenced => Refusal::Fenced,
        CommitError::ClaimExhausted { name } => Refusal::ClaimExhausted(name),
        CommitError::Conflict => Refusal::Conflict,
        CommitError::NumberTaken => Refusal::NumberTaken,
        CommitError::Store(error) => Refusal::Store(error.kind),
    })
}

fn plain<T>(answer: &Result<T, StoreError>) -> Result<&T, StoreErrorKind> {
    answer.as_ref().map_err(|error| error.kind)
}

fn loaded(answer: &Result<Option<Loaded>, StoreError>) -> Result<Option<(&Order, Option<&WorkItem>)>, StoreErrorKind> {
    plain(answer).map(|loaded| loaded.as_ref().map(|Loaded { order, work }| (&**order, work.as_ref())))
}

fn claimed(answer: &Result<Vec<Claimed>, StoreError>) -> Result<Vec<(&Order, &WorkItem)>, StoreErrorKind> {
    plain(answer).map(|claimed| claimed.iter().map(|Claimed { order, work }| (&**order, work)).collect())
}

/// A page that can be compared.
#[derive(Debug, PartialEq)]
struct Page<'a> {
    orders: &'a [Arc<Order>],
    next: Option<&'a Cursor>,
    total: u32,
}

fn page(answer: &Result<OrderPage, StoreError>) -> Result<Page<'_>, StoreErrorKind> {
    plain(answer).map(|OrderPage { orders, next, total }| Page { orders, next: next.as_ref(), total: *total })
}

/// A page of the feed that can be compared: without cursors.
#[derive(Debug, PartialEq)]
struct Fed<'a> {
    rows: Vec<(OrderNumber, &'a JournalRow)>,
    goes_on_after_the_last: bool,
}

fn fed(answer: &Result<FeedPage, StoreError>) -> Result<Fed<'_>, StoreErrorKind> {
    plain(answer).map(|FeedPage { rows, next }| Fed {
        rows: rows.iter().map(|FeedRow { cursor: _, number, row }| (*number, row)).collect(),
        goes_on_after_the_last: rows.last().is_none_or(|last| last.cursor == *next),
    })
}

#[async_trait]
impl<A: OrderStore, B: OrderStore> OrderStore for Twin<A, B> {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        let question = format!("commit of {} rows to {} with {:?}", changeset.journal.len(), changeset.after.id, changeset.work);
        let first = self.first.commit(changeset.clone()).await;
        let second = self.second.commit(changeset).await;
        self.compare(|| question, &committed(&first), &committed(&second));
        first
    }

    async fn load(&self, order: OrderRef, owner: Option<UserId>) -> Result<Option<Loaded>, StoreError> {
        let (first, second) = (self.first.load(order, owner).await, self.second.load(order, owner).await);
        self.compare(|| format!("load of {order} for {owner:?}"), &loaded(&first), &loaded(&second));
        first
    }

    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        let (first, second) = (self.first.peek(order).await, self.second.peek(order).await);
        self.compare(|| format!("peek at {order}"), &plain(&first), &plain(&second));
        first
    }

    async fn find_key(&self, user: UserId, method: KeyMethod, key: &IdempotencyKey) -> Result<Option<KeyRecord>, StoreError> {
        let (first, second) = (self.first.find_key(user, method, key).await, self.second.find_key(user, method, key).await);
        self.compare(|| format!("find_key of {user}, {method}, {key}"), &plain(&first), &plain(&second));
        first
    }

    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        let (first, second) = (self.first.list(query).await, self.second.list(query).await);
        self.compare(|| format!("list by {query:?}"), &page(&first), &page(&second));
        first
    }

    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        let (first, second) = (self.first.journal(query).await, self.second.journal(query).await);
        self.compare(|| format!("journal by {query:?}"), &plain(&first), &plain(&second));
        first
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        let (first, second) = (self.first.claim(request).await, self.second.claim(request).await);
        self.compare(|| format!("claim by {request:?}"), &claimed(&first), &claimed(&second));
        first
    }

    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        let (first, second) = (self.first.work_summary().await, self.second.work_summary().await);
        self.compare(|| "work_summary".to_owned(), &plain(&first), &plain(&second));
        first
    }

    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        let (first, second) = (self.first.feed(query).await, self.second.feed(&self.translated(query)).await);
        self.compare(|| format!("feed by {query:?}"), &fed(&first), &fed(&second));
        if let (Ok(first), Ok(second)) = (&first, &second) {
            self.learn(first, second);
        }
        first
    }

    async fn dump(&self, query: &DumpQuery) -> Result<Vec<Dumped>, StoreError> {
        let (first, second) = (self.first.dump(query).await, self.second.dump(query).await);
        self.compare(|| format!("dump by {query:?}"), &plain(&first), &plain(&second));
        first
    }
}
