//! Holds that are committed and given back in parts.

use std::collections::BTreeMap;

use order_core::services::{
    CallError, ClosingRequest, InventoryService, ReservationLookup, ReserveRequest,
};
use order_store_sqlite::shop::{ReservationState, Shop};
use proptest::prelude::*;

use crate::inventory::{about, back, mugs, reserve};
use crate::{order, refused, shop, sku};

fn units(quantity: u32, request: ClosingRequest) -> ClosingRequest {
    ClosingRequest {
        quantity,
        ..request
    }
}

#[tokio::test]
async fn each_part_goes_its_own_way_and_the_hold_stays_on_record() {
    let shop = shop().await;
    let request = reserve(1, 6);
    let hold = shop.reserve(&request).await.unwrap();
    shop.commit(&units(3, about(10, &request))).await.unwrap();
    assert_eq!(mugs(&shop).await, [7, 3, 4, 3]);
    shop.release(&units(2, about(11, &request))).await.unwrap();
    assert_eq!(mugs(&shop).await, [7, 1, 6, 3]);
    shop.release(&units(1, back(12, &request))).await.unwrap();
    assert_eq!(mugs(&shop).await, [8, 1, 7, 2]);
    assert_eq!(
        shop.look_up(&request).await.unwrap(),
        ReservationLookup::Held(hold.clone()),
        "as it was asked for"
    );
    assert_eq!(shop.reserve(&request).await.unwrap(), hold);
    let row = shop.holds_of(order(1)).await.unwrap().remove(0);
    assert_eq!(
        (row.key, row.sku, row.quantity),
        (request.key, request.sku.clone(), 6)
    );
    assert_eq!(
        (row.held, row.committed, row.state),
        (1, 2, ReservationState::Held)
    );

    shop.commit(&units(1, about(13, &request))).await.unwrap();
    assert_eq!(
        shop.look_up(&request).await.unwrap(),
        ReservationLookup::Committed
    );
    assert_eq!(shop.reserve(&request).await.unwrap(), hold);
    shop.release(&units(3, back(14, &request))).await.unwrap();
    assert_eq!(
        shop.look_up(&request).await.unwrap(),
        ReservationLookup::Released
    );
    assert_eq!(
        refused(shop.reserve(&request).await),
        "RESERVATION_RELEASED"
    );
    let row = shop.holds_of(order(1)).await.unwrap().remove(0);
    assert_eq!(
        (row.quantity, row.held, row.committed, row.state),
        (6, 0, 0, ReservationState::Released)
    );
}

#[tokio::test]
async fn more_than_there_is_is_refused_for_good_and_moves_nothing() {
    let shop = shop().await;
    let request = reserve(1, 6);
    shop.reserve(&request).await.unwrap();
    shop.commit(&units(4, about(10, &request))).await.unwrap();
    for _ in 0..2 {
        assert_eq!(
            refused(shop.commit(&units(3, about(11, &request))).await),
            "EXCEEDS_HELD"
        );
        assert_eq!(
            refused(shop.release(&units(3, about(12, &request))).await),
            "EXCEEDS_HELD"
        );
        assert_eq!(
            refused(shop.release(&units(5, back(13, &request))).await),
            "EXCEEDS_COMMITTED"
        );
        assert_eq!(
            refused(shop.commit(&units(0, about(14, &request))).await),
            "QUANTITY_INVALID"
        );
        assert_eq!(mugs(&shop).await, [6, 2, 4, 4]);
    }
    shop.release(&units(4, back(15, &request))).await.unwrap();
    assert_eq!(
        refused(shop.release(&units(5, back(13, &request))).await),
        "EXCEEDS_COMMITTED",
        "the answer of its key"
    );
}

/// Something asked of the stock. Holds are numbered from 0, and calls in the order they are made.
#[derive(Debug, Clone)]
enum Ask {
    Reserve(usize),
    Commit(usize, u32),
    Release(usize, u32),
    TakeBack(usize, u32),
    /// An earlier call once more, wherever it came from.
    Again(prop::sample::Index),
    Restock(u32),
}

fn ask() -> impl Strategy<Value = Ask> {
    let (hold, units) = (0..QUANTITIES.len(), 0..4u32);
    prop_oneof![
        3 => hold.clone().prop_map(Ask::Reserve),
        3 => (hold.clone(), units.clone()).prop_map(|(h, n)| Ask::Commit(h, n)),
        3 => (hold.clone(), units.clone()).prop_map(|(h, n)| Ask::Release(h, n)),
        3 => (hold, units).prop_map(|(h, n)| Ask::TakeBack(h, n)),
        3 => any::<prop::sample::Index>().prop_map(Ask::Again),
        1 => (1..4u32).prop_map(Ask::Restock),
    ]
}

/// The units that each reservation asks for: together more than the shop has.
const QUANTITIES: [u32; 4] = [3, 5, 2, 6];

/// The state that the shop should be in: units on hand, and of each hold what is held and
/// committed, or that it was refused.
#[derive(Default)]
struct Model {
    on_hand: u32,
    stocked: u32,
    holds: BTreeMap<usize, ModelReservation>,
}

#[derive(Default)]
struct ModelReservation {
    quantity: u32,
    held: u32,
    committed: u32,
    refused: bool,
}

impl Model {
    fn held(&self) -> u32 {
        self.holds.values().map(|h| h.held).sum()
    }

    fn committed(&self) -> u32 {
        self.holds.values().map(|h| h.committed).sum()
    }

    /// The answer that the shop should give a call that it has not heard before; the code of a
    /// refusal.
    fn call(&mut self, ask: &Ask) -> Result<(), &'static str> {
        let available = self.on_hand - self.held();
        match *ask {
            Ask::Reserve(h) => match self.holds.get(&h) {
                None if QUANTITIES[h] > available => {
                    self.holds.insert(
                        h,
                        ModelReservation {
                            quantity: QUANTITIES[h],
                            refused: true,
                            ..ModelReservation::default()
                        },
                    );
                    Err("INSUFFICIENT_STOCK")
                }
                None => {
                    self.holds.insert(
                        h,
                        ModelReservation {
                            quantity: QUANTITIES[h],
                            held: QUANTITIES[h],
                            ..ModelReservation::default()
                        },
                    );
                    Ok(())
                }
                Some(hold) if hold.quantity != QUANTITIES[h] => Err("KEY_REUSED"),
                Some(hold) if hold.refused => Err("INSUFFICIENT_STOCK"),
                Some(hold) if hold.held + hold.committed == 0 => Err("RESERVATION_RELEASED"),
                Some(_) => Ok(()),
            },
            Ask::Commit(_, 0) | Ask::Release(_, 0) | Ask::TakeBack(_, 0) => Err("QUANTITY_INVALID"),
            Ask::Release(h, n) if !self.holds.contains_key(&h) => {
                self.holds.insert(
                    h,
                    ModelReservation {
                        quantity: n,
                        ..ModelReservation::default()
                    },
                );
                Ok(())
            }
            Ask::Commit(h, n) => {
                let hold = self
                    .holds
                    .get_mut(&h)
                    .filter(|h| !h.refused)
                    .ok_or("UNKNOWN_RESERVATION")?;
                hold.held = hold.held.checked_sub(n).ok_or("EXCEEDS_HELD")?;
                hold.committed += n;
                self.on_hand -= n;
                Ok(())
            }
            Ask::Release(h, n) => {
                let hold = self.holds.entry(h).or_default();
                if !hold.refused {
                    hold.held = hold.held.checked_sub(n).ok_or("EXCEEDS_HELD")?;
                }
                Ok(())
            }
            Ask::TakeBack(h, n) => {
                let hold = self
                    .holds
                    .get_mut(&h)
                    .filter(|h| !h.refused)
                    .ok_or("UNKNOWN_RESERVATION")?;
                hold.committed = hold.committed.checked_sub(n).ok_or("EXCEEDS_COMMITTED")?;
                self.on_hand += n;
                Ok(())
            }
            Ask::Restock(n) => {
                (self.on_hand, self.stocked) = (self.on_hand + n, self.stocked + n);
                Ok(())
            }
            Ask::Again(_) => unreachable!("resolved before"),
        }
    }
}

/// The hold number `h` is asked for under the same key each time.
fn hold(h: usize) -> ReserveRequest {
    ReserveRequest {
        order: order(1),
        ..reserve(900 + h as u64, QUANTITIES[h])
    }
}

async fn make(shop: &Shop, call: u64, ask: &Ask) -> Result<(), CallError> {
    match *ask {
        Ask::Reserve(h) => shop
            .reserve(&hold(h))
            .await
            .map(|answer| assert_eq!(answer.quantity, QUANTITIES[h])),
        Ask::Commit(h, n) => shop.commit(&units(n, about(call, &hold(h)))).await,
        Ask::Release(h, n) => shop.release(&units(n, about(call, &hold(h)))).await,
        Ask::TakeBack(h, n) => shop.release(&units(n, back(call, &hold(h)))).await,
        Ask::Restock(n) => shop
            .restock(&sku("MUG-01"), n)
            .await
            .map(drop)
            .map_err(Into::into),
        Ask::Again(_) => unreachable!("resolved before"),
    }
}

async fn compare(shop: &Shop, model: &Model) {
    let (held, committed) = (u64::from(model.held()), u64::from(model.committed()));
    let [on_hand, reserved, available, left] = mugs(shop).await;
    assert_eq!(
        [on_hand, reserved, left],
        [u64::from(model.on_hand), held, committed]
    );
    assert_eq!(
        available + held + committed,
        u64::from(model.stocked),
        "every unit is somewhere"
    );
    let shelf = shop.shelf().await.unwrap();
    let row = shelf.iter().find(|r| r.sku == sku("MUG-01")).unwrap();
    assert_eq!((row.held, row.committed), (held, committed));
    let rows = shop.holds_of(order(1)).await.unwrap();
    assert_eq!(rows.len(), model.holds.len());
    for (&h, expected) in &model.holds {
        let row = rows.iter().find(|r| r.key == hold(h).key).unwrap();
        assert_eq!(
            (row.quantity, row.held, row.committed),
            (expected.quantity, expected.held, expected.committed)
        );
        let found = shop.look_up(&hold(h)).await.unwrap();
        match expected {
            ModelReservation { refused: true, .. } => assert_eq!(found, ReservationLookup::Absent),
            ModelReservation { held: 1.., .. } => {
                assert!(
                    matches!(found, ReservationLookup::Held(a) if a.quantity == expected.quantity)
                )
            }
            ModelReservation { committed: 1.., .. } => {
                assert_eq!(found, ReservationLookup::Committed)
            }
            _ => assert_eq!(found, ReservationLookup::Released),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn parts_and_their_repeats_never_make_or_lose_a_unit(asks in prop::collection::vec(ask(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let shop = shop().await;
            let mut model = Model { on_hand: 10, stocked: 10, ..Model::default() };
            let mut calls: Vec<(u64, Ask, Result<(), &str>)> = Vec::new();
            for (n, ask) in (1..).zip(asks) {
                let (n, ask, expected) = match &ask {
                    Ask::Again(_) if calls.is_empty() => continue,
                    Ask::Again(which) => which.get(&calls).clone(),
                    ask => (n, ask.clone(), model.call(ask)),
                };
                let answer = make(&shop, n, &ask).await;
                let said = answer.as_ref().map_err(|e| match e {
                    CallError::Refused { code, .. } => code.as_str(),
                    other => panic!("{ask:?}: {other}"),
                });
                assert_eq!(said.copied(), expected, "{ask:?}");
                compare(&shop, &model).await;
                // A reserve answers with what became of its hold, and a restock has no key.
                if !matches!(ask, Ask::Reserve(_) | Ask::Restock(_)) {
                    calls.push((n, ask, expected));
                }
            }
        });
    }
}
