//! The progress of a long command, for whoever sits at a terminal. Programs that read stderr see
//! none of it.

use indicatif::{ProgressBar, ProgressStyle};

/// The line about a file: the share of it that is read, and the time its rest will take.
const OF_A_FILE: &str = "{msg} [{bar:30}] {percent:>3} %  {prefix}  {eta} left";
/// The orders that are done, where nobody knows how many there are.
const OF_A_STORE: &str = "{msg} {pos}";

/// A line on stderr that says how far a command is; nothing unless stderr is a terminal.
pub struct Progress {
    bar: ProgressBar,
    /// True if the bar counts the bytes of a file; otherwise it counts orders.
    in_bytes: bool,
    orders: u64,
}

impl Progress {
    /// Nothing done yet of `what`, such as `importing`; `total` is in bytes, if it is known.
    pub fn new(what: &'static str, total: Option<u64>) -> Self {
        let total = total.filter(|total| *total > 0);
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), OF_A_FILE),
            None => (ProgressBar::no_length(), OF_A_STORE),
        };
        Progress {
            bar: bar.with_style(style(template)).with_message(what),
            in_bytes: total.is_some(),
            orders: 0,
        }
    }

    /// Counts one more order, with `bytes` of the total behind it.
    pub fn step(&mut self, bytes: u64) {
        self.orders += 1;
        if self.in_bytes {
            if !self.bar.is_hidden() {
                self.bar.set_prefix(self.orders.to_string());
            }
            self.bar.set_position(bytes);
        } else {
            self.bar.set_position(self.orders);
        }
    }

    /// Says something on stderr without disturbing the line.
    pub fn aside(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }
}

impl Drop for Progress {
    /// Takes the line away, so that what is said next stands in its place.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The style of `template`; the usual one if it were malformed, which a test rules out.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("##-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_templates_are_well_formed() {
        for template in [OF_A_FILE, OF_A_STORE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_file_is_counted_in_bytes_and_a_store_in_orders() {
        let mut file = Progress::new("importing", Some(200));
        file.step(100);
        file.step(150);
        assert_eq!((file.bar.position(), file.bar.length()), (150, Some(200)));
        let mut store = Progress::new("exporting", None);
        store.step(100);
        store.step(150);
        assert_eq!((store.bar.position(), store.bar.length()), (2, None));
    }
}
