use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::ids::{ProductId, UserId};
use crate::order::Address;
use crate::pricing::PricingLine;
use crate::text::Private;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn shipping(price: Minor, free_from: Option<Minor>) -> ShippingRule {
    ShippingRule {
        method: name("STANDARD"),
        price,
        free_from,
    }
}

fn tax(country: &str, state: Option<&str>, rate: &str) -> TaxRule {
    let (country, state) = (country.into(), state.map(Into::into));
    TaxRule {
        country,
        state,
        rate: decimal(rate),
        inclusive: false,
        taxes_shipping: false,
    }
}

fn coupon(code: &str, discount: Discount) -> CouponRule {
    CouponRule {
        code: name(code),
        discount,
        minimum: None,
        from: None,
        until: None,
        uses: None,
        uses_per_customer: None,
    }
}

fn percent(text: &str) -> Discount {
    Discount::Percent(decimal(text))
}

fn try_book(
    shipping: Vec<ShippingRule>,
    tax: Vec<TaxRule>,
    coupons: Vec<CouponRule>,
) -> Result<PriceBook, PriceBookError> {
    let method = PaymentMethodRule {
        method: name("CARD"),
        due: PaymentTerms::Shipment,
    };
    PriceBook::new(Currency::USD, shipping, tax, coupons, vec![method])
}

fn book(tax: Vec<TaxRule>, coupons: Vec<CouponRule>) -> PriceBook {
    try_book(vec![shipping(490, Some(5000))], tax, coupons).unwrap()
}

fn to(country: &str, state: &str) -> Private<Address> {
    Private(Some(Address {
        first_name: "Sample".into(),
        last_name: "Customer".into(),
        address_line1: "1 Market Street".into(),
        address_line2: None,
        city: "San Francisco".into(),
        state: state.into(),
        postal_code: "94105".into(),
        country: country.into(),
        phone: None,
        email: None,
    }))
}

/// An order of lines with these subtotals, to be sent to California by the standard method.
fn order(subtotals: &[Minor]) -> PricingRequest {
    let line = |&subtotal: &Minor| PricingLine {
        product: ProductId::from_bytes([1; 16]),
        variant: None,
        sku: "A".parse().unwrap(),
        quantity: 1,
        subtotal,
        requires_shipping: true,
    };
    PricingRequest {
        user: UserId::from_bytes([7; 16]),
        currency: Currency::USD,
        lines: subtotals.iter().map(line).collect(),
        to: to("US", "CA"),
        shipping_method: Some(name("STANDARD")),
        payment_method: name("CARD"),
        coupon: None,
        now: at("2026-03-01T10:00:00Z"),
    }
}

fn with_coupon(subtotals: &[Minor], code: &str) -> PricingRequest {
    PricingRequest {
        coupon: Some(name(code)),
        ..order(subtotals)
    }
}

fn price(book: &PriceBook, request: &PricingRequest) -> Result<Priced, PricingError> {
    book.price(request)
        .now_or_never()
        .expect("a price book waits for nothing")
}

#[track_caller]
fn priced(book: &PriceBook, request: &PricingRequest) -> Priced {
    price(book, request).unwrap()
}

fn column(priced: &Priced, of: fn(&LineShares) -> Minor) -> Vec<Minor> {
    priced.lines.iter().map(of).collect()
}

fn rejection(answer: Result<Priced, PricingError>) -> RejectionReason {
    match answer {
        Err(PricingError::Rejected(rejection)) => rejection.reason,
        other => panic!("expected a rejection, got {other:?}"),
    }
}

fn fields(answer: Result<Priced, PricingError>) -> Vec<String> {
    match answer {
        Err(PricingError::Invalid(violations)) => violations.into_iter().map(|v| v.field).collect(),
        other => panic!("expected violations, got {other:?}"),
    }
}

#[test]
fn tax_is_rounded_half_up_per_line_after_the_coupons_share() {
    let book = book(
        vec![tax("US", None, "0.05")],
        vec![coupon("TEN", percent("10"))],
    );
    assert_eq!(
        column(&priced(&book, &order(&[1010, 1010, 1009])), |l| l.tax),
        [51, 51, 50]
    );
    let with = priced(&book, &with_coupon(&[1000, 990], "TEN"));
    assert_eq!(
        (column(&with, |l| l.coupon), column(&with, |l| l.tax)),
        (vec![100, 99], vec![45, 45])
    );
}

#[test]
fn a_percentage_is_rounded_half_up_once_and_allocated_to_lines() {
    let book = book(
        vec![],
        vec![coupon("TEN", percent("10")), coupon("ALL", percent("100"))],
    );
    assert_eq!(
        column(&priced(&book, &with_coupon(&[15], "TEN")), |l| l.coupon),
        [2]
    );
    assert_eq!(
        column(&priced(&book, &with_coupon(&[14], "TEN")), |l| l.coupon),
        [1]
    );
    assert_eq!(
        column(&priced(&book, &with_coupon(&[5, 5, 5], "TEN")), |l| l
            .coupon),
        [1, 1, 0]
    );
    assert_eq!(
        column(&priced(&book, &with_coupon(&[0, 7, 3], "ALL")), |l| l
            .coupon),
        [0, 7, 3]
    );
}

#[test]
fn an_amount_takes_at_most_the_subtotal() {
    let book = book(
        vec![tax("US", None, "0.1")],
        vec![coupon("FIVE", Discount::Amount(500))],
    );
    assert_eq!(
        column(&priced(&book, &with_coupon(&[300, 700], "FIVE")), |l| l
            .coupon),
        [150, 350]
    );
    let all = priced(&book, &with_coupon(&[100, 200], "FIVE"));
    assert_eq!(
        (column(&all, |l| l.coupon), column(&all, |l| l.tax)),
        (vec![100, 200], vec![0, 0])
    );
}

#[test]
fn shipping_is_free_from_a_subtotal_less_coupon() {
    let book = book(vec![], vec![coupon("ONE", Discount::Amount(1))]);
    for (request, cost) in [
        (order(&[4999]), 490),
        (order(&[5000]), 0),
        (with_coupon(&[5000], "ONE"), 490),
    ] {
        assert_eq!(priced(&book, &request).shipping, cost);
    }
    assert_eq!(priced(&book, &with_coupon(&[5001], "ONE")).shipping, 0);
}

#[test]
fn a_coupons_minimum_is_of_the_subtotal() {
    let rule = CouponRule {
        minimum: Some(2000),
        ..coupon("ALL", percent("100"))
    };
    let book = book(vec![], vec![rule]);
    assert_eq!(
        rejection(price(&book, &with_coupon(&[1000, 999], "ALL"))),
        RejectionReason::CouponMinimum
    );
    assert_eq!(
        column(&priced(&book, &with_coupon(&[1000, 1000], "ALL")), |l| l
            .coupon),
        [1000, 1000]
    );
}

#[test]
fn a_coupon_is_valid_from_its_first_to_before_its_last_moment() {
    let (from, until) = (at("2026-03-01T00:00:00Z"), at("2026-04-01T00:00:00Z"));
    let rule = CouponRule {
        from: Some(from),
        until: Some(until),
        ..coupon("TEN", percent("10"))
    };
    let book = book(vec![], vec![rule]);
    let tick = std::time::Duration::from_micros(1);
    for (now, valid) in [
        (from.before(tick), false),
        (from, true),
        (until.before(tick), true),
        (until, false),
    ] {
        let answer = price(
            &book,
            &PricingRequest {
                now,
                ..with_coupon(&[100], "TEN")
            },
        );
        assert_eq!(answer.is_ok(), valid, "{now}");
    }
    assert_eq!(
        rejection(price(&book, &with_coupon(&[100], "ten"))),
        RejectionReason::CouponInvalid
    );
}

#[test]
fn a_limited_coupon_is_claimed_in_all_and_per_customer() {
    let rule = CouponRule {
        uses: Some(9),
        uses_per_customer: Some(1),
        ..coupon("TEN", percent("10"))
    };
    let redemptions = priced(&book(vec![], vec![rule]), &with_coupon(&[100], "TEN")).redemptions;
    let user = order(&[]).user;
    let redemption = |name: String, limit| Redemption { name, limit };
    assert_eq!(
        redemptions,
        [
            redemption("coupon/TEN".into(), 9),
            redemption(format!("coupon/TEN/{user}"), 1)
        ]
    );
    assert!(
        priced(
            &book(vec![], vec![coupon("TEN", percent("10"))]),
            &with_coupon(&[100], "TEN")
        )
        .redemptions
        .is_empty()
    );
}

#[test]
fn a_states_rate_goes_before_its_countrys_and_case_does_not_matter() {
    let rules = vec![
        tax("US", None, "0.05"),
        tax("us", Some("Ca"), "0.10"),
        tax("DE", Some("CA"), "0.20"),
    ];
    let book = book(rules, vec![]);
    for (country, state, added) in [
        ("US", "CA", 10),
        (" us ", "ca", 10),
        ("US", "NY", 5),
        ("us", "", 5),
        ("DE", "ca", 20),
        ("DE", "", 0),
        ("FR", "CA", 0),
    ] {
        let request = PricingRequest {
            to: to(country, state),
            ..order(&[100])
        };
        assert_eq!(
            column(&priced(&book, &request), |l| l.tax),
            [added],
            "{country} {state}"
        );
    }
}

#[test]
fn inclusive_tax_is_contained_and_adds_nothing() {
    let rule = TaxRule {
        inclusive: true,
        taxes_shipping: true,
        ..tax("US", None, "0.19")
    };
    let with = priced(&book(vec![rule], vec![]), &order(&[1190, 100]));
    assert_eq!(
        (column(&with, |l| l.tax), column(&with, |l| l.tax_included)),
        (vec![0, 0], vec![190, 16])
    );
    assert_eq!(
        (with.shipping, with.shipping_tax, with.shipping_tax_included),
        (490, 0, 78)
    );
}

#[test]
fn shipping_is_taxed_only_where_the_rule_says_so() {
    let untaxed = tax("US", None, "0.0725");
    let taxed = TaxRule {
        taxes_shipping: true,
        ..untaxed.clone()
    };
    for (rule, added) in [(untaxed, 0), (taxed, 36)] {
        let with = priced(&book(vec![rule], vec![]), &order(&[100]));
        assert_eq!(
            (with.shipping, with.shipping_tax, with.shipping_tax_included),
            (490, added, 0)
        );
    }
}

#[test]
fn a_shipping_method_is_needed_by_whatever_must_be_sent() {
    let book = book(vec![], vec![]);
    let without = PricingRequest {
        shipping_method: None,
        ..order(&[100, 200])
    };
    assert_eq!(fields(price(&book, &without)), ["shipping_method"]);
    let mut request = without;
    request.lines[0].requires_shipping = false;
    assert_eq!(fields(price(&book, &request)), ["shipping_method"]);
    request.lines[1].requires_shipping = false;
    assert_eq!(priced(&book, &request).shipping, 0);
    request.shipping_method = Some(name("STANDARD"));
    assert_eq!(
        priced(&book, &request).shipping,
        0,
        "named, but there is nothing to send"
    );
    request.shipping_method = Some(name("DRONE"));
    request.payment_method = name("SHELLS");
    assert_eq!(
        fields(price(&book, &request)),
        ["shipping_method", "payment_method"],
        "all violations at once"
    );
}

#[test]
fn rows_that_contradict_each_other_or_themselves_are_refused() {
    let (one, usual) = (coupon("A", percent("1")), || vec![shipping(1, None)]);
    let bad = [
        try_book(vec![shipping(1, None), shipping(2, None)], vec![], vec![]),
        try_book(vec![shipping(-1, None)], vec![], vec![]),
        try_book(
            usual(),
            vec![tax("US", None, "0.1"), tax("us", None, "0.2")],
            vec![],
        ),
        try_book(
            usual(),
            vec![tax("US", Some("CA"), "0.1"), tax("US", Some("ca "), "0.1")],
            vec![],
        ),
        try_book(usual(), vec![tax("US", None, "1.01")], vec![]),
        try_book(usual(), vec![], vec![one.clone(), one]),
        try_book(usual(), vec![], vec![coupon("A", percent("0"))]),
        try_book(usual(), vec![], vec![coupon("A", Discount::Amount(0))]),
    ];
    for (i, answer) in bad.into_iter().enumerate() {
        assert!(answer.is_err(), "case {i}");
    }
    assert!(
        try_book(
            usual(),
            vec![tax("US", None, "0.1"), tax("US", Some("CA"), "0.1")],
            vec![]
        )
        .is_ok()
    );
}

/// `n / d` rounded half up, for n ≥ 0: the same rule in integers.
fn half_up(n: i128, d: i128) -> Minor {
    Minor::try_from((2 * n + d) / (2 * d)).unwrap()
}

proptest! {
    /// Amounts are minor units, so one test serves currencies of any number of decimals; the
    /// codes differ all the same.
    #[test]
    fn shares_are_exact_and_add_up(
        subtotals in prop::collection::vec(0i64..=1_000_000_000_000, 1..20),
        code in prop::sample::select(vec!["JPY", "USD", "KWD"]),
        rate in 0i64..=100_000, inclusive: bool, taxes_shipping: bool,
        off in 1i64..=10_000, amount in prop::option::of(1i64..=2_000_000_000_000),
        cost in 0i64..=1_000_000, free_from in prop::option::of(0i64..=10_000_000_000_000),
    ) {
        let currency: Currency = code.parse().unwrap();
        let amount = amount.map(|a| a.min(Money::MAX_MINOR));
        let discount = amount.map_or_else(|| Discount::Percent(Decimal::new(off, 2)), Discount::Amount);
        let rule = TaxRule { rate: Decimal::new(rate, 5), inclusive, taxes_shipping, ..tax("US", None, "0") };
        let free_from = free_from.map(|f| f.min(Money::MAX_MINOR));
        let methods = vec![PaymentMethodRule { method: name("CARD"), due: PaymentTerms::Confirm }];
        let book = PriceBook::new(currency, vec![shipping(cost, free_from)], vec![rule], vec![coupon("C", discount)], methods);
        let priced = priced(&book.unwrap(), &PricingRequest { currency, ..with_coupon(&subtotals, "C") });

        let subtotal: Minor = subtotals.iter().sum();
        let coupon: Minor = column(&priced, |l| l.coupon).iter().sum();
        let wanted = amount.map_or_else(|| half_up(i128::from(subtotal) * i128::from(off), 10_000), |a| a.min(subtotal));
        prop_assert_eq!(coupon, wanted);
        let taxed = |base: Minor| {
            let (n, whole) = (i128::from(base) * i128::from(rate), 100_000);
            if inclusive { (0, half_up(n, whole + i128::from(rate))) } else { (half_up(n, whole), 0) }
        };
        for (line, of) in priced.lines.iter().zip(&subtotals) {
            prop_assert!((0..=*of).contains(&line.coupon));
            prop_assert_eq!((line.tax, line.tax_included), taxed(of - line.coupon));
        }
        let free = free_from.is_some_and(|from| subtotal - coupon >= from);
        prop_assert_eq!(priced.shipping, if free { 0 } else { cost });
        let on_shipping = if taxes_shipping { taxed(priced.shipping) } else { (0, 0) };
        prop_assert_eq!((priced.shipping_tax, priced.shipping_tax_included), on_shipping);
    }
}
