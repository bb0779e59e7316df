//! Hashes of what was asked for, by which another request, or another command, under the same key
//! is noticed.
//!
//! They are stored with their keys for ever: what is hashed and how never changes without a new
//! version number. A hash gives no text back that went into it, so it may outlive the personal data
//! that was erased.

use uuid::Uuid;

use super::{LineRef, ValidEdit, ValidHold, ValidItem, ValidPlace};
use crate::hash::Encoder;
use crate::ids::{ExternalRef, Name, VariantId};

/// The name space of request hashes; any fixed UUID.
const REQUESTS: Uuid = Uuid::from_u128(0x9b1d_6b3e_52a4_4d0e_8f57_1c3a_7e60_d2c4);

impl ValidPlace {
    /// The same for requests that ask for the same order, by which another one under the same
    /// idempotency key is noticed.
    ///
    /// Token and return URL are left out. They say how to reach the payment provider this time, not
    /// what is ordered, and a client that tries again often must draw new ones, because a token may
    /// be used once and a return URL may name a session.
    pub fn request_hash(&self) -> Uuid {
        #[rustfmt::skip]
        let ValidPlace {
            user, items, addresses, payment_method, shipping_method, notes, coupon, token: _, return_url: _, holds, metadata,
            external_ref,
        } = self;
        let mut hashed = Encoder(b"place/2".to_vec());
        hashed.bytes(user.as_bytes());
        write_items(&mut hashed, items);
        for address in [&addresses.shipping, &addresses.billing] {
            hashed.address(address);
        }
        hashed.bytes(payment_method.as_str().as_bytes());
        hashed.option(shipping_method.as_ref().map(Name::as_str));
        hashed.option(notes.get());
        hashed.option(coupon.as_ref().map(Name::as_str));
        hashed.count(holds.len());
        for ValidHold {
            kind,
            blocks,
            until,
        } in holds
        {
            hashed.text(kind.as_str());
            hashed.text(blocks.as_str());
            hashed.hold_end(*until);
        }
        let metadata = metadata.get();
        hashed.count(metadata.map_or(0, |m| m.len()));
        for (name, value) in metadata.into_iter().flatten() {
            hashed.text(name.as_str());
            hashed.text(value);
        }
        hashed.option(external_ref.as_ref().map(ExternalRef::as_str));
        Uuid::new_v5(&REQUESTS, &hashed.0)
    }
}

impl ValidEdit {
    /// The same for requests that ask for the same edit. Of the request and not of what it is
    /// priced at, which changes from one day to the next.
    pub fn request_hash(&self) -> Uuid {
        let ValidEdit {
            add,
            set,
            shipping_address,
            shipping_method,
            payment_method,
            token,
            return_url,
        } = self;
        let mut hashed = Encoder::of_command("edit");
        write_items(&mut hashed, add);
        hashed.count(set.len());
        for (line, quantity) in set {
            match line {
                LineRef::Number(n) => hashed.count(*n as usize),
                LineRef::Id(id) => hashed.bytes(id.as_bytes()),
            }
            hashed.bytes(&quantity.to_be_bytes());
        }
        hashed.address_if_any(shipping_address.as_ref());
        hashed.option(shipping_method.as_ref().map(Name::as_str));
        hashed.option(payment_method.as_ref().map(Name::as_str));
        hashed.option(token.get());
        hashed.option(return_url.get());
        hashed.into_command_hash()
    }
}

fn write_items(hashed: &mut Encoder, items: &[ValidItem]) {
    hashed.count(items.len());
    for ValidItem {
        product,
        variant,
        quantity,
    } in items
    {
        hashed.bytes(product.as_bytes());
        hashed.option(variant.as_ref().map(VariantId::as_bytes));
        hashed.bytes(&quantity.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::EditRequest;
    use crate::rules::Command;
    use crate::text::Private;

    /// Stored hashes are compared with new ones for as long as there are stores.
    #[test]
    fn hashes_are_the_same_for_ever() {
        let retry = Command::RetryPayment {
            amount: None,
            method: "CARD".parse().unwrap(),
            terms: crate::order::PaymentTerms::Confirm,
            token: Private(Some("tok".into())),
            return_url: Private(None),
        };
        let edit = EditRequest {
            remove: vec![LineRef::Number(2)],
            ..EditRequest::default()
        };
        let hashes = [
            Command::Cancel.hash(None),
            Command::Note.hash(Some("rang twice")),
            Command::Ship {
                shipment: None,
                lines: Vec::new(),
                carrier: Some("A".into()),
                tracking: None,
            }
            .hash(None),
            retry.hash(None),
            edit.validate().unwrap().request_hash(),
        ];
        let told: Vec<String> = hashes.iter().map(Uuid::to_string).collect();
        assert_eq!(told, HASHES);
    }

    const HASHES: [&str; 5] = [
        "7c6aa3ad-2ec9-5b2d-9745-cdd90f08979a",
        "181a23b9-001c-5fec-97c7-448e8feb091d",
        "60cd39d2-eed3-50c6-8b97-0538e82260cf",
        "edb70ccb-5e6a-57ab-9111-7a1040eb8d1c",
        "8613a683-f1a1-5d16-87a3-a09dac45dbfc",
    ];

    #[test]
    fn when_a_retried_payment_is_due_is_not_what_was_asked_for() {
        use crate::order::PaymentTerms;
        let retry = |terms, token: &str| Command::RetryPayment {
            amount: None,
            method: "CARD".parse().unwrap(),
            terms,
            token: Private(Some(token.into())),
            return_url: Private(None),
        };
        let hash = |terms, token| retry(terms, token).hash(None);
        assert_eq!(
            hash(PaymentTerms::Confirm, "a"),
            hash(PaymentTerms::Shipment, "a")
        );
        assert_ne!(
            hash(PaymentTerms::Confirm, "a"),
            hash(PaymentTerms::Confirm, "b")
        );
    }
}
