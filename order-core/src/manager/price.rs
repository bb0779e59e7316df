//! Asks Pricing, and checks what it answers; nothing else.

use super::OrderManager;
use crate::error::Error;
use crate::ids::Name;
use crate::money::{Minor, Money};
use crate::order::{Amounts, Lot, PaymentTerms, PlacedLine};
use crate::pricing::{LineShares, Priced, PricingError, PricingLine, PricingRequest};
use crate::services::{CallError, Clients, ServiceName};
use crate::store::OrderStore;

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Returns the price of `request`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] and [`Error::Rejected`] as Pricing says; [`Error::Service`] when it does
    /// not answer in time, or answers what cannot be.
    pub(super) async fn price(&self, request: &PricingRequest) -> Result<Priced, Error> {
        let priced = self
            .ask_pricing("price", self.inner.pricing.price(request))
            .await?;
        check(&request.lines, &priced).map_err(nonsense)?;
        Ok(priced)
    }

    /// Returns when money paid by `method` is due; a violation of `payment_method` if nobody offers
    /// it.
    pub(super) async fn terms(&self, method: &Name) -> Result<PaymentTerms, Error> {
        let terms = self
            .ask_pricing("terms", self.inner.pricing.terms(method))
            .await?;
        terms.ok_or_else(|| {
            Error::invalid(
                "payment_method",
                format!("{:?} is not offered", method.as_str()),
            )
        })
    }

    async fn ask_pricing<T: Send>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, PricingError>> + Send,
    ) -> Result<T, Error> {
        // A refusal is an answer: only what is no answer counts against the service.
        let call = async {
            match call.await {
                Ok(value) => Ok(Ok(value)),
                Err(PricingError::Call(e)) => Err(e),
                Err(PricingError::Invalid(violations)) => Ok(Err(Error::Invalid(violations))),
                Err(PricingError::Rejected(rejection)) => Ok(Err(Error::Rejected(rejection))),
            }
        };
        self.within(ServiceName::Pricing, method, call)
            .await
            .map_err(|source| Error::Service {
                service: ServiceName::Pricing,
                source,
            })?
    }
}

fn nonsense(problem: String) -> Error {
    Error::Service {
        service: ServiceName::Pricing,
        source: CallError::malformed(problem),
    }
}

/// Refuses an answer that cannot be, saying what in it is wrong.
fn check(lines: &[PricingLine], priced: &Priced) -> Result<(), String> {
    let Priced {
        lines: shares,
        shipping,
        shipping_tax,
        shipping_tax_included,
        terms: _,
        redemptions: _,
    } = priced;
    if shares.len() != lines.len() {
        return Err(format!(
            "it was asked for {} lines and answered {}",
            lines.len(),
            shares.len()
        ));
    }
    let bounded = |what: &str, amount: Minor, max: Minor| match (0..=max).contains(&amount) {
        true => Ok(()),
        false => Err(format!(
            "it answered {what} of {amount}: expected 0 to {max}"
        )),
    };
    for ((line, shares), n) in lines.iter().zip(shares).zip(1..) {
        let LineShares {
            coupon,
            tax,
            tax_included,
        } = *shares;
        bounded(
            &format!("a coupon for line {n} ({})", line.sku),
            coupon,
            line.subtotal,
        )?;
        let max = Money::MAX_MINOR.saturating_mul(line.quantity.into());
        bounded(&format!("a tax on line {n} ({})", line.sku), tax, max)?;
        bounded(
            &format!("a contained tax for line {n} ({})", line.sku),
            tax_included,
            line.subtotal - coupon,
        )?;
    }
    bounded("a price of shipping", *shipping, Money::MAX_MINOR)?;
    bounded("a tax on shipping", *shipping_tax, Money::MAX_MINOR)?;
    bounded(
        "a contained tax for shipping",
        *shipping_tax_included,
        *shipping,
    )
}

/// The sums of a new order of these lines, which have their shares already.
pub(super) fn amounts(lines: &[PlacedLine], priced: &Priced) -> Result<Amounts, Error> {
    let sum = |part: fn(&Lot) -> Minor, more: Minor| -> i128 {
        lines.iter().map(|l| i128::from(part(&l.lot))).sum::<i128>() + i128::from(more)
    };
    let (subtotal, discount) = (sum(|l| l.subtotal, 0), sum(|l| l.coupon, 0));
    let tax = sum(|l| l.tax, priced.shipping_tax);
    let total = subtotal + tax + i128::from(priced.shipping) - discount;
    let fits = |sum: i128| {
        Minor::try_from(sum)
            .map_err(|_| Error::invalid("items", "the order's amounts are too large"))
    };
    Ok(Amounts {
        subtotal: fits(subtotal)?,
        discount: fits(discount)?,
        tax: fits(tax)?,
        tax_included: fits(sum(|l| l.tax_included, priced.shipping_tax_included))?,
        shipping: priced.shipping,
        shipping_tax: priced.shipping_tax,
        total: fits(total)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ProductId;

    fn line(quantity: u32, subtotal: Minor) -> PricingLine {
        let (product, sku) = (ProductId::from_bytes([1; 16]), "MUG-01".parse().unwrap());
        PricingLine {
            product,
            variant: None,
            sku,
            quantity,
            subtotal,
            requires_shipping: true,
        }
    }

    fn answer(lines: &[LineShares]) -> Priced {
        Priced {
            lines: lines.to_vec(),
            shipping: 490,
            shipping_tax: 0,
            shipping_tax_included: 0,
            terms: PaymentTerms::Confirm,
            redemptions: Vec::new(),
        }
    }

    #[test]
    fn an_answer_that_cannot_be_is_named() {
        let lines = [line(1, 2500), line(3, 900)];
        let (none, share) = (LineShares::default(), |coupon, tax, tax_included| {
            LineShares {
                coupon,
                tax,
                tax_included,
            }
        });
        let sound = [share(2500, 0, 0), share(0, 3 * Money::MAX_MINOR, 900)];
        assert_eq!(check(&lines, &answer(&sound)), Ok(()));

        let second = |wrong| [none, wrong];
        let lies: [(Priced, &str); 14] = [
            (answer(&[none]), "asked for 2 lines and answered 1"),
            (answer(&[none; 3]), "asked for 2 lines and answered 3"),
            (
                answer(&second(share(-1, 0, 0))),
                "a coupon for line 2 (MUG-01) of -1: expected 0 to 900",
            ),
            (
                answer(&second(share(901, 0, 0))),
                "a coupon for line 2 (MUG-01) of 901",
            ),
            (
                answer(&second(share(0, -1, 0))),
                "a tax on line 2 (MUG-01) of -1",
            ),
            (
                answer(&second(share(0, 3 * Money::MAX_MINOR + 1, 0))),
                "a tax on line 2",
            ),
            (
                answer(&second(share(0, 0, -1))),
                "a contained tax for line 2",
            ),
            (
                answer(&second(share(500, 0, 401))),
                "a contained tax for line 2 (MUG-01) of 401: expected 0 to 400",
            ),
            (
                Priced {
                    shipping: -1,
                    ..answer(&sound)
                },
                "a price of shipping of -1",
            ),
            (
                Priced {
                    shipping: Minor::MAX,
                    ..answer(&sound)
                },
                "a price of shipping of 9223372036854775807",
            ),
            (
                Priced {
                    shipping_tax: -1,
                    ..answer(&sound)
                },
                "a tax on shipping of -1",
            ),
            (
                Priced {
                    shipping_tax: Money::MAX_MINOR + 1,
                    ..answer(&sound)
                },
                "a tax on shipping of 1000000000001",
            ),
            (
                Priced {
                    shipping_tax_included: -1,
                    ..answer(&sound)
                },
                "a contained tax for shipping of -1",
            ),
            (
                Priced {
                    shipping_tax_included: 491,
                    ..answer(&sound)
                },
                "a contained tax for shipping of 491: expected 0 to 490",
            ),
        ];
        for (priced, wanted) in lies {
            let problem = check(&lines, &priced).unwrap_err();
            assert!(problem.contains(wanted), "{problem}");
        }
    }
}
