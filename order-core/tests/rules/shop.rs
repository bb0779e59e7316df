//! Shops and the orders placed in them: every combination that placing accepts.

use std::time::Duration;

use order_core::allocation::largest_remainder;
use order_core::ids::{LineId, ProductId, Sku};
use order_core::money::{Currency, Minor};
use order_core::order::{
    Address, Addresses, Amounts, EditPlan, Line, LineUnits, Lot, Order, PaymentTerms, Placed,
    PlacedLine, RaisedLine,
};
use order_core::policy::{LostStock, Policy};
use order_core::rules::Env;
use order_core::services::{InventoryCapabilities, PaymentCapabilities};
use order_core::testkit::orders::{at, number, order_id, text, user_id};
use order_core::text::Private;
use order_core::time::Timestamp;
use proptest::prelude::*;

/// The surroundings of an order, which stay the same while it lives: the settings, and what the
/// services can do.
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
        let Policy {
            lost_stock,
            suspects_allowed,
            ..
        } = self.policy;
        let Shop {
            inventory,
            payment,
            notify,
            ..
        } = self;
        write!(
            f,
            "lost stock {lost_stock:?}, suspects {suspects_allowed}, {inventory:?}, {payment:?}, notify {notify}"
        )
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
            let ships = if l.requires_shipping {
                "ships"
            } else {
                "needs no shipping"
            };
            write!(
                f,
                "{} × {} at {} ({ships}), ",
                l.lot.units, l.sku, l.unit_price
            )?;
        }
        write!(
            f,
            "{} {} by {}, {:?}",
            self.amounts.total, self.currency, self.terms, self.amounts
        )
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
        Env {
            now,
            clock: now,
            policy: &self.policy,
            inventory: self.inventory,
            payment: self.payment,
            notify: self.notify,
        }
    }
}

pub fn shops() -> impl Strategy<Value = Shop> {
    let day = Duration::from_secs(24 * 60 * 60);
    let inventory = prop_oneof![
        4 => Just(InventoryCapabilities::IDEAL),
        4 => Just(InventoryCapabilities::PLATFORM),
        1 => Just(InventoryCapabilities::IDEAL.with_key_lifetime(Some(day))),
        1 => Just(InventoryCapabilities::IDEAL.with_look_up(false)),
    ];
    let payment = prop_oneof![
        6 => Just(PaymentCapabilities::IDEAL),
        2 => Just(PaymentCapabilities::LOOK_UP_ONLY),
        1 => Just(PaymentCapabilities::IDEAL.with_key_lifetime(Some(day))),
        1 => Just(PaymentCapabilities::IDEAL.with_look_up(false)),
        1 => Just(PaymentCapabilities::NONE),
    ];
    let lost_stock = prop_oneof![Just(LostStock::Cancel), Just(LostStock::Backorder)];
    (inventory, payment, lost_stock, 0..2u32, any::<bool>()).prop_map(
        |(inventory, payment, lost_stock, suspects_allowed, notify)| Shop {
            policy: Policy {
                lost_stock,
                suspects_allowed,
                ..Policy::default()
            },
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
    (
        1..4u32,
        1..4u32,
        price,
        0..=1000i64,
        0..5_000i64,
        0..500i64,
        prop::bool::weighted(0.7),
    )
        .prop_map(
            |(sku, units, unit_price, discount_per_mille, tax, tax_included, requires_shipping)| {
                Draw {
                    sku,
                    units,
                    unit_price,
                    discount_per_mille,
                    tax,
                    tax_included,
                    requires_shipping,
                }
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
    (
        currency,
        terms,
        prop::collection::vec(draws(), 1..4),
        0..=1000i64,
        shipping,
        any::<bool>(),
    )
        .prop_map(
            |(currency, terms, draws, coupon_per_mille, shipping, has_coupon)| {
                let coupon_per_mille = if has_coupon { coupon_per_mille } else { 0 };
                Basket(Box::new(place(
                    text(currency),
                    terms,
                    &draws,
                    coupon_per_mille,
                    shipping,
                )))
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
            lot: Lot {
                units: d.units,
                subtotal,
                coupon,
                tax: d.tax,
                tax_included: d.tax_included,
                credit: 0,
            },
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
        redemptions: Vec::new(),
        placing_deadline: at(1800),
        holds: Vec::new(),
        external_ref: None,
        addresses: Private(Some(Addresses {
            shipping: address("1 Main Street", "US"),
            billing: address("1 Main Street", "US"),
        })),
        notes: Private(Some("Please ring twice.".into())),
        token: Private(Some("tok_visa".into())),
        return_url: Private(Some("https://shop.example/back".into())),
        metadata: Private(None),
    }
}

/// An order of two units each of two SKUs, 45.00 USD in all.
pub fn sample(terms: PaymentTerms) -> Box<Placed> {
    two_of_two(terms, true)
}

/// The same, but that the second SKU needs no shipping.
pub fn sample_given_out(terms: PaymentTerms) -> Box<Placed> {
    two_of_two(terms, false)
}

fn two_of_two(terms: PaymentTerms, second_ships: bool) -> Box<Placed> {
    let draw = |sku, unit_price, requires_shipping| Draw {
        sku,
        units: 2,
        unit_price,
        discount_per_mille: 0,
        tax: 0,
        tax_included: 0,
        requires_shipping,
    };
    Box::new(place(
        Currency::USD,
        terms,
        &[draw(1, 1250, true), draw(2, 750, second_ships)],
        0,
        (500, 0),
    ))
}

/// A small order: two units that are sent, and one that need not be; 36.67 USD in all, so that few
/// shares divide evenly.
pub fn small(terms: PaymentTerms) -> Box<Placed> {
    two_and_one(terms, false)
}

/// The same, but that all of it is sent.
pub fn small_sent(terms: PaymentTerms) -> Box<Placed> {
    two_and_one(terms, true)
}

fn two_and_one(terms: PaymentTerms, all_ships: bool) -> Box<Placed> {
    let draw = |sku, units, unit_price, tax, requires_shipping| Draw {
        sku,
        units,
        unit_price,
        discount_per_mille: 0,
        tax,
        tax_included: 0,
        requires_shipping,
    };
    let lines = [draw(1, 2, 1250, 67, true), draw(2, 1, 750, 0, all_ships)];
    Box::new(place(Currency::USD, terms, &lines, 50, (500, 13)))
}

pub fn address(street: &str, country: &str) -> Address {
    Address {
        first_name: "Sample".into(),
        last_name: "Customer".into(),
        address_line1: street.into(),
        address_line2: None,
        city: "Springfield".into(),
        state: "IL".into(),
        postal_code: "62701".into(),
        country: country.into(),
        phone: None,
        email: None,
    }
}

/// A lot of further units at a line's list price, taxed as the units it has.
fn further(line: &Line, units: u32) -> Lot {
    let subtotal = Minor::from(units) * line.unit_price;
    let tax = line.lots.first().map_or(0, |lot| {
        lot.tax / Minor::from(lot.units) * Minor::from(units)
    });
    Lot {
        units,
        subtotal,
        coupon: 0,
        tax,
        tax_included: 0,
        credit: 0,
    }
}

/// The edit that adds `units` to a line.
pub fn raised(order: &Order, line: u32, units: u32) -> EditPlan {
    let lot = further(order.line(line).expect("it exists"), units);
    EditPlan {
        raised: vec![RaisedLine { line, lot }],
        ..EditPlan::default()
    }
}

/// The edit that takes `units` off a line.
pub fn lowered(line: u32, units: u32) -> EditPlan {
    EditPlan {
        lowered: vec![LineUnits { line, units }],
        ..EditPlan::default()
    }
}

/// The edit that adds a line of `units` of another SKU.
pub fn added(order: &Order, sku: u32, units: u32) -> EditPlan {
    let like = order.lines.last().expect("an order has a line");
    let line = PlacedLine {
        id: LineId::from_uuid(uuid::Uuid::from_u128(1_000 + order.lines.len() as u128)),
        product: ProductId::from_uuid(uuid::Uuid::from_u128(sku.into())),
        variant: None,
        sku: text::<Sku>(&format!("SKU-{sku}")),
        name: format!("Thing {sku}"),
        unit_price: like.unit_price,
        discount: 0,
        requires_shipping: true,
        lot: further(like, units),
    };
    EditPlan {
        added: vec![line],
        ..EditPlan::default()
    }
}
