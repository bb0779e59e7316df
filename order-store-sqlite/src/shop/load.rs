//! Loading a catalogue: what it names is added or updated, nothing is ever there twice, and no
//! stock changes.

use order_core::ids::{ProductId, Sku, VariantId};
use order_core::pricing::Discount;
use order_core::services::Product;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::Shop;
use super::catalogue::{Catalogue, Customer, StockedProduct};
use super::directory::product;
use super::error::{Failure, ShopError};
use super::rows::{currency, execute, find, product_id};

/// The changes that loading a catalogue made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LoadReport {
    /// The products of the catalogue.
    pub products: Counts,
    /// Variants of them.
    pub variants: Counts,
    /// The customers of the catalogue.
    pub customers: Counts,
    /// SKUs: the added ones got the catalogue's stock, the unchanged ones kept what they had.
    pub stock: Counts,
    /// Shipping methods, of which there are no others now.
    pub shipping_methods: usize,
    /// Tax rates, of which there are no others now.
    pub tax_rates: usize,
    /// Coupons, of which there are no others now.
    pub coupons: usize,
    /// Payment methods, of which there are no others now.
    pub payment_methods: usize,
}

/// The numbers of rows of a kind in a catalogue, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Not there before.
    pub added: usize,
    /// There before, with another content.
    pub updated: usize,
    /// There before, just as they are.
    pub unchanged: usize,
}

impl Counts {
    fn count<T: PartialEq>(&mut self, before: Option<&T>, now: &T) {
        match before {
            None => self.added += 1,
            Some(before) if before == now => self.unchanged += 1,
            Some(_) => self.updated += 1,
        }
    }
}

impl Shop {
    /// Loads `catalogue`, in full or not at all.
    ///
    /// Products and customers are matched by id. Those it names are added or updated, a product's
    /// variants as a whole; those it does not name stay. Shipping, tax, coupons and payment methods
    /// are replaced as a whole. A SKU that has stock keeps it, a new one starts with the
    /// catalogue's.
    ///
    /// [`ShopError::OtherCurrency`] for a catalogue in another currency than the shop's,
    /// [`ShopError::Conflict`] where a SKU or variant belongs to a product it does not name.
    pub async fn load(&self, catalogue: &Catalogue) -> Result<LoadReport, ShopError> {
        let catalogue = catalogue.clone();
        self.write(move |db| load(db, &catalogue)).await
    }
}

fn load(db: &Connection, catalogue: &Catalogue) -> Result<LoadReport, Failure> {
    let given = catalogue.currency;
    match currency(db)? {
        Some(has) if has != given => return Err(ShopError::OtherCurrency { has, given }.into()),
        Some(_) => {}
        None => execute(
            db,
            "INSERT INTO shop (one, currency) VALUES (1, ?1)",
            [given.code()],
        )
        .map(drop)?,
    }
    let mut report = LoadReport {
        shipping_methods: catalogue.shipping.len(),
        tax_rates: catalogue.tax.len(),
        coupons: catalogue.coupons.len(),
        payment_methods: catalogue.payment_methods.len(),
        ..LoadReport::default()
    };
    load_products(db, &catalogue.products, &mut report)?;
    for customer in &catalogue.customers {
        load_customer(db, customer, &mut report.customers)?;
    }
    replace_price_book(db, catalogue)?;
    Ok(report)
}

fn load_products(
    db: &Connection,
    products: &[StockedProduct],
    report: &mut LoadReport,
) -> Result<(), Failure> {
    for StockedProduct { product: now, .. } in products {
        let before = product(db, now.id)?;
        for variant in &now.variants {
            let known = before
                .as_ref()
                .and_then(|p| p.variants.iter().find(|v| v.id == variant.id));
            report.variants.count(known, variant);
        }
        let bare = |p: &Product| Product {
            variants: Vec::new(),
            ..p.clone()
        };
        report
            .products
            .count(before.as_ref().map(bare).as_ref(), &bare(now));
        upsert_product(db, now)?;
        // All names are given up before any is taken, so that products of one catalogue can swap
        // them.
        execute(
            db,
            "DELETE FROM skus WHERE product_id = ?1",
            [now.id.as_bytes()],
        )?;
        execute(
            db,
            "DELETE FROM variants WHERE product_id = ?1",
            [now.id.as_bytes()],
        )?;
    }
    for StockedProduct { product, stock } in products {
        for (sku, units) in stock {
            let sql = "INSERT INTO stock (sku, on_hand, stocked) VALUES (?1, ?2, ?2) ON CONFLICT (sku) DO NOTHING";
            match execute(db, sql, params![sku.as_str(), units])? {
                0 => report.stock.unchanged += 1,
                _ => report.stock.added += 1,
            }
        }
        name_sku(db, &product.sku, product.id, None)?;
        for (n, variant) in (1i64..).zip(&product.variants) {
            let owner = "SELECT product_id FROM variants WHERE id = ?1";
            if let Some(other) = find(db, owner, [variant.id.as_bytes()], |r| product_id(r, 0))? {
                let problem = format!(
                    "variant {} belongs to product {other}: give each its own id",
                    variant.id
                );
                return Err(ShopError::Conflict(problem).into());
            }
            let sql = "INSERT INTO variants (product_id, n, id, sku, name, price) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let (id, sku) = (variant.id.as_bytes(), variant.sku.as_str());
            execute(
                db,
                sql,
                params![
                    product.id.as_bytes(),
                    n,
                    id,
                    sku,
                    variant.name,
                    variant.price.minor
                ],
            )?;
            name_sku(db, &variant.sku, product.id, Some(variant.id))?;
        }
    }
    Ok(())
}

fn upsert_product(db: &Connection, product: &Product) -> rusqlite::Result<()> {
    let Product {
        id,
        sku,
        name,
        price,
        discount_price,
        published,
        requires_shipping,
        variants: _,
    } = product;
    let sql = "INSERT INTO products (id, sku, name, price, discount_price, published, requires_shipping)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO UPDATE SET sku = excluded.sku, name = excluded.name,
               price = excluded.price, discount_price = excluded.discount_price, published = excluded.published,
               requires_shipping = excluded.requires_shipping";
    let discount = discount_price.map(|m| m.minor);
    execute(
        db,
        sql,
        params![
            id.as_bytes(),
            sku.as_str(),
            name,
            price.minor,
            discount,
            published,
            requires_shipping
        ],
    )
    .map(drop)
}

/// Makes `sku` stand for the product or variant.
fn name_sku(
    db: &Connection,
    sku: &Sku,
    product: ProductId,
    variant: Option<VariantId>,
) -> Result<(), Failure> {
    let sql = "INSERT INTO skus (sku, product_id, variant_id) VALUES (?1, ?2, ?3) ON CONFLICT (sku) DO NOTHING";
    let variant = variant.as_ref().map(VariantId::as_bytes);
    if execute(db, sql, params![sku.as_str(), product.as_bytes(), variant])? == 1 {
        return Ok(());
    }
    let owner = find(
        db,
        "SELECT product_id FROM skus WHERE sku = ?1",
        [sku.as_str()],
        |r| product_id(r, 0),
    )?;
    let owner = owner.map_or_else(String::new, |id| format!(" {id}"));
    let problem = format!(
        "sku {sku} belongs to product{owner}, which it does not name: give each its own sku"
    );
    Err(ShopError::Conflict(problem).into())
}

fn load_customer(db: &Connection, now: &Customer, counts: &mut Counts) -> rusqlite::Result<()> {
    let sql = "SELECT email, first_name, last_name, status FROM customers WHERE id = ?1";
    let before = find(db, sql, [now.id.as_bytes()], |r| {
        Ok(Customer {
            id: now.id,
            email: r.get(0)?,
            first_name: r.get(1)?,
            last_name: r.get(2)?,
            status: r.get(3)?,
        })
    })?;
    counts.count(before.as_ref(), now);
    let Customer {
        id,
        email,
        first_name,
        last_name,
        status,
    } = now;
    let sql = "INSERT INTO customers (id, email, first_name, last_name, status) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (id) DO UPDATE SET email = excluded.email, first_name = excluded.first_name,
               last_name = excluded.last_name, status = excluded.status";
    execute(
        db,
        sql,
        params![id.as_bytes(), email, first_name, last_name, status],
    )
    .map(drop)
}

fn replace_price_book(db: &Connection, catalogue: &Catalogue) -> rusqlite::Result<()> {
    for table in [
        "shipping_methods",
        "tax_rates",
        "coupons",
        "payment_methods",
    ] {
        db.execute(&format!("DELETE FROM {table}"), [])?;
    }
    for rule in &catalogue.shipping {
        let sql = "INSERT INTO shipping_methods (method, price, free_from) VALUES (?1, ?2, ?3)";
        execute(
            db,
            sql,
            params![rule.method.as_str(), rule.price, rule.free_from],
        )?;
    }
    for rule in &catalogue.tax {
        let sql = "INSERT INTO tax_rates (country, state, rate, inclusive, taxes_shipping) VALUES (?1, ?2, ?3, ?4, ?5)";
        execute(
            db,
            sql,
            params![
                rule.country,
                rule.state,
                rule.rate.to_string(),
                rule.inclusive,
                rule.taxes_shipping
            ],
        )?;
    }
    for rule in &catalogue.coupons {
        let (percent, amount) = match rule.discount {
            Discount::Percent(percent) => (Some(percent.to_string()), None),
            Discount::Amount(amount) => (None, Some(amount)),
        };
        let sql = "INSERT INTO coupons (code, percent, amount, minimum, valid_from, valid_until, uses, uses_per_customer)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (from, until) = (
            rule.from.map(|t| t.as_micros()),
            rule.until.map(|t| t.as_micros()),
        );
        let limits = (rule.uses, rule.uses_per_customer);
        let code = rule.code.as_str();
        execute(
            db,
            sql,
            params![
                code,
                percent,
                amount,
                rule.minimum,
                from,
                until,
                limits.0,
                limits.1
            ],
        )?;
    }
    for method in &catalogue.payment_methods {
        let sql = "INSERT INTO payment_methods (method, outcome, due, capture_within_days) VALUES (?1, ?2, ?3, ?4)";
        let (name, due) = (method.method().as_str(), method.rule.due.as_str());
        execute(
            db,
            sql,
            params![
                name,
                method.outcome.as_str(),
                due,
                method.capture_within_days
            ],
        )?;
    }
    Ok(())
}
