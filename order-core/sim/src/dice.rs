//! Every random draw of a simulation goes through here: counted, hashed, and the same for the same
//! seed.

/// Weighted outcomes; the weights need not add up to anything.
#[derive(Debug, Clone)]
pub(super) struct Table<T> {
    total: u32,
    /// Upper bounds of the weights, ascending.
    rows: Vec<(u32, T)>,
}

impl<T: Copy> Table<T> {
    pub(super) fn new(rows: &[(u32, T)]) -> Self {
        let mut total = 0;
        let rows = rows
            .iter()
            .filter(|(weight, _)| *weight > 0)
            .map(|(weight, outcome)| {
                total += weight;
                (total, *outcome)
            })
            .collect();
        Table { total, rows }
    }

    /// The possible outcomes.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = T> {
        self.rows.iter().map(|(_, outcome)| *outcome)
    }
}

/// The dice of one seed.
#[derive(Debug)]
pub(super) struct Dice {
    rng: fastrand::Rng,
    choices: u64,
    hash: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        // Neighbouring seeds are to have nothing in common.
        let mixed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Dice {
            rng: fastrand::Rng::with_seed(mixed),
            choices: 0,
            hash: seed,
        }
    }

    /// One of `n` equally likely outcomes. With fewer than two there is nothing to choose.
    pub(super) fn choose(&mut self, n: usize) -> usize {
        if n < 2 {
            return 0;
        }
        let outcome = self.rng.usize(..n);
        self.choices += 1;
        self.note(outcome as u64);
        outcome
    }

    /// True in `per_mille` of 1,000 cases.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        if per_mille == 0 || per_mille >= 1000 {
            return per_mille >= 1000;
        }
        let hit = self.rng.u32(..1000) < per_mille;
        self.choices += 1;
        self.note(u64::from(hit));
        hit
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.choose(from.len())]
    }

    pub(super) fn weighted<T: Copy>(&mut self, table: &Table<T>) -> T {
        if table.rows.len() < 2 {
            return table.rows[0].1;
        }
        let at = self.rng.u32(..table.total);
        let i = table
            .rows
            .iter()
            .position(|(bound, _)| at < *bound)
            .unwrap_or(0);
        self.choices += 1;
        self.note(i as u64);
        table.rows[i].1
    }

    /// Takes something that happened into the trace hash.
    pub(super) fn note(&mut self, what: u64) {
        self.hash = (self.hash.rotate_left(5) ^ what).wrapping_mul(0x517C_C1B7_2722_0A95);
    }

    pub(super) fn choices(&self) -> u64 {
        self.choices
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }
}
