//! Placing: everything is read and checked first; from the commit that accepts the order on, it can
//! only be worked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join, join_all, select};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::draft::{Draft, Source};
use super::drive::{Session, settle_and_plan};
use super::price::amounts;
use super::worker::TroubleHook;
use super::{Action, OrderManager, Principal, authorize, telemetry};
use crate::error::{Error, Rejection, RejectionReason, Violation};
use crate::ids::{IdempotencyKey, ProductId, UserId};
use crate::money::{Currency, Minor, Money};
use crate::order::{
    Actor, Amounts, Event, Lot, Op, Order, OrderHold, PaymentTerms, Placed, PlacedLine,
};
use crate::pricing::{PricingLine, PricingRequest};
use crate::request::{PlaceRequest, ValidHold, ValidItem, ValidPlace};
use crate::rules::{Call, Wait, failure};
use crate::services::{
    CallError, Clients, Product, ProductService, ServiceName, User, UserService,
};
use crate::store::{
    CommitError, KeyMethod, KeyRecord, Lookup, OrderStore, StoreError, StoreErrorKind, Tries,
    WorkChange,
};
use crate::time::Timestamp;

/// Options of placing an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlaceOptions {
    /// Makes the request safe to repeat: asking again under the same key answers the same order.
    pub key: Option<IdempotencyKey>,
    /// The total that the caller showed the customer: the order is refused if it is anything else.
    pub expected_total: Option<Money>,
    /// The longest time that the caller waits; [`crate::policy::Policy::answer_within`] if it
    /// does not say.
    pub wait: Option<Duration>,
}

impl PlaceOptions {
    /// Returns the options with an idempotency key.
    #[must_use]
    pub fn with_key(self, key: IdempotencyKey) -> Self {
        PlaceOptions {
            key: Some(key),
            ..self
        }
    }

    /// Returns the options for an order that must cost that much.
    #[must_use]
    pub fn with_expected_total(self, total: Money) -> Self {
        PlaceOptions {
            expected_total: Some(total),
            ..self
        }
    }

    /// Returns the options of a caller who can wait for that long.
    #[must_use]
    pub fn with_wait(self, wait: Duration) -> Self {
        PlaceOptions {
            wait: Some(wait),
            ..self
        }
    }
}

/// An accepted order, as it is when the caller is answered: confirmed, still being decided, or come
/// to nothing, which [`Placement::outcome`] tells apart.
#[derive(Debug, Clone)]
#[must_use = "an accepted order may have been declined: see `Placement::outcome`"]
pub struct Placement {
    /// The order. It may have been rejected meanwhile, or its payment declined.
    pub order: Arc<Order>,
    /// True if an earlier request under the same key made it.
    pub replayed: bool,
}

impl Placement {
    /// Returns the order, unless it came to nothing: a shop answers `Err` as it answers a refusal
    /// by [`OrderManager::place`] itself. `Ok` is an order that is confirmed, or may be yet: it
    /// waits for the customer, the provider, a person, or the engine, as its status says.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] for stock that was refused ([`RejectionReason::OutOfStock`]), a payment that
    /// was declined ([`RejectionReason::PaymentDeclined`]), and an order that nobody paid in time
    /// ([`RejectionReason::OrderExpired`]). It converts into an [`Error`], so `?` passes it on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use order_core::error::Error;
    /// # use order_core::manager::{OrderManager, PlaceOptions, Principal};
    /// # use order_core::request::PlaceRequest;
    /// /// The order's number, once it is sure not to have come to nothing.
    /// async fn checkout(
    ///     orders: &OrderManager,
    ///     customer: &Principal,
    ///     request: PlaceRequest,
    /// ) -> Result<String, Error> {
    ///     let placed = orders.place(customer, request, PlaceOptions::default()).await?;
    ///     Ok(placed.outcome()?.number.to_string())
    /// }
    /// ```
    pub fn outcome(&self) -> Result<&Order, Rejection> {
        match failure(&self.order) {
            None => Ok(&self.order),
            Some(rejection) => Err(rejection),
        }
    }
}

/// The price of an order that is not placed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quote {
    /// The currency of all amounts.
    pub currency: Currency,
    /// The lines with their shares.
    pub lines: Vec<PlacedLine>,
    /// The sums.
    pub amounts: Amounts,
    /// The moment at which the money would be due.
    pub terms: PaymentTerms,
}

/// The services that an accepted order depends on.
const NEEDED: [ServiceName; 2] = [ServiceName::Inventory, ServiceName::Payment];

/// The services that are read before an order is accepted.
const READ: [ServiceName; 3] = [
    ServiceName::Product,
    ServiceName::User,
    ServiceName::Pricing,
];

/// The store's answer to accepting an order.
enum Accepted {
    New(Box<Session>),
    Existing(Box<KeyRecord>),
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Prices an order without placing it.
    ///
    /// # Errors
    ///
    /// Those of [`Self::place`] that come before acceptance, but those of stock and payment.
    pub async fn quote(
        &self,
        principal: &Principal,
        request: &PlaceRequest,
    ) -> Result<Quote, Error> {
        let valid = request.validate()?;
        authorize(principal, Action::Place, Some(valid.user))?;
        let placed = self.prepare(&valid).await?;
        let Placed {
            currency,
            lines,
            amounts,
            terms,
            ..
        } = placed;
        Ok(Quote {
            currency,
            lines,
            amounts,
            terms,
        })
    }

    /// Places an order, with the holds that it is to have from the very start, and waits until it
    /// is decided, only the customer or a provider can move it, or the caller's time is over; then
    /// answers the order as it is. Once accepted it is worked to its end, whether or not anybody
    /// waits.
    ///
    /// Without a key, asking again makes a second order.
    ///
    /// # Errors
    ///
    /// In this order: [`Error::Invalid`] with every violation; [`Error::Forbidden`];
    /// [`Error::KeyReused`]; [`Error::Service`] when a service is down; [`Error::NotFound`] for an
    /// unknown user, product or variant; [`Error::Rejected`] for a user or product that may not, a
    /// coupon, or another total; [`Error::Store`]. After any of them nothing was accepted, unless
    /// the store's error is [`StoreErrorKind::Unknown`]: then ask again under the key.
    pub async fn place(
        &self,
        principal: &Principal,
        request: PlaceRequest,
        options: PlaceOptions,
    ) -> Result<Placement, Error> {
        let placing = self.place_one(principal, request, options);
        placing.instrument(telemetry::placing()).await
    }

    async fn place_one(
        &self,
        principal: &Principal,
        request: PlaceRequest,
        options: PlaceOptions,
    ) -> Result<Placement, Error> {
        let until = self.answer_by(options.wait);
        let valid = request.validate()?;
        authorize(principal, Action::Place, Some(valid.user))?;
        if !valid.holds.is_empty() {
            authorize(principal, Action::Hold, Some(valid.user))?;
        }
        if valid.metadata.get().is_some() || valid.external_ref.is_some() {
            authorize(principal, Action::SetMetadata, Some(valid.user))?;
        }
        let key = match options.key {
            Some(key) => {
                let request_hash = valid.request_hash();
                if let Some(record) = self.key_record(valid.user, KeyMethod::Place, &key).await? {
                    return self.replay(record, request_hash, until).await;
                }
                Some((key, request_hash))
            }
            None => None,
        };
        let breakers = &self.inner.breakers;
        let refused = |service| Error::Service {
            service,
            source: CallError::not_done("it has not answered for a while"),
        };
        if let Some(service) = breakers.down(&NEEDED, self.inner.runtime.monotonic()) {
            return Err(refused(service));
        }
        breakers
            .enter(&READ, self.inner.runtime.monotonic())
            .map_err(refused)?;
        let mut placed = self.prepare(&valid).await?;
        check_total(&placed, options.expected_total)?;
        placed.holds = holds(&valid, &principal.actor(), self.now())?;
        // Once it is accepted it must be worked: so only now does it go through as the one that
        // tries a service out.
        breakers
            .enter(&NEEDED, self.inner.runtime.monotonic())
            .map_err(refused)?;

        let (accepted_tx, accepted) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let manager = self.clone();
        let source = Source {
            actor: principal.actor(),
            cause: "place",
        };
        let hash = key.as_ref().map(|(_, hash)| *hash);
        let task = self.inner.sessions.task();
        self.inner.runtime.spawn(Box::pin(async move {
            let _task = task;
            match manager.accept(placed, key, &source).await {
                Ok(Accepted::New(mut session)) => {
                    session.answer = Some((answer, Wait::Decided));
                    // The caller may have gone.
                    let _ = accepted_tx.send(Ok((session.order.id, None)));
                    manager.drive(*session).await;
                }
                Ok(Accepted::Existing(record)) => {
                    drop(accepted_tx.send(Ok((record.order, Some(record)))))
                }
                Err(e) => drop(accepted_tx.send(Err(e))),
            }
        }));
        let stopped = |_| StoreError::new(StoreErrorKind::Unknown, "the engine is shutting down");
        match accepted.await.map_err(stopped)?? {
            (_, Some(record)) => self.replay(*record, hash.unwrap_or_default(), until).await,
            (id, None) => {
                let left = until.saturating_sub(self.inner.runtime.monotonic());
                let order = match select(answered, self.inner.runtime.sleep(left)).await {
                    Either::Left((Ok(order), _)) => order,
                    Either::Left((Err(_), _)) | Either::Right(_) => {
                        self.attend(id, until, Wait::Decided).await?
                    }
                };
                Ok(Placement {
                    order,
                    replayed: false,
                })
            }
        }
    }

    /// The record of an idempotency key; none if it is free.
    pub(super) async fn key_record(
        &self,
        user: UserId,
        method: KeyMethod,
        key: &IdempotencyKey,
    ) -> Result<Option<KeyRecord>, StoreError> {
        let lookup = Lookup::Key {
            user,
            method,
            key: key.clone(),
        };
        Ok(self
            .inner
            .store
            .load(lookup, None)
            .await?
            .and_then(|loaded| loaded.key))
    }

    /// Answers with the order that an earlier request under the key made.
    async fn replay(
        &self,
        record: KeyRecord,
        request_hash: uuid::Uuid,
        until: Duration,
    ) -> Result<Placement, Error> {
        if record.request_hash != request_hash {
            return Err(Error::KeyReused {
                key: record.key,
                used: None,
            });
        }
        let order = self.attend(record.order, until, Wait::Decided).await?;
        Ok(Placement {
            order,
            replayed: true,
        })
    }

    /// Reads and checks all that an order depends on. The id and number are drawn when it is
    /// accepted.
    async fn prepare(&self, valid: &ValidPlace) -> Result<Placed, Error> {
        let mut wanted: Vec<ProductId> = valid.items.iter().map(|i| i.product).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let clients = &self.inner.clients;
        let user = self.user(valid.user);
        let products = join_all(
            wanted
                .iter()
                .map(|id| self.within(ServiceName::Product, "get", clients.product().get(*id))),
        );
        let (user, products) = join(user, products).await;
        let user = user?;
        let mut by_id = BTreeMap::new();
        for (id, product) in wanted.iter().zip(products) {
            let product = product.map_err(|source| Error::Service {
                service: ServiceName::Product,
                source,
            })?;
            let product = product.ok_or_else(|| Error::NotFound {
                what: "product",
                id: id.to_string(),
            })?;
            by_id.insert(*id, product);
        }
        self.may_order(&user)?;
        let currency = self.inner.pricing.currency();
        let now = self.now();
        let mut lines = Vec::with_capacity(valid.items.len());
        for (i, item) in valid.items.iter().enumerate() {
            if let Some(product) = by_id.get(&item.product) {
                lines.push(line(
                    &format!("items[{i}]"),
                    item,
                    product,
                    currency,
                    self.inner.ids.line_id(now),
                )?);
            }
        }
        self.priced(valid, lines, currency).await
    }

    async fn user(&self, id: UserId) -> Result<User, Error> {
        let user = self
            .within(ServiceName::User, "get", self.inner.clients.user().get(id))
            .await;
        let user = user.map_err(|source| Error::Service {
            service: ServiceName::User,
            source,
        })?;
        user.ok_or_else(|| Error::NotFound {
            what: "user",
            id: id.to_string(),
        })
    }

    fn may_order(&self, user: &User) -> Result<(), Error> {
        if self
            .inner
            .policy
            .user_statuses
            .iter()
            .any(|s| s.eq_ignore_ascii_case(&user.account_status))
        {
            return Ok(());
        }
        let message = format!(
            "user {} may not order: the account is {:?}",
            user.id, user.account_status
        );
        Err(Rejection::new(RejectionReason::UserNotActive, message).into())
    }

    /// Refuses to let a customer buy whose account may not order: by placing, by an edit, or by
    /// paying again.
    pub(super) async fn check_may_order(&self, user: UserId) -> Result<(), Error> {
        self.may_order(&self.user(user).await?)
    }

    async fn priced(
        &self,
        valid: &ValidPlace,
        mut lines: Vec<PlacedLine>,
        currency: Currency,
    ) -> Result<Placed, Error> {
        let now = self.now();
        let request = PricingRequest {
            user: valid.user,
            currency,
            lines: lines
                .iter()
                .map(|l| PricingLine {
                    product: l.product,
                    variant: l.variant,
                    sku: l.sku.clone(),
                    quantity: l.lot.units,
                    subtotal: l.lot.subtotal,
                    requires_shipping: l.requires_shipping,
                })
                .collect(),
            to: Some(valid.addresses.shipping.clone()).into(),
            shipping_method: valid.shipping_method.clone(),
            payment_method: valid.payment_method.clone(),
            coupon: valid.coupon.clone(),
            now,
        };
        let priced = self.price(&request).await?;
        for (line, shares) in lines.iter_mut().zip(&priced.lines) {
            line.lot.coupon = shares.coupon;
            line.lot.tax = shares.tax;
            line.lot.tax_included = shares.tax_included;
        }
        let amounts = amounts(&lines, &priced)?;
        Ok(Placed {
            id: self.inner.ids.order_id(now, &valid.user),
            number: self.inner.ids.order_number(&valid.user),
            user: valid.user,
            currency,
            lines,
            amounts,
            shipping_method: valid.shipping_method.clone(),
            payment_method: valid.payment_method.clone(),
            terms: priced.terms,
            coupon: valid.coupon.clone(),
            redemptions: priced.redemptions,
            placing_deadline: now.after(self.inner.policy.placing_deadline),
            holds: Vec::new(),
            external_ref: valid.external_ref.clone(),
            addresses: Some(valid.addresses.clone()).into(),
            notes: valid.notes.clone(),
            token: valid.token.clone(),
            return_url: valid.return_url.clone(),
            metadata: valid.metadata.clone(),
        })
    }

    /// Commits the order with its first calls armed and a lease to make them.
    async fn accept(
        &self,
        mut placed: Placed,
        key: Option<(IdempotencyKey, uuid::Uuid)>,
        source: &Source,
    ) -> Result<Accepted, Error> {
        loop {
            let env = self.env();
            // Built of the very time at which it counts as placed, so that ids sort as orders were
            // placed.
            placed.id = self.inner.ids.order_id(env.now, &placed.user);
            let record = key.clone().map(|(key, request_hash)| KeyRecord {
                user: placed.user,
                method: KeyMethod::Place,
                key,
                request_hash,
                order: placed.id,
            });
            let changeset = self.inner.ids.changeset_id(env.now);
            let mut draft = Draft::new(Box::new(placed.clone()), source, changeset, env.now);
            let plan = settle_and_plan(&mut draft, &Tries::default(), &env);
            let armed: Vec<Op> = plan
                .calls
                .iter()
                .filter(|c: &&Call| c.arm)
                .map(|c| c.op)
                .chain(plan.ahead)
                .collect();
            if !armed.is_empty() {
                draft.push(Event::Armed { ops: armed.clone() }, &Source::worker());
            }
            if !env.notify {
                draft.order.notified = draft.order.version;
            }
            let fence = self.inner.ids.fence(env.now);
            let leased_at = self.inner.runtime.monotonic();
            let work = WorkChange::Lease {
                fence,
                ttl: self.inner.policy.lease,
                due: env.now,
            };
            match self.commit(draft.into_changeset(record, work)).await {
                Ok((order, committed)) => {
                    let mut session = Session {
                        order,
                        fence,
                        revision: committed.revision.max(1),
                        leased_at,
                        tries: Tries::default(),
                        saved: Tries::default(),
                        unsent: std::collections::BTreeSet::new(),
                        just_committed: true,
                        told: 0,
                        taken_over: false,
                        runs: 0,
                        trouble: TroubleHook::default(),
                        _held: self.inner.sessions.lease(fence),
                        answer: None,
                    };
                    for op in armed {
                        session.mark_unsent(op);
                    }
                    return Ok(Accepted::New(Box::new(session)));
                }
                Err(CommitError::NumberTaken) => {
                    placed.number = self.inner.ids.order_number(&placed.user)
                }
                Err(CommitError::KeyTaken(record)) => return Ok(Accepted::Existing(record)),
                Err(CommitError::RedemptionExhausted { name }) => {
                    let coupon = placed.coupon.as_ref().map_or(name, ToString::to_string);
                    let message = format!("coupon {coupon} has been used as often as it can be");
                    return Err(Rejection::new(RejectionReason::CouponExhausted, message).into());
                }
                Err(CommitError::Store(e)) => return Err(e.into()),
                Err(
                    CommitError::Conflict | CommitError::Fenced | CommitError::CommandKeyTaken(_),
                ) => {
                    let message = format!("order id {} is in use", placed.id);
                    return Err(StoreError::new(StoreErrorKind::Corrupt, message).into());
                }
            }
        }
    }
}

/// The holds that an order is accepted with.
fn holds(valid: &ValidPlace, placed_by: &Actor, now: Timestamp) -> Result<Vec<OrderHold>, Error> {
    let mut holds = Vec::with_capacity(valid.holds.len());
    for (
        i,
        ValidHold {
            kind,
            blocks,
            until,
        },
    ) in valid.holds.iter().enumerate()
    {
        let until = until.map(|end| end.for_one_placed(now));
        if let Some(until) = until.filter(|t| *t <= now) {
            return Err(Error::invalid(
                format!("holds[{i}].until"),
                format!("{until} is in the past: expected a later time"),
            ));
        }
        holds.push(OrderHold {
            kind: kind.clone(),
            blocks: *blocks,
            placed_by: placed_by.clone(),
            until,
        });
    }
    Ok(holds)
}

fn check_total(placed: &Placed, expected: Option<Money>) -> Result<(), Error> {
    let total = Money::new(placed.amounts.total, placed.currency);
    match expected {
        Some(expected) if expected != total => {
            let message = format!("the total is {total}, not {expected} as expected");
            Err(Rejection::new(RejectionReason::TotalChanged, message).into())
        }
        _ => Ok(()),
    }
}

/// A line at the price its product has now; `field` is where the request names it.
pub(super) fn line(
    field: &str,
    item: &ValidItem,
    product: &Product,
    currency: Currency,
    id: crate::ids::LineId,
) -> Result<PlacedLine, Error> {
    let variant = match item.variant {
        Some(wanted) => {
            let found = product.variants.iter().find(|v| v.id == wanted);
            Some(found.ok_or_else(|| Error::NotFound {
                what: "variant",
                id: wanted.to_string(),
            })?)
        }
        None if product.variants.len() > 1 => {
            let choice: Vec<String> = product
                .variants
                .iter()
                .map(|v| format!("{} ({})", v.id, v.sku))
                .collect();
            let problem = format!(
                "is required, product {} has several: {}",
                product.sku,
                choice.join(", ")
            );
            return Err(Error::Invalid(vec![Violation::new(
                format!("{field}.variant_id"),
                problem,
            )]));
        }
        None => None,
    };
    if !product.published {
        let message = format!("product {} is not for sale", product.sku);
        return Err(Rejection::new(RejectionReason::ProductUnpublished, message).into());
    }
    let (sku, name, price, reduced) = match variant {
        Some(v) => (
            &v.sku,
            format!("{} {}", product.name, v.name),
            v.price,
            v.discount_price,
        ),
        None => (
            &product.sku,
            product.name.clone(),
            product.price,
            product.discount_price,
        ),
    };
    let sound = |m: Money| m.currency == currency && m.minor <= Money::MAX_MINOR;
    let usable = sound(price)
        && price.minor > 0
        && reduced.is_none_or(|d| sound(d) && d.minor >= 0 && d.minor < price.minor);
    if !usable {
        let message = format!("product {sku} has no usable price in {currency}");
        return Err(Rejection::new(RejectionReason::PriceUnusable, message).into());
    }
    let units = Minor::from(item.quantity);
    let discount = reduced.map_or(0, |d| (price.minor - d.minor) * units);
    Ok(PlacedLine {
        id,
        product: product.id,
        variant: variant.map(|v| v.id),
        sku: sku.clone(),
        name,
        unit_price: price.minor,
        discount,
        requires_shipping: product.requires_shipping,
        lot: Lot {
            units: item.quantity,
            subtotal: price.minor * units - discount,
            coupon: 0,
            tax: 0,
            tax_included: 0,
            credit: 0,
        },
    })
}
