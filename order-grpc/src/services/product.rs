//! The platform's product service.

use std::time::Duration;

use async_trait::async_trait;
use order_core::ids::{ProductId, Sku, VariantId};
use order_core::money::{Currency, Money};
use order_core::services::{CallDeadline, CallError, Product, ProductService, ProductVariant};
use tonic::Code;

use super::cache::{CacheSettings, CacheStats, ReadCache};
use super::channel::ServiceChannel;
use super::outcome::{Failure, plain};
use crate::proto::product as wire;
use crate::proto::product::get_product_request::Identifier;
use crate::proto::product::product_service_client::ProductServiceClient;

/// After how long a product or user that was not found is asked for once more: the platform answers
/// so whatever fails inside.
pub(super) const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// The highest price, in major units: what the platform's column holds.
const PRICE_MAX: f64 = 99_999_999.99;
/// The most that a double may be from the amount that it stands for, in major units: far more than
/// rounding makes of any price up to [`PRICE_MAX`], and far less than the smallest minor unit there
/// is.
const PRICE_ERROR_MAX: f64 = 1e-6;

/// The platform's product service, by the contract in `proto/platform/product.proto`.
///
/// A price that it answers is at most [`CacheSettings::time_to_live`] old, counted from when it was
/// asked for, or as old as the call that it waited for. What was accepted keeps the price it was
/// accepted at. A product of which any price cannot be used is an error, which names it: it is not
/// sold at a guess.
#[derive(Debug)]
pub struct PlatformProducts {
    channel: ServiceChannel,
    currency: Currency,
    cache: ReadCache<ProductId, Product>,
}

impl PlatformProducts {
    /// The service at the end of `channel`, whose prices are in `currency`: the platform does not
    /// say in which.
    pub fn new(channel: ServiceChannel, currency: Currency, cache: CacheSettings) -> Self {
        PlatformProducts {
            channel,
            currency,
            cache: ReadCache::new(cache),
        }
    }

    /// Counts how often a product was known, and how often it had to be asked for.
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }
}

#[async_trait]
impl ProductService for PlatformProducts {
    async fn get(&self, id: ProductId) -> Result<Option<Product>, CallError> {
        let (channel, currency) = (self.channel.clone(), self.currency);
        self.cache
            .read(id, async move { find(&channel, id, currency).await })
            .await
    }
}

async fn find(
    channel: &ServiceChannel,
    id: ProductId,
    currency: Currency,
) -> Result<Option<Product>, CallError> {
    let ask = || ask(channel, id);
    let answer = match ask().await {
        Err(failure) if failure.code() == Some(Code::NotFound) => {
            tokio::time::sleep(ASK_AGAIN_AFTER).await;
            ask().await
        }
        answer => answer,
    };
    match answer {
        Ok(product) => {
            let unusable =
                |problem: String| CallError::malformed(plain(&format!("product {id}: {problem}")));
            product_of(id, product, currency)
                .map(Some)
                .map_err(unusable)
        }
        Err(failure) if failure.code() == Some(Code::NotFound) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

async fn ask(channel: &ServiceChannel, id: ProductId) -> Result<wire::Product, Failure> {
    // Ids print in lower case, as the service caches them.
    let request = wire::GetProductRequest {
        identifier: Some(Identifier::Id(id.to_string())),
    };
    channel
        .call(&CallDeadline::NEVER, |wire| async {
            ProductServiceClient::new(wire).get_product(request).await
        })
        .await
}

/// The product as we know products, or why it cannot be used.
fn product_of(
    asked: ProductId,
    product: wire::Product,
    currency: Currency,
) -> Result<Product, String> {
    let wire::Product {
        id,
        title,
        price,
        discount_price,
        sku,
        is_published,
        variants,
        // Never set.
        default_variant_id: _,
        // In the discount price already.
        discount: _,
        currency: theirs,
        requires_shipping,
    } = product;
    if id.parse() != Ok(asked) {
        return Err(format!("the service answered product {id:?} instead"));
    }
    if !theirs.is_empty() && theirs != currency.code() {
        return Err(format!(
            "its prices are in {theirs:?}, and {} is configured",
            currency.code()
        ));
    }
    let sku = sku_of(&sku)?;
    let (price, discount_price) = prices(price, discount_price, currency)?;
    let variants = variants.into_iter().map(|variant| {
        let name = variant.id.clone();
        variant_of(asked, variant, currency).map_err(|problem| format!("variant {name}: {problem}"))
    });
    Ok(Product {
        id: asked,
        name: name_of(&title, &sku),
        sku,
        price,
        discount_price,
        published: is_published,
        requires_shipping: requires_shipping.unwrap_or(true),
        variants: variants.collect::<Result<_, _>>()?,
    })
}

fn variant_of(
    product: ProductId,
    variant: wire::ProductVariant,
    currency: Currency,
) -> Result<ProductVariant, String> {
    let wire::ProductVariant {
        id,
        product_id,
        sku,
        title,
        price,
        discount_price,
    } = variant;
    let id: VariantId = id.parse().map_err(|_| "its id is not a UUID".to_owned())?;
    if !product_id.is_empty() && product_id.parse() != Ok(product) {
        return Err(format!("it is of product {product_id:?}"));
    }
    let sku = sku_of(&sku)?;
    let (price, discount_price) = prices(price, discount_price, currency)?;
    Ok(ProductVariant {
        id,
        name: name_of(&title, &sku),
        sku,
        price,
        discount_price,
    })
}

fn sku_of(text: &str) -> Result<Sku, String> {
    text.parse()
        .map_err(|e| format!("its SKU cannot be used: {e}"))
}

/// Reads a text that customers read. Something must stand there.
fn name_of(title: &str, sku: &Sku) -> String {
    let title = plain(title.trim());
    if title.is_empty() {
        sku.to_string()
    } else {
        title
    }
}

fn prices(
    price: f64,
    discount: Option<f64>,
    currency: Currency,
) -> Result<(Money, Option<Money>), String> {
    let list =
        money(price, currency).map_err(|problem| format!("its price is {price}: {problem}"))?;
    if list.minor <= 0 {
        return Err(format!("its price is {price}: expected more than 0"));
    }
    // What is no reduction does not reduce.
    let Some(reduced) = discount.filter(|d| !d.is_finite() || (0.0..price).contains(d)) else {
        return Ok((list, None));
    };
    let discount = money(reduced, currency)
        .map_err(|problem| format!("its discount price is {reduced}: {problem}"))?;
    Ok((list, (discount.minor < list.minor).then_some(discount)))
}

/// The amount that a double stands for, if it stands for one.
fn money(major: f64, currency: Currency) -> Result<Money, String> {
    if !(0.0..=PRICE_MAX + PRICE_ERROR_MAX).contains(&major) {
        return Err(format!("expected 0 to {PRICE_MAX}"));
    }
    let units = 10f64.powi(currency.decimals() as i32);
    let minor = (major * units).round();
    if (minor / units - major).abs() > PRICE_ERROR_MAX {
        return Err(format!(
            "expected at most {} decimals in {}",
            currency.decimals(),
            currency.code()
        ));
    }
    // At most 10¹¹, which a double and an integer both have exactly.
    Ok(Money::new(minor as i64, currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn a_double_gives_the_minor_units_that_it_was_made_of() {
        for (code, most) in [
            ("USD", 9_999_999_999_i64),
            ("JPY", 99_999_999),
            ("KWD", 99_999_999_990),
        ] {
            let (currency, units) = (currency(code), 10f64.powi(currency(code).decimals() as i32));
            let mut minor = 1;
            while minor <= most {
                for minor in [minor, most - minor] {
                    assert_eq!(
                        money(minor as f64 / units, currency),
                        Ok(Money::new(minor, currency)),
                        "{minor} {code}"
                    );
                }
                minor = minor * 3 / 2 + 7;
            }
        }
        // A sum of tenths, which no double has exactly.
        assert_eq!(
            money(0.1 + 0.2, Currency::USD),
            Ok(Money::new(30, Currency::USD))
        );
    }

    #[test]
    fn what_stands_for_no_amount_is_refused() {
        let refused = |major, code| money(major, currency(code)).unwrap_err();
        for major in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.01,
            1e8,
            100_000_000.0,
            f64::MAX,
        ] {
            assert!(refused(major, "USD").contains("expected 0 to"), "{major}");
        }
        for (major, code) in [
            (12.345, "USD"),
            (0.001, "USD"),
            (99_999_999.985, "USD"),
            (0.5, "JPY"),
            (1.0005, "KWD"),
        ] {
            assert!(refused(major, code).contains("decimals"), "{major} {code}");
        }
        assert_eq!(
            money(PRICE_MAX, Currency::USD),
            Ok(Money::new(9_999_999_999, Currency::USD))
        );
    }

    #[test]
    fn a_discount_counts_only_if_it_reduces() {
        let reduced =
            |discount| prices(10.0, Some(discount), Currency::USD).map(|(_, d)| d.map(|m| m.minor));
        assert_eq!(reduced(9.99), Ok(Some(999)));
        assert_eq!(reduced(0.0), Ok(Some(0)));
        for no_reduction in [10.0, 10.000_000_1, 9.999_999_9, 12.0, -1.0, 1e300] {
            assert_eq!(reduced(no_reduction), Ok(None), "{no_reduction}");
        }
        for nonsense in [f64::NAN, f64::INFINITY, 9.999] {
            assert!(reduced(nonsense).is_err(), "{nonsense}");
        }
        for worthless in [0.0, -0.0, -5.0, 1e-9] {
            assert!(
                prices(worthless, None, Currency::USD).is_err(),
                "{worthless}"
            );
        }
    }
}
