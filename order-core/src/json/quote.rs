//! The price of an order that is not placed, as JSON.

use serde::Serialize;

use super::amount;
use crate::manager::Quote;

/// The price of an order that is not placed: amounts named as on an order.
#[derive(Debug, Serialize)]
pub struct QuoteView {
    currency: String,
    subtotal: String,
    tax_amount: String,
    tax_included: String,
    shipping_amount: String,
    discount_amount: String,
    total_amount: String,
    payment_terms: &'static str,
    items: Vec<QuoteItemView>,
}

#[derive(Debug, Serialize)]
struct QuoteItemView {
    product_id: String,
    variant_id: Option<String>,
    sku: String,
    name: String,
    quantity: u32,
    unit_price: String,
    discount_amount: String,
    subtotal: String,
}

impl QuoteView {
    /// Returns the view of `quote`.
    pub fn of(quote: &Quote) -> Self {
        let amount = |minor| amount(minor, quote.currency);
        let a = &quote.amounts;
        QuoteView {
            currency: quote.currency.to_string(),
            subtotal: amount(a.subtotal),
            tax_amount: amount(a.tax),
            tax_included: amount(a.tax_included),
            shipping_amount: amount(a.shipping),
            discount_amount: amount(a.discount),
            total_amount: amount(a.total),
            payment_terms: quote.terms.as_str(),
            items: quote
                .lines
                .iter()
                .map(|l| QuoteItemView {
                    product_id: l.product.to_string(),
                    variant_id: l.variant.map(|v| v.to_string()),
                    sku: l.sku.to_string(),
                    name: l.name.clone(),
                    quantity: l.lot.units,
                    unit_price: amount(l.unit_price),
                    discount_amount: amount(l.discount),
                    subtotal: amount(l.lot.subtotal),
                })
                .collect(),
        }
    }
}
