//! Splitting an amount so that the parts add up to it, whatever is taken in which order.

use crate::money::Minor;

/// Splits `total` in proportion to `weights` by largest remainder (Hamilton's method); ties go to
/// the earlier weight.
///
/// The parts add up to `total`. If all weights are 0 the first part gets everything. `total` and
/// weights must not be negative; a negative weight counts as 0.
pub fn largest_remainder(total: Minor, weights: &[Minor]) -> Vec<Minor> {
    let sum: i128 = weights.iter().map(|&w| i128::from(w.max(0))).sum();
    let mut parts = vec![0; weights.len()];
    if weights.is_empty() {
        return parts;
    }
    if sum == 0 {
        parts[0] = total;
        return parts;
    }
    let mut remainders: Vec<(i128, usize)> = Vec::with_capacity(weights.len());
    let mut left = total;
    for (i, &weight) in weights.iter().enumerate() {
        let exact = i128::from(total) * i128::from(weight.max(0));
        // The quotient is at most `total`, so it fits.
        parts[i] = (exact / sum) as Minor;
        left -= parts[i];
        remainders.push((exact % sum, i));
    }
    remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for &(_, i) in remainders.iter().take(usize::try_from(left).unwrap_or(0)) {
        parts[i] += 1;
    }
    parts
}

/// Returns what the first `k` of `n` equal units carry of `total`: ⌊total·k/n⌋. All of them carry
/// `total`.
///
/// Cumulative, so that what the units numbered `a+1..=b` carry is the difference of two calls, and
/// any sequence of differences adds up.
pub fn share_of_units(total: Minor, k: u32, n: u32) -> Minor {
    if k >= n {
        return total;
    }
    (i128::from(total) * i128::from(k) / i128::from(n)) as Minor
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_remainders_get_the_rest() {
        assert_eq!(largest_remainder(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(largest_remainder(10, &[0, 0]), [10, 0]);
        assert_eq!(largest_remainder(5, &[1, 3]), [1, 4]);
    }

    proptest! {
        #[test]
        fn parts_add_up_and_stay_within_one_of_exact(total in 0i64..10_000_000_000, weights in prop::collection::vec(0i64..1_000_000, 1..20)) {
            let parts = largest_remainder(total, &weights);
            prop_assert_eq!(parts.iter().sum::<i64>(), total);
            let sum: i64 = weights.iter().sum();
            if sum > 0 {
                for (part, weight) in parts.iter().zip(&weights) {
                    let exact = i128::from(total) * i128::from(*weight);
                    let off = (i128::from(*part) * i128::from(sum) - exact).abs();
                    prop_assert!(off < i128::from(sum));
                }
            }
        }

        #[test]
        fn any_sequence_of_unit_shares_adds_up(total in 0i64..1_000_000_000, n in 1u32..10_000, cuts in prop::collection::vec(0u32..10_000, 0..10)) {
            let mut cuts: Vec<u32> = cuts.into_iter().map(|c| c.min(n)).collect();
            cuts.sort_unstable();
            cuts.push(n);
            let mut before = 0;
            let mut sum = 0;
            for cut in cuts {
                sum += share_of_units(total, cut, n) - share_of_units(total, before, n);
                before = cut;
            }
            prop_assert_eq!(sum, total);
        }
    }
}
