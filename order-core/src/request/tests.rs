//! Bad input and what it is answered.

use super::*;
use crate::time::Timestamp;

const USER: &str = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11";
const PRODUCT: &str = "7b0c1d11-6b1d-4c58-9a0e-3b6a2f0c1d22";
const CARD: &str = "4111 1111 1111 1111";

fn hold(kind: &str, blocks: &str, until: Option<HoldEnd>) -> HoldInput {
    HoldInput {
        kind: kind.into(),
        blocks: blocks.into(),
        until,
    }
}

fn item(quantity: i64) -> ItemInput {
    ItemInput {
        product_id: PRODUCT.into(),
        variant_id: None,
        quantity,
    }
}

fn address() -> AddressInput {
    AddressInput {
        address_type: "SHIPPING".into(),
        first_name: "Ada".into(),
        last_name: "Lovelace".into(),
        address_line1: "12 St James's Square".into(),
        city: "London".into(),
        postal_code: "SW1Y 4JH".into(),
        country: "GB".into(),
        email: Some("ada@example.org".into()),
        ..AddressInput::default()
    }
}

fn request() -> PlaceRequest {
    PlaceRequest {
        user_id: USER.into(),
        items: vec![item(2)],
        shipping_address: Some(address()),
        payment_method: "card".into(),
        shipping_method: "standard".into(),
        ..PlaceRequest::default()
    }
}

fn violations(change: impl FnOnce(&mut PlaceRequest)) -> Vec<Violation> {
    let mut request = request();
    change(&mut request);
    match request.validate() {
        Ok(_) => Vec::new(),
        Err(Error::Invalid(violations)) => violations,
        Err(other) => panic!("{other:?}"),
    }
}

fn valid(change: impl FnOnce(&mut PlaceRequest)) -> ValidPlace {
    let mut request = request();
    change(&mut request);
    request.validate().unwrap()
}

/// Changes the shipping address.
fn shipping(change: impl FnOnce(&mut AddressInput)) -> impl FnOnce(&mut PlaceRequest) {
    move |request| change(request.shipping_address.as_mut().unwrap())
}

/// Given a request with one thing changed, when it is validated, then exactly these fields are
/// violated, and one of the problems says `problem`.
fn refused(change: impl FnOnce(&mut PlaceRequest), fields: &[&str], problem: &str) {
    let violations = violations(change);
    assert_eq!(
        violations
            .iter()
            .map(|violation| &*violation.field)
            .collect::<Vec<_>>(),
        fields,
        "{violations:?}"
    );
    assert!(
        violations
            .iter()
            .any(|violation| violation.problem.contains(problem)),
        "{problem:?} is not in {violations:?}"
    );
    for violation in &violations {
        assert!(!violation.problem.contains("4111"), "{violation}");
    }
}

#[test]
fn an_empty_request_is_told_everything_at_once() {
    let Err(Error::Invalid(violations)) = PlaceRequest::default().validate() else {
        panic!("it was accepted")
    };
    let fields: Vec<_> = violations
        .iter()
        .map(|violation| &*violation.field)
        .collect();
    assert_eq!(
        fields,
        ["user_id", "items", "shipping_address", "payment_method"]
    );
    let all = violations_of_everything();
    assert_eq!(all.len(), 14, "{all:#?}");
}

fn violations_of_everything() -> Vec<Violation> {
    violations(|request| {
        request.user_id = "me".into();
        request.items = vec![
            item(1),
            ItemInput {
                product_id: "x".into(),
                variant_id: Some("y".into()),
                quantity: -1,
            },
        ];
        request.shipping_address = Some(AddressInput::default());
        request.payment_method = "\0".into();
        request.shipping_method = "x".repeat(51);
        request.notes = Some("\u{202E}".into());
        request.payment_token = Some("a b".into());
        request.return_url = Some("javascript:alert(1)".into());
    })
}

#[test]
fn ids_and_lines_are_checked() {
    refused(
        |r| r.user_id = "me".into(),
        &["user_id"],
        "\"me\" is not a user id: expected a UUID",
    );
    refused(
        |r| r.user_id = CARD.into(),
        &["user_id"],
        "is not a user id",
    );
    refused(|r| r.items.clear(), &["items"], "at least one");
    refused(
        |r| r.items = vec![item(1); 101],
        &["items"],
        "has 101 lines",
    );
    refused(
        |r| r.items[0].product_id.clear(),
        &["items[0].product_id"],
        "is missing",
    );
    refused(
        |r| r.items[0].variant_id = Some("red".into()),
        &["items[0].variant_id"],
        "\"red\" is not a variant id",
    );
    for quantity in [0, -1, 10_001, i64::MAX, i64::MIN] {
        let problem = format!("{quantity} is not a quantity: expected 1 to 10,000");
        refused(
            |r| r.items = vec![item(1), item(1), item(quantity)],
            &["items[2].quantity"],
            &problem,
        );
    }
    refused(
        |r| r.items = vec![item(9_999), item(1), item(1)],
        &["items[2].quantity"],
        "makes 10001 units",
    );
    let mut other_variant = item(10_000);
    other_variant.variant_id = Some(USER.into());
    assert_eq!(
        valid(|r| r.items = vec![item(10_000), other_variant])
            .items
            .len(),
        2
    );
    assert_eq!(valid(|r| r.items = vec![item(100); 100]).items.len(), 100);
}

#[test]
fn methods_coupons_and_notes_are_checked() {
    refused(
        |r| r.payment_method.clear(),
        &["payment_method"],
        "is missing",
    );
    refused(
        |r| r.payment_method = "x".repeat(51),
        &["payment_method"],
        "expected 1 to 50 printable characters",
    );
    refused(
        |r| r.payment_method = CARD.into(),
        &["payment_method"],
        "card number",
    );
    refused(
        |r| r.shipping_method = "a\u{202E}b".into(),
        &["shipping_method"],
        "U+202E",
    );
    refused(
        |r| r.coupon_code = Some("a\nb".into()),
        &["coupon_code"],
        "U+000A",
    );
    refused(
        |r| r.coupon_code = Some(CARD.into()),
        &["coupon_code"],
        "card number",
    );
    refused(
        |r| r.notes = Some(format!("pay with {CARD}")),
        &["notes"],
        "card number",
    );
    refused(
        |r| r.notes = Some("a\0b".into()),
        &["notes"],
        "U+0000: remove it",
    );
    refused(
        |r| r.notes = Some("ä".repeat(2_001)),
        &["notes"],
        "longer than 2000 characters",
    );
    for notes in [
        "'; DROP TABLE orders;--",
        "tab\tand\nnew line",
        &"ä".repeat(2_000),
        "ring 555 0100",
    ] {
        assert_eq!(
            valid(|r| r.notes = Some(notes.into())).notes.get().unwrap(),
            notes
        );
    }
}

#[test]
fn addresses_are_checked() {
    refused(
        |r| r.shipping_address = None,
        &["shipping_address"],
        "is missing",
    );
    refused(
        shipping(|a| a.first_name.clear()),
        &["shipping_address.first_name"],
        "is missing",
    );
    refused(
        shipping(|a| a.city = " ".into()),
        &["shipping_address.city"],
        "is missing",
    );
    refused(
        shipping(|a| a.last_name = "x".repeat(101)),
        &["shipping_address.last_name"],
        "100 characters",
    );
    refused(
        shipping(|a| a.address_line1 = "x".repeat(256)),
        &["shipping_address.address_line1"],
        "255 characters",
    );
    refused(
        shipping(|a| a.address_line2 = Some("a\u{1b}".into())),
        &["shipping_address.address_line2"],
        "U+001B",
    );
    refused(
        shipping(|a| a.state = "x".repeat(101)),
        &["shipping_address.state"],
        "100 characters",
    );
    refused(
        shipping(|a| a.postal_code = "x".repeat(21)),
        &["shipping_address.postal_code"],
        "20 characters",
    );
    refused(
        shipping(|a| a.country = CARD.into()),
        &["shipping_address.country"],
        "card number",
    );
    refused(
        shipping(|a| a.email = Some("ada".into())),
        &["shipping_address.email"],
        "name@example.org",
    );
    refused(
        shipping(|a| a.address_type = "BILLING".into()),
        &["shipping_address.address_type"],
        "\"BILLING\" is not",
    );
    refused(
        shipping(|a| a.address_type = "shipping".into()),
        &["shipping_address.address_type"],
        "expected SHIPPING",
    );
    refused(
        |r| r.billing_address = Some(address()),
        &["billing_address.address_type"],
        "expected BILLING or nothing",
    );
    let empty = |r: &mut PlaceRequest| r.billing_address = Some(AddressInput::default());
    assert!(
        violations(empty)
            .iter()
            .all(|violation| violation.field.starts_with("billing_address."))
    );
}

#[test]
fn telephone_numbers_are_told_from_card_numbers() {
    for wrong in [
        "call me",
        "0123456789012345678901",
        "---",
        "555\u{0}",
        "4111111111111111",
        "+4111111111111111",
        "4111.1111x1111(1111",
    ] {
        refused(
            shipping(|a| a.phone = Some(wrong.into())),
            &["shipping_address.phone"],
            "telephone number",
        );
    }
    for right in ["+44 (0)20 7946-0000", "555.0100x12", "+49 1512 3456 7899"] {
        assert_eq!(
            valid(shipping(|a| a.phone = Some(right.into())))
                .addresses
                .shipping
                .phone
                .as_deref(),
            Some(right)
        );
    }
}

#[test]
fn tokens_and_return_urls_are_checked_and_not_repeated() {
    for token in ["with space", "tök", &"x".repeat(1_001)] {
        refused(
            |r| r.payment_token = Some(token.into()),
            &["payment_token"],
            "at most 1,000 visible ASCII",
        );
        assert!(
            violations(|r| r.payment_token = Some(token.into()))
                .iter()
                .all(|v| !v.problem.contains(token))
        );
    }
    let long = format!("https://shop.example/{}", "x".repeat(2_000));
    for url in [
        "javascript:alert(1)",
        "https://",
        "https:///x",
        "//shop.example",
        "ftp://shop.example",
        "https://a b",
        "h",
        &long,
    ] {
        refused(
            |r| r.return_url = Some(url.into()),
            &["return_url"],
            "is not a web address",
        );
    }
    for url in [
        "https://user@evil.example/",
        "https://shop.example:99999",
        "http://[::g]/",
        "https://sh\u{f6}p.example",
    ] {
        refused(
            |r| r.return_url = Some(url.into()),
            &["return_url"],
            "is not a web address",
        );
    }
    for url in [
        "https://shop.example",
        "HTTP://localhost:8080/back?order=1#paid",
        "http://[::1]:80/",
        "http://[::1]/",
    ] {
        assert_eq!(
            valid(|r| r.return_url = Some(url.into()))
                .return_url
                .get()
                .unwrap(),
            url
        );
    }
}

#[test]
fn what_is_empty_is_none_and_what_is_not_given_is_filled_in() {
    let place = valid(|request| {
        request.user_id = USER.to_uppercase();
        request.items[0].variant_id = Some(String::new());
        request.shipping_method.clear();
        for text in [
            &mut request.notes,
            &mut request.coupon_code,
            &mut request.payment_token,
            &mut request.return_url,
        ] {
            *text = Some(String::new());
        }
        let address = request.shipping_address.as_mut().unwrap();
        address.address_type.clear();
        (address.address_line2, address.phone, address.email) =
            (Some(String::new()), Some(String::new()), None);
    });
    assert_eq!(place.user.to_string(), USER);
    assert_eq!(
        (
            place.items[0].variant,
            &place.shipping_method,
            &place.coupon
        ),
        (None, &None, &None)
    );
    assert!(
        place.notes.get().is_none()
            && place.token.get().is_none()
            && place.return_url.get().is_none()
    );
    assert!(place.addresses.billing == place.addresses.shipping);
    assert_eq!(
        (
            &place.addresses.shipping.address_line2,
            &place.addresses.shipping.phone
        ),
        (&None, &None)
    );
}

#[test]
fn nothing_personal_shows_in_debug_output() {
    let change = |request: &mut PlaceRequest| {
        request.notes = Some("secret note".into());
        request.payment_token = Some("tok_secret".into());
        request.return_url = Some("https://shop.example/secret".into());
    };
    let mut raw = request();
    change(&mut raw);
    for shown in [format!("{raw:?}"), format!("{:?}", valid(change))] {
        for secret in ["secret", "Ada", "Lovelace", "James", "example.org"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn requests_for_the_same_order_have_the_same_hash() {
    let hash = valid(|_| {}).request_hash();
    let same: [fn(&mut PlaceRequest); 5] = [
        |r| r.user_id = USER.to_uppercase(),
        |r| {
            r.billing_address = Some(AddressInput {
                address_type: "BILLING".into(),
                ..address()
            })
        },
        |r| r.notes = Some(String::new()),
        |r| r.payment_token = Some("tok_2".into()),
        |r| r.return_url = Some("https://shop.example/session/2".into()),
    ];
    for change in same {
        assert_eq!(valid(change).request_hash(), hash);
    }
    // Stored for ever, so it must not change by accident.
    assert_eq!(hash.to_string(), "61608e73-859e-5c98-a125-54be0e6976f2");
}

#[test]
fn requests_for_different_orders_have_different_hashes() {
    let different: [fn(&mut PlaceRequest); 25] = [
        |_| {},
        |r| r.user_id = PRODUCT.into(),
        |r| r.items[0].product_id = USER.into(),
        |r| r.items[0].variant_id = Some(USER.into()),
        |r| r.items[0].quantity = 3,
        |r| r.items = vec![item(1), item(1)],
        |r| r.payment_method = "invoice".into(),
        |r| r.shipping_method.clear(),
        |r| r.shipping_method = "standar".into(),
        |r| r.notes = Some("d".into()),
        |r| r.coupon_code = Some("d".into()),
        |r| shipping(|a| a.first_name = "AdaL".into())(r),
        |r| shipping(|a| (a.first_name, a.last_name) = ("AdaL".into(), "ovelace".into()))(r),
        |r| shipping(|a| a.state = "London".into())(r),
        |r| shipping(|a| a.phone = Some("1".into()))(r),
        |r| shipping(|a| a.address_line2 = Some("1".into()))(r),
        |r| {
            r.billing_address = Some(AddressInput {
                address_type: String::new(),
                city: "Paris".into(),
                ..address()
            })
        },
        |r| r.holds = vec![hold("review", "", None)],
        |r| r.holds = vec![hold("review", "ship", None)],
        |r| {
            r.holds = vec![hold(
                "review",
                "",
                Some(HoldEnd::At(Timestamp::from_micros(60_000_000))),
            )]
        },
        |r| {
            r.holds = vec![hold(
                "review",
                "",
                Some(HoldEnd::After(std::time::Duration::from_secs(60))),
            )]
        },
        |r| r.metadata = BTreeMap::from([("a".into(), "b".into())]),
        |r| r.metadata = BTreeMap::from([("ab".into(), "c".into())]),
        |r| r.external_ref = Some("a".into()),
        |r| r.external_ref = Some("d".into()),
    ];
    let hashes: std::collections::BTreeSet<uuid::Uuid> = different
        .iter()
        .map(|change| valid(change).request_hash())
        .collect();
    assert_eq!(hashes.len(), different.len());
}
