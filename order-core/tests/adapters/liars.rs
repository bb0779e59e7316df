//! Adapters that promise what their services do not keep: each is found out, by the clause that it
//! breaks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use order_core::ids::Sku;
use order_core::money::Money;
use order_core::runtime::Clock;
use order_core::runtime::virtual_time::VirtualRuntime;
use order_core::services::*;
use order_core::testkit::service_conformance::*;
use order_core::testkit::services::*;
use order_core::time::Timestamp;
use uuid::Uuid;

use super::memory::{DAY, Memory, Shelf, booked, means, provider};

/// The names of the cases that the liar fails, each by its own clause; of the rest, only what needs
/// HTTP was not tested.
#[track_caller]
fn found_out(verdicts: Vec<(Case, Verdict)>) -> Vec<&'static str> {
    let mut names = Vec::new();
    for (case, verdict) in verdicts {
        match verdict {
            Ok(()) => {}
            Err(Failure::Broken {
                clause,
                claimed,
                seen,
            }) => {
                assert!(!claimed.is_empty() && !seen.is_empty());
                assert_eq!(
                    clause, case.clause,
                    "{} fails by another clause than its own",
                    case.name
                );
                names.push(case.name);
            }
            Err(Failure::NotTested { need }) => {
                assert!(case.needs.contains(&need) && matches!(need, "answer_next" | "lapse"))
            }
        }
    }
    names
}

/// A way in which an adapter of a payment service lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    None,
    /// It tells an unknown outcome as a refusal.
    LostIsRefused,
    /// Keys are claimed to live for ever, and are forgotten after a day.
    KeysForgotten,
    /// Look-ups do not find what is younger than a minute.
    LookUpLags,
    /// Amounts are sent as if minor units were major ones.
    MajorUnits,
    /// It captures what is not authorized any more.
    CapturesVoided,
    /// It sends what waited for too long.
    SendsLate,
}

/// The keys that the provider knew each request by, newest last, and since when.
type KnownKeys = Arc<Mutex<HashMap<Uuid, Vec<(Uuid, Timestamp)>>>>;

struct Psp {
    lie: Lie,
    inner: Arc<Scripted<MemoryPayments>>,
    clock: VirtualRuntime,
    keys: KnownKeys,
}

impl Psp {
    /// The key under which the provider knows the request now.
    fn known_as(&self, key: Uuid) -> Uuid {
        let (now, mut keys) = (self.clock.now(), self.keys.lock().unwrap());
        let known = keys.entry(key).or_default();
        let forgets = self.lie == Lie::KeysForgotten;
        match known.last() {
            Some((known, since)) if !forgets || since.after(DAY) > now => *known,
            _ => {
                let fresh = Uuid::new_v5(&key, &known.len().to_be_bytes());
                known.push((fresh, now));
                fresh
            }
        }
    }

    fn sent(&self, amount: Money) -> Money {
        if self.lie == Lie::MajorUnits {
            Money::new(amount.minor * 100, amount.currency)
        } else {
            amount
        }
    }

    fn sent_by(&self, deadline: &CallDeadline) -> CallDeadline {
        if self.lie == Lie::SendsLate {
            CallDeadline::NEVER
        } else {
            deadline.clone()
        }
    }

    fn told(&self, answer: Result<PaymentAnswer, CallError>) -> Result<PaymentAnswer, CallError> {
        match answer {
            Err(CallError::Unknown { .. }) if self.lie == Lie::LostIsRefused => {
                Err(CallError::refused("TIMEOUT"))
            }
            Ok(answer) if self.lie == Lie::MajorUnits => {
                let amount = Money::new(answer.amount.minor / 100, answer.amount.currency);
                Ok(answer.amount(amount))
            }
            answer => answer,
        }
    }

    fn attempt(&self, r: &AttemptRequest) -> AttemptRequest {
        let (key, amount, deadline) = (
            self.known_as(r.key),
            self.sent(r.amount),
            self.sent_by(&r.deadline),
        );
        AttemptRequest {
            key,
            amount,
            deadline,
            ..r.clone()
        }
    }

    fn follow_up(&self, r: &FollowUpRequest) -> FollowUpRequest {
        let (key, parent_key) = (self.known_as(r.key), self.known_as(r.parent_key));
        FollowUpRequest {
            key,
            parent_key,
            amount: self.sent(r.amount),
            deadline: self.sent_by(&r.deadline),
            ..r.clone()
        }
    }
}

#[async_trait]
impl PaymentService for Psp {
    fn capabilities(&self) -> PaymentCapabilities {
        PaymentCapabilities::IDEAL
    }
    async fn authorize(&self, r: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.told(self.inner.authorize(&self.attempt(r)).await)
    }
    async fn charge(&self, r: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.told(self.inner.charge(&self.attempt(r)).await)
    }
    async fn capture(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        let answer = self.told(self.inner.capture(&self.follow_up(r)).await);
        match answer {
            Err(CallError::Refused { .. }) if self.lie == Lie::CapturesVoided => {
                Ok(PaymentAnswer::captured("pay-x", r.amount))
            }
            answer => answer,
        }
    }
    async fn void(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.told(self.inner.void(&self.follow_up(r)).await)
    }
    async fn refund(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.told(self.inner.refund(&self.follow_up(r)).await)
    }
    async fn look_up(&self, r: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        let known = self
            .keys
            .lock()
            .unwrap()
            .get(&r.key)
            .and_then(|known| known.last().copied());
        let Some((key, since)) = known else {
            return self.inner.look_up(r).await;
        };
        if self.lie == Lie::LookUpLags && since.after(Duration::from_secs(60)) > self.clock.now() {
            return Ok(None);
        }
        let found = self
            .inner
            .look_up(&PaymentLookup { key, ..r.clone() })
            .await?;
        found.map(|answer| self.told(Ok(answer))).transpose()
    }
}

struct Desk {
    lie: Lie,
    memory: Memory<MemoryPayments>,
    keys: KnownKeys,
}

impl Desk {
    fn new(lie: Lie) -> Self {
        Desk {
            lie,
            memory: Memory::default(),
            keys: Arc::default(),
        }
    }
}

impl Sandbox for Desk {
    async fn lose_next_answer(&self) -> bool {
        self.memory.lose_next_answer().await
    }
    async fn refuse_next_connection(&self) -> bool {
        self.memory.refuse_next_connection().await
    }
    async fn pass(&self, time: Duration) -> bool {
        self.memory.pass(time).await
    }
}

impl PaymentFactory for Desk {
    type Service = Psp;
    async fn fresh(&self) -> Psp {
        let inner = self
            .memory
            .make(provider(PaymentCapabilities::IDEAL, &self.memory.runtime));
        Psp {
            lie: self.lie,
            inner,
            clock: self.memory.runtime.clone(),
            keys: self.keys.clone(),
        }
    }
    fn means(&self, wanted: Outcome) -> Option<Means> {
        means(wanted)
    }
    async fn books(&self, key: Uuid) -> Option<Vec<Money>> {
        let keys = self.keys.lock().unwrap();
        let known = keys.get(&key).map_or(&[][..], Vec::as_slice);
        Some(
            known
                .iter()
                .flat_map(|(key, _)| booked(self.memory.last().inner(), *key))
                .collect(),
        )
    }
}

fn lying(lie: Lie) -> Vec<&'static str> {
    found_out(payment::examine(|| Desk::new(lie)))
}

#[test]
fn without_a_lie_nothing_is_found() {
    assert!(lying(Lie::None).is_empty());
    let verdicts = inventory::examine(|| Warehouse {
        tells_lost_as_not_done: false,
        lags: false,
        shelf: ideal(),
    });
    assert!(found_out(verdicts).is_empty());
}

#[test]
fn a_lost_answer_told_as_refused_is_found_by_clause_1() {
    let expected = [
        "c01_a_lost_answer_is_unknown",
        "c01_a_lost_answer_to_a_capture_or_a_void_is_unknown",
    ];
    assert_eq!(lying(Lie::LostIsRefused), expected);
}

#[test]
fn keys_forgotten_earlier_than_claimed_are_found_by_clause_4() {
    assert_eq!(
        lying(Lie::KeysForgotten),
        ["c04_a_key_is_honoured_as_long_as_claimed"]
    );
    let verdicts = payment::examine(|| Desk::new(Lie::KeysForgotten)).into_iter();
    let said = verdicts
        .filter(|(case, _)| case.clause == 4)
        .find_map(|(_, v)| v.err())
        .unwrap()
        .to_string();
    // A failure is a few lines: the clause, what was claimed, and what was seen.
    assert!(said.starts_with("clause 4 is broken\n  claimed: `key_lifetime` says that a key is honoured for ever\n  seen:    "));
    assert!(
        said.ends_with("it took effect 2 times") && said.lines().count() == 3,
        "{said}"
    );
}

#[test]
fn look_ups_that_lag_are_found_by_clause_5() {
    let expected = [
        "c05_what_just_happened_is_found",
        "c05_what_just_happened_to_an_authorization_is_found",
        "c05_what_was_never_answered_is_found",
        "c05_a_failed_look_up_is_an_error",
    ];
    assert_eq!(lying(Lie::LookUpLags), expected);
}

#[test]
fn major_units_are_found_by_clause_8_in_the_providers_own_books() {
    assert_eq!(
        lying(Lie::MajorUnits),
        ["c08_the_provider_books_what_was_asked"]
    );
}

#[test]
fn captures_of_what_was_given_up_are_found_by_clauses_10_and_11() {
    let expected = [
        "c10_captures_add_up_to_the_authorization",
        "c10_more_than_was_authorized_is_refused_and_moves_nothing",
        "c10_what_is_not_authorized_is_not_captured",
        "c11_a_voided_authorization_is_not_captured",
        "c11_a_void_gives_up_the_rest_and_what_was_captured_stays",
    ];
    assert_eq!(lying(Lie::CapturesVoided), expected);
}

#[test]
fn calls_sent_after_their_deadline_are_found_by_clause_6() {
    assert_eq!(
        lying(Lie::SendsLate),
        ["c06_what_is_called_after_its_deadline_is_not_done"]
    );
}

/// A warehouse whose adapter tells a time-out as not done, or whose look-ups know nothing yet.
struct Wms {
    tells_lost_as_not_done: bool,
    lags: bool,
    inner: Arc<Scripted<MemoryInventory>>,
}

impl Wms {
    fn told<T>(&self, answer: Result<T, CallError>) -> Result<T, CallError> {
        match answer {
            Err(CallError::Unknown { message, .. }) if self.tells_lost_as_not_done => {
                Err(CallError::not_done(message))
            }
            answer => answer,
        }
    }
}

#[async_trait]
impl InventoryService for Wms {
    fn capabilities(&self) -> InventoryCapabilities {
        self.inner.capabilities()
    }
    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
        self.inner.check(skus).await
    }
    async fn reserve(&self, r: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        self.told(self.inner.reserve(r).await)
    }
    async fn commit(&self, r: &ClosingRequest) -> Result<(), CallError> {
        self.told(self.inner.commit(r).await)
    }
    async fn release(&self, r: &ClosingRequest) -> Result<(), CallError> {
        self.told(self.inner.release(r).await)
    }
    async fn look_up(&self, r: &ReserveRequest) -> Result<ReservationLookup, CallError> {
        match self.inner.look_up(r).await {
            Ok(ReservationLookup::Held(_)) if self.lags => Ok(ReservationLookup::Absent),
            answer => answer,
        }
    }
}

struct Warehouse {
    tells_lost_as_not_done: bool,
    lags: bool,
    shelf: Shelf,
}

fn ideal() -> Shelf {
    Shelf::new(InventoryCapabilities::IDEAL, None)
}

impl Sandbox for Warehouse {
    async fn lose_next_answer(&self) -> bool {
        self.shelf.lose_next_answer().await
    }
    async fn refuse_next_connection(&self) -> bool {
        self.shelf.refuse_next_connection().await
    }
    async fn pass(&self, time: Duration) -> bool {
        self.shelf.pass(time).await
    }
}

impl InventoryFactory for Warehouse {
    type Service = Wms;
    async fn fresh(&self) -> Wms {
        Wms {
            tells_lost_as_not_done: self.tells_lost_as_not_done,
            lags: self.lags,
            inner: self.shelf.make(),
        }
    }
    async fn stock(&self, _: &Wms, units: u32) -> Sku {
        self.shelf.put(units)
    }
}

#[test]
fn a_time_out_told_as_not_done_is_found_by_clause_1() {
    let verdicts = inventory::examine(|| Warehouse {
        tells_lost_as_not_done: true,
        lags: false,
        shelf: ideal(),
    });
    assert_eq!(found_out(verdicts), ["c01_a_lost_answer_is_unknown"]);
}

#[test]
fn an_inventory_whose_look_ups_lag_is_found_by_clause_5() {
    let verdicts = inventory::examine(|| Warehouse {
        tells_lost_as_not_done: false,
        lags: true,
        shelf: ideal(),
    });
    let expected = [
        "c05_a_hold_is_never_denied",
        "c05_a_hold_just_made_is_found_as_it_was_answered",
        "c05_a_hold_that_was_never_answered_is_found",
    ];
    assert_eq!(found_out(verdicts), expected);
}

#[test]
fn what_is_left_out_must_not_be_there_and_must_have_a_name() {
    let desk = Desk::new(Lie::None);
    assert_eq!(payment::offered_at_once(&desk, "answer_next"), Some(false));
    for there in payment::NEEDS.iter().filter(|need| **need != "answer_next") {
        assert_eq!(
            payment::offered_at_once(&desk, there),
            Some(true),
            "{there}"
        );
    }
    assert_eq!(payment::offered_at_once(&desk, "weather"), None);
    let shelf = Shelf::new(InventoryCapabilities::PLATFORM, None);
    for there in ["lose_next_answer", "refuse_next_connection", "pass"] {
        assert_eq!(
            inventory::offered_at_once(&shelf, there),
            Some(true),
            "{there}"
        );
    }
    for missing in [
        "repeat",
        "look_up",
        "partial",
        "release_committed",
        "lapse",
        "answer_next",
    ] {
        assert_eq!(
            inventory::offered_at_once(&shelf, missing),
            Some(false),
            "{missing}"
        );
    }
}

#[test]
fn a_case_whose_needs_are_not_met_is_not_passed() {
    let untested = payment::examine(|| Desk::new(Lie::None));
    let missing: Vec<_> = untested
        .iter()
        .filter(|(case, _)| case.needs.contains(&"answer_next"))
        .collect();
    assert!(!missing.is_empty());
    for (case, verdict) in missing {
        let failure = verdict.as_ref().unwrap_err();
        assert_eq!(
            *failure,
            Failure::NotTested {
                need: "answer_next"
            },
            "{}",
            case.name
        );
        assert!(failure.to_string().contains("without [answer_next]"));
    }
}
