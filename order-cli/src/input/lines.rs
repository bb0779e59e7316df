//! `LINE:QTY` and its like: which lines of an order are meant, and how much of them.

use std::collections::BTreeMap;
use std::str::FromStr;

use order_core::money::Money;
use order_core::order::{LineCredit, LineUnits as Units, Order, ReceivedUnits};

use crate::exit::{Code, Failure, Outcome};

/// `LINE:QTY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineUnits {
    /// A line's number, its item id, or its SKU.
    pub line: String,
    /// The number of units.
    pub units: u32,
}

/// `LINE:AMOUNT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineAmount {
    line: String,
    amount: String,
}

/// `LINE:QTY[:restock|scrap]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedLine {
    units: LineUnits,
    scrap: bool,
}

/// Splits at the last `:` or `=`, either of which a SKU may hold itself.
fn split<'t>(text: &'t str, expected: &str) -> Result<(&'t str, &'t str), String> {
    text.rsplit_once([':', '='])
        .filter(|(line, rest)| !line.is_empty() && !rest.is_empty())
        .ok_or_else(|| format!("expected {expected}"))
}

impl FromStr for LineUnits {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "LINE:QTY, such as 1:2 or MUG-01:2";
        let (line, number) = split(text, EXPECTED)?;
        match number.parse::<u32>() {
            Ok(units) if units > 0 => Ok(LineUnits {
                line: line.to_owned(),
                units,
            }),
            _ => Err(format!("{number:?} is not a quantity: expected {EXPECTED}")),
        }
    }
}

impl FromStr for LineAmount {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (line, amount) = split(text, "LINE:AMOUNT, such as 1:2.50 or MUG-01:2.50")?;
        Ok(LineAmount {
            line: line.to_owned(),
            amount: amount.to_owned(),
        })
    }
}

impl FromStr for ReceivedLine {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, scrap) = match text.rsplit_once([':', '=']) {
            Some((rest, "restock")) => (rest, false),
            Some((rest, "scrap")) => (rest, true),
            _ => (text, false),
        };
        let units = rest.parse().map_err(|_| {
            "expected LINE:QTY[:restock|scrap], such as 1:2 or MUG-01:1:scrap".to_owned()
        })?;
        Ok(ReceivedLine { units, scrap })
    }
}

/// The number of the line that `name` means: a number first, then an item id, then a SKU that only
/// one line has, in any case if none has it as it is typed.
pub fn number(order: &Order, name: &str) -> Outcome<u32> {
    let there = || order.visible_lines();
    if let Some(line) =
        there().find(|l| l.n.to_string() == name || l.id.to_string().eq_ignore_ascii_case(name))
    {
        return Ok(line.n);
    }
    let of = |is: fn(&str, &str) -> bool| -> Vec<u32> {
        let lines = there().filter(|l| is(l.sku.as_str(), name));
        lines.map(|l| l.n).collect()
    };
    let mut of_sku = of(str::eq);
    if of_sku.is_empty() {
        of_sku = of(str::eq_ignore_ascii_case);
    }
    match of_sku[..] {
        [n] => Ok(n),
        [] => {
            let lines: Vec<String> = there().map(|l| format!("{} ({})", l.n, l.sku)).collect();
            let message = format!(
                "order {} has no line {name:?}: its lines are {}",
                order.number,
                lines.join(", ")
            );
            Err(Failure::new(Code::NotFound, message))
        }
        [..] => {
            let lines: Vec<String> = of_sku.iter().map(u32::to_string).collect();
            let message = format!(
                "{name} is on several lines of order {}: name one of {}",
                order.number,
                lines.join(", ")
            );
            Err(Failure::bad_input(message))
        }
    }
}

/// Units by line number.
pub fn units(order: &Order, items: &[LineUnits]) -> Outcome<Vec<Units>> {
    items
        .iter()
        .map(|i| {
            Ok(Units {
                line: number(order, &i.line)?,
                units: i.units,
            })
        })
        .collect()
}

/// Amounts by line number, in the order's currency.
pub fn amounts(order: &Order, items: &[LineAmount]) -> Outcome<Vec<LineCredit>> {
    let one = |i: &LineAmount| {
        let amount = Money::parse(&i.amount, order.currency)
            .map_err(|e| Failure::from(e).context("--item"))?;
        Ok(LineCredit {
            line: number(order, &i.line)?,
            amount: amount.minor,
        })
    };
    items.iter().map(one).collect()
}

/// Returns what came back by line number: one line may be named once for each disposition.
pub fn received(order: &Order, items: &[ReceivedLine]) -> Outcome<Vec<ReceivedUnits>> {
    let mut lines: BTreeMap<u32, ReceivedUnits> = BTreeMap::new();
    for item in items {
        let line = number(order, &item.units.line)?;
        let sum = lines.entry(line).or_insert(ReceivedUnits {
            line,
            restock: 0,
            scrap: 0,
        });
        let of = if item.scrap {
            &mut sum.scrap
        } else {
            &mut sum.restock
        };
        *of = of.saturating_add(item.units.units);
    }
    Ok(lines.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_last_separator_is_the_quantity() {
        let read = |text: &str| text.parse::<LineUnits>().map(|u| (u.line, u.units));
        assert_eq!(read("1:2"), Ok(("1".into(), 2)));
        assert_eq!(read("A:B:3"), Ok(("A:B".into(), 3)));
        assert_eq!(read("MUG-01=2"), Ok(("MUG-01".into(), 2)));
        assert_eq!(read("A=B:3"), Ok(("A=B".into(), 3)));
        for bad in ["", "1", ":2", "1:", "1:0", "1:-1", "MUG-01:two"] {
            assert!(read(bad).unwrap_err().contains("LINE:QTY"), "{bad:?}");
        }
    }

    #[test]
    fn what_came_back_goes_into_the_stock_unless_it_is_scrap() {
        let read = |text: &str| {
            text.parse::<ReceivedLine>()
                .map(|r| (r.units.line, r.units.units, r.scrap))
        };
        assert_eq!(read("1:2"), Ok(("1".into(), 2, false)));
        assert_eq!(read("MUG-01:1:restock"), Ok(("MUG-01".into(), 1, false)));
        assert_eq!(read("MUG-01=1:scrap"), Ok(("MUG-01".into(), 1, true)));
        for bad in ["1", "1:scrap", "1:2:burn", ":1:scrap"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_line_is_found_by_its_sku_in_any_case() {
        let mut order = order_core::testkit::orders::full(1);
        order.lines[0].sku = "Mug-01".parse().unwrap();
        let n = order.lines[0].n;
        for name in ["Mug-01", "MUG-01", "mug-01"] {
            assert_eq!(number(&order, name).unwrap(), n, "{name}");
        }
        assert_eq!(number(&order, "mug-02").unwrap_err().code, Code::NotFound);
    }

    #[test]
    fn an_amount_belongs_to_a_line() {
        assert_eq!(
            "MUG-01:2.50".parse(),
            Ok(LineAmount {
                line: "MUG-01".into(),
                amount: "2.50".into()
            })
        );
        assert!("2.50".parse::<LineAmount>().is_err());
    }
}
