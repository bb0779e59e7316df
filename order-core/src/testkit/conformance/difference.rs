//! The text of a failed comparison: the place where two values part.

use std::fmt::Write as _;

/// The number of lines that are shown before the first that differs, and of each side from there
/// on.
const BEFORE: usize = 3;
const SHOWN: usize = 8;

/// Fails with the first lines in which two printed values differ.
///
/// # Panics
///
/// Always.
#[track_caller]
pub(super) fn differs(left: &str, right: &str, said: &str) -> ! {
    let (left, right): (Vec<&str>, Vec<&str>) = (left.lines().collect(), right.lines().collect());
    let head = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
    let mut text = String::from("expected both to be the same");
    if !said.is_empty() {
        let _ = write!(text, ": {said}");
    }
    if head == left.len() && head == right.len() {
        text.push_str("\n  they differ in what is not printed: personal data");
    } else {
        let _ = write!(
            text,
            "\n  they part in line {} of {} and {}",
            head + 1,
            left.len(),
            right.len()
        );
        for line in &left[head.saturating_sub(BEFORE)..head] {
            let _ = write!(text, "\n    {line}");
        }
        for (sign, side) in [('<', &left), ('>', &right)] {
            for line in side.iter().skip(head).take(SHOWN) {
                let _ = write!(text, "\n  {sign} {line}");
            }
        }
    }
    panic!("{text}");
}

#[cfg(test)]
mod tests {
    use super::differs;
    use crate::order::Order;
    use crate::testkit::orders::full;

    #[test]
    fn a_difference_of_one_field_is_shown_and_not_the_whole_order() {
        let order = full(1);
        let other = Order {
            round: 77,
            ..order.clone()
        };
        let failed = std::panic::catch_unwind(|| {
            differs(
                &format!("{order:#?}"),
                &format!("{other:#?}"),
                "as it was sent",
            )
        });
        let said = *failed.unwrap_err().downcast::<String>().unwrap();
        assert!(
            said.starts_with("expected both to be the same: as it was sent\n  they part in line "),
            "{said}"
        );
        assert!(
            said.contains("\n  <     round: 2,") && said.contains("\n  >     round: 77,"),
            "{said}"
        );
        assert!(said.lines().count() < 25, "{said}");
    }
}
