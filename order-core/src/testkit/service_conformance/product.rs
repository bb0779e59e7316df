//! The contract of [`ProductService`] as tests.

use std::future::Future;

use super::{Sandbox, Verdict, broken, ensure, provoked, said, suite, timed};
use crate::ids::ProductId;
use crate::services::ProductService;

/// Access of the suite to a product service.
pub trait ProductFactory: Sandbox {
    /// The adapter under test.
    type Service: ProductService;

    /// An adapter that nothing was asked of.
    fn fresh(&self) -> impl Future<Output = Self::Service>;

    /// A product that the service has; with a discount and variants, if it has such.
    fn product(&self) -> ProductId;

    /// A product that it does not have.
    fn unknown(&self) -> ProductId {
        ProductId::from_uuid(uuid::Uuid::from_u128(u128::MAX))
    }
}

suite! { $ product_conformance_tests product ProductFactory,
    needs [refuse_next_connection answer_next]
    1 product_cases {
        c01_a_product_has_its_id_and_a_price [],
    }
    2 product_cases {
        c02_an_unknown_product_is_none [],
        c02_a_service_that_cannot_be_reached_is_an_error [refuse_next_connection],
        c02_a_service_that_fails_is_an_error [answer_next],
    }
}

async fn offered<F: ProductFactory>(factory: &F, need: &str) -> bool {
    let _service = factory.fresh().await;
    match need {
        "refuse_next_connection" => factory.refuse_next_connection().await,
        _ => factory.answer_next(503, "").await,
    }
}

mod product_cases {
    use super::*;

    pub(super) async fn c01_a_product_has_its_id_and_a_price<F: ProductFactory>(f: &F) -> Verdict {
        let (service, id) = (f.fresh().await, f.product());
        let answer = timed(f, service.get(id)).await;
        let Ok(Some(product)) = &answer else {
            return broken(1, "a product that there is is found", said(&answer));
        };
        ensure!(
            product.id == id,
            1,
            "a product comes with the id that was asked for",
            "{} for {id}",
            product.id
        );
        let own = (&product.name, product.price, product.discount_price);
        let variants = product
            .variants
            .iter()
            .map(|v| (&v.name, v.price, v.discount_price));
        for (name, price, discount) in std::iter::once(own).chain(variants) {
            ensure!(
                price.minor > 0,
                1,
                "a price is above zero",
                "{name:?} costs {price}"
            );
            let sound = discount.is_none_or(|d| {
                d.currency == price.currency && (0..price.minor).contains(&d.minor)
            });
            ensure!(
                sound,
                1,
                "a discount price is at least zero and below the price",
                "{name:?} costs {price}, reduced {discount:?}"
            );
        }
        Ok(())
    }

    pub(super) async fn c02_an_unknown_product_is_none<F: ProductFactory>(f: &F) -> Verdict {
        let answer = timed(f, f.fresh().await.get(f.unknown())).await;
        ensure!(
            matches!(answer, Ok(None)),
            2,
            "an unknown product is Ok(None)",
            "{}",
            said(&answer)
        );
        Ok(())
    }

    pub(super) async fn c02_a_service_that_cannot_be_reached_is_an_error<F: ProductFactory>(
        f: &F,
    ) -> Verdict {
        let service = f.fresh().await;
        ensure!(
            f.refuse_next_connection().await,
            2,
            "refuse_next_connection can be provoked, or is left out",
            "it answers false"
        );
        let answer = timed(f, service.get(f.product())).await;
        ensure!(
            !matches!(answer, Ok(None)),
            2,
            "a service that cannot be reached is an Err",
            "{}",
            said(&answer)
        );
        Ok(())
    }

    pub(super) async fn c02_a_service_that_fails_is_an_error<F: ProductFactory>(f: &F) -> Verdict {
        for status in [401, 500, 503] {
            let service = f.fresh().await;
            provoked("answer_next", f.answer_next(status, "")).await?;
            let answer = timed(f, service.get(f.product())).await;
            ensure!(
                !matches!(answer, Ok(None)),
                2,
                format!("HTTP {status} is an Err"),
                "{}",
                said(&answer)
            );
        }
        Ok(())
    }
}
