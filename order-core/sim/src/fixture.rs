//! The products, prices and customers of every seed's shop: made once, never changed.

use std::sync::Arc;

use uuid::Uuid;

use order_core::ids::{Name, ProductId, Sku, UserId};
use order_core::money::{Currency, Money};
use order_core::order::PaymentTerms;
use order_core::pricing::{
    CouponRule, Discount, PaymentMethodRule, PriceBook, Pricing, ShippingRule, TaxRule,
};
use order_core::request::{AddressInput, ItemInput, PlaceRequest};
use order_core::services::{Product, User};
use order_core::testkit::services::MemoryCatalogue;

pub(super) struct Fixture {
    pub skus: Vec<Sku>,
    pub products: Vec<ProductId>,
    pub users: Vec<UserId>,
    pub catalogue: MemoryCatalogue,
    pricing: Arc<PriceBook>,
    template: PlaceRequest,
}

/// Payment methods: charged at placing, authorized at placing, invoiced, paid on delivery.
pub(super) const METHODS: [&str; 4] = ["CARD", "LATER", "INVOICE", "COD"];

impl Fixture {
    pub(super) fn new() -> Self {
        let catalogue = MemoryCatalogue::default();
        let usd = |minor| Money::new(minor, Currency::USD);
        let sku = |text: &str| -> Sku { text.parse().expect("a valid SKU") };
        let name = |text: &str| -> Name { text.parse().expect("a valid name") };
        let skus = vec![sku("MUG"), sku("PEN"), sku("SONG")];
        let products: Vec<ProductId> = (1..=3)
            .map(|n| ProductId::from_uuid(Uuid::from_u128(0xA000 + n)))
            .collect();
        for (i, (id, sku)) in products.iter().zip(&skus).enumerate() {
            catalogue.put_product(Product {
                id: *id,
                sku: sku.clone(),
                name: sku.to_string(),
                price: usd(1250 + 333 * i as i64),
                discount_price: (i == 1).then(|| usd(999)),
                published: true,
                requires_shipping: i < 2,
                variants: Vec::new(),
            });
        }
        let users: Vec<UserId> = (1..=3)
            .map(|n| UserId::from_uuid(Uuid::from_u128(0xB000 + n)))
            .collect();
        for id in &users {
            catalogue.put_user(User {
                id: *id,
                email: "customer@example.com".into(),
                account_status: "active".into(),
            });
        }
        let shipping = vec![ShippingRule {
            method: name("STANDARD"),
            price: 490,
            free_from: Some(5000),
        }];
        let tax_of = |country: &str, rate, inclusive| TaxRule {
            country: country.into(),
            state: None,
            rate: rust_decimal::Decimal::new(rate, 4),
            inclusive,
            taxes_shipping: true,
        };
        let tax = vec![
            tax_of("US", 725, false),
            tax_of("DE", 1900, true),
            tax_of("CA", 500, false),
        ];
        let coupon = |code, uses, uses_per_customer| CouponRule {
            code: name(code),
            discount: Discount::Percent(rust_decimal::Decimal::new(15, 0)),
            minimum: None,
            from: None,
            until: None,
            uses,
            uses_per_customer,
        };
        let coupons = vec![
            coupon("FIRST", Some(1), None),
            coupon("ONCE", Some(3), Some(1)),
        ];
        let terms = [
            PaymentTerms::Confirm,
            PaymentTerms::Shipment,
            PaymentTerms::Invoice,
            PaymentTerms::Delivery,
        ];
        let methods = METHODS
            .iter()
            .zip(terms)
            .map(|(method, due)| PaymentMethodRule {
                method: name(method),
                due,
            })
            .collect();
        let pricing = PriceBook::new(Currency::USD, shipping, tax, coupons, methods)
            .expect("a valid price book");
        let template = PlaceRequest {
            shipping_address: Some(AddressInput {
                first_name: "Sample".into(),
                last_name: "Customer".into(),
                address_line1: "1 Main Street".into(),
                city: "Springfield".into(),
                state: "CA".into(),
                postal_code: "90001".into(),
                country: "US".into(),
                ..AddressInput::default()
            }),
            shipping_method: "STANDARD".into(),
            payment_token: Some("tok_sample".into()),
            ..PlaceRequest::default()
        };
        Fixture {
            skus,
            products,
            users,
            catalogue,
            pricing: Arc::new(pricing),
            template,
        }
    }

    pub(super) fn pricing(&self) -> Arc<dyn Pricing> {
        Arc::clone(&self.pricing) as Arc<dyn Pricing>
    }

    /// An address in that country.
    pub(super) fn address(&self, country: &str, city: &str) -> AddressInput {
        let address = self.template.shipping_address.clone().unwrap_or_default();
        AddressInput {
            country: country.into(),
            city: city.into(),
            ..address
        }
    }

    /// A request of `user` for so many of each product (by place), paid by `method`.
    pub(super) fn request(
        &self,
        user: UserId,
        items: &[(usize, i64)],
        method: &str,
        coupon: Option<&str>,
    ) -> PlaceRequest {
        PlaceRequest {
            user_id: user.to_string(),
            items: items
                .iter()
                .map(|(i, quantity)| ItemInput {
                    product_id: self.products[*i].to_string(),
                    variant_id: None,
                    quantity: *quantity,
                })
                .collect(),
            payment_method: method.into(),
            notes: Some("ring twice".into()),
            coupon_code: coupon.map(Into::into),
            ..self.template.clone()
        }
    }
}
