//! Many orders at once: taking all of them elsewhere, putting them back, and taking in those of
//! another system.
//!
//! Orders come and go one by one, so that a store of any size needs the memory of a few.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::draft::Source;
use super::{Action, OrderManager, Principal, authorize};
use crate::archive::restoring;
use crate::error::{Error, Violation};
use crate::ids::{ExternalRef, OrderId};
use crate::order::{Event, JournalRow, Order};
use crate::request::ValidImport;
use crate::rules::{begin_imported, next, settle};
use crate::services::Clients;
use crate::store::{
    Changeset, CommitError, DumpPage, DumpQuery, Dumped, KeyMethod, KeyRecord, ListQuery, Lookup,
    OrderStore, StoreError, StoreErrorKind, Tries, Unreadable, WorkChange, dumped,
};

/// The number of orders that are exported at a time.
const PAGE: u32 = 100;
/// The number of commits under way at once, so that a store can make many of them durable together.
const IN_FLIGHT: usize = 64;

/// The outcome of importing an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImportState {
    /// It is new here.
    New,
    /// It was imported before, with the same content.
    Known,
}

/// The outcome of copying a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Copied {
    /// The number of orders that are new here.
    pub copied: u64,
    /// The number of orders that were there already, and are the same.
    pub there: u64,
    /// Orders of the other store that cannot be read, and were left out.
    pub unreadable: Vec<Unreadable>,
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Returns the next orders after `after`, in the order of ids, whole: to be kept as
    /// [`crate::archive`] writes them, or looked through. Each is as it was at one moment. Those
    /// that cannot be read are named beside the others.
    ///
    /// They hold personal data and payment tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for operators; [`Error::Store`].
    pub async fn export(
        &self,
        principal: &Principal,
        after: Option<OrderId>,
    ) -> Result<DumpPage, Error> {
        authorize(principal, Action::Move, None)?;
        Ok(self
            .inner
            .store
            .dump(&DumpQuery { after, limit: PAGE })
            .await?)
    }

    /// Puts exported orders into a store that is empty, verbatim: exporting them again gives the
    /// same. Work that is left to do for an order is taken up here from then on; nobody may go on
    /// with it where the order comes from. `told` is called for each order that is durable. Says
    /// how many there are.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for operators; [`Error::Invalid`] when the store is not empty, for
    /// an order that stands among `orders` twice, and for one that cannot be restored;
    /// [`Error::Store`]; and whatever `orders` gives. What was restored before then stays.
    pub async fn restore<E: From<Error>>(
        &self,
        principal: &Principal,
        orders: impl IntoIterator<Item = Result<Dumped, E>>,
        mut told: impl FnMut(),
    ) -> Result<u64, E> {
        authorize(principal, Action::Move, None)?;
        self.check_empty().await?;
        let mut restored = 0;
        let done = |()| {
            restored += 1;
            told();
        };
        side_by_side(
            orders,
            |dumped| async move { Ok(self.restore_one(dumped).await?) },
            done,
        )
        .await?;
        Ok(restored)
    }

    /// Copies all orders of another store into this one, verbatim, and compares each with its copy.
    /// What is there already is only compared, so that a copy that was interrupted goes on. Work
    /// that is left to do for an order is taken up here from then on: nobody may work, or write to,
    /// the other store any more. `told` is called for each order that is there and the same.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for operators; [`Error::Invalid`] for an order that is there and
    /// not the same, because one of the two has changed since, and for one that cannot be restored;
    /// [`Error::Store`]. What was copied before then stays.
    pub async fn copy_from(
        &self,
        principal: &Principal,
        from: &dyn OrderStore,
        mut told: impl FnMut(),
    ) -> Result<Copied, Error> {
        authorize(principal, Action::Move, None)?;
        let mut copied = Copied::default();
        let mut after = None;
        loop {
            let page = from.dump(&DumpQuery { after, limit: PAGE }).await?;
            copied.unreadable.extend(page.unreadable);
            let orders = page.orders.into_iter().map(Ok::<_, Error>);
            let done = |new: bool| {
                copied.copied += u64::from(new);
                copied.there += u64::from(!new);
                told();
            };
            side_by_side(orders, |dumped| self.copy_one(dumped), done).await?;
            after = page.next;
            if after.is_none() {
                return Ok(copied);
            }
        }
    }

    /// Returns whether the order was not there.
    async fn copy_one(&self, original: Dumped) -> Result<bool, Error> {
        let (id, number) = (original.order.id, original.order.number);
        let broken = |problem: String| Error::invalid(format!("order {number}"), problem);
        let work = self.work_left(&original.order);
        let changeset = restoring(original.clone(), work).map_err(|e| broken(e.to_string()))?;
        let new = match self.commit(changeset).await {
            Ok((_, committed)) => !committed.replayed,
            Err(CommitError::Store(e)) => return Err(e.into()),
            Err(e) => return Err(broken(e.to_string())),
        };
        match dumped(&self.inner.store, id).await? {
            Some(copy) if copy == original => Ok(new),
            _ => Err(broken("is not the same in both stores: one of them has been written to since; copy into a new one".into())),
        }
    }

    /// Returns whether orders can be restored into the store.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when it is not empty; [`Error::Store`].
    pub async fn check_empty(&self) -> Result<(), Error> {
        let page = self
            .inner
            .store
            .list(&ListQuery {
                limit: 1,
                decides: true,
                ..ListQuery::default()
            })
            .await?;
        let readable = page.orders.first().map(|order| order.number.to_string());
        match readable.or_else(|| page.unreadable.first().map(|u| u.order.to_string())) {
            None => Ok(()),
            Some(first) => Err(Error::invalid(
                "store",
                format!("is not empty, it has order {first}: restore into a new one"),
            )),
        }
    }

    async fn restore_one(&self, dumped: Dumped) -> Result<(), Error> {
        let number = dumped.order.number;
        let broken = |problem: String| Error::invalid(format!("order {number}"), problem);
        let work = self.work_left(&dumped.order);
        let changeset = restoring(dumped, work).map_err(|e| broken(e.to_string()))?;
        match self.commit(changeset).await {
            Ok((_, committed)) if committed.replayed => {
                Err(broken("is there already: restore each order once".into()))
            }
            Ok(_) => Ok(()),
            Err(CommitError::Store(e)) => Err(e.into()),
            Err(e) => Err(broken(e.to_string())),
        }
    }

    /// An order that something is left to do for is looked at now; another has no work item.
    fn work_left(&self, order: &Order) -> WorkChange {
        let env = self.env();
        match next(order, &Tries::default(), &env) {
            plan if plan.is_done() => WorkChange::Keep,
            _ => WorkChange::Wake { due: env.now },
        }
    }

    /// Returns what importing `order` would come to.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for operators; [`Error::Invalid`] when its external reference was
    /// imported with other content, or for another customer, when its order number is another
    /// order's, and when by the policy it would have been completed by now; [`Error::Store`].
    pub async fn examine_import(
        &self,
        principal: &Principal,
        order: &ValidImport,
    ) -> Result<ImportState, Error> {
        authorize(principal, Action::Move, None)?;
        let imported = &order.imported;
        if let Some(record) = self.imported_before(order).await? {
            return known(order, &record);
        }
        let env = self.env();
        // What would happen by itself at once, and be told to the customer, happened long ago.
        let follows = settle(&begin_imported(imported, env.now), &env);
        if let Some(event) = follows
            .iter()
            .find(|e| !matches!(e, Event::AttentionRaised { .. }))
        {
            let problem = format!(
                "is out of date: {} follows at once by the settings of this shop, so state that",
                event.name()
            );
            return Err(Error::invalid("status", problem));
        }
        if order.own_number
            && self
                .inner
                .store
                .load(Lookup::Number(imported.number), None)
                .await?
                .is_some()
        {
            return Err(number_taken(order));
        }
        Ok(ImportState::New)
    }

    /// Takes in historic orders, each with one journal row; those that were imported before are
    /// left as they have become. Nobody is told of anything that is past. `told` is called for each
    /// order that is durable.
    ///
    /// # Errors
    ///
    /// Those of [`Self::examine_import`], and whatever `orders` gives. What was imported before
    /// then stays; importing all of them again goes on.
    pub async fn import<E: From<Error>>(
        &self,
        principal: &Principal,
        orders: impl IntoIterator<Item = Result<ValidImport, E>>,
        told: impl FnMut(ImportState),
    ) -> Result<(), E> {
        authorize(principal, Action::Move, None)?;
        let source = Source {
            actor: principal.actor(),
            cause: "import",
        };
        let source = &source;
        side_by_side(
            orders,
            |order| async move { Ok(self.import_one(order, source).await?) },
            told,
        )
        .await
    }

    /// Returns the record of its import, if it was imported before. Refuses one that is called what
    /// another order here is called, such as one of another customer.
    async fn imported_before(&self, order: &ValidImport) -> Result<Option<KeyRecord>, Error> {
        let (reference, user) = (order.external_ref(), order.imported.user);
        let query = ListQuery {
            external_ref: Some(ExternalRef::from(reference)),
            limit: 1,
            decides: true,
            ..ListQuery::default()
        };
        let page = self.inner.store.list(&query).await?;
        let Some(id) = page
            .orders
            .first()
            .map(|order| order.id)
            .or(page.unreadable.first().map(|u| u.order))
        else {
            return Ok(None);
        };
        let refused = |problem| {
            Err(Error::invalid(
                "external_ref",
                format!("{reference} {problem}"),
            ))
        };
        match page.orders.first() {
            Some(other) if other.user != user => {
                refused("was imported before for another customer".to_owned())
            }
            _ => match self.key_record(user, KeyMethod::Import, reference).await? {
                Some(record) => Ok(Some(record)),
                None => refused(format!("is what order {id} is called")),
            },
        }
    }

    async fn import_one(
        &self,
        mut order: ValidImport,
        source: &Source,
    ) -> Result<ImportState, Error> {
        let request_hash = order.request_hash();
        if let Some(record) = self.imported_before(&order).await? {
            return known(&order, &record);
        }
        loop {
            match self
                .commit(self.importing(&order, request_hash, source))
                .await
            {
                Ok(_) => return Ok(ImportState::New),
                Err(CommitError::KeyTaken(record)) => return known(&order, &record),
                Err(CommitError::NumberTaken) if order.own_number => {
                    return Err(number_taken(&order));
                }
                Err(CommitError::NumberTaken) => {
                    order.imported.number = self.inner.ids.order_number(&order.imported.user)
                }
                Err(CommitError::Store(e)) => return Err(e.into()),
                Err(
                    e @ (CommitError::Conflict
                    | CommitError::CommandKeyTaken(_)
                    | CommitError::Fenced
                    | CommitError::RedemptionExhausted { .. }),
                ) => {
                    // Its id is of its reference, which is free, and it has neither command key nor
                    // lease nor redemptions.
                    return Err(StoreError::caused(
                        StoreErrorKind::Corrupt,
                        "the store refuses an imported order",
                        e,
                    )
                    .into());
                }
            }
        }
    }

    fn importing(
        &self,
        order: &ValidImport,
        request_hash: uuid::Uuid,
        source: &Source,
    ) -> Changeset {
        let now = self.now();
        let imported = &order.imported;
        let id = self.inner.ids.changeset_id(now);
        let mut after = begin_imported(imported, now);
        after.notified = after.version;
        let row = JournalRow {
            order: after.id,
            seq: 1,
            event: Event::Imported(imported.clone()),
            from: None,
            to: after.statuses.status,
            actor: source.actor.clone(),
            cause: source.cause.into(),
            notes: None,
            command_key: None,
            changeset: id,
            at: now,
        };
        let key = order.external_ref().clone();
        let key = KeyRecord {
            user: after.user,
            method: KeyMethod::Import,
            key,
            request_hash,
            order: after.id,
        };
        let work = self.work_left(&after);
        Changeset {
            id,
            before: None,
            after: Arc::new(after),
            journal: vec![row],
            key: Some(key),
            redemptions: Vec::new(),
            work,
        }
    }
}

/// Returns whether what was imported under the reference is the same.
fn known(order: &ValidImport, record: &KeyRecord) -> Result<ImportState, Error> {
    if record.request_hash == order.request_hash() {
        return Ok(ImportState::Known);
    }
    let problem = format!(
        "{} was imported before with other content, as order {}",
        order.external_ref(),
        record.order
    );
    Err(Error::Invalid(vec![Violation::new(
        "external_ref",
        problem,
    )]))
}

fn number_taken(order: &ValidImport) -> Error {
    Error::invalid(
        "order_number",
        format!("{} is the number of another order", order.imported.number),
    )
}

/// Does `work` for each of `items`, some of them at a time. After the first error nothing more is
/// begun; what is under way is waited for, so that nothing happens after the answer.
async fn side_by_side<T, R, E, F: Future<Output = Result<R, E>>>(
    items: impl IntoIterator<Item = Result<T, E>>,
    work: impl Fn(T) -> F,
    mut done: impl FnMut(R),
) -> Result<(), E> {
    let mut items = items.into_iter();
    let mut under_way = FuturesUnordered::new();
    let mut failed = None;
    loop {
        while failed.is_none() && under_way.len() < IN_FLIGHT {
            match items.next() {
                Some(Ok(item)) => under_way.push(work(item)),
                Some(Err(error)) => failed = Some(error),
                None => break,
            }
        }
        match under_way.next().await {
            Some(Ok(answer)) => done(answer),
            Some(Err(error)) => failed = failed.or(Some(error)),
            None => return failed.map_or(Ok(()), Err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Orders can be moved by a task of their own.
    #[allow(dead_code, reason = "it need only compile")]
    fn can_be_tasks<S: OrderStore, C: Clients>(
        manager: &OrderManager<S, C>,
        principal: &Principal,
    ) {
        fn task(_: impl Future + Send) {}
        task(manager.export(principal, None));
        task(manager.restore::<Error>(principal, Vec::new(), || ()));
        task(manager.import::<Error>(principal, Vec::new(), |_| ()));
    }
}
