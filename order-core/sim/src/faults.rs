//! The things that may go wrong, and the time that things take.

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            pub(super) const NAMES: &'static [&'static str] = &[$(stringify!($variant),)*];
        }
    };
}

kinds! {
    /// A fault of a call to the store.
    StoreFault {
        None,
        /// It takes seconds.
        Slow,
        /// Nothing happens, and it says so.
        Unavailable,
        /// It happens, and the answer is lost.
        AnswerLost,
        /// It does not happen, and nobody can tell.
        UnknownNotDone,
        /// The process dies before it.
        CrashBefore,
        /// The process dies after it.
        CrashAfter,
        /// The process stands still before it.
        PauseBefore,
        /// The process stands still after it.
        PauseAfter,
        /// Somebody takes the lease just before it.
        StealBefore,
        /// Somebody takes the lease just after it.
        StealAfter,
        /// The process's clock, or the store's, jumps.
        ClockJump,
        /// An order cannot be read for a while.
        Unreadable,
        /// The store is set back to a copy of itself, and all that was committed since is gone.
        SetBack,
    }
}

kinds! {
    /// A fault of a call to a service.
    ServiceFault {
        None,
        /// It is answered late, perhaps too late.
        Slow,
        /// It provably does not happen.
        NotDone,
        /// It does not happen, and nobody can tell.
        UnknownBefore,
        /// It happens, and the answer is lost.
        UnknownAfter,
        /// It happens after the caller has given up.
        LateEffect,
        /// It happens twice.
        Twice,
        /// It happens or not, and is never answered.
        Hang,
        /// It happens, and the answer makes no sense.
        Malformed,
        /// A definite no.
        Refused,
        /// The process dies before it.
        CrashBefore,
        /// The process dies after it.
        CrashAfter,
        /// The process stands still before it.
        PauseBefore,
        /// The process stands still after it.
        PauseAfter,
    }
}

/// The time that a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Latency {
    /// No time, and nothing happens meanwhile.
    None,
    /// No time, but others may run first.
    Yield,
    /// In milliseconds, both included.
    Short,
    /// Up to a second.
    Long,
}
