use super::*;

#[cfg(feature = "testkit")]
mod against_the_ledgers {
    use uuid::Uuid;

    use super::super::ledgers::{
        PaymentRecord, ReservationRecord, StockCount, StockRecord, check_payments,
        check_reservations, check_stock,
    };
    use super::*;
    use crate::order::OperationState;
    use crate::rules::{Purpose, key};
    use crate::testkit::orders::{payment, plain, reservation, text};

    const NONE: [Invariant; 0] = [];

    /// An order of two units that are set aside, and one charge.
    fn order() -> Order {
        let held = ReservationState::Held;
        let charge = payment(1, OperationKind::Charge, OperationState::Captured);
        Order {
            reservations: vec![reservation(1, held)],
            payments: vec![charge],
            ..plain(1)
        }
    }

    fn set_aside(order: &Order) -> ReservationRecord {
        let r = &order.reservations[0];
        ReservationRecord {
            order: order.id,
            key: key(order.id, Purpose::Reserve, r.n),
            sku: r.sku.clone(),
            quantity: r.quantity,
            held: r.held(),
            committed: r.committed,
        }
    }

    fn charged(order: &Order) -> PaymentRecord {
        PaymentRecord {
            order: order.id,
            key: key(order.id, Purpose::Payment, 1),
            parent: None,
            kind: OperationKind::Charge,
            amount: order.in_currency(4800),
            status: OperationState::Captured,
            captured: 0,
            refunded: 0,
        }
    }

    fn broken(breaches: &[Breach]) -> Vec<Invariant> {
        breaches.iter().map(|b| b.invariant).collect()
    }

    #[test]
    fn an_inventory_that_agrees_is_no_breach_and_one_that_does_not_is() {
        let of = |state, change: fn(&mut ReservationRecord)| {
            let mut order = order();
            let mut record = set_aside(&order);
            order.reservations[0].state = state;
            change(&mut record);
            broken(&check_reservations(&order, &[record]))
        };
        use ReservationState as S;
        assert_eq!(of(S::Held, |_| {}), NONE);
        assert_eq!(of(S::Held, |r| r.quantity += 1), [Invariant::DerivedKeys]);
        assert_eq!(
            of(S::Held, |r| r.sku = text("OTHER")),
            [Invariant::DerivedKeys]
        );
        assert_eq!(of(S::Held, |r| r.held -= 1), [Invariant::ReservationsKnown]);
        assert_eq!(of(S::Planned, |_| {}), [Invariant::IntentFirst]);
        assert_eq!(of(S::Released, |_| {}), [Invariant::DeadHoldsNothing]);
        assert_eq!(of(S::Released, |r| r.held = 0), NONE);
        // Under a key of nobody it is a stranger's, and what the order counts on is not there.
        assert_eq!(
            of(S::Held, |r| r.key = Uuid::nil()),
            [Invariant::ReservationsKnown, Invariant::ReservationsKnown]
        );
        assert_eq!(
            broken(&check_reservations(&order(), &[])),
            [Invariant::ReservationsKnown]
        );
    }

    #[test]
    fn a_payment_service_that_agrees_is_no_breach_and_one_that_does_not_is() {
        let of = |state, change: fn(&mut PaymentRecord)| {
            let mut order = order();
            let mut record = charged(&order);
            order.payments[0].state = state;
            change(&mut record);
            broken(&check_payments(&order, &[record]))
        };
        use OperationState as S;
        assert_eq!(of(S::Captured, |_| {}), NONE);
        assert_eq!(
            of(S::Captured, |r| r.amount.minor += 1),
            [Invariant::DerivedKeys]
        );
        assert_eq!(
            of(S::Captured, |r| r.refunded = 1),
            [Invariant::ChargesKnown]
        );
        assert_eq!(
            of(S::Captured, |r| r.status = S::Declined),
            [Invariant::ChargesKnown]
        );
        assert_eq!(of(S::Captured, |r| r.status = S::Pending), NONE);
        assert_eq!(
            of(S::Dropped, |_| {}),
            [Invariant::IntentFirst, Invariant::ChargesKnown]
        );
        assert_eq!(
            of(S::Captured, |r| r.key = Uuid::nil()),
            [Invariant::ChargesKnown, Invariant::ChargesKnown]
        );
        assert_eq!(
            broken(&check_payments(&order(), &[])),
            [Invariant::ChargesKnown]
        );
    }

    #[test]
    fn a_stock_counts_what_its_requests_add_up_to() {
        let of = |change: fn(&mut StockRecord)| {
            let mut record = StockRecord {
                sku: text("SKU-1"),
                counted: Some(StockCount {
                    on_hand: 7,
                    reserved: 2,
                    committed: 3,
                    stocked: 10,
                }),
                held: 2,
                committed: 3,
            };
            change(&mut record);
            broken(&check_stock(&record))
        };
        assert_eq!(of(|_| {}), NONE);
        assert_eq!(of(|r| r.held = 1), [Invariant::ReservationsKnown]);
        assert_eq!(of(|r| r.committed = 4), [Invariant::CommittedStock]);
        assert_eq!(of(|r| r.counted = None), [Invariant::ReservationsKnown]);
        let fewer = |r: &mut StockRecord| {
            r.counted.iter_mut().for_each(|c| c.on_hand -= 1);
        };
        assert_eq!(of(fewer), [Invariant::CommittedStock]);
    }
}
