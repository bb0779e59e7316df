//! An inventory in memory: one that honours keys, or one with the platform's quirks.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::ids::{OrderId, Sku};
use crate::runtime::Clock;
use crate::runtime::virtual_time::lock;
use crate::services::{
    Availability, CallError, ClosingRequest, InventoryCapabilities, InventoryService,
    ReservationLookup, ReserveAnswer, ReserveRequest,
};
use crate::time::Timestamp;

/// The stock of a SKU. `stocked = on_hand + committed`, and `reserved ≤ on_hand`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StockLevel {
    /// Units ever put in.
    pub stocked: u32,
    /// Units in the house, held ones included.
    pub on_hand: u32,
    /// Units held.
    pub reserved: u32,
    /// Units that have left.
    pub committed: u32,
}

/// The state of a reservation; of one that was divided, the first that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerReservationState {
    /// Some of its units are still held.
    Held,
    /// Some of its units have left, and not come back.
    Committed,
    /// Its units were given back.
    Released,
    /// It lapsed, and its units are free.
    Expired,
}

/// A reservation as the inventory knows it.
#[derive(Debug, Clone)]
pub struct LedgerReservation {
    /// The inventory's name for it.
    pub reference: String,
    /// The key it was asked for under.
    pub key: Uuid,
    /// The order.
    pub order: OrderId,
    /// The SKU.
    pub sku: Sku,
    /// The units it was made for. `held + committed ≤ quantity`; the rest was given back, or
    /// lapsed.
    pub quantity: u32,
    /// The units that are still reserved.
    pub held: u32,
    /// The units that have left, and not come back.
    pub committed: u32,
    /// Its state.
    pub state: LedgerReservationState,
    /// The time at which it lapses.
    pub expires_at: Option<Timestamp>,
}

/// An inventory with a ledger of every reservation it ever made.
///
/// What its capabilities deny it does not do: without `repeat_reserve` it honours no keys, and
/// every reserve makes a reservation; without `look_up` a look-up only knows how many units are
/// reserved in all; without `release_committed` what has left stays away; without `partial` whoever
/// asks for part of a reservation is refused.
pub struct MemoryInventory {
    capabilities: InventoryCapabilities,
    /// The lifetime of reservations; for ever if `None`.
    lifetime: Option<Duration>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stock: BTreeMap<Sku, StockLevel>,
    reservations: Vec<LedgerReservation>,
    by_key: HashMap<Uuid, usize>,
    refused: HashMap<Uuid, u32>,
    /// Commits and releases by their keys, with the answers they got.
    closings: HashMap<Uuid, (Closing, Result<(), CallError>)>,
    lapsing: Lapsing,
}

/// The fate of the units of a reservation whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Lapsing {
    /// There is no such time.
    #[default]
    Never,
    /// They are free at once.
    Frees,
    /// They stay held until they are given back, and cannot be committed any more.
    Keeps,
}

/// A commit or release as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Closing {
    reserve_key: Uuid,
    step: Step,
    units: u32,
}

/// The way that reserved units go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Held ones leave.
    Commit,
    /// Held ones are free again.
    Release,
    /// Ones that had left come back.
    TakeBack,
}

impl MemoryInventory {
    /// An inventory without stock, whose reservations live for `lifetime` by `clock`.
    pub fn new(
        capabilities: InventoryCapabilities,
        lifetime: Option<Duration>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let lapsing = if lifetime.is_some() {
            Lapsing::Frees
        } else {
            Lapsing::Never
        };
        let state = State {
            lapsing,
            ..State::default()
        };
        MemoryInventory {
            capabilities,
            lifetime,
            clock,
            state: Mutex::new(state),
        }
    }

    /// The same, keeping the units of reservations whose time is over until they are given back, as
    /// the platform's inventory does. A commit that comes too late gives them back itself, as the
    /// platform's client does, and is refused as [`CallError::reservation_lost`].
    pub fn keeping_lapsed(self) -> Self {
        let lapsing = if self.lifetime.is_some() {
            Lapsing::Keeps
        } else {
            Lapsing::Never
        };
        lock(&self.state).lapsing = lapsing;
        self
    }

    /// Puts units in.
    pub fn restock(&self, sku: &Sku, units: u32) {
        let mut state = lock(&self.state);
        let level = state.stock.entry(sku.clone()).or_default();
        level.stocked += units;
        level.on_hand += units;
    }

    /// Forgets what is still held under `reference`, as after a restored backup: the units are
    /// free. Whether anything was.
    pub fn lose(&self, reference: &str) -> bool {
        let mut state = lock(&self.state);
        state.lapse(self.clock.now());
        let Some(i) = state
            .reservations
            .iter()
            .position(|h| h.reference == reference && h.held > 0)
        else {
            return false;
        };
        let held = state.reservations[i].held;
        state.shift(i, Step::Release, held);
        true
    }

    /// Reports whether a commit or release under `key` was answered before; only known of keys that
    /// are honoured.
    pub fn has_closed(&self, key: Uuid) -> bool {
        lock(&self.state).closings.contains_key(&key)
    }

    /// Returns the stock of `sku`.
    pub fn level(&self, sku: &Sku) -> StockLevel {
        let mut state = lock(&self.state);
        state.lapse(self.clock.now());
        state.stock.get(sku).copied().unwrap_or_default()
    }

    /// The ledger: every reservation ever made, oldest first, seen by `look`.
    pub fn with_ledger<R>(&self, look: impl FnOnce(&[LedgerReservation]) -> R) -> R {
        let mut state = lock(&self.state);
        state.lapse(self.clock.now());
        look(&state.reservations)
    }

    /// [`InventoryService::reserve`], at once.
    pub fn reserve_now(&self, request: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        state.lapse(now);
        if self.capabilities.repeat_reserve {
            if let Some(&i) = state.by_key.get(&request.key) {
                return Ok(self.answer(&state.reservations[i]));
            }
            if let Some(&available) = state.refused.get(&request.key) {
                return Err(shortage(available));
            }
        }
        let level = state.stock.entry(request.sku.clone()).or_default();
        let available = level.on_hand - level.reserved;
        if available < request.quantity {
            if self.capabilities.repeat_reserve {
                state.refused.insert(request.key, available);
            }
            return Err(shortage(available));
        }
        level.reserved += request.quantity;
        let i = state.reservations.len();
        let reservation = LedgerReservation {
            reference: format!("hold-{i}"),
            key: request.key,
            order: request.order,
            sku: request.sku.clone(),
            quantity: request.quantity,
            held: request.quantity,
            committed: 0,
            state: LedgerReservationState::Held,
            expires_at: self.lifetime.map(|l| now.after(l)),
        };
        let answer = self.answer(&reservation);
        state.by_key.insert(request.key, i);
        state.reservations.push(reservation);
        Ok(answer)
    }

    /// [`InventoryService::commit`], at once.
    pub fn commit_now(&self, request: &ClosingRequest) -> Result<(), CallError> {
        self.close(request, Step::Commit)
    }

    /// [`InventoryService::release`], at once.
    pub fn release_now(&self, request: &ClosingRequest) -> Result<(), CallError> {
        self.close(
            request,
            if request.committed {
                Step::TakeBack
            } else {
                Step::Release
            },
        )
    }

    fn close(&self, request: &ClosingRequest, step: Step) -> Result<(), CallError> {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        state.lapse(now);
        if !self.capabilities.repeat_reserve {
            let i = self.find(&state, request)?;
            return self.close_whole(&mut state, i, request, step);
        }
        let closing = Closing {
            reserve_key: request.reserve_key,
            step,
            units: request.quantity,
        };
        if let Some((first, answer)) = state.closings.get(&request.key) {
            return if *first == closing {
                answer.clone()
            } else {
                Err(CallError::refused("KEY_REUSED"))
            };
        }
        let answer = self
            .find(&state, request)
            .and_then(|i| self.close_units(&mut state, i, closing, now));
        state
            .closings
            .insert(request.key, (closing, answer.clone()));
        answer
    }

    /// As a service without keys does it, which knows a reservation by its state alone.
    fn close_whole(
        &self,
        state: &mut State,
        i: usize,
        request: &ClosingRequest,
        step: Step,
    ) -> Result<(), CallError> {
        let reservation = &state.reservations[i];
        let over = reservation
            .expires_at
            .is_some_and(|t| t <= self.clock.now());
        if step == Step::Commit
            && state.lapsing == Lapsing::Keeps
            && over
            && reservation.committed == 0
        {
            state.shift(i, Step::Release, reservation.held);
            return Err(CallError::reservation_lost("RESERVATION_LOST"));
        }
        let can = match (step, state.reservations[i].state) {
            (Step::Commit | Step::Release, LedgerReservationState::Held) => true,
            (Step::TakeBack, LedgerReservationState::Committed) => {
                self.capabilities.release_committed
            }
            _ => false,
        };
        match can {
            true if request.quantity != state.reservations[i].quantity => {
                Err(CallError::refused("WHOLE_RESERVATION_ONLY"))
            }
            true => {
                state.shift(i, step, request.quantity);
                Ok(())
            }
            // All the platform says is that the reservation is not pending: after a first try that
            // means it is done.
            false if request.repeat => Ok(()),
            false => Err(CallError::refused("INVALID_STATE")),
        }
    }

    fn close_units(
        &self,
        state: &mut State,
        i: usize,
        closing: Closing,
        now: Timestamp,
    ) -> Result<(), CallError> {
        let Closing {
            step,
            units,
            reserve_key: _,
        } = closing;
        let reservation = &state.reservations[i];
        let lapsed = reservation.expires_at.is_some_and(|t| t <= now);
        let (there, code) = match step {
            Step::Commit | Step::Release => (reservation.held, "EXCEEDS_HELD"),
            Step::TakeBack if !self.capabilities.release_committed => {
                return Err(CallError::refused("INVALID_STATE"));
            }
            Step::TakeBack => (reservation.committed, "EXCEEDS_COMMITTED"),
        };
        if units == 0 {
            return Err(CallError::refused("QUANTITY_INVALID"));
        }
        // What lapsed went back by itself, which is what is asked for.
        if step == Step::Release && lapsed {
            return Ok(());
        }
        if units > there {
            return Err(CallError::refused(code));
        }
        if units < there && !self.capabilities.partial {
            return Err(CallError::refused("WHOLE_RESERVATION_ONLY"));
        }
        state.shift(i, step, units);
        Ok(())
    }

    /// [`InventoryService::look_up`], at once.
    pub fn look_up_now(&self, request: &ReserveRequest) -> ReservationLookup {
        let mut state = lock(&self.state);
        state.lapse(self.clock.now());
        if !self.capabilities.look_up {
            let reserved = state.stock.get(&request.sku).map_or(0, |l| l.reserved);
            return if reserved < request.quantity {
                ReservationLookup::Absent
            } else {
                ReservationLookup::Undecidable
            };
        }
        match state
            .by_key
            .get(&request.key)
            .map(|&i| &state.reservations[i])
        {
            None => ReservationLookup::Absent,
            Some(reservation) => match reservation.state {
                LedgerReservationState::Held => ReservationLookup::Held(self.answer(reservation)),
                LedgerReservationState::Committed => ReservationLookup::Committed,
                LedgerReservationState::Released => ReservationLookup::Released,
                LedgerReservationState::Expired => ReservationLookup::Expired,
            },
        }
    }

    /// [`InventoryService::check`], at once.
    pub fn check_now(&self, skus: &[Sku]) -> Vec<Availability> {
        let mut state = lock(&self.state);
        state.lapse(self.clock.now());
        let available = |sku: &Sku| state.stock.get(sku).map_or(0, |l| l.on_hand - l.reserved);
        skus.iter()
            .map(|sku| Availability {
                sku: sku.clone(),
                available: available(sku),
            })
            .collect()
    }

    fn answer(&self, reservation: &LedgerReservation) -> ReserveAnswer {
        ReserveAnswer::new(reservation.reference.clone(), reservation.quantity)
            .lifetime(self.lifetime)
    }

    fn find(&self, state: &State, request: &ClosingRequest) -> Result<usize, CallError> {
        let by_reference = request
            .reference
            .as_ref()
            .and_then(|r| r.as_str().strip_prefix("hold-")?.parse::<usize>().ok());
        let by_key = || {
            self.capabilities
                .look_up
                .then(|| state.by_key.get(&request.reserve_key).copied())
                .flatten()
        };
        by_reference
            .or_else(by_key)
            .filter(|i| {
                state
                    .reservations
                    .get(*i)
                    .is_some_and(|h| h.order == request.order)
            })
            .ok_or_else(|| CallError::refused("UNKNOWN_RESERVATION"))
    }
}

fn shortage(available: u32) -> CallError {
    CallError::shortage("INSUFFICIENT", available)
}

impl State {
    /// Ends reservations whose time is over.
    fn lapse(&mut self, now: Timestamp) {
        if self.lapsing != Lapsing::Frees {
            return;
        }
        for i in 0..self.reservations.len() {
            let reservation = &self.reservations[i];
            if reservation.held > 0 && reservation.expires_at.is_some_and(|t| t <= now) {
                let committed = reservation.committed > 0;
                self.shift(i, Step::Release, reservation.held);
                self.reservations[i].state = if committed {
                    LedgerReservationState::Committed
                } else {
                    LedgerReservationState::Expired
                };
            }
        }
    }

    /// Moves units of a reservation that are there to be moved.
    fn shift(&mut self, i: usize, step: Step, units: u32) {
        let reservation = &mut self.reservations[i];
        let Some(level) = self.stock.get_mut(&reservation.sku) else {
            return;
        };
        match step {
            Step::Commit => {
                (reservation.held, reservation.committed) =
                    (reservation.held - units, reservation.committed + units);
                level.reserved -= units;
                (level.on_hand, level.committed) = (level.on_hand - units, level.committed + units);
            }
            Step::Release => {
                reservation.held -= units;
                level.reserved -= units;
            }
            Step::TakeBack => {
                reservation.committed -= units;
                (level.on_hand, level.committed) = (level.on_hand + units, level.committed - units);
            }
        }
        reservation.state = match (reservation.held, reservation.committed) {
            (0, 0) => LedgerReservationState::Released,
            (0, _) => LedgerReservationState::Committed,
            _ => LedgerReservationState::Held,
        };
    }
}

#[async_trait]
impl InventoryService for MemoryInventory {
    fn capabilities(&self) -> InventoryCapabilities {
        self.capabilities
    }
    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
        Ok(self.check_now(skus))
    }
    async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        request.deadline.check()?;
        self.reserve_now(request)
    }
    async fn commit(&self, request: &ClosingRequest) -> Result<(), CallError> {
        request.deadline.check()?;
        self.commit_now(request)
    }
    async fn release(&self, request: &ClosingRequest) -> Result<(), CallError> {
        request.deadline.check()?;
        self.release_now(request)
    }
    async fn look_up(&self, request: &ReserveRequest) -> Result<ReservationLookup, CallError> {
        Ok(self.look_up_now(request))
    }
}

#[cfg(test)]
mod tests;
