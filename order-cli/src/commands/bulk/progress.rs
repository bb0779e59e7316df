//! How far a long command is, for whoever sits at a terminal. Programs that read stderr see none of
//! it.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line is drawn again at the most.
const PACE: Duration = Duration::from_millis(100);
const WIDTH: usize = 30;

/// A line on stderr that says how far a command is; nothing unless stderr is a terminal.
pub struct Progress {
    shown: Option<Shown>,
}

struct Shown {
    what: &'static str,
    /// Bytes to be read; none if nobody knows how much there is to do.
    total: Option<u64>,
    orders: u64,
    drawn: Option<Instant>,
}

impl Progress {
    /// Nothing done yet of `what`, such as `importing`.
    pub fn new(what: &'static str, total: Option<u64>) -> Self {
        let shown = std::io::stderr().is_terminal().then_some(Shown {
            what,
            total,
            orders: 0,
            drawn: None,
        });
        Progress { shown }
    }

    /// One more order; `bytes` of the total are behind it.
    pub fn step(&mut self, bytes: u64) {
        let Some(shown) = &mut self.shown else { return };
        shown.orders += 1;
        if shown.drawn.is_none_or(|at| at.elapsed() >= PACE) {
            shown.drawn = Some(Instant::now());
            draw(&format!("\r{}", shown.line(bytes)));
        }
    }
}

impl Drop for Progress {
    /// Takes the line away, so that what is said next stands in its place.
    fn drop(&mut self) {
        if self
            .shown
            .as_ref()
            .is_some_and(|shown| shown.drawn.is_some())
        {
            draw("\r\x1b[K");
        }
    }
}

impl Shown {
    fn line(&self, bytes: u64) -> String {
        let Shown {
            what,
            total,
            orders,
            drawn: _,
        } = self;
        match total.filter(|total| *total > 0) {
            None => format!("{what} {orders}"),
            Some(total) => {
                let percent = (u128::from(bytes.min(total)) * 100 / u128::from(total)) as usize;
                let full = percent * WIDTH / 100;
                format!(
                    "{what} [{}{}] {percent:3} % {orders}",
                    "#".repeat(full),
                    " ".repeat(WIDTH - full)
                )
            }
        }
    }
}

fn draw(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_with_what_is_read() {
        let shown = |total| Shown {
            what: "importing",
            total,
            orders: 7,
            drawn: None,
        };
        assert_eq!(
            shown(Some(200)).line(100),
            format!("importing [{}{}]  50 % 7", "#".repeat(15), " ".repeat(15))
        );
        assert_eq!(
            shown(Some(200)).line(999),
            format!("importing [{}] 100 % 7", "#".repeat(30))
        );
        assert_eq!(shown(None).line(100), "importing 7");
    }
}
