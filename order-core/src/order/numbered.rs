//! The numbers of an order's records.

use super::{Credit, Edit, Line, PaymentOperation, Reservation, Return, Shipment};

/// A record that an order numbers, from 1, in the order in which those of its kind were added.
pub(crate) trait NumberedRecord {}

impl NumberedRecord for Line {}
impl NumberedRecord for Reservation {}
impl NumberedRecord for PaymentOperation {}
impl NumberedRecord for Shipment {}
impl NumberedRecord for Return {}
impl NumberedRecord for Credit {}
impl NumberedRecord for Edit {}

/// All records of an order that are of one kind. No other list can be asked for a number.
pub(crate) trait Numbered<T> {
    /// Returns record number `n`.
    fn numbered(&self, n: u32) -> Option<&T>;

    /// Returns record number `n`, to be changed.
    fn numbered_mut(&mut self, n: u32) -> Option<&mut T>;

    /// Returns the number of the record that is added next.
    fn next_number(&self) -> u32;
}

impl<T: NumberedRecord> Numbered<T> for [T] {
    fn numbered(&self, n: u32) -> Option<&T> {
        self.get(place_of(n)?)
    }

    fn numbered_mut(&mut self, n: u32) -> Option<&mut T> {
        self.get_mut(place_of(n)?)
    }

    fn next_number(&self) -> u32 {
        self.len() as u32 + 1
    }
}

/// Returns where record number `n` stands among those of its kind.
pub(super) const fn place_of(n: u32) -> Option<usize> {
    match n.checked_sub(1) {
        Some(place) => Some(place as usize),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_numbered_from_one() {
        struct Named(&'static str);
        impl NumberedRecord for Named {}
        let mut list = vec![Named("a"), Named("b")];
        let named = |list: &[Named], n| list.numbered(n).map(|r| r.0);
        assert_eq!(named(&list, 0), None);
        assert_eq!(named(&list, 1), Some("a"));
        assert_eq!(named(&list, 3), None);
        assert_eq!(list.next_number(), 3);
        *list.numbered_mut(2).unwrap() = Named("c");
        list.push(Named("d"));
        assert_eq!((named(&list, 2), list.next_number()), (Some("c"), 4));
    }
}
