//! Bugs on purpose, behind a switch of their own: they prove that the simulator notices. Without
//! the feature `testkit` there is no switch and no bug.

/// A bug that can be switched on for the running thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// The store lets a worker change an order's work whose lease somebody else has taken.
    NoFence,
    /// Another command under a key is taken for a repeat of the first.
    AnyUseIsARepeat,
    /// A repeated payment call gets a new key.
    NewKeyOnRetry,
    /// Money is taken before the stock is held.
    ChargeBeforeReserve,
    /// Calls are made before the commit that says they may be.
    IntentAfterCall,
    /// What a worker learnt is forgotten when its lease is gone.
    FencedFactsDropped,
    /// A dead order keeps its coupon.
    CouponKept,
    /// A capture reported on a dead order is ignored.
    LateCaptureIgnored,
    /// A look-up that finds nothing is believed at once, however late the call may still take
    /// effect.
    EarlyAbsenceBelieved,
    /// A call takes effect however long its deadline is over.
    LateCallsTakeEffect,
    /// Who takes a lease over believes that nothing was called since its owner last said so.
    LastCallsForgotten,
    /// The stock of a declined order is kept.
    DeclinedKeepsStock,
    /// What is not paid for is shipped all the same.
    ShipsUncovered,
    /// What is being captured is captured once more.
    CapturesTwice,
    /// Money goes back while a bank may take the same money.
    RefundsDisputed,
    /// Units that came back are put on the shelf again and again.
    RestocksTwice,
    /// An edit applies before its difference is paid.
    EditsUnpaid,
    /// The journal of a redacted order keeps what people wrote.
    RedactionKeepsNotes,
    /// Every part of a hold is committed under the key of the first.
    CommitsUnderOneKey,
    /// Cancelled units keep their stock.
    CancelledKeepsStock,
    /// An attempt that a refund or a dispute proves to be captured is looked up only when its time
    /// is over.
    NamedAttemptsWait,
    /// Nobody is told that an order is short, and goods leave all the same.
    ShortInSilence,
    /// What went back outside the engine makes less owed, so that it is never missed.
    OutsideRefundsForgive,
    /// A report that contradicts what is settled is dropped.
    LaterReportsDropped,
    /// An authorization that has lapsed still covers.
    LapsedCovers,
    /// What went back outside the engine is not taken off what is paid, and goes back once more.
    OutsideRefundsIgnored,
    /// A report that fitted nothing is never matched.
    UnmatchedForgotten,
    /// What a look-up says of a contradiction does not count.
    LookUpsIgnored,
    /// A dispute that has ended is not heard of again.
    DisputesEndOnce,
    /// An order with too little paid stays pending.
    ShortStaysPending,
    /// A cursor of the feed is judged by its position alone, whatever stands there.
    PositionIsEnough,
}

impl Bug {
    /// Every bug there is.
    pub const ALL: &'static [Bug] = &[
        Bug::NoFence,
        Bug::AnyUseIsARepeat,
        Bug::NewKeyOnRetry,
        Bug::ChargeBeforeReserve,
        Bug::IntentAfterCall,
        Bug::FencedFactsDropped,
        Bug::CouponKept,
        Bug::LateCaptureIgnored,
        Bug::EarlyAbsenceBelieved,
        Bug::LateCallsTakeEffect,
        Bug::LastCallsForgotten,
        Bug::DeclinedKeepsStock,
        Bug::ShipsUncovered,
        Bug::CapturesTwice,
        Bug::RefundsDisputed,
        Bug::RestocksTwice,
        Bug::EditsUnpaid,
        Bug::RedactionKeepsNotes,
        Bug::CommitsUnderOneKey,
        Bug::CancelledKeepsStock,
        Bug::NamedAttemptsWait,
        Bug::ShortInSilence,
        Bug::OutsideRefundsForgive,
        Bug::LaterReportsDropped,
        Bug::LapsedCovers,
        Bug::OutsideRefundsIgnored,
        Bug::UnmatchedForgotten,
        Bug::LookUpsIgnored,
        Bug::DisputesEndOnce,
        Bug::ShortStaysPending,
        Bug::PositionIsEnough,
    ];
}

#[cfg(feature = "testkit")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        // Of a thread, so that tests side by side do not get each other's bugs.
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Switches a bug on for this thread, or all off.
    pub fn set(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether a bug is on.
    #[inline]
    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "testkit")]
pub(crate) use switch::planted;
#[cfg(feature = "testkit")]
pub use switch::set;

/// Whether a bug is on: never, here.
#[cfg(not(feature = "testkit"))]
#[inline(always)]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
