//! Money to the minor unit: whatever is cancelled, lowered, returned or credited, in whatever
//! sequence and parts, what goes back adds up to what was captured and is no longer owed.

use order_core::money::Minor;
use order_core::order::{
    EditPlan, Lifecycle, LineCredit, LineUnits, Lot, Order, PaymentTerms, RaisedLine, ReceivedUnits,
};
use order_core::rules::{Call, Command};
use proptest::prelude::*;

use super::inputs::edit;
use super::journey::{Journey, Reply};
use super::shop::{Basket, Shop, added, lowered, placed_orders};
use super::walks::cases;

/// A step that takes something off what is owed; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Less {
    CancelUnits { line: u32, units: u32 },
    LowerByEdit { line: u32, units: u32 },
    Return { line: u32, units: u32, scrap: bool },
    CreditLine { line: u32, per_mille: Minor },
    Credit { per_mille: Minor },
}

/// A step that brings goods to the customer, or more goods into the order.
#[derive(Debug, Clone)]
enum More {
    Ship {
        line: u32,
        units: u32,
    },
    Raise {
        line: u32,
        units: u32,
        coupon: Minor,
        tax: Minor,
    },
    Add {
        sku: u32,
        units: u32,
    },
}

#[derive(Debug, Clone)]
enum Step {
    Less(Less),
    More(More),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (line, units) = (|| 0..6u32, || 1..4u32);
    let less = prop_oneof![
        3 => (line(), units()).prop_map(|(line, units)| Less::CancelUnits { line, units }),
        2 => (line(), units()).prop_map(|(line, units)| Less::LowerByEdit { line, units }),
        3 => (line(), units(), any::<bool>()).prop_map(|(line, units, scrap)| Less::Return { line, units, scrap }),
        2 => (line(), 1..=1000i64).prop_map(|(line, per_mille)| Less::CreditLine { line, per_mille }),
        1 => (1..300i64).prop_map(|per_mille| Less::Credit { per_mille }),
    ];
    let more = prop_oneof![
        3 => (line(), units()).prop_map(|(line, units)| More::Ship { line, units }),
        2 => (line(), units(), 0..500i64, 0..700i64).prop_map(|(line, units, coupon, tax)| More::Raise { line, units, coupon, tax }),
        1 => (4..6u32, units()).prop_map(|(sku, units)| More::Add { sku, units }),
    ];
    prop::collection::vec(
        prop_oneof![3 => less.prop_map(Step::Less), 2 => more.prop_map(Step::More)],
        0..14,
    )
}

fn nth(order: &Order, line: u32) -> u32 {
    1 + line % order.lines.len() as u32
}

/// The commands of a step that are possible; none if nothing is left for it.
fn less(order: &Order, step: &Less) -> Option<Vec<Command>> {
    let capped = |units: u32, there: u32| (there > 0).then(|| 1 + (units - 1) % there);
    Some(match *step {
        Less::CancelUnits { line, units } => {
            let line = nth(order, line);
            vec![Command::CancelLines {
                lines: vec![LineUnits {
                    line,
                    units: capped(units, order.line(line)?.open())?,
                }],
            }]
        }
        Less::LowerByEdit { line, units } => {
            let line = nth(order, line);
            vec![edit(lowered(
                line,
                capped(units, order.line(line)?.open())?,
            ))]
        }
        Less::Return { line, units, scrap } => {
            let line = nth(order, line);
            let c = order.line(line)?.counters;
            let units = capped(units, c.delivered - c.returned)?;
            let number = order.returns.len() as u32 + 1;
            let (restock, scrap) = if scrap { (0, units) } else { (units, 0) };
            vec![
                Command::RequestReturn {
                    lines: vec![LineUnits { line, units }],
                },
                Command::ApproveReturn { number },
                Command::ReceiveReturn {
                    number,
                    lines: vec![ReceivedUnits {
                        line,
                        restock,
                        scrap,
                    }],
                },
                Command::CloseReturn { number },
            ]
        }
        Less::CreditLine { line, per_mille } => {
            let line = nth(order, line);
            let amount = part(order.line(line)?.owed().min(order.owed()), per_mille)?;
            vec![Command::CreditLines {
                lines: vec![LineCredit { line, amount }],
            }]
        }
        Less::Credit { per_mille } => vec![Command::Credit {
            amount: part(order.owed(), per_mille)?,
        }],
    })
}

fn part(of: Minor, per_mille: Minor) -> Option<Minor> {
    (of > 0).then(|| (i128::from(of) * i128::from(per_mille) / 1000).max(1) as Minor)
}

fn more(order: &Order, step: &More) -> Option<Vec<Command>> {
    Some(match *step {
        More::Ship { line, units } => {
            let line = nth(order, line);
            let l = order
                .line(line)
                .filter(|l| l.requires_shipping && l.open() > 0)?;
            let lines = vec![LineUnits {
                line,
                units: 1 + (units - 1) % l.open(),
            }];
            let shipment = order.shipments.len() as u32 + 1;
            let ship = Command::Ship {
                shipment: None,
                lines,
                carrier: None,
                tracking: None,
            };
            vec![
                ship,
                Command::Deliver {
                    shipment: Some(shipment),
                },
            ]
        }
        More::Raise {
            line,
            units,
            coupon,
            tax,
        } => {
            let line = nth(order, line);
            let l = order.line(line).filter(|l| l.kept() > 0)?;
            let subtotal = Minor::from(units) * l.unit_price;
            let lot = Lot {
                units,
                subtotal,
                coupon: coupon.min(subtotal),
                tax,
                tax_included: 0,
                credit: 0,
            };
            vec![edit(EditPlan {
                raised: vec![RaisedLine { line, lot }],
                ..EditPlan::default()
            })]
        }
        More::Add { sku, units } => vec![edit(added(order, sku, units))],
    })
}

fn work(journey: &mut Journey) {
    for _ in 0..60 {
        if journey.work(&mut |_: &Order, _: Call| Reply::Yes).is_some() {
            return;
        }
    }
    panic!("it does not come to rest: {:#?}", journey.order);
}

/// The money that has come in and not gone back is what is due, to the minor unit. What was
/// captured for units that are taken off stays for those that have yet to leave, as long as it is
/// owed.
fn settled(journey: &Journey) {
    let order = &journey.order;
    let money = order.money();
    let least = if order.terms == PaymentTerms::Confirm {
        money.owed
    } else {
        order.due()
    };
    assert!(
        (least..=money.owed).contains(&(money.captured - money.refunded)),
        "due {least}, {money:?}\n{order:#?}"
    );
    assert!(
        order.attention.is_empty(),
        "{:?}\n{}",
        order.attention,
        journey
            .rows
            .iter()
            .map(|r| r.0.clone())
            .collect::<Vec<_>>()
            .join("\n")
    );
}

fn confirmed(basket: &Basket) -> Journey {
    let mut journey = Journey::place(Shop::ideal(), basket);
    work(&mut journey);
    assert_eq!(journey.order.lifecycle, Lifecycle::Confirmed);
    settled(&journey);
    journey
}

fn all(journey: &mut Journey, commands: &[Command]) {
    for command in commands {
        if let Err(rejection) = journey.command(command) {
            panic!("{}: {rejection}\n{:#?}", command.name(), journey.order);
        }
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn whatever_is_taken_off_in_whatever_parts_goes_back_to_the_minor_unit(
        placed in placed_orders(), steps in steps(), at_once in any::<bool>(),
    ) {
        prop_assume!(matches!(placed.terms, PaymentTerms::Confirm | PaymentTerms::Shipment));
        let mut journey = confirmed(&placed);
        for step in &steps {
            let before = journey.order.owed();
            match step {
                Step::Less(step) => {
                    let Some(commands) = less(&journey.order, step) else { continue };
                    // The last unit cannot be taken away by an edit.
                    let edit = matches!(step, Less::LowerByEdit { .. });
                    if edit && journey.command(&commands[0]).is_err() {
                        continue;
                    }
                    if !edit {
                        all(&mut journey, &commands);
                    }
                    prop_assert!((0..=before).contains(&journey.order.owed()), "{} after {before}", journey.order.owed());
                }
                Step::More(step) => {
                    work(&mut journey);
                    let Some(commands) = more(&journey.order, step) else { continue };
                    if journey.order.lifecycle != Lifecycle::Confirmed {
                        continue;
                    }
                    all(&mut journey, &commands);
                    work(&mut journey);
                    settled(&journey);
                }
            }
            if journey.order.lifecycle != Lifecycle::Confirmed {
                break;
            }
            if at_once {
                let refunded = journey.order.money().refunded;
                work(&mut journey);
                settled(&journey);
                let money = journey.order.money();
                if money.refunded > refunded {
                    // Where payment follows the shipments, what a return or credit takes off what
                    // was due goes back at once.
                    let due = if placed.terms == PaymentTerms::Confirm { money.owed } else { journey.order.due() };
                    let kept = money.captured - money.refunded;
                    prop_assert!((due..=money.owed).contains(&kept), "no more goes back than is not due: {kept} of {due}");
                }
            }
        }
        work(&mut journey);
        if journey.order.lifecycle == Lifecycle::Confirmed {
            settled(&journey);
            give_everything_back(&mut journey);
        }
        let money = journey.order.money();
        prop_assert_eq!((money.owed, money.captured - money.refunded, money.authorized), (0, 0, 0));
    }
}

/// Goods that have not shipped are cancelled, those that have come back, and what is left to be
/// paid is credited.
fn give_everything_back(journey: &mut Journey) {
    let lines = |of: &dyn Fn(&order_core::order::Line) -> u32, order: &Order| -> Vec<LineUnits> {
        let lines = order.lines.iter().map(|l| LineUnits {
            line: l.n,
            units: of(l),
        });
        lines.filter(|l| l.units > 0).collect()
    };
    let back = lines(
        &|l| l.counters.delivered - l.counters.returned,
        &journey.order,
    );
    for l in back {
        let commands = less(
            &journey.order,
            &Less::Return {
                line: l.line - 1,
                units: l.units,
                scrap: false,
            },
        );
        all(journey, &commands.expect("it is there"));
    }
    let open = lines(&|l| l.open(), &journey.order);
    if !open.is_empty() {
        all(journey, &[Command::CancelLines { lines: open }]);
    }
    work(journey);
    let rest = journey.order.owed();
    if rest > 0 {
        let shipping = journey.order.amounts.shipping + journey.order.amounts.shipping_tax;
        assert!(
            rest <= shipping,
            "only shipping is left to be paid: {rest} of {shipping}"
        );
        all(journey, &[Command::Credit { amount: rest }]);
        work(journey);
    }
}
