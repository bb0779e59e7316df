//! `--item SKU[=QTY]` and `--item PRODUCT[/VARIANT][=QTY]`. A `:` stands for `=` as well, as it
//! does where lines of an order are named.

use order_core::ids::{ProductId, Sku, VariantId};

/// The name of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By what the embedded shop's inventory counts.
    Sku(Sku),
    /// By what the product service knows.
    Product(ProductId, Option<VariantId>),
}

/// An `--item`: what, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The product or the SKU.
    pub named: Named,
    /// The number of units, which is judged when it is ordered.
    pub quantity: i64,
}

/// Reads an `--item`. A SKU may hold `=` or `:` itself: only what follows the last one is a
/// quantity, and after a `:` only if it is a number.
pub fn parse(text: &str) -> Result<Item, String> {
    let (what, quantity) = match text.rsplit_once(['=', ':']) {
        Some((what, number)) => match number.parse() {
            Ok(quantity) => (what, quantity),
            Err(_) if !text[what.len()..].starts_with('=') => (text, 1),
            Err(_) => {
                return Err(format!(
                    "{text:?}: {number:?} is not a quantity: expected ITEM=QTY such as MUG-01=2"
                ));
            }
        },
        None => (text, 1),
    };
    let (product, variant) = match what.split_once('/') {
        Some((product, variant)) => (product, Some(variant)),
        None => (what, None),
    };
    let named = match (product.parse::<ProductId>(), variant) {
        (Ok(product), None) => Named::Product(product, None),
        (Ok(product), Some(variant)) => Named::Product(
            product,
            Some(variant.parse().map_err(|e| format!("{text:?}: {e}"))?),
        ),
        (Err(_), _) => Named::Sku(what.parse().map_err(|e| format!("{text:?}: {e}"))?),
    };
    Ok(Item { named, quantity })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCT: &str = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11";
    const VARIANT: &str = "6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b22";

    #[test]
    fn items_are_named_by_sku_or_by_product() {
        let sku = |text: &str| Named::Sku(text.parse().unwrap());
        let product = |variant: Option<&str>| {
            Named::Product(
                PRODUCT.parse().unwrap(),
                variant.map(|v| v.parse().unwrap()),
            )
        };
        for (text, named, quantity) in [
            ("MUG-01".to_owned(), sku("MUG-01"), 1),
            ("MUG-01=3".to_owned(), sku("MUG-01"), 3),
            ("MUG-01:3".to_owned(), sku("MUG-01"), 3),
            ("MUG:RED".to_owned(), sku("MUG:RED"), 1),
            ("MUG:01=1".to_owned(), sku("MUG:01"), 1),
            ("A/B=-1".to_owned(), sku("A/B"), -1),
            (PRODUCT.to_owned(), product(None), 1),
            (format!("{PRODUCT}=2"), product(None), 2),
            (
                format!("{}/{VARIANT}=2", PRODUCT.to_uppercase()),
                product(Some(VARIANT)),
                2,
            ),
        ] {
            assert_eq!(parse(&text), Ok(Item { named, quantity }), "{text}");
        }
        for bad in ["", "=2", "MUG-01=two", "MUG-01=", &format!("{PRODUCT}/x=1")] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
