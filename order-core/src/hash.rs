//! The bytes that hashes of requests and commands are made of.
//!
//! Hashes are stored with their idempotency keys for ever: how a value is written here never
//! changes. A hash gives no text back that went into it, so it may outlive the personal data that
//! was erased.

use uuid::Uuid;

use crate::order::{Address, HoldEnd, LineUnits};
use crate::time::Timestamp;

/// The name space of command hashes; any fixed UUID.
const COMMANDS: Uuid = Uuid::from_u128(0x4c02_7a91_d8e5_4b3f_a1c6_5e90_37fb_1d68);

/// Writes fields so that no two lists of fields give the same bytes: each with its length before
/// it.
pub(crate) struct Encoder(pub(crate) Vec<u8>);

impl Encoder {
    /// Returns the beginning of a command's hash.
    pub(crate) fn of_command(tag: &str) -> Self {
        let mut hashed = Encoder(b"command/1".to_vec());
        hashed.text(tag);
        hashed
    }

    /// Returns the hash of the command whose fields were written.
    pub(crate) fn into_command_hash(self) -> Uuid {
        Uuid::new_v5(&COMMANDS, &self.0)
    }

    pub(crate) fn count(&mut self, n: usize) {
        self.0.extend((n as u64).to_be_bytes());
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.0.push(flag.into());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn option(&mut self, value: Option<impl AsRef<[u8]>>) {
        self.flag(value.is_some());
        if let Some(value) = value {
            self.bytes(value.as_ref());
        }
    }

    pub(crate) fn lines(&mut self, lines: &[LineUnits]) {
        self.count(lines.len());
        for LineUnits { line, units } in lines {
            self.bytes(&line.to_be_bytes());
            self.bytes(&units.to_be_bytes());
        }
    }

    pub(crate) fn address_if_any(&mut self, address: Option<&Address>) {
        self.flag(address.is_some());
        if let Some(address) = address {
            self.address(address);
        }
    }

    pub(crate) fn address(&mut self, address: &Address) {
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

    /// Writes the end of a hold as it was asked for: a hold that lasts two days is the same hold
    /// when it is asked for again a minute later.
    pub(crate) fn hold_end(&mut self, end: Option<HoldEnd>) {
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

    pub(crate) fn time(&mut self, time: Option<Timestamp>) {
        self.option(time.map(|t| t.as_micros().to_be_bytes()));
    }
}
