//! The switch of the bugs.

use std::cell::Cell;

pub use crate::bugs::{BUGS, Bug};

thread_local! {
    // Of a thread, so that tests side by side do not get each other's bugs.
    static PLANTED: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Runs something on this thread with one bug switched on.
///
/// # Panics
///
/// If there is no bug of that name.
pub fn with<R>(name: &str, run: impl FnOnce() -> R) -> R {
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            PLANTED.set(None);
        }
    }
    let bug = BUGS.iter().find(|bug| bug.name == name);
    let bug = bug.unwrap_or_else(|| panic!("there is no bug {name:?} in bugs.rs"));
    PLANTED.set(Some(bug.name));
    let _off = Off;
    run()
}

/// Reports whether a bug is switched on: what the patched source asks.
#[inline]
pub(crate) fn is_on(name: &str) -> bool {
    PLANTED.get() == Some(name)
}
