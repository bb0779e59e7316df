//! The fake itself, row by row and quirk by quirk: what the clients are tested against must be what
//! was seen.

use std::time::Duration;

use order_grpc::proto::inventory::get_inventory_item_request::Identifier;
use order_grpc::proto::inventory::inventory_service_client::InventoryServiceClient;
use order_grpc::proto::inventory::*;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::fakes::inventory::{CONFIRM, Counters, HoldStatus, Inventory, RESERVE};
use crate::fakes::peer::{Fault, Peer, waiting};

type Client = InventoryServiceClient<Channel>;

async fn start() -> (Inventory, Peer, Client) {
    let inventory = Inventory::default();
    let peer = inventory.serve().await;
    let channel = Endpoint::from_shared(peer.url())
        .unwrap()
        .connect()
        .await
        .unwrap();
    (inventory, peer, InventoryServiceClient::new(channel))
}

fn item(id: impl ToString, quantity: i32) -> ReservationItem {
    ReservationItem {
        inventory_item_id: id.to_string(),
        quantity,
        warehouse_id: None,
    }
}

fn order() -> String {
    Uuid::from_u128(5).to_string()
}

fn reserving(items: Vec<ReservationItem>) -> ReserveInventoryRequest {
    ReserveInventoryRequest {
        items,
        reference_id: order(),
        reference_type: "ORDER".into(),
        reservation_minutes: 60,
    }
}

async fn reserve(
    client: &mut Client,
    request: ReserveInventoryRequest,
) -> Result<InventoryReservation, Status> {
    Ok(client
        .reserve_inventory(request)
        .await?
        .into_inner()
        .reservation
        .unwrap())
}

async fn confirm(client: &mut Client, id: &str) -> Result<(), Status> {
    client
        .confirm_reservation(ConfirmReservationRequest {
            reservation_id: id.into(),
        })
        .await
        .map(drop)
}

async fn cancel(client: &mut Client, id: &str) -> Result<(), Status> {
    client
        .cancel_reservation(CancelReservationRequest {
            reservation_id: id.into(),
        })
        .await
        .map(drop)
}

fn said<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), status.message().to_owned())
}

const INTERNAL: &str = "Internal server error";

fn internal() -> (Code, String) {
    (Code::Internal, INTERNAL.to_owned())
}

#[tokio::test]
async fn items_are_found_by_the_table() {
    let (inventory, _peer, mut client) = start().await;
    let id = inventory.stock("MUG", 5);
    for (identifier, expected) in [
        (None, Code::InvalidArgument),
        (Some(Identifier::Sku(String::new())), Code::InvalidArgument),
        (Some(Identifier::Sku("CUP".into())), Code::NotFound),
        (
            Some(Identifier::Id(Uuid::nil().to_string())),
            Code::NotFound,
        ),
        (Some(Identifier::Id("7".into())), Code::Internal),
        (Some(Identifier::ProductId("7".into())), Code::Internal),
        (Some(Identifier::Sku("MU\0G".into())), Code::Internal),
        (Some(Identifier::Sku("MUG".into())), Code::Ok),
        (Some(Identifier::Id(id.to_string())), Code::Ok),
    ] {
        let name = format!("{identifier:?}");
        let answer = client
            .get_inventory_item(GetInventoryItemRequest { identifier })
            .await;
        assert_eq!(
            answer.map_or_else(|e| e.code(), |_| Code::Ok),
            expected,
            "{name}"
        );
    }
    inventory.set_down(true);
    let by_sku = GetInventoryItemRequest {
        identifier: Some(Identifier::Sku("MUG".into())),
    };
    assert_eq!(said(client.get_inventory_item(by_sku).await), internal());
}

#[tokio::test]
async fn a_look_up_by_product_answers_whichever_row_comes_first() {
    let (inventory, _peer, mut client) = start().await;
    let product = Uuid::from_u128(70);
    inventory.item_of(product, None, "SHIRT", 5);
    inventory.item_of(product, Some(Uuid::from_u128(71)), "SHIRT-RED", 3);
    let identifier = Some(Identifier::ProductId(product.to_string()));
    let found = client
        .get_inventory_item(GetInventoryItemRequest { identifier })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        found.inventory_item.unwrap().sku,
        "SHIRT-RED",
        "not the product's own"
    );
}

#[tokio::test]
async fn a_check_proves_nothing() {
    let (inventory, _peer, mut client) = start().await;
    inventory.stock("MUG", 5);
    inventory.stock("OLD", 1);
    inventory.set_status("OLD", "DISCONTINUED");
    let asked = |sku: &str, quantity| AvailabilityCheckItem {
        sku: sku.into(),
        quantity,
        ..Default::default()
    };
    let check = |items| CheckInventoryAvailabilityRequest { items };
    assert_eq!(
        said(client.check_inventory_availability(check(vec![])).await).0,
        Code::InvalidArgument
    );

    let unknown = client
        .check_inventory_availability(check(vec![asked("CUP", 1)]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (unknown.items[0].status.as_str(), unknown.all_available),
        ("NOT_FOUND", false)
    );

    // It sums nothing, heeds no status, and takes nothing for available.
    let items = vec![
        asked("MUG", 4),
        asked("MUG", 4),
        asked("MUG", -3),
        asked("OLD", 1),
    ];
    let told = client
        .check_inventory_availability(check(items))
        .await
        .unwrap()
        .into_inner();
    assert!(told.all_available && told.items.len() == 4);

    let nameless = client
        .check_inventory_availability(check(vec![asked("", 9), asked("MUG", 1)]))
        .await
        .unwrap()
        .into_inner();
    assert!(
        nameless.all_available && nameless.items.len() == 1,
        "one was left out without a word"
    );

    let strange = AvailabilityCheckItem {
        product_id: "7".into(),
        quantity: 1,
        ..Default::default()
    };
    assert_eq!(
        said(
            client
                .check_inventory_availability(check(vec![strange]))
                .await
        ),
        internal()
    );
    inventory.set_down(true);
    assert_eq!(
        said(
            client
                .check_inventory_availability(check(vec![asked("MUG", 1)]))
                .await
        ),
        internal()
    );
}

#[tokio::test]
async fn a_reserve_fails_by_the_table() {
    let (inventory, _peer, mut client) = start().await;
    let id = inventory.stock("MUG", 5);
    let sound = || reserving(vec![item(id, 1)]);
    let warehouse = |w: &str| {
        vec![ReservationItem {
            warehouse_id: Some(w.into()),
            ..item(id, 1)
        }]
    };
    for (request, expected) in [
        (reserving(vec![]), Code::InvalidArgument),
        (
            ReserveInventoryRequest {
                reference_type: String::new(),
                ..sound()
            },
            Code::InvalidArgument,
        ),
        (reserving(vec![item(Uuid::nil(), 1)]), Code::NotFound),
        (reserving(vec![item(id, 6)]), Code::FailedPrecondition),
        (reserving(vec![item(id, 0)]), Code::Internal),
        (reserving(vec![item(id, -1)]), Code::Internal),
        (reserving(vec![item("MUG", 1)]), Code::Internal),
        (
            ReserveInventoryRequest {
                reference_id: "ORD-1".into(),
                ..sound()
            },
            Code::Internal,
        ),
        (reserving(warehouse("nowhere")), Code::Internal),
        (
            reserving(warehouse(&Uuid::nil().to_string())),
            Code::Internal,
        ),
        (
            ReserveInventoryRequest {
                reference_type: "X".repeat(51),
                ..sound()
            },
            Code::Internal,
        ),
    ] {
        let name = format!("{request:?}");
        assert_eq!(
            said(reserve(&mut client, request).await).0,
            expected,
            "{name}"
        );
    }
    assert_eq!(
        inventory.counters("MUG"),
        Counters {
            total: 5,
            available: 5,
            reserved: 0
        }
    );
    assert!(inventory.holds().is_empty());
    inventory.set_down(true);
    assert_eq!(said(reserve(&mut client, sound()).await), internal());
}

#[tokio::test]
async fn a_reserve_has_quirks() {
    let (inventory, _peer, mut client) = start().await;
    let id = inventory.stock("MUG", 5);
    for minutes in [0, -1] {
        let hold = reserve(
            &mut client,
            ReserveInventoryRequest {
                reservation_minutes: minutes,
                ..reserving(vec![item(id, 1)])
            },
        );
        let hold = hold.await.unwrap();
        let life = hold.expiration_time.unwrap().seconds - hold.created_at.unwrap().seconds;
        assert_eq!((life, hold.status.as_str()), (1800, "PENDING"));
    }
    assert_eq!(inventory.holds().len(), 2, "one reference, two holds");

    let several = reserving(vec![item(id, 1), item(Uuid::nil(), 1), item(id, 90)]);
    assert!(
        reserve(&mut client, several).await.is_ok(),
        "failures after the first are not told"
    );
    assert_eq!(
        inventory.counters("MUG"),
        Counters {
            total: 5,
            available: 2,
            reserved: 3
        }
    );
    let first_fails = reserving(vec![item(id, 90), item(id, 1)]);
    assert_eq!(
        said(reserve(&mut client, first_fails).await),
        (Code::FailedPrecondition, "insufficient inventory".into())
    );
    assert_eq!(inventory.holds().len(), 3, "and the rest is not tried");
}

#[tokio::test]
async fn a_lost_race_is_an_internal_error() {
    let (inventory, _peer, mut client) = start().await;
    let id = inventory.stock("MUG", 1);
    let (fault, is_reached, go_on) = waiting(Fault::Pause);
    inventory.wire.fault(RESERVE, fault);
    let mut slow = client.clone();
    let slow = tokio::spawn(async move { reserve(&mut slow, reserving(vec![item(id, 1)])).await });
    is_reached.await.unwrap();
    reserve(&mut client, reserving(vec![item(id, 1)]))
        .await
        .unwrap();
    go_on.send(()).unwrap();
    assert_eq!(said(slow.await.unwrap()), internal());
    assert_eq!(
        inventory.counters("MUG"),
        Counters {
            total: 1,
            available: 0,
            reserved: 1
        }
    );
}

#[tokio::test]
async fn confirms_and_cancels_answer_by_the_table() {
    let (inventory, _peer, mut client) = start().await;
    let id = inventory.stock("MUG", 9);
    let invalid = (
        Code::FailedPrecondition,
        "reservation in invalid state".to_owned(),
    );
    for unknown in [Uuid::nil().to_string()] {
        assert_eq!(said(confirm(&mut client, &unknown).await).0, Code::NotFound);
        assert_eq!(said(cancel(&mut client, &unknown).await).0, Code::NotFound);
    }
    assert_eq!(said(confirm(&mut client, "7").await), internal());
    assert_eq!(said(cancel(&mut client, "7").await), internal());

    let confirmed = reserve(&mut client, reserving(vec![item(id, 2)]))
        .await
        .unwrap()
        .id;
    confirm(&mut client, &confirmed).await.unwrap();
    assert_eq!(said(confirm(&mut client, &confirmed).await), invalid);
    assert_eq!(
        said(cancel(&mut client, &confirmed).await),
        invalid,
        "nothing releases what was confirmed"
    );
    let cancelled = reserve(&mut client, reserving(vec![item(id, 2)]))
        .await
        .unwrap()
        .id;
    cancel(&mut client, &cancelled).await.unwrap();
    assert_eq!(said(cancel(&mut client, &cancelled).await), invalid);
    assert_eq!(said(confirm(&mut client, &cancelled).await), invalid);
    assert_eq!(
        inventory.counters("MUG"),
        Counters {
            total: 7,
            available: 7,
            reserved: 0
        }
    );

    let late = reserve(&mut client, reserving(vec![item(id, 2)]))
        .await
        .unwrap()
        .id;
    inventory.pass(Duration::from_secs(3600));
    assert_eq!(
        said(confirm(&mut client, &late).await),
        (Code::FailedPrecondition, "reservation expired".into())
    );
    assert_eq!(
        inventory.counters("MUG"),
        Counters {
            total: 7,
            available: 5,
            reserved: 2
        },
        "its units stay held"
    );
    cancel(&mut client, &late).await.unwrap();
    assert_eq!(
        inventory.counters("MUG"),
        Counters {
            total: 7,
            available: 7,
            reserved: 0
        }
    );
}

#[tokio::test]
async fn a_cancel_beside_a_confirm_undoes_what_was_told() {
    let (inventory, _peer, mut client) = start().await;
    let id = inventory.stock("MUG", 9);
    reserve(&mut client, reserving(vec![item(id, 4)]))
        .await
        .unwrap();
    let hold = reserve(&mut client, reserving(vec![item(id, 2)]))
        .await
        .unwrap()
        .id;
    let (fault, is_reached, go_on) = waiting(Fault::Pause);
    inventory.wire.fault(crate::fakes::inventory::CANCEL, fault);
    let (mut other, id2) = (client.clone(), hold.clone());
    let slow = tokio::spawn(async move { cancel(&mut other, &id2).await });
    is_reached.await.unwrap();
    confirm(&mut client, &hold).await.unwrap();
    go_on.send(()).unwrap();
    slow.await.unwrap().unwrap();
    let row = inventory
        .holds()
        .into_iter()
        .find(|h| h.id.to_string() == hold)
        .unwrap();
    assert_eq!(row.status, HoldStatus::Cancelled, "after it was confirmed");
    assert_eq!(
        inventory.counters("MUG"),
        Counters {
            total: 7,
            available: 5,
            reserved: 2
        },
        "units of another hold are gone"
    );
}

#[tokio::test]
async fn a_confirm_beside_a_cancel_takes_what_was_given_back() {
    let (inventory, _peer, mut client) = start().await;
    let id = inventory.stock("MUG", 9);
    reserve(&mut client, reserving(vec![item(id, 4)]))
        .await
        .unwrap();
    let hold = reserve(&mut client, reserving(vec![item(id, 2)]))
        .await
        .unwrap()
        .id;
    let (fault, is_reached, go_on) = waiting(Fault::Pause);
    inventory.wire.fault(CONFIRM, fault);
    let (mut other, id2) = (client.clone(), hold.clone());
    let slow = tokio::spawn(async move { confirm(&mut other, &id2).await });
    is_reached.await.unwrap();
    cancel(&mut client, &hold).await.unwrap();
    go_on.send(()).unwrap();
    slow.await.unwrap().unwrap();
    let row = inventory
        .holds()
        .into_iter()
        .find(|h| h.id.to_string() == hold)
        .unwrap();
    assert_eq!(row.status, HoldStatus::Confirmed, "a hold that was no more");
    assert_eq!(
        inventory.counters("MUG"),
        Counters {
            total: 7,
            available: 5,
            reserved: 2
        }
    );
}

#[tokio::test]
async fn there_are_two_ledgers_and_one_overwrites_the_other() {
    let (inventory, _peer, mut client) = start().await;
    let id = inventory.stock("MUG", 9);
    let warehouse = inventory.warehouse(id, 9);
    let at_warehouse = ReservationItem {
        warehouse_id: Some(warehouse.to_string()),
        ..item(id, 4)
    };
    reserve(&mut client, reserving(vec![at_warehouse]))
        .await
        .unwrap();
    assert_eq!(
        inventory.counters("MUG"),
        Counters {
            total: 9,
            available: 9,
            reserved: 0
        },
        "the item does not know"
    );
    assert_eq!(
        inventory.at_location(id, warehouse),
        Counters {
            total: 9,
            available: 5,
            reserved: 4
        }
    );

    let sold = reserve(&mut client, reserving(vec![item(id, 3)]))
        .await
        .unwrap()
        .id;
    confirm(&mut client, &sold).await.unwrap();
    let held = reserve(&mut client, reserving(vec![item(id, 6)]))
        .await
        .unwrap()
        .id;
    assert_eq!(
        inventory.counters("MUG"),
        Counters {
            total: 6,
            available: 0,
            reserved: 6
        }
    );
    inventory.add_to_location(id, warehouse, 1);
    let recomputed = Counters {
        total: 10,
        available: 6,
        reserved: 4,
    };
    assert_eq!(
        inventory.counters("MUG"),
        recomputed,
        "what was sold is back, and nothing is held"
    );
    for _ in 0..3 {
        assert_eq!(
            said(cancel(&mut client, &held).await),
            internal(),
            "for ever"
        );
    }
    assert_eq!(inventory.counters("MUG"), recomputed);
}

#[tokio::test]
async fn what_the_contract_does_not_have_is_unimplemented() {
    let (_inventory, peer, _client) = start().await;
    let channel = Endpoint::from_shared(peer.url())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = "/inventory.InventoryService/GetReservation"
        .parse()
        .unwrap();
    let codec =
        tonic_prost::ProstCodec::<ConfirmReservationRequest, ReservationResponse>::default();
    let request = tonic::Request::new(ConfirmReservationRequest::default());
    assert_eq!(
        grpc.unary(request, path, codec).await.unwrap_err().code(),
        Code::Unimplemented
    );
}
