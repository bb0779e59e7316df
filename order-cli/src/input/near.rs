//! Words that may have been meant.

/// Returns the known word that differs least from `word`, if it is not by more than a third of it.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let (distance, near) = known
        .into_iter()
        .map(|known| (distance(word, known), known))
        .min()?;
    (distance * 3 <= word.chars().count()).then_some(near)
}

/// Counts the characters that must be put in, left out, changed, or swapped with their neighbour to
/// make `b` of `a` (Damerau, 1964).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let changed = row[j] + usize::from(x != y);
            let mut least = changed.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_near_if_at_most_a_third_of_it_differs() {
        let known = ["status", "stock", "stuck"];
        assert_eq!(nearest("statsu", known), Some("status"));
        assert_eq!(nearest("stok", known), Some("stock"));
        assert_eq!(nearest("zebra", known), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn distances_are_counted_in_characters() {
        for (a, b, n) in [
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("lease", "laese", 1),
            ("itmes", "items", 1),
            ("ä", "a", 1),
            ("x", "x", 0),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (n, n), "{a} {b}");
        }
    }
}
