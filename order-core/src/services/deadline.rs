//! Until when a call may take effect.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::CallError;
use crate::runtime::Runtime;

/// The moment from which on a call must not take effect any more: its lease is over then, or it counts as lost. Whoever has the order
/// next may find that nothing happened, and ask for the same under another key.
///
/// The engine looks at it directly before it calls the client, but a process can stand still at any point, for any time, and go on as if
/// nothing had happened: its machine was suspended, its container frozen, its debugger attached. What waits in a queue or for a
/// connection then is sent when it goes on. So a client looks at it again, by [`check`](CallDeadline::check), directly before it sends;
/// and a service of one's own, which can refuse what comes too late in the same transaction as it does the rest, leaves no gap.
///
/// It counts on monotonic time, which goes on while the process stands still and is not set. It is no part of what is asked: any two are
/// equal.
#[derive(Clone, Default)]
pub struct CallDeadline(Option<(Arc<dyn Runtime>, Duration)>);

impl CallDeadline {
    /// No deadline, as for calls that no engine makes.
    pub const NEVER: CallDeadline = CallDeadline(None);

    /// The moment at which `runtime` will have the monotonic time `at`.
    pub fn at(runtime: Arc<dyn Runtime>, at: Duration) -> Self {
        CallDeadline(Some((runtime, at)))
    }

    /// How long it still is until then; zero once it is over, `None` if there is none.
    pub fn left(&self) -> Option<Duration> {
        self.0.as_ref().map(|(runtime, at)| at.saturating_sub(runtime.monotonic()))
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// Nothing, or once it is over the answer to a call that was not sent.
    ///
    /// # Errors
    ///
    /// [`CallError::NotDone`]. Only for what was not sent before: once anything was, it is [`CallError::Unknown`].
    pub fn check(&self) -> Result<(), CallError> {
        if self.is_over() { Err(CallError::not_done("not sent: the call's deadline was over")) } else { Ok(()) }
    }
}

impl PartialEq for CallDeadline {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for CallDeadline {}

impl fmt::Debug for CallDeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.left() {
            Some(left) => write!(f, "in {} ms", left.as_millis()),
            None => f.write_str("never"),
        }
    }
}
