use super::*;
use crate::ids::UserId;
use crate::number::OrderNumber;
use crate::runtime::virtual_time::VirtualRuntime;

fn request(key: u128, quantity: u32) -> ReserveRequest {
    let (order, user) = (
        OrderId::from_uuid(Uuid::from_u128(1)),
        UserId::from_uuid(Uuid::from_u128(1)),
    );
    let (number, sku) = (
        OrderNumber::new(1, crate::ids::Bucket::MAX),
        "MUG".parse().unwrap(),
    );
    ReserveRequest::new(
        Uuid::from_u128(key),
        order,
        number,
        user,
        sku,
        quantity,
        Duration::from_secs(60),
    )
}

fn closing(reference: &str, repeat: bool) -> ClosingRequest {
    let reference = Some(reference.parse().unwrap());
    ClosingRequest {
        reference,
        repeat,
        ..ClosingRequest::new(Uuid::from_u128(9), &request(1, 2))
    }
}

/// A request under key `key` about `units` of the first hold.
fn part(key: u128, units: u32) -> ClosingRequest {
    ClosingRequest {
        key: Uuid::from_u128(key),
        quantity: units,
        ..closing("hold-0", false)
    }
}

fn code(answer: Result<(), CallError>) -> String {
    match answer {
        Err(CallError::Refused { code, .. }) => code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn the_ideal_one_holds_once_per_key_and_remembers_its_refusals() {
    let inventory = MemoryInventory::new(
        InventoryCapabilities::IDEAL,
        None,
        Arc::new(VirtualRuntime::new()),
    );
    inventory.restock(&"MUG".parse().unwrap(), 3);
    assert_eq!(
        inventory.reserve_now(&request(1, 2)).unwrap(),
        inventory.reserve_now(&request(1, 2)).unwrap()
    );
    assert!(matches!(
        inventory.reserve_now(&request(2, 2)),
        Err(CallError::Refused {
            available: Some(1),
            ..
        })
    ));
    inventory.release_now(&closing("hold-0", false)).unwrap();
    inventory.release_now(&closing("hold-0", false)).unwrap();
    assert_eq!(
        code(inventory.release_now(&part(10, 2))),
        "EXCEEDS_HELD",
        "another key is another request"
    );
    assert!(
        inventory.reserve_now(&request(2, 2)).is_err(),
        "asked again under the same key, the answer is the same"
    );
    assert_eq!(
        inventory.look_up_now(&request(1, 2)),
        ReservationLookup::Released
    );
    let level = inventory.level(&"MUG".parse().unwrap());
    assert_eq!(
        level,
        StockLevel {
            stocked: 3,
            on_hand: 3,
            reserved: 0,
            committed: 0
        }
    );
}

#[test]
fn the_platforms_one_holds_again_and_again_and_knows_only_sums() {
    let inventory = MemoryInventory::new(
        InventoryCapabilities::PLATFORM,
        None,
        Arc::new(VirtualRuntime::new()),
    );
    inventory.restock(&"MUG".parse().unwrap(), 4);
    assert_eq!(
        inventory.look_up_now(&request(1, 2)),
        ReservationLookup::Absent
    );
    inventory.reserve_now(&request(1, 2)).unwrap();
    inventory.reserve_now(&request(1, 2)).unwrap();
    assert_eq!(
        inventory.look_up_now(&request(1, 2)),
        ReservationLookup::Undecidable
    );
    inventory.commit_now(&closing("hold-1", false)).unwrap();
    assert!(inventory.commit_now(&closing("hold-1", false)).is_err());
    assert!(inventory.commit_now(&closing("hold-1", true)).is_ok());
    assert_eq!(
        inventory.level(&"MUG".parse().unwrap()),
        StockLevel {
            stocked: 4,
            on_hand: 2,
            reserved: 2,
            committed: 2
        }
    );
}

#[test]
fn a_hold_is_committed_and_given_back_in_parts() {
    let mug: Sku = "MUG".parse().unwrap();
    let inventory = MemoryInventory::new(
        InventoryCapabilities::IDEAL,
        None,
        Arc::new(VirtualRuntime::new()),
    );
    inventory.restock(&mug, 10);
    inventory.reserve_now(&request(1, 6)).unwrap();
    let held = inventory.look_up_now(&request(1, 6));
    let back = |key, units| ClosingRequest {
        committed: true,
        ..part(key, units)
    };
    for _ in 0..2 {
        inventory.commit_now(&part(10, 3)).unwrap();
        inventory.release_now(&part(11, 2)).unwrap();
        inventory.release_now(&back(12, 1)).unwrap();
        assert_eq!(code(inventory.commit_now(&part(13, 2))), "EXCEEDS_HELD");
        assert_eq!(
            code(inventory.release_now(&back(14, 3))),
            "EXCEEDS_COMMITTED"
        );
        assert_eq!(
            inventory.level(&mug),
            StockLevel {
                stocked: 10,
                on_hand: 8,
                reserved: 1,
                committed: 2
            }
        );
    }
    assert_eq!(
        inventory.look_up_now(&request(1, 6)),
        held,
        "while a unit is held, the hold is what it was"
    );
    for other in [
        part(10, 2),
        back(10, 3),
        ClosingRequest {
            reserve_key: Uuid::from_u128(7),
            ..part(10, 3)
        },
    ] {
        assert_eq!(code(inventory.release_now(&other)), "KEY_REUSED");
    }
    inventory.release_now(&part(15, 1)).unwrap();
    assert_eq!(
        inventory.look_up_now(&request(1, 6)),
        ReservationLookup::Committed
    );
    inventory.release_now(&back(16, 2)).unwrap();
    assert_eq!(
        inventory.look_up_now(&request(1, 6)),
        ReservationLookup::Released
    );
    assert_eq!(
        inventory.level(&mug),
        StockLevel {
            stocked: 10,
            on_hand: 10,
            reserved: 0,
            committed: 0
        }
    );
    assert_eq!(code(inventory.commit_now(&part(17, 0))), "QUANTITY_INVALID");
}

#[test]
fn who_cannot_do_parts_refuses_them() {
    let whole = InventoryCapabilities {
        partial: false,
        ..InventoryCapabilities::IDEAL
    };
    for capabilities in [whole, InventoryCapabilities::PLATFORM] {
        let inventory = MemoryInventory::new(capabilities, None, Arc::new(VirtualRuntime::new()));
        inventory.restock(&"MUG".parse().unwrap(), 6);
        inventory.reserve_now(&request(1, 6)).unwrap();
        assert_eq!(
            code(inventory.commit_now(&part(10, 5))),
            "WHOLE_RESERVATION_ONLY"
        );
        assert_eq!(
            code(inventory.release_now(&part(11, 5))),
            "WHOLE_RESERVATION_ONLY"
        );
        inventory.commit_now(&part(12, 6)).unwrap();
        assert!(
            inventory
                .release_now(&ClosingRequest {
                    committed: true,
                    ..part(13, 5)
                })
                .is_err()
        );
        assert_eq!(inventory.level(&"MUG".parse().unwrap()).committed, 6);
    }
}

#[test]
fn the_platforms_holds_keep_their_units_when_their_time_is_over() {
    let (runtime, mug, hour) = (
        VirtualRuntime::new(),
        "MUG".parse().unwrap(),
        Duration::from_secs(3600),
    );
    let inventory = MemoryInventory::new(
        InventoryCapabilities::PLATFORM,
        Some(hour),
        Arc::new(runtime.clone()),
    );
    let inventory = inventory.keeping_lapsed();
    inventory.restock(&mug, 6);
    for key in 1..=3 {
        assert_eq!(
            inventory.reserve_now(&request(key, 2)).unwrap().lifetime,
            Some(hour)
        );
    }
    inventory.commit_now(&closing("hold-0", false)).unwrap();
    runtime.advance(hour);
    assert_eq!(inventory.level(&mug).reserved, 4);
    assert_eq!(
        inventory.look_up_now(&request(2, 2)),
        ReservationLookup::Undecidable
    );
    for _ in 0..2 {
        let late = inventory.commit_now(&closing("hold-1", true));
        assert!(
            matches!(
                late,
                Err(CallError::Refused {
                    reservation_lost: true,
                    ..
                })
            ),
            "{late:?}"
        );
        assert_eq!(inventory.level(&mug).reserved, 2);
    }
    inventory.commit_now(&closing("hold-0", true)).unwrap();
    inventory.release_now(&closing("hold-2", false)).unwrap();
    assert_eq!(
        inventory.level(&mug),
        StockLevel {
            stocked: 6,
            on_hand: 4,
            reserved: 0,
            committed: 2
        }
    );
}

#[test]
fn holds_lapse_and_free_their_units() {
    let runtime = VirtualRuntime::new();
    let hour = Duration::from_secs(3600);
    let inventory = MemoryInventory::new(
        InventoryCapabilities::IDEAL,
        Some(hour),
        Arc::new(runtime.clone()),
    );
    inventory.restock(&"MUG".parse().unwrap(), 5);
    inventory.reserve_now(&request(1, 2)).unwrap();
    inventory.reserve_now(&request(3, 3)).unwrap();
    inventory
        .commit_now(&ClosingRequest {
            reference: Some("hold-1".parse().unwrap()),
            ..part(10, 1)
        })
        .unwrap();
    runtime.advance(hour);
    assert_eq!(
        inventory.look_up_now(&request(1, 2)),
        ReservationLookup::Expired
    );
    assert_eq!(
        inventory.look_up_now(&request(3, 3)),
        ReservationLookup::Committed,
        "what has left does not lapse"
    );
    inventory.release_now(&part(11, 2)).unwrap();
    assert_eq!(code(inventory.commit_now(&part(12, 2))), "EXCEEDS_HELD");
    assert_eq!(
        inventory.level(&"MUG".parse().unwrap()),
        StockLevel {
            stocked: 5,
            on_hand: 4,
            reserved: 0,
            committed: 1
        }
    );
    assert!(inventory.reserve_now(&request(2, 4)).is_ok());
}
