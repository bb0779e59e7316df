// The bugs, and how they are written into a copy of order-core's source. Read by `build.rs` and by
// the copy itself.

/// A bug that can be switched on.
#[derive(Debug)]
pub struct Bug {
    /// Its name.
    pub name: &'static str,
    /// The thing that the engine does wrong.
    pub does: &'static str,
}

/// A change of the source: the one place that reads like `there`, in whatever file, becomes `with`.
/// White space and trailing commas do not matter. `BUG` stands for the question whether one of
/// `bugs` is switched on.
pub struct Edit {
    pub bugs: &'static [&'static str],
    pub there: &'static str,
    pub with: &'static str,
}

macro_rules! bugs {
    ($($name:ident: $does:literal,)*) => {
        /// Every bug there is.
        pub const BUGS: &[Bug] = &[$(Bug { name: stringify!($name), does: $does }),*];
    };
}

macro_rules! edits {
    ($($($bug:ident)|+: $there:literal => $with:literal;)*) => {
        /// Every change of the source.
        pub const EDITS: &[Edit] = &[
            $(Edit { bugs: &[$(stringify!($bug)),+], there: $there, with: $with }),*
        ];
    };
}

bugs! {
    NoFence: "the store lets a worker change an order's work whose lease somebody else has taken",
    AnyUseIsARepeat: "another command under a key is taken for a repeat of the first",
    NewKeyOnRetry: "a repeated payment call gets a new key",
    ChargeBeforeReserve: "money is taken before the stock is reserved",
    IntentAfterCall: "calls are made before the commit that says they may be",
    FencedFactsDropped: "what a worker learnt is forgotten when its lease is gone",
    CouponKept: "a dead order keeps its coupon",
    LateCaptureIgnored: "a capture reported on a dead order is ignored",
    EarlyAbsenceBelieved: "a look-up that finds nothing is believed at once, however late the call \
        may still take effect",
    LateCallsTakeEffect: "a call takes effect however long its deadline is over",
    DeclinedKeepsStock: "the stock of a declined order is kept",
    ShipsUncovered: "what is not paid for is shipped all the same",
    CapturesTwice: "what is being captured is captured once more",
    RefundsDisputed: "money goes back while a bank may take the same money",
    RestocksTwice: "units that came back are put on the shelf again and again",
    EditsUnpaid: "an edit applies before its difference is paid",
    RedactionKeepsNotes: "the journal of a redacted order keeps what people wrote",
    CommitsUnderOneKey: "every part of a reservation is committed under the key of the first",
    CancelledKeepsStock: "cancelled units keep their stock",
    NamedAttemptsWait: "an attempt that a refund or a dispute proves to be captured is looked up \
        only when its time is over",
    ShortInSilence: "nobody is told that an order is short, and goods leave all the same",
    OutsideRefundsForgive: "what went back outside the engine makes less owed, so that it is never \
        missed",
    LaterReportsDropped: "a report that contradicts what is settled is dropped",
    LapsedCovers: "an authorization that has lapsed still covers",
    OutsideRefundsIgnored: "what went back outside the engine is not taken off what is paid, and \
        goes back once more",
    UnmatchedForgotten: "a report that fitted nothing is never matched",
    LookUpsIgnored: "what a look-up says of a contradiction does not count",
    DisputesEndOnce: "a dispute that has ended is not heard of again",
    ShortStaysPending: "an order with too little paid stays pending",
    PositionIsEnough: "a cursor of the feed is judged by its position alone, whatever stands there",
}

edits! {
    NoFence:
        "_ => return Ok(Err(CommitError::Fenced))"
        => "_ if BUG => {} _ => return Ok(Err(CommitError::Fenced))";
    AnyUseIsARepeat:
        ".is_some_and(|used| used.hash == *hash)"
        => ".is_some_and(|used| used.hash == *hash || BUG)";
    NewKeyOnRetry:
        "let own_key = key(order.id, Purpose::Payment, n);"
        => "let own_key = if repeat && verb.takes_money() && BUG {
                crate::rules::event_id(order.id, u64::from(n))
            } else {
                key(order.id, Purpose::Payment, n)
            };";
    ChargeBeforeReserve:
        "let all_held = is_secured(order, self.env, stock);"
        => "let all_held = is_secured(order, self.env, stock) || BUG;";
    IntentAfterCall:
        "if needs_intent || self.is_lease_short(session)"
        => "if (needs_intent && !BUG) || self.is_lease_short(session)";
    FencedFactsDropped:
        "if facts.is_empty() { return; }"
        => "if facts.is_empty() || BUG { return; }";
    CouponKept:
        "if held == take {"
        => "if held == take || (held && BUG) {";
    LateCaptureIgnored:
        "let state = match answer.status {"
        => "if order.is_dead() && BUG { return Vec::new(); }
            let state = match answer.status {";
    EarlyAbsenceBelieved:
        "if started >= proves_from {"
        => "if started >= proves_from || BUG {";
    LateCallsTakeEffect:
        "let deadline = &CallDeadline::at(Arc::clone(runtime), end);"
        => "let deadline = &match BUG {
                true => CallDeadline::NEVER,
                false => CallDeadline::at(Arc::clone(runtime), end),
            };";
    DeclinedKeepsStock:
        "let over = r.expires_at.is_some_and(|t| t <= self.env.now);"
        => "let over = r.expires_at.is_some_and(|t| t <= self.env.now);
            if BUG && self.order.lifecycle == crate::order::Lifecycle::PaymentFailed { return; }";
    ShipsUncovered | ShortInSilence:
        "if short > 0 { let why = format!("
        => "if short > 0 && !BUG { let why = format!(";
    ShipsUncovered | ShortInSilence:
        "if secured < needed {"
        => "if secured < needed && !BUG {";
    ShortInSilence:
        "if !told || attempts_cover(order, short) {"
        => "if !told || attempts_cover(order, short) || BUG {";
    CapturesTwice:
        "due - order.kept() - capturing - order.missed_since(p.n)"
        => "due - order.kept() - if BUG { 0 } else { capturing } - order.missed_since(p.n)";
    RefundsDisputed:
        "disputed || (order.lifecycle == Lifecycle::Pending"
        => "(disputed && !BUG) || (order.lifecycle == Lifecycle::Pending";
    RestocksTwice:
        "if committed { r.committed -= units; }"
        => "if committed && !BUG { r.committed -= units; }";
    EditsUnpaid:
        "let paid = is_covered(order, order.least_kept_after(&edit.plan), env);"
        => "let paid = BUG || is_covered(order, order.least_kept_after(&edit.plan), env);";
    RedactionKeepsNotes:
        "row.journal.iter_mut().for_each(|row| row.notes = None);"
        => "if !BUG { row.journal.iter_mut().for_each(|row| row.notes = None); }";
    CommitsUnderOneKey:
        "derive(order, what, u64::from(serial) << 32 | u64::from(n))"
        => "let serial = if purpose == Purpose::Commit && BUG { 0 } else { serial };
            derive(order, what, u64::from(serial) << 32 | u64::from(n))";
    CancelledKeepsStock:
        "add(&line.sku, (units + c.lost).saturating_sub(c.restocked));"
        => "let wants_all = matches!(self.lifecycle, Lifecycle::Pending | Lifecycle::Confirmed);
            let units = if wants_all && BUG { line.quantity } else { units };
            add(&line.sku, (units + c.lost).saturating_sub(c.restocked));";
    NamedAttemptsWait:
        "let meant = about.and_then(|r| named(order, r)).map(|p| p.n);"
        => "if BUG { return Vec::new(); }
            let meant = about.and_then(|r| named(order, r)).map(|p| p.n);";
    OutsideRefundsForgive:
        "(least - self.secured_for(least, now)).max(0)"
        => "let outside = self.payments.iter().map(PaymentOperation::went_back_outside);
            let forgiven: Minor = if BUG { outside.sum() } else { 0 };
            (least - self.secured_for(least, now) - forgiven).max(0)";
    LaterReportsDropped:
        "std::iter::once(reported).chain(raise(order, reason, op)).collect()"
        => "if BUG { return Vec::new(); }
            std::iter::once(reported).chain(raise(order, reason, op)).collect()";
    LapsedCovers:
        "&& p.capture_before.is_none_or(|t| t > now) && self.children(p.n)"
        => "&& (p.capture_before.is_none_or(|t| t > now) || BUG) && self.children(p.n)";
    OutsideRefundsIgnored:
        "self.captured_of(p) - p.refunded() - p.refunding()"
        => "self.captured_of(p)
                - (p.refunded() - if BUG { p.went_back_outside() } else { 0 })
                - p.refunding()";
    UnmatchedForgotten:
        ".find_map(|kept| matched(order, kept, env))"
        => ".filter(|_| !BUG).find_map(|kept| matched(order, kept, env))";
    LookUpsIgnored:
        "let asked = matches!(answer.evidence, Evidence::LookUp | Evidence::Finding);"
        => "let asked = matches!(answer.evidence, Evidence::LookUp | Evidence::Finding) && !BUG;";
    DisputesEndOnce:
        "DisputeState::Won => d.state == DisputeState::Won"
        => "_ if d.state != DisputeState::Open && BUG => true,
            DisputeState::Won => d.state == DisputeState::Won";
    ShortStaysPending:
        "true if !covered && !held_back =>"
        => "true if !covered && !held_back && !BUG =>";
    PositionIsEnough:
        "let is_start = |row: FeedRow| row.cursor == start;"
        => "let is_start = |row: FeedRow| row.cursor == start || BUG;";
}
