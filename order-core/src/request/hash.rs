//! Hashes of what was asked for, by which another request, or another command, under the same key
//! is noticed.
//!
//! They are stored with their keys for ever: what is hashed and how never changes without a new
//! version number. A hash gives no text back that went into it, so it may outlive the personal data
//! that was erased.

use uuid::Uuid;

use super::{LineRef, ValidEdit, ValidHold, ValidItem, ValidPlace};
use crate::ids::{ExternalRef, Name, VariantId};
use crate::order::{Address, Blocks, HoldEnd, LineUnits};
use crate::rules::{Command, Finding, ReservationOutcome};
use crate::time::Timestamp;

/// The name space of request hashes; any fixed UUID.
const REQUESTS: Uuid = Uuid::from_u128(0x9b1d_6b3e_52a4_4d0e_8f57_1c3a_7e60_d2c4);
/// The name space of command hashes; any fixed UUID.
const COMMANDS: Uuid = Uuid::from_u128(0x4c02_7a91_d8e5_4b3f_a1c6_5e90_37fb_1d68);

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
        hashed.items(items);
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
        hashed.items(add);
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
        Uuid::new_v5(&COMMANDS, &hashed.0)
    }
}

/// The same for commands that want the same of an order for the same stated reason, by which
/// another one under the same key is noticed. Tokens and return URLs are hashed like everything
/// else.
pub(crate) fn command_hash(command: &Command, notes: Option<&str>) -> Uuid {
    let mut hashed = Encoder::of_command(tag(command));
    match command {
        Command::Cancel
        | Command::CancelRest
        | Command::Complete
        | Command::DiscardEdit
        | Command::RetryStuck
        | Command::Redact
        | Command::Note => {}
        Command::CancelLines { lines }
        | Command::PlanShipment { lines }
        | Command::RequestReturn { lines } => hashed.lines(lines),
        // Not when it would be due: that is the shop's to say, and may change between two repeats.
        Command::RetryPayment {
            amount,
            method,
            terms: _,
            token,
            return_url,
        } => {
            hashed.option(amount.map(i64::to_be_bytes));
            hashed.text(method.as_str());
            hashed.option(token.get());
            hashed.option(return_url.get());
        }
        Command::PlaceHold {
            kind,
            blocks,
            until,
        } => {
            hashed.text(kind.as_str());
            hashed.option(blocks.map(Blocks::as_str));
            hashed.hold_end(*until);
        }
        Command::ReleaseHold { kind } => hashed.text(kind.as_str()),
        Command::Ship {
            shipment,
            lines,
            carrier,
            tracking,
        } => {
            hashed.option(shipment.map(u32::to_be_bytes));
            hashed.lines(lines);
            hashed.option(carrier.as_ref());
            hashed.option(tracking.as_ref());
        }
        Command::Deliver { shipment } => hashed.option(shipment.map(u32::to_be_bytes)),
        Command::FailShipment { shipment }
        | Command::LoseShipment { shipment }
        | Command::ReturnToSender { shipment }
        | Command::CancelShipment { shipment } => {
            hashed.bytes(&shipment.to_be_bytes());
        }
        Command::Credit { amount } => hashed.bytes(&amount.to_be_bytes()),
        Command::WriteOff { amount } => hashed.option(amount.map(i64::to_be_bytes)),
        Command::CreditLines { lines } => {
            hashed.count(lines.len());
            for credit in lines {
                hashed.bytes(&credit.line.to_be_bytes());
                hashed.bytes(&credit.amount.to_be_bytes());
            }
        }
        Command::ApproveReturn { number }
        | Command::RejectReturn { number }
        | Command::CloseReturn { number } => {
            hashed.bytes(&number.to_be_bytes());
        }
        Command::ReceiveReturn { number, lines } => {
            hashed.bytes(&number.to_be_bytes());
            hashed.count(lines.len());
            for received in lines {
                hashed.bytes(&received.line.to_be_bytes());
                hashed.bytes(&received.restock.to_be_bytes());
                hashed.bytes(&received.scrap.to_be_bytes());
            }
        }
        // An edit that was priced elsewhere: of its plan. One that is asked for here has the hash
        // of its request.
        Command::Edit {
            plan,
            method,
            terms: _,
            token,
            return_url,
            address,
        } => {
            hashed.bytes(&serde_json::to_vec(plan).unwrap_or_default());
            hashed.text(method.as_str());
            hashed.option(token.get());
            hashed.option(return_url.get());
            hashed.address_if_any(address.get());
        }
        Command::ChangeAddress { which, address } => {
            hashed.text(which.as_str());
            hashed.address_if_any(address.get());
        }
        Command::SetMetadata { key, value } => {
            hashed.text(key.as_str());
            hashed.option(value.get());
        }
        Command::Acknowledge { reason, about } => {
            hashed.text(reason.as_str());
            hashed.option(about.map(|op| op.to_string()));
        }
        Command::SetStatus { status } => hashed.text(status.as_str()),
        Command::Resolve { finding } => hashed.finding(finding),
    }
    hashed.option(notes);
    Uuid::new_v5(&COMMANDS, &hashed.0)
}

/// The name that each command has for ever. Two that have one name in messages have two here.
const fn tag(command: &Command) -> &'static str {
    match command {
        Command::CancelRest => "cancel rest",
        Command::CreditLines { .. } => "credit lines",
        Command::Edit { .. } => "priced edit",
        other => other.name(),
    }
}

/// Writes fields so that no two lists of fields give the same bytes: each with its length before
/// it.
pub(super) struct Encoder(pub(super) Vec<u8>);

impl Encoder {
    fn of_command(tag: &str) -> Self {
        let mut hashed = Encoder(b"command/1".to_vec());
        hashed.text(tag);
        hashed
    }

    pub(super) fn count(&mut self, n: usize) {
        self.0.extend((n as u64).to_be_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn option(&mut self, value: Option<impl AsRef<[u8]>>) {
        self.0.push(value.is_some().into());
        if let Some(value) = value {
            self.bytes(value.as_ref());
        }
    }

    fn items(&mut self, items: &[ValidItem]) {
        self.count(items.len());
        for ValidItem {
            product,
            variant,
            quantity,
        } in items
        {
            self.bytes(product.as_bytes());
            self.option(variant.as_ref().map(VariantId::as_bytes));
            self.bytes(&quantity.to_be_bytes());
        }
    }

    fn lines(&mut self, lines: &[LineUnits]) {
        self.count(lines.len());
        for LineUnits { line, units } in lines {
            self.bytes(&line.to_be_bytes());
            self.bytes(&units.to_be_bytes());
        }
    }

    fn address_if_any(&mut self, address: Option<&Address>) {
        self.0.push(address.is_some().into());
        if let Some(address) = address {
            self.address(address);
        }
    }

    pub(super) fn address(&mut self, address: &Address) {
        let Address {
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        } = address;
        for text in [
            first_name,
            last_name,
            address_line1,
            city,
            state,
            postal_code,
            country,
        ] {
            self.text(text);
        }
        for text in [address_line2, phone, email] {
            self.option(text.as_deref());
        }
    }

    fn finding(&mut self, finding: &Finding) {
        match finding {
            Finding::Hold { n, outcome } => {
                self.text("hold");
                self.bytes(&n.to_be_bytes());
                self.reservation_outcome(outcome);
            }
            Finding::Closing { n, done } => {
                self.text("closing");
                self.bytes(&n.to_be_bytes());
                self.0.push((*done).into());
            }
            Finding::Payment {
                n,
                status,
                amount,
                reference,
            } => {
                self.text("payment");
                self.bytes(&n.to_be_bytes());
                self.text(status.as_str());
                self.bytes(&amount.to_be_bytes());
                self.option(reference.as_ref().map(|r| r.as_str()));
            }
            Finding::Moved {
                status,
                amount,
                reference,
            } => {
                self.text("moved");
                self.text(status.as_str());
                self.bytes(&amount.to_be_bytes());
                self.text(reference.as_str());
            }
            Finding::Unmatched { reference } => {
                self.text("unmatched");
                self.text(reference.as_str());
            }
        }
    }

    fn reservation_outcome(&mut self, outcome: &ReservationOutcome) {
        match outcome {
            ReservationOutcome::Held {
                reference,
                expires_at,
            } => {
                self.text("held");
                self.option(reference.as_ref().map(|r| r.as_str()));
                self.time(*expires_at);
            }
            ReservationOutcome::Refused { available, code } => {
                self.text("refused");
                self.option(available.map(u32::to_be_bytes));
                self.text(code);
            }
            ReservationOutcome::Unknown { malformed } => {
                self.text("unknown");
                self.0.push((*malformed).into());
            }
            ReservationOutcome::Absent => self.text("absent"),
            ReservationOutcome::Undecidable => self.text("undecidable"),
            ReservationOutcome::Committed => self.text("committed"),
            ReservationOutcome::Released => self.text("released"),
            ReservationOutcome::Expired => self.text("expired"),
            ReservationOutcome::Lost => self.text("lost"),
        }
    }

    /// As it was asked for: a hold that lasts two days is the same hold when it is asked for again
    /// a minute later.
    fn hold_end(&mut self, end: Option<HoldEnd>) {
        match end {
            None => self.text(""),
            Some(HoldEnd::At(at)) => {
                self.text("at");
                self.time(Some(at));
            }
            Some(HoldEnd::After(lasts)) => {
                self.text("after");
                self.bytes(&lasts.as_micros().to_be_bytes());
            }
        }
    }

    fn time(&mut self, time: Option<Timestamp>) {
        self.option(time.map(|t| t.as_micros().to_be_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::EditRequest;
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
            command_hash(&Command::Cancel, None),
            command_hash(&Command::Note, Some("rang twice")),
            command_hash(
                &Command::Ship {
                    shipment: None,
                    lines: Vec::new(),
                    carrier: Some("A".into()),
                    tracking: None,
                },
                None,
            ),
            command_hash(&retry, None),
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
        let hash = |terms, token| command_hash(&retry(terms, token), None);
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
