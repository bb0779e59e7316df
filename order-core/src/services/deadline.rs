//! The time until which a call may take effect.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::CallError;
use crate::runtime::Runtime;
use crate::time::Timestamp;

/// The moment from which on a call must not take effect any more: its lease is over then, or it
/// counts as lost. Whoever has the order next may find that nothing happened, and ask for the same
/// under another key.
///
/// The engine looks at it directly before it calls the client, but a process can stand still at any
/// point, for any time, and go on as if nothing had happened: its machine was suspended, its
/// container frozen, its debugger attached. What waits in a queue or for a connection then is sent
/// when it goes on. So a client looks at it again, by [`check`](CallDeadline::check), directly
/// before it sends; and a service of one's own, which can refuse what comes too late in the same
/// transaction as it does the rest, leaves no gap.
///
/// It counts on monotonic time, which is not set, and on the clock, which goes on while a machine
/// is suspended where monotonic time may stand still: it is over as soon as either says so. A clock
/// that is set forward ends it early, and the call counts as not sent. It is no part of what is
/// asked: any two are equal.
#[derive(Clone)]
pub struct CallDeadline(Option<Ends>);

#[derive(Clone)]
struct Ends {
    runtime: Arc<dyn Runtime>,
    /// By monotonic time.
    at: Duration,
    /// By the clock.
    at_clock: Timestamp,
}

impl CallDeadline {
    /// No deadline, as for calls that no engine makes.
    pub const NEVER: CallDeadline = CallDeadline(None);

    /// The moment at which `runtime` will have the monotonic time `at`.
    pub fn at(runtime: Arc<dyn Runtime>, at: Duration) -> Self {
        let at_clock = runtime.now().after(at.saturating_sub(runtime.monotonic()));
        CallDeadline(Some(Ends {
            runtime,
            at,
            at_clock,
        }))
    }

    /// Returns the time left until then; zero once it is over, `None` if there is no deadline.
    pub fn left(&self) -> Option<Duration> {
        let left = |Ends {
                        runtime,
                        at,
                        at_clock,
                    }: &Ends| {
            at.saturating_sub(runtime.monotonic())
                .min(at_clock.since(runtime.now()))
        };
        self.0.as_ref().map(left)
    }

    /// Returns whether it is over.
    pub fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// Nothing, or once it is over the answer to a call that was not sent.
    ///
    /// # Errors
    ///
    /// [`CallError::NotDone`]. Only for what was not sent before: once anything was, it is
    /// [`CallError::Unknown`].
    pub fn check(&self) -> Result<(), CallError> {
        if self.is_over() {
            Err(CallError::not_done(
                "not sent: the call's deadline was over",
            ))
        } else {
            Ok(())
        }
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
