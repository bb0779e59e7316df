//! Lists whose entries are numbered from 1, as an order's records are.

/// A list whose entries are numbered from 1, in the order in which they were added.
pub trait Numbered<T> {
    /// Returns entry number `n`.
    fn numbered(&self, n: u32) -> Option<&T>;

    /// Returns entry number `n`, to be changed.
    fn numbered_mut(&mut self, n: u32) -> Option<&mut T>;

    /// Returns the number of the entry that is added next.
    fn next_number(&self) -> u32;
}

impl<T> Numbered<T> for [T] {
    fn numbered(&self, n: u32) -> Option<&T> {
        self.get(n.checked_sub(1)? as usize)
    }

    fn numbered_mut(&mut self, n: u32) -> Option<&mut T> {
        self.get_mut(n.checked_sub(1)? as usize)
    }

    fn next_number(&self) -> u32 {
        self.len() as u32 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_numbered_from_one() {
        let mut list = vec!["a", "b"];
        assert_eq!(list.numbered(0), None);
        assert_eq!(list.numbered(1), Some(&"a"));
        assert_eq!(list.numbered(3), None);
        assert_eq!(list.next_number(), 3);
        *list.numbered_mut(2).unwrap() = "c";
        list.push("d");
        assert_eq!((list[1], list.next_number()), ("c", 4));
    }
}
