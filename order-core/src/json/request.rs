//! The order service's CreateOrderRequest and its parts, from JSON.

use super::error::JsonError;
use super::strict::{Field, Kind, Message, Values, parse};
use crate::request::{AddressInput, ItemInput, PlaceRequest};

const fn text(name: &'static str, json: &'static str) -> Field {
    Field {
        name,
        json,
        kind: Kind::Text,
    }
}

static REQUEST: Message = Message {
    name: "CreateOrderRequest",
    fields: &[
        text("user_id", "userId"),
        Field {
            name: "items",
            json: "items",
            kind: Kind::List(&ITEM),
        },
        Field {
            name: "shipping_address",
            json: "shippingAddress",
            kind: Kind::Message(&ADDRESS),
        },
        Field {
            name: "billing_address",
            json: "billingAddress",
            kind: Kind::Message(&ADDRESS),
        },
        text("payment_method", "paymentMethod"),
        text("shipping_method", "shippingMethod"),
        text("notes", "notes"),
        text("coupon_code", "couponCode"),
    ],
};

static ITEM: Message = Message {
    name: "OrderItemInput",
    fields: &[
        text("product_id", "productId"),
        text("variant_id", "variantId"),
        Field {
            name: "quantity",
            json: "quantity",
            kind: Kind::Int32,
        },
    ],
};

static ADDRESS: Message = Message {
    name: "OrderAddressInput",
    fields: &[
        text("address_type", "addressType"),
        text("first_name", "firstName"),
        text("last_name", "lastName"),
        text("address_line1", "addressLine1"),
        text("address_line2", "addressLine2"),
        text("city", "city"),
        text("state", "state"),
        text("postal_code", "postalCode"),
        text("country", "country"),
        text("phone", "phone"),
        text("email", "email"),
    ],
};

/// Reads a CreateOrderRequest. Whether it can be placed is not decided here.
pub fn request(source: &str, json: &str) -> Result<PlaceRequest, JsonError> {
    let mut m = parse(source, json, &REQUEST)?;
    let items = m.list("items").into_iter().map(|mut item| ItemInput {
        product_id: item.text("product_id").unwrap_or_default(),
        variant_id: item.text("variant_id"),
        quantity: item.int("quantity"),
    });
    Ok(PlaceRequest {
        items: items.collect(),
        user_id: m.text("user_id").unwrap_or_default(),
        shipping_address: m.message("shipping_address").map(address_of),
        billing_address: m.message("billing_address").map(address_of),
        payment_method: m.text("payment_method").unwrap_or_default(),
        shipping_method: m.text("shipping_method").unwrap_or_default(),
        notes: m.text("notes"),
        coupon_code: m.text("coupon_code"),
        ..PlaceRequest::default()
    })
}

/// Reads an OrderAddressInput.
pub fn address(source: &str, json: &str) -> Result<AddressInput, JsonError> {
    parse(source, json, &ADDRESS).map(address_of)
}

fn address_of(mut m: Values) -> AddressInput {
    AddressInput {
        address_type: m.text("address_type").unwrap_or_default(),
        first_name: m.text("first_name").unwrap_or_default(),
        last_name: m.text("last_name").unwrap_or_default(),
        address_line1: m.text("address_line1").unwrap_or_default(),
        address_line2: m.text("address_line2"),
        city: m.text("city").unwrap_or_default(),
        state: m.text("state").unwrap_or_default(),
        postal_code: m.text("postal_code").unwrap_or_default(),
        country: m.text("country").unwrap_or_default(),
        phone: m.text("phone"),
        email: m.text("email"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> String {
        request("r.json", json)
            .expect_err("it is refused")
            .to_string()
    }

    #[test]
    fn both_spellings_null_and_text_numbers_are_read() {
        let read = request(
            "r.json",
            r#"{"userId": "u", "items": [{"product_id": "p", "variantId": null, "quantity": "2"}, {"quantity": 3e0}, {"quantity": "1e1"}],
               "shipping_address": {"firstName": "A"}, "billingAddress": null, "notes": "hi"}"#,
        )
        .unwrap();
        assert_eq!(
            (
                read.user_id.as_str(),
                read.notes.as_deref(),
                read.coupon_code
            ),
            ("u", Some("hi"), None)
        );
        assert_eq!(
            read.items.iter().map(|i| i.quantity).collect::<Vec<_>>(),
            [2, 3, 10]
        );
        assert_eq!(read.shipping_address.unwrap().first_name, "A");
        assert!(read.billing_address.is_none());
    }

    #[test]
    fn what_the_proto_does_not_know_is_refused_with_its_path() {
        for (json, message) in [
            (
                r#"{"colour": 1}"#,
                "r.json:1:9: colour: unknown field of CreateOrderRequest",
            ),
            (
                r#"{"items": [{"quantity": 1}, {"qty": 1}]}"#,
                "r.json:1:34: items[1].qty: unknown field of OrderItemInput",
            ),
            (
                r#"{"notes": "a", "notes": "b"}"#,
                "notes: notes is given twice",
            ),
            (
                "{\"user_id\": \"a\",\n \"userId\": \"b\"}",
                "r.json:2:9: userId: user_id is given twice",
            ),
            (
                r#"{"items": [{"quantity": 1.5}]}"#,
                "items[0].quantity: 1.5 is not a whole number",
            ),
            (
                r#"{"items": [{"quantity": "x"}]}"#,
                "items[0].quantity: \"x\" is not a whole number",
            ),
            (
                r#"{"items": [{"quantity": " 2"}]}"#,
                "items[0].quantity: \" 2\" is not a whole number",
            ),
            (
                r#"{"items": [{"quantity": "1.5"}]}"#,
                "items[0].quantity: 1.5 is not a whole number",
            ),
            (
                r#"{"items": [{"quantity": 99999999999999999999}]}"#,
                "quantity: 100000000000000000000 is out of the range",
            ),
            (
                r#"{"items": [{"quantity": true}]}"#,
                "items[0].quantity: expected a whole number, not true",
            ),
            (
                r#"{"notes": {"value": "a"}}"#,
                "notes: expected a text, not an object",
            ),
            (
                r#"{"shippingAddress": []}"#,
                "shippingAddress: expected an object, an OrderAddressInput, not a list",
            ),
            (
                r#"{"items": [{"quantity": 2147483648}]}"#,
                "items[0].quantity: 2147483648 is out of the range of int32",
            ),
            (
                r#"{"items": [null]}"#,
                "items[0]: expected an object, an OrderItemInput, not null",
            ),
            (
                r#"{"user_id": 5}"#,
                "user_id: expected a text, not the number 5",
            ),
            ("[]", "expected an object, a CreateOrderRequest, not a list"),
            ("null", "expected an object, a CreateOrderRequest, not null"),
            ("\u{feff}{}", "r.json:1:1: starts with a byte order mark"),
            ("{\n", "r.json:2:1: EOF while parsing an object"),
            ("{} {}", "trailing characters"),
            ("", "EOF while parsing a value"),
        ] {
            let said = refused(json);
            assert!(
                said.starts_with("r.json:") && said.contains(message),
                "{json}: {said}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = "[".repeat(100_000);
        assert!(refused(&format!("{{\"items\": {deep}")).starts_with("r.json:1:"));
    }
}
