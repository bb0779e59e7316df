//! Shops and the orders placed in them: every combination that placing accepts.

use std::time::Duration;

use order_core::allocation::largest_remainder;
use order_core::ids::{LineId, ProductId, Sku};
use order_core::machine::Env;
use order_core::money::{Currency, Minor};
use order_core::order::{Amounts, Lot, PaymentTerms, Placed, PlacedLine};
use order_core::policy::{LostStock, Policy};
use order_core::services::{InventoryCapabilities, PaymentCapabilities};
use order_core::testkit::orders::{at, number, order_id, text, user_id};
use order_core::text::Private;
use order_core::time::Timestamp;
use proptest::prelude::*;

/// What stays the same while an order lives: the settings, and what the services can do.
#[derive(Clone)]
pub struct Shop {
    pub policy: Policy,
    pub inventory: InventoryCapabilities,
    pub payment: PaymentCapabilities,
    pub notify: bool,
}

/// Short, because a failing walk prints it.
impl std::fmt::Debug for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Policy { lost_stock, suspects_allowed, .. } = self.policy;
        let Shop { inventory, payment, notify, .. } = self;
        write!(f, "lost stock {lost_stock:?}, suspects {suspects_allowed}, {inventory:?}, {payment:?}, notify {notify}")
    }
}

/// An order as it is placed.
#[derive(Clone)]
pub struct Basket(pub Box<Placed>);

impl std::ops::Deref for Basket {
    type Target = Placed;
    fn deref(&self) -> &Placed {
        &self.0
    }
}

/// Short, because a failing walk prints it.
impl std::fmt::Debug for Basket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for l in &self.lines {
            let ships = if l.requires_shipping { "ships" } else { "needs no shipping" };
            write!(f, "{} × {} at {} ({ships}), ", l.lot.units, l.sku, l.unit_price)?;
        }
        write!(f, "{} {} by {}, {:?}", self.amounts.total, self.currency, self.terms, self.amounts)
    }
}

impl Shop {
    /// The default settings, and services that can do everything.
    pub fn ideal() -> Self {
        Shop {
            policy: Policy::default(),
            inventory: InventoryCapabilities::IDEAL,
            payment: PaymentCapabilities::IDEAL,
            notify: true,
        }
    }

    pub fn env(&self, now: Timestamp) -> Env<'_> {
        Env { now, policy: &self.policy, inventory: self.inventory, payment: self.payment, notify: self.notify }
    }
}

pub fn shops() -> impl Strategy<Value = Shop> {
    let day = Duration::from_secs(24 * 60 * 60);
    let inventory = prop_oneof![
        4 => Just(InventoryCapabilities::IDEAL),
        4 => Just(InventoryCapabilities::PLATFORM),
        1 => Just(InventoryCapabilities { key_lifetime: Some(day), ..InventoryCapabilities::IDEAL }),
        1 => Just(InventoryCapabilities { look_up: false, ..InventoryCapabilities::IDEAL }),
    ];
    let payment = prop_oneof![
        6 => Just(PaymentCapabilities::IDEAL),
        2 => Just(PaymentCapabilities { repeat: false, ..PaymentCapabilities::IDEAL }),
        1 => Just(PaymentCapabilities { key_lifetime: Some(day), ..PaymentCapabilities::IDEAL }),
        1 => Just(PaymentCapabilities { look_up: false, ..PaymentCapabilities::IDEAL }),
        1 => Just(PaymentCapabilities { repeat: false, look_up: false, key_lifetime: None }),
    ];
    let lost_stock = prop_oneof![Just(LostStock::Cancel), Just(LostStock::Backorder)];
    (inventory, payment, lost_stock, 0..2u32, any::<bool>()).prop_map(
        |(inventory, payment, lost_stock, suspects_allowed, notify)| Shop {
            policy: Policy { lost_stock, suspects_allowed, ..Policy::default() },
            inventory,
            payment,
            notify,
        },
    )
}

/// A line as drawn; its shares are worked out with its neighbours'.
#[derive(Debug, Clone)]
struct Draw {
    sku: u32,
    units: u32,
    unit_price: Minor,
    discount_per_mille: Minor,
    tax: Minor,
    tax_included: Minor,
    requires_shipping: bool,
}

fn draws() -> impl Strategy<Value = Draw> {
    let price = prop_oneof![1 => Just(0), 8 => 1..20_000i64, 1 => 1..=1_000_000_000_000i64];
    (1..4u32, 1..4u32, price, 0..=1000i64, 0..5_000i64, 0..500i64, prop::bool::weighted(0.7)).prop_map(
        |(sku, units, unit_price, discount_per_mille, tax, tax_included, requires_shipping)| Draw {
            sku,
            units,
            unit_price,
            discount_per_mille,
            tax,
            tax_included,
            requires_shipping,
        },
    )
}

pub fn placed_orders() -> impl Strategy<Value = Basket> {
    let currency = prop_oneof![Just("JPY"), Just("USD"), Just("KWD")];
    let terms = prop_oneof![
        4 => Just(PaymentTerms::Confirm),
        4 => Just(PaymentTerms::Shipment),
        1 => Just(PaymentTerms::Invoice),
        1 => Just(PaymentTerms::Delivery),
    ];
    let shipping = prop_oneof![Just((0, 0)), (1..5_000i64, 0..500i64)];
    (currency, terms, prop::collection::vec(draws(), 1..4), 0..=1000i64, shipping, any::<bool>()).prop_map(
        |(currency, terms, draws, coupon_per_mille, shipping, has_coupon)| {
            let coupon_per_mille = if has_coupon { coupon_per_mille } else { 0 };
            Basket(Box::new(place(text(currency), terms, &draws, coupon_per_mille, shipping)))
        },
    )
}

fn place(
    currency: Currency,
    terms: PaymentTerms,
    draws: &[Draw],
    coupon_per_mille: Minor,
    (shipping, shipping_tax): (Minor, Minor),
) -> Placed {
    let gross = |d: &Draw| Minor::from(d.units) * d.unit_price;
    let discount = |d: &Draw| gross(d) / 1000 * d.discount_per_mille;
    let subtotals: Vec<Minor> = draws.iter().map(|d| gross(d) - discount(d)).collect();
    let subtotal: Minor = subtotals.iter().sum();
    let coupon = subtotal / 1000 * coupon_per_mille;
    // As pricing does it: the coupon falls on the lines in proportion to their subtotals.
    let coupons = largest_remainder(coupon, &subtotals);
    let lines: Vec<PlacedLine> = draws
        .iter()
        .zip(subtotals.iter().zip(coupons))
        .zip(1..)
        .map(|((d, (&subtotal, coupon)), n)| PlacedLine {
            id: LineId::from_uuid(uuid::Uuid::from_u128(n)),
            product: ProductId::from_uuid(uuid::Uuid::from_u128(d.sku.into())),
            variant: None,
            sku: text::<Sku>(&format!("SKU-{}", d.sku)),
            name: format!("Thing {}", d.sku),
            unit_price: d.unit_price,
            discount: discount(d),
            requires_shipping: d.requires_shipping,
            lot: Lot { units: d.units, subtotal, coupon, tax: d.tax, tax_included: d.tax_included },
        })
        .collect();
    let tax = lines.iter().map(|l| l.lot.tax).sum::<Minor>() + shipping_tax;
    let amounts = Amounts {
        subtotal,
        discount: coupon,
        tax,
        tax_included: lines.iter().map(|l| l.lot.tax_included).sum(),
        shipping,
        shipping_tax,
        total: subtotal + tax + shipping - coupon,
    };
    Placed {
        id: order_id(1),
        number: number(1),
        user: user_id(1),
        currency,
        lines,
        amounts,
        shipping_method: None,
        payment_method: text("card"),
        terms,
        coupon: (coupon > 0).then(|| text("SPRING10")),
        claims: Vec::new(),
        placing_deadline: at(1800),
        addresses: Private(None),
        notes: Private(Some("Please ring twice.".into())),
        token: Private(Some("tok_visa".into())),
        return_url: Private(Some("https://shop.example/back".into())),
    }
}

/// An order of two units each of two SKUs, 45.00 USD in all, of which the second needs no shipping.
pub fn sample(terms: PaymentTerms) -> Box<Placed> {
    let draw = |sku, unit_price, requires_shipping| Draw {
        sku,
        units: 2,
        unit_price,
        discount_per_mille: 0,
        tax: 0,
        tax_included: 0,
        requires_shipping,
    };
    Box::new(place(Currency::USD, terms, &[draw(1, 1250, true), draw(2, 750, false)], 0, (500, 0)))
}
