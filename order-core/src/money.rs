//! Exact money: an amount in a currency's minor unit, never a float, never rounded by accident.

use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// An amount in the minor unit of the currency its order is in (cents for USD, yen for JPY, fils
/// for KWD).
///
/// Bounded at the edge: a unit price is at most [`Money::MAX_MINOR`] = 10¹² and an order has at
/// most 100 lines of 10,000 units, so that sums within an order stay below 2⁶³.
pub type Minor = i64;

/// An ISO 4217 currency that is in use, with its number of decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// ISO 4217 currencies whose minor unit is not a hundredth.
const ZERO_DECIMALS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
const THREE_DECIMALS: &str = "BHD IQD JOD KWD LYD OMR TND";
const TWO_DECIMALS: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD \
    CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL \
    HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN \
    MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP \
    STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD YER ZAR ZMW ZWG";

/// The reason why a text or a number is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a currency of ISO 4217.
    #[error("{0:?} is not a currency: expected an ISO 4217 code such as USD")]
    UnknownCurrency(String),
    /// Not a decimal number.
    #[error("{0:?} is not an amount: expected a decimal number such as 12.50")]
    NotANumber(String),
    /// More decimals than the currency has.
    #[error("{value} has more decimals than {currency} has ({decimals})")]
    TooPrecise {
        /// The amount as given.
        value: String,
        /// The currency.
        currency: Currency,
        /// The number of decimals that it has.
        decimals: u32,
    },
    /// Beyond the range.
    #[error("{0} is out of range: at most 1,000,000,000,000 minor units")]
    OutOfRange(String),
    /// Two currencies in one sum.
    #[error("{0} and {1} cannot be added")]
    Mixed(Currency, Currency),
}

impl Currency {
    /// The United States dollar, the plan's default.
    pub const USD: Currency = Currency(*b"USD");

    /// Returns the number of decimals of the currency's minor unit: 0, 2 or 3.
    pub fn decimals(self) -> u32 {
        match self.code() {
            code if listed(ZERO_DECIMALS, code) => 0,
            code if listed(THREE_DECIMALS, code) => 3,
            _ => 2,
        }
    }

    /// The three letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

fn listed(list: &str, code: &str) -> bool {
    list.split_ascii_whitespace().any(|c| c == code)
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(s: &str) -> Result<Self, MoneyError> {
        if s.len() == 3
            && (s == "USD"
                || [ZERO_DECIMALS, THREE_DECIMALS, TWO_DECIMALS]
                    .iter()
                    .any(|l| listed(l, s)))
        {
            let b = s.as_bytes();
            return Ok(Currency([b[0], b[1], b[2]]));
        }
        Err(MoneyError::UnknownCurrency(s.chars().take(16).collect()))
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;
    fn try_from(s: String) -> Result<Self, MoneyError> {
        s.parse()
    }
}

impl From<Currency> for String {
    fn from(value: Currency) -> String {
        value.code().into()
    }
}

/// An exact amount of money in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// The amount in the currency's minor unit.
    pub minor: Minor,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// The largest amount accepted from outside, in minor units.
    pub const MAX_MINOR: Minor = 1_000_000_000_000;

    /// `minor` minor units of `currency`.
    pub const fn new(minor: Minor, currency: Currency) -> Self {
        Money { minor, currency }
    }

    /// The amount that `text`, a plain decimal such as `12.50`, says. Refuses to round.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let decimal = Decimal::from_str_exact(text)
            .map_err(|_| MoneyError::NotANumber(text.chars().take(32).collect()))?;
        Money::from_decimal(decimal, currency)
    }

    /// The amount of `decimal` major units. Refuses to round.
    pub fn from_decimal(decimal: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let decimals = currency.decimals();
        let out_of_range = || MoneyError::OutOfRange(decimal.to_string());
        let scaled = decimal
            .checked_mul(Decimal::from(10i64.pow(decimals)))
            .ok_or_else(out_of_range)?;
        if !scaled.is_integer() {
            return Err(MoneyError::TooPrecise {
                value: decimal.to_string(),
                currency,
                decimals,
            });
        }
        let minor = Minor::try_from(scaled).map_err(|_| out_of_range())?;
        if minor.abs() > Money::MAX_MINOR {
            return Err(out_of_range());
        }
        Ok(Money { minor, currency })
    }

    /// The amount in major units.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.minor, self.currency.decimals())
    }

    /// The sum; `None` on overflow or when the currencies differ.
    pub fn checked_add(self, other: Money) -> Option<Money> {
        (self.currency == other.currency)
            .then(|| self.minor.checked_add(other.minor))
            .flatten()
            .map(|m| Money::new(m, self.currency))
    }

    /// The difference; `None` on overflow or when the currencies differ.
    pub fn checked_sub(self, other: Money) -> Option<Money> {
        (self.currency == other.currency)
            .then(|| self.minor.checked_sub(other.minor))
            .flatten()
            .map(|m| Money::new(m, self.currency))
    }

    /// The amount without its currency, with the currency's decimals: `12.50`, `1250`, `1.250`.
    pub fn amount(self) -> impl fmt::Display {
        struct Amount(Money);
        impl fmt::Display for Amount {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let decimals = self.0.currency.decimals() as usize;
                let sign = if self.0.minor < 0 { "-" } else { "" };
                let unit = 10u64.pow(decimals as u32);
                let minor = self.0.minor.unsigned_abs();
                let text = match decimals {
                    0 => format!("{sign}{minor}"),
                    _ => format!("{sign}{}.{:0decimals$}", minor / unit, minor % unit),
                };
                f.pad(&text)
            }
        }
        Amount(self)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.amount(), self.currency))
    }
}

/// `base × rate` in minor units, rounded half up (away from zero), as sales tax is.
///
/// `None` when the result leaves the range of [`Minor`].
pub fn rate_of(base: Minor, rate: Decimal) -> Option<Minor> {
    Decimal::from(base)
        .checked_mul(rate)
        .and_then(round_half_up)
}

/// `exact` minor units rounded half up (away from zero); `None` when it leaves the range of
/// [`Minor`].
pub fn round_half_up(exact: Decimal) -> Option<Minor> {
    Minor::try_from(exact.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn currencies_have_their_own_decimals() {
        for (code, text, minor) in [
            ("JPY", "1250", 1250),
            ("USD", "12.50", 1250),
            ("KWD", "1.250", 1250),
        ] {
            let currency: Currency = code.parse().unwrap();
            let money = Money::parse(text, currency).unwrap();
            assert_eq!(money.minor, minor);
            assert_eq!(money.to_string(), format!("{text} {code}"));
        }
        assert!(matches!(
            Money::parse("12.505", Currency::USD),
            Err(MoneyError::TooPrecise { .. })
        ));
        assert!(matches!(
            Money::parse("NaN", Currency::USD),
            Err(MoneyError::NotANumber(_))
        ));
        assert!(matches!(
            Money::parse("99999999999999", Currency::USD),
            Err(MoneyError::OutOfRange(_))
        ));
        assert!("usd".parse::<Currency>().is_err());
    }

    #[test]
    fn rates_round_half_up() {
        assert_eq!(rate_of(1000, "0.0725".parse().unwrap()), Some(73));
        assert_eq!(rate_of(50, "0.01".parse().unwrap()), Some(1));
        assert_eq!(rate_of(49, "0.01".parse().unwrap()), Some(0));
    }

    proptest! {
        #[test]
        fn amounts_survive_text_and_decimal(minor in -Money::MAX_MINOR..=Money::MAX_MINOR, code in prop::sample::select(vec!["JPY", "USD", "KWD"])) {
            let money = Money::new(minor, code.parse().unwrap());
            prop_assert_eq!(Money::parse(&money.amount().to_string(), money.currency).unwrap(), money);
            prop_assert_eq!(Money::from_decimal(money.to_decimal(), money.currency).unwrap(), money);
        }
    }
}
