//! Keys are derived, never drawn at call time: the same operation has the same key on every machine
//! and after every crash.

use uuid::Uuid;

use crate::ids::OrderId;

/// The purpose of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reserving under reservation number n.
    Reserve,
    /// Releasing reservation number n.
    Release,
    /// Committing reservation number n.
    Commit,
    /// Payment operation number n, whatever its kind.
    Payment,
}

/// The key of operation number `n` of an order: UUIDv5 (RFC 9562, 5.5) of purpose and number in the
/// order's namespace.
pub fn key(order: OrderId, purpose: Purpose, n: u32) -> Uuid {
    let purpose = match purpose {
        Purpose::Reserve => "reserve",
        Purpose::Release => "release",
        Purpose::Commit => "commit",
        Purpose::Payment => "payment",
    };
    derive(order, purpose, u64::from(n))
}

/// The key of giving back or committing units of reservation number `n`: of its closing number
/// `serial`, 0, 1, …. Each closing has its own, because parts are closed one by one, and a service
/// that refused under a key would refuse again.
pub fn closing_key(order: OrderId, purpose: Purpose, n: u32, serial: u32) -> Uuid {
    let what = match purpose {
        Purpose::Commit => "commit",
        _ => "release",
    };
    derive(order, what, u64::from(serial) << 32 | u64::from(n))
}

/// The id of the event that journal row `seq` of an order is to the outside.
pub fn event_id(order: OrderId, seq: u64) -> Uuid {
    derive(order, "event", seq)
}

fn derive(order: OrderId, what: &str, n: u64) -> Uuid {
    let mut name = [0u8; 32];
    let mut len = 0;
    for &b in what.as_bytes().iter().chain(b"/").chain(&n.to_be_bytes()) {
        name[len] = b;
        len += 1;
    }
    Uuid::new_v5(&order.uuid(), &name[..len])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_things_that_are_asked_for_have_one_key() {
        let order = OrderId::from_bytes([7; 16]);
        let other = OrderId::from_bytes([8; 16]);
        let of = |order| {
            let keys = [Purpose::Reserve, Purpose::Payment]
                .into_iter()
                .flat_map(move |p| (1..5).map(move |n| key(order, p, n)));
            let closings =
                [Purpose::Release, Purpose::Commit]
                    .into_iter()
                    .flat_map(move |purpose| {
                        (1..5).flat_map(move |n| {
                            (0..4).map(move |serial| closing_key(order, purpose, n, serial))
                        })
                    });
            keys.chain(closings)
                .chain((1..5).map(move |seq| event_id(order, seq)))
        };
        let all: Vec<Uuid> = of(order).chain(of(other)).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(
            of(order).eq(of(order)),
            "each has the same key whenever it is asked for"
        );
    }
}
