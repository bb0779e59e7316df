//! Names and values that travel beside the messages: the proto is older than keys, versions and
//! payment actions.

use std::str::FromStr;

use order_core::error::Violation;
use order_core::ids::{IdempotencyKey, ParseIdError};
use order_core::order::{OperationState, Order};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tonic::metadata::{MetadataMap, MetadataValue};

/// Makes a request safe to repeat.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The version the caller saw.
pub(crate) const EXPECTED_VERSION: &str = "expected-version";
/// The method by which an edit's difference is paid.
pub(crate) const PAYMENT_METHOD: &str = "payment-method";
/// The token that the payment provider gave the client to pay with.
pub(crate) const PAYMENT_TOKEN: &str = "payment-token";
/// The address to which the payment provider sends the customer back.
pub(crate) const RETURN_URL: &str = "return-url";
/// The number of journal rows that the order of the answer has.
pub(crate) const ORDER_VERSION: &str = "order-version";
/// `true` when an earlier request under the same key made the order, or did to it what was asked
/// for.
pub(crate) const ORDER_REPLAYED: &str = "order-replayed";
/// The number of an edit that was not decided when the caller was answered. A trailer.
pub(crate) const ORDER_EDIT_ID: &str = "order-edit-id";
/// The address where the customer must go to pay.
pub(crate) const PAYMENT_ACTION_URL: &str = "payment-action-url";

/// The metadata of a request that a command understands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandMetadata {
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) expected_version: Option<u64>,
}

/// Reads what a command understands; adds to `wrong` what makes no sense.
pub(crate) fn of_command(metadata: &MetadataMap, wrong: &mut Vec<Violation>) -> CommandMetadata {
    let expected_version = one(metadata, EXPECTED_VERSION, wrong).and_then(|text| {
        let version = text
            .parse()
            .ok()
            .filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        if version.is_none() {
            wrong.push(Violation::new(
                EXPECTED_VERSION,
                "is not a version: expected a whole number, as order-version gave it",
            ));
        }
        version
    });
    CommandMetadata {
        key: key(metadata, wrong),
        expected_version,
    }
}

/// Reads the idempotency key. An empty one is refused: it would be taken for a promise.
pub(crate) fn key(metadata: &MetadataMap, wrong: &mut Vec<Violation>) -> Option<IdempotencyKey> {
    let text = one(metadata, IDEMPOTENCY_KEY, wrong)?;
    IdempotencyKey::from_str(text)
        .map_err(|ParseIdError { what, remedy, .. }| {
            wrong.push(Violation::new(
                IDEMPOTENCY_KEY,
                format!("is not an {what}: {remedy}"),
            ))
        })
        .ok()
}

/// The one value of `name`; none if it was not given, or was given twice or not in ASCII, which is
/// added to `wrong`.
pub(crate) fn one<'a>(
    metadata: &'a MetadataMap,
    name: &'static str,
    wrong: &mut Vec<Violation>,
) -> Option<&'a str> {
    let mut values = metadata.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        wrong.push(Violation::new(
            name,
            "was given more than once: give it once",
        ));
        return None;
    }
    match value.to_str() {
        Ok(text) => Some(text),
        Err(_) => {
            wrong.push(Violation::new(
                name,
                "contains other than visible ASCII characters: remove them",
            ));
            None
        }
    }
}

/// Says beside an order which version of it this is, whether the request was a repeat, and where
/// the customer must go to pay, if anywhere.
pub(crate) fn describe(order: &Order, replayed: bool, metadata: &mut MetadataMap) {
    metadata.insert(ORDER_VERSION, MetadataValue::from(order.version));
    if replayed {
        metadata.insert(ORDER_REPLAYED, MetadataValue::from_static("true"));
    }
    let open = order
        .payments
        .iter()
        .rev()
        .find(|p| p.state == OperationState::ActionRequired);
    let url = open
        .and_then(|p| p.action.get())
        .map(|action| as_uri(&action.url));
    if let Some(url) = url.and_then(|url| MetadataValue::try_from(url).ok()) {
        metadata.insert(PAYMENT_ACTION_URL, url);
    }
}

/// Percent-encodes an IRI into a URI (RFC 3987, 3.1): metadata is ASCII.
fn as_uri(iri: &str) -> String {
    const NOT_IN_A_URI: &AsciiSet = &CONTROLS.add(b' ');
    utf8_percent_encode(iri, NOT_IN_A_URI).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(entries: &[(&'static str, &'static str)]) -> MetadataMap {
        let mut map = MetadataMap::new();
        for (name, value) in entries {
            map.append(*name, MetadataValue::from_static(value));
        }
        map
    }

    #[test]
    fn a_command_s_metadata_is_read() {
        let mut wrong = Vec::new();
        let read = of_command(
            &metadata(&[(IDEMPOTENCY_KEY, "k-1"), (EXPECTED_VERSION, "7")]),
            &mut wrong,
        );
        assert_eq!(
            read,
            CommandMetadata {
                key: Some("k-1".parse().unwrap()),
                expected_version: Some(7)
            }
        );
        assert_eq!(
            of_command(&MetadataMap::new(), &mut wrong),
            CommandMetadata::default()
        );
        assert_eq!(wrong, []);
    }

    #[test]
    fn everything_wrong_with_metadata_is_told_and_its_values_are_not() {
        let mut wrong = Vec::new();
        let bad = metadata(&[
            (IDEMPOTENCY_KEY, "4111 1111 1111 1111"),
            (EXPECTED_VERSION, "+7"),
        ]);
        assert_eq!(of_command(&bad, &mut wrong), CommandMetadata::default());
        let told: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with("expected-version: is not a version"),
            "{told:?}"
        );
        assert!(
            told[1].starts_with("idempotency-key: is not an idempotency key"),
            "{told:?}"
        );
        assert!(!told.concat().contains("4111"));

        for (twice, problem) in [
            (
                metadata(&[(IDEMPOTENCY_KEY, "a"), (IDEMPOTENCY_KEY, "b")]),
                "more than once",
            ),
            (metadata(&[(IDEMPOTENCY_KEY, "")]), "expected 1 to 255"),
        ] {
            let mut wrong = Vec::new();
            assert_eq!(key(&twice, &mut wrong), None);
            assert!(wrong[0].problem.contains(problem), "{wrong:?}");
        }
    }

    #[test]
    fn an_action_s_address_is_ascii_on_the_wire() {
        assert_eq!(
            as_uri("https://bank.example/ü?a=b c"),
            "https://bank.example/%C3%BC?a=b%20c"
        );
    }
}
