//! A sample of every situation an order can be in, led there by the rules.

use std::time::Duration;

use order_core::money::Minor;
use order_core::order::{
    Blocks, DisputeState, Lifecycle, LineUnits, OperationKind, OperationState, Order, PaymentTerms,
    Placed,
};
use order_core::policy::{LostStock, Policy};
use order_core::rules::{
    Call, Command, DisputeReport, Fact, PaymentOutcome, PaymentReport, ProviderAnswer,
    ReservationOutcome, Verb,
};
use order_core::services::{InventoryCapabilities, PaymentCapabilities};
use order_core::testkit::orders::text;

use super::inputs::{commands, edit};
use super::journey::{Journey, Reply, answer};
use super::shop::{Shop, raised, sample, sample_given_out};

/// An order in a situation worth a table of its own.
pub struct Sample {
    pub name: &'static str,
    pub journey: Journey,
}

fn lead(terms: PaymentTerms, name: &'static str, way: impl FnOnce(&mut Journey)) -> Sample {
    lead_of(&sample(terms), name, way)
}

fn lead_of(placed: &Placed, name: &'static str, way: impl FnOnce(&mut Journey)) -> Sample {
    lead_in(Shop::ideal(), placed, name, way)
}

fn lead_in(
    shop: Shop,
    placed: &Placed,
    name: &'static str,
    way: impl FnOnce(&mut Journey),
) -> Sample {
    let mut journey = Journey::place(shop, placed);
    journey.advance(Duration::from_secs(1));
    way(&mut journey);
    journey.plan();
    Sample { name, journey }
}

fn work(journey: &mut Journey, reply: impl Fn(Call) -> Reply) {
    for _ in 0..100 {
        if journey.work(&mut |_, call| reply(call)).is_some() {
            return;
        }
    }
    panic!("it does not come to an end: {:#?}", journey.order);
}

/// Works round by round while `goes_on`, with every call answered yes.
fn work_while(journey: &mut Journey, goes_on: impl Fn(&Order) -> bool) {
    while goes_on(&journey.order) && journey.work(&mut |_, _| Reply::Yes).is_none() {}
}

/// The worker dies in the call that `verb` names.
fn dies_in(verb: Verb) -> impl Fn(Call) -> Reply {
    move |call| {
        if call.verb == verb {
            Reply::Crash
        } else {
            Reply::Yes
        }
    }
}

fn round(journey: &mut Journey, reply: impl Fn(Call) -> Reply) {
    journey.work(&mut |_, call| reply(call));
}

const CHARGE: Verb = Verb::Pay(OperationKind::Charge);
const AUTHORIZE: Verb = Verb::Pay(OperationKind::Authorize);
const CAPTURE: Verb = Verb::Pay(OperationKind::Capture);
const REFUND: Verb = Verb::Pay(OperationKind::Refund);
const VOID: Verb = Verb::Pay(OperationKind::Void);

fn ship_one(j: &mut Journey) {
    let lines = vec![LineUnits { line: 1, units: 1 }];
    j.command(&Command::Ship {
        shipment: None,
        lines,
        carrier: None,
        tracking: None,
    })
    .expect("it is open and covered");
}

fn ship_all(j: &mut Journey) {
    j.command(&Command::Ship {
        shipment: None,
        lines: Vec::new(),
        carrier: None,
        tracking: None,
    })
    .expect("all is covered");
    work(j, |_| Reply::Yes);
}

fn delivered(j: &mut Journey) {
    work(j, |_| Reply::Yes);
    ship_all(j);
    j.command(&Command::Deliver { shipment: Some(1) })
        .expect("it is on its way");
    work(j, |_| Reply::Yes);
}

/// The bank takes 1.00 of what was paid back.
fn charged_back(order: &Order) -> Fact {
    let reference = text("case-1");
    Fact::Dispute(DisputeReport {
        reference,
        payment: None,
        state: DisputeState::Lost,
        amount: order.in_currency(100),
    })
}

fn request_return(j: &mut Journey) {
    j.command(&Command::RequestReturn {
        lines: vec![LineUnits { line: 1, units: 1 }],
    })
    .expect("it is delivered");
}

/// A shop that keeps orders whose stock is missing, and says nothing to customers.
fn patient() -> Shop {
    let policy = Policy {
        lost_stock: LostStock::Backorder,
        ..Policy::default()
    };
    Shop {
        policy,
        notify: false,
        ..Shop::ideal()
    }
}

/// A shop that gives up what went back after everything had arrived.
fn generous() -> Shop {
    Shop {
        policy: Policy {
            write_off_after_delivery: true,
            ..Policy::default()
        },
        notify: false,
        ..Shop::ideal()
    }
}

/// A shop whose inventory is the platform's: nothing is repeated, looked up or divided.
fn plain() -> Shop {
    Shop {
        inventory: InventoryCapabilities::PLATFORM,
        notify: false,
        ..Shop::ideal()
    }
}

/// A shop whose provider remembers no keys, but can be asked.
fn looked_up_only() -> Shop {
    Shop {
        payment: PaymentCapabilities::LOOK_UP_ONLY,
        notify: false,
        ..Shop::ideal()
    }
}

/// A hold that lapses in so many seconds.
fn held(j: &Journey, n: u32, seconds: u64) -> Fact {
    let expires_at = Some(j.now.after(Duration::from_secs(seconds)));
    Fact::Reservation {
        n,
        outcome: ReservationOutcome::Held {
            reference: Some(text(&format!("hold-{n}"))),
            expires_at,
        },
    }
}

/// Somebody sends money back, or takes some, in the provider's dashboard.
fn moved(j: &Journey, reference: &str, status: OperationState, amount: Minor) -> Fact {
    let (reference, parent, amount) = (
        text(reference),
        Some(text("pay-1")),
        j.order.in_currency(amount),
    );
    Fact::Report(PaymentReport {
        key: None,
        reference,
        parent,
        status,
        amount,
    })
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The first payment is authorized, and can be captured for five days.
fn authorized_for_days(j: &mut Journey) {
    round(j, |_| Reply::Yes);
    round(j, dies_in(AUTHORIZE));
    let end = j.now.after(5 * DAY);
    let answer = match answer(
        &j.order,
        OperationState::Authorized,
        1,
        j.order.amounts.total,
        end,
    ) {
        PaymentOutcome::Answer(ProviderAnswer {
            status,
            reference,
            amount,
            code,
            deadline,
            action,
            evidence,
            ..
        }) => PaymentOutcome::Answer(ProviderAnswer {
            status,
            reference,
            amount,
            code,
            deadline,
            action,
            capture_before: Some(end),
            evidence,
        }),
        other => other,
    };
    j.facts(&[Fact::Payment {
        n: 1,
        outcome: answer,
    }]);
    work(j, |_| Reply::Yes);
}

/// Situations that are rare, and that money or goods are lost in where the rules are a little
/// wrong.
fn rare() -> Vec<Sample> {
    use OperationState::{Captured, Refunded};
    use PaymentTerms::{Confirm, Invoice, Shipment};
    vec![
        lead_in(
            patient(),
            &sample(Confirm),
            "paid, on backorder: one SKU is refused, the other held",
            |j| {
                let refused = ReservationOutcome::Refused {
                    available: Some(0),
                    code: "OUT_OF_STOCK".into(),
                };
                work(j, |_| Reply::Yes);
                j.facts(&[Fact::Reservation {
                    n: 1,
                    outcome: ReservationOutcome::Lost,
                }]);
                round(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::Crash
                    } else {
                        Reply::Yes
                    }
                });
                j.facts(&[Fact::Reservation {
                    n: 3,
                    outcome: refused,
                }]);
            },
        ),
        lead_in(
            patient(),
            &sample(Confirm),
            "paid, on backorder: one SKU is refused, then the hold of the other lost",
            |j| {
                let refused = ReservationOutcome::Refused {
                    available: Some(0),
                    code: "OUT_OF_STOCK".into(),
                };
                work(j, |_| Reply::Yes);
                j.facts(&[Fact::Reservation {
                    n: 1,
                    outcome: ReservationOutcome::Lost,
                }]);
                round(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::Crash
                    } else {
                        Reply::Yes
                    }
                });
                j.facts(&[Fact::Reservation {
                    n: 3,
                    outcome: refused,
                }]);
                j.advance(Duration::from_secs(1));
                j.facts(&[Fact::Reservation {
                    n: 2,
                    outcome: ReservationOutcome::Lost,
                }]);
            },
        ),
        lead_in(
            patient(),
            &sample(Confirm),
            "paid, on backorder, and time to ask again",
            |j| {
                work(j, |_| Reply::Yes);
                j.facts(&[Fact::Reservation {
                    n: 1,
                    outcome: ReservationOutcome::Lost,
                }]);
                work(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::No
                    } else {
                        Reply::Yes
                    }
                });
                j.advance(j.shop.policy.backoff_longest);
            },
        ),
        lead_in(
            patient(),
            &sample(Confirm),
            "on backorder for one SKU, then a parcel with the other lost",
            |j| {
                let refused = ReservationOutcome::Refused {
                    available: Some(0),
                    code: "OUT_OF_STOCK".into(),
                };
                work(j, |_| Reply::Yes);
                ship_one(j);
                work(j, |_| Reply::Yes);
                j.facts(&[Fact::Reservation {
                    n: 2,
                    outcome: ReservationOutcome::Lost,
                }]);
                round(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::Crash
                    } else {
                        Reply::Yes
                    }
                });
                j.facts(&[Fact::Reservation {
                    n: 3,
                    outcome: refused,
                }]);
                j.advance(Duration::from_secs(1));
                j.command(&Command::LoseShipment { shipment: 1 })
                    .expect("it is on its way");
            },
        ),
        lead_in(
            patient(),
            &sample(Confirm),
            "on backorder for what is left of a SKU, and what had left arrived",
            |j| {
                let refused = ReservationOutcome::Refused {
                    available: Some(0),
                    code: "OUT_OF_STOCK".into(),
                };
                work(j, |_| Reply::Yes);
                ship_one(j);
                work(j, |_| Reply::Yes);
                j.facts(&[Fact::Reservation {
                    n: 1,
                    outcome: ReservationOutcome::Lost,
                }]);
                round(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::Crash
                    } else {
                        Reply::Yes
                    }
                });
                j.facts(&[Fact::Reservation {
                    n: 3,
                    outcome: refused,
                }]);
                j.advance(Duration::from_secs(1));
                j.command(&Command::Deliver { shipment: Some(1) })
                    .expect("it is on its way");
            },
        ),
        lead(
            Shipment,
            "an authorization being voided, and captured elsewhere meanwhile",
            |j| {
                work(j, |_| Reply::Yes);
                j.command(&Command::Cancel).expect("it can be cancelled");
                round(j, |call| {
                    if call.verb == VOID {
                        Reply::NotDone
                    } else {
                        Reply::Yes
                    }
                });
                j.facts(&[moved(j, "pay-outside", Captured, 500)]);
            },
        ),
        lead(
            Confirm,
            "one unit shipped, one planned, and the hold of the rest lost",
            |j| {
                work(j, |_| Reply::Yes);
                ship_one(j);
                work(j, |_| Reply::Yes);
                j.command(&Command::PlanShipment { lines: Vec::new() })
                    .expect("it is open");
                j.facts(&[Fact::Reservation {
                    n: 1,
                    outcome: ReservationOutcome::Lost,
                }]);
                work(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::No
                    } else {
                        Reply::Yes
                    }
                });
            },
        ),
        lead(
            Confirm,
            "one unit shipped, what is left of its hold being given back",
            |j| {
                work(j, |_| Reply::Yes);
                ship_one(j);
                work(j, |_| Reply::Yes);
                j.command(&Command::CancelLines {
                    lines: vec![LineUnits { line: 1, units: 1 }],
                })
                .expect("it is open");
                round(j, dies_in(Verb::Release));
            },
        ),
        lead(
            Confirm,
            "cancelled, and a hold lapsed while it was being given back",
            |j| {
                round(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::Crash
                    } else {
                        Reply::Yes
                    }
                });
                j.facts(&[held(j, 1, 600), held(j, 2, 100_000)]);
                work(j, |_| Reply::Yes);
                j.command(&Command::Cancel).expect("it can be cancelled");
                round(j, |call| {
                    if call.verb == Verb::Release {
                        Reply::Crash
                    } else {
                        Reply::Yes
                    }
                });
                j.advance(Duration::from_secs(600));
            },
        ),
        lead(
            Confirm,
            "one unit shipped, and its hold lapsed while it was being committed",
            |j| {
                round(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::Crash
                    } else {
                        Reply::Yes
                    }
                });
                j.facts(&[held(j, 1, 600), held(j, 2, 100_000)]);
                work(j, |_| Reply::Yes);
                ship_one(j);
                round(j, dies_in(Verb::Commit));
                j.advance(Duration::from_secs(600));
            },
        ),
        lead_in(
            patient(),
            &sample(Confirm),
            "paid, both holds about to lapse",
            |j| {
                round(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::Crash
                    } else {
                        Reply::Yes
                    }
                });
                j.facts(&[held(j, 1, 600), held(j, 2, 700)]);
                work(j, |_| Reply::Yes);
                j.advance(Duration::from_secs(500));
            },
        ),
        lead_in(
            patient(),
            &sample(Confirm),
            "paid, both holds to be replaced before they lapse, the first under way",
            |j| {
                round(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::Crash
                    } else {
                        Reply::Yes
                    }
                });
                j.facts(&[held(j, 1, 600), held(j, 2, 700)]);
                work(j, |_| Reply::Yes);
                j.advance(Duration::from_secs(500));
                round(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::Crash
                    } else {
                        Reply::Yes
                    }
                });
                round(j, |_| Reply::Unknown);
                j.advance(Duration::from_secs(80));
            },
        ),
        lead_in(
            plain(),
            &sample(Confirm),
            "paid, a line lowered, a smaller hold asked for in place of the larger",
            |j| {
                work(j, |_| Reply::Yes);
                j.command(&Command::CancelLines {
                    lines: vec![LineUnits { line: 1, units: 1 }],
                })
                .expect("it is open");
                round(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::Crash
                    } else {
                        Reply::Yes
                    }
                });
            },
        ),
        lead_in(
            plain(),
            &sample(Confirm),
            "a hold that may be there, and nobody can tell",
            |j| {
                round(j, |call| {
                    if call.verb == Verb::Reserve {
                        Reply::Unknown
                    } else {
                        Reply::Yes
                    }
                });
                j.advance(Duration::from_secs(120));
                round(j, |_| Reply::Unknown);
            },
        ),
        lead(
            Shipment,
            "the authorization lapsed while it was being captured",
            |j| {
                authorized_for_days(j);
                ship_one(j);
                round(j, dies_in(CAPTURE));
                j.advance(5 * DAY);
            },
        ),
        lead(
            Shipment,
            "the authorization lapsed before anything shipped",
            |j| {
                authorized_for_days(j);
                j.advance(5 * DAY);
            },
        ),
        lead(Shipment, "more was captured than was authorized", |j| {
            work(j, |_| Reply::Yes);
            ship_one(j);
            work(j, |_| Reply::Yes);
            j.facts(&[moved(j, "pay-outside", Captured, 5_000)]);
        }),
        lead(
            Shipment,
            "one unit shipped, delivered and sent back, the rest authorized",
            |j| {
                work(j, |_| Reply::Yes);
                ship_one(j);
                work(j, |_| Reply::Yes);
                j.command(&Command::Deliver { shipment: Some(1) })
                    .expect("it is on its way");
                request_return(j);
                j.command(&Command::ApproveReturn { number: 1 })
                    .expect("it is requested");
                j.command(&Command::ReceiveReturn {
                    number: 1,
                    lines: Vec::new(),
                })
                .expect("it is approved");
            },
        ),
        lead_in(
            generous(),
            &sample(Confirm),
            "charged back on its way, and refunded elsewhere once it had arrived",
            |j| {
                work(j, |_| Reply::Yes);
                ship_all(j);
                j.facts(&[charged_back(&j.order)]);
                j.advance(Duration::from_secs(1));
                j.command(&Command::Deliver { shipment: None })
                    .expect("it is on its way");
                j.advance(Duration::from_secs(1));
                j.facts(&[moved(j, "pay-back", Refunded, 300)]);
            },
        ),
        lead(
            Invoice,
            "paid by invoice, refunded elsewhere, and cancelled",
            |j| {
                work(j, |_| Reply::Yes);
                let paid = PaymentReport {
                    key: None,
                    reference: text("pay-1"),
                    parent: None,
                    status: Captured,
                    amount: j.order.in_currency(j.order.amounts.total),
                };
                j.facts(&[Fact::Report(paid)]);
                j.facts(&[moved(j, "pay-back", Refunded, 300)]);
                j.command(&Command::Cancel).expect("it can be cancelled");
                work(j, |_| Reply::Yes);
            },
        ),
        lead(Confirm, "paid, and a report that fits nothing", |j| {
            work(j, |_| Reply::Yes);
            let (reference, amount) = (text("pay-elsewhere"), j.order.in_currency(100));
            let report = PaymentReport {
                key: None,
                reference,
                parent: Some(text("pay-unheard-of")),
                status: Refunded,
                amount,
            };
            j.facts(&[Fact::Report(report)]);
        }),
        lead(
            Confirm,
            "declined, paid again, and a refund named of the payment under way",
            |j| {
                work(j, |call| {
                    if call.verb == CHARGE {
                        Reply::No
                    } else {
                        Reply::Yes
                    }
                });
                let retry = commands(&j.order, j.now)
                    .into_iter()
                    .find(|c| matches!(c, Command::RetryPayment { .. }));
                j.command(&retry.expect("there is one"))
                    .expect("it was declined");
                round(j, |_| Reply::Yes);
                round(j, dies_in(CHARGE));
                let (reference, amount) = (text("pay-elsewhere"), j.order.in_currency(100));
                let report = PaymentReport {
                    key: None,
                    reference,
                    parent: Some(text("pay-new")),
                    status: Refunded,
                    amount,
                };
                j.facts(&[Fact::Report(report)]);
            },
        ),
        lead_in(
            looked_up_only(),
            &sample(Confirm),
            "placed where payments cannot be repeated",
            |_| {},
        ),
        lead(Confirm, "paid, some of it refunded elsewhere", |j| {
            work(j, |_| Reply::Yes);
            j.facts(&[moved(j, "pay-back", Refunded, 1_000)]);
        }),
        lead(
            Confirm,
            "paid, some of it refunded elsewhere, and the rest paid once more",
            |j| {
                work(j, |_| Reply::Yes);
                j.facts(&[moved(j, "pay-back", Refunded, 1_000)]);
                j.facts(&[moved(j, "pay-again", Captured, 1_500)]);
            },
        ),
    ]
}

/// Every situation, the rare ones last.
pub fn samples() -> Vec<Sample> {
    usual().into_iter().chain(rare()).collect()
}

fn usual() -> Vec<Sample> {
    use PaymentTerms::{Confirm, Invoice, Shipment};
    let pending = |order: &Order| order.lifecycle == Lifecycle::Pending;
    let cancel = |j: &mut Journey| j.command(&Command::Cancel).expect("it can be cancelled");
    vec![
        lead(Confirm, "placed, nothing asked yet", |_| {}),
        lead(Confirm, "stock being asked for", |j| {
            round(j, dies_in(Verb::Reserve))
        }),
        lead(Confirm, "stock held, the charge under way", |j| {
            round(j, |_| Reply::Yes);
            round(j, dies_in(CHARGE));
        }),
        lead(Shipment, "stock held, the authorization under way", |j| {
            round(j, |_| Reply::Yes);
            round(j, dies_in(AUTHORIZE));
        }),
        lead(
            Confirm,
            "stock held, the charge waits for the customer",
            |j| {
                work(j, |call| {
                    if call.verb == CHARGE {
                        Reply::Action
                    } else {
                        Reply::Yes
                    }
                });
            },
        ),
        lead(Confirm, "paid, a hold blocks confirming", |j| {
            let hold = Command::PlaceHold {
                kind: text("fraud"),
                blocks: Some(Blocks::Confirm),
                until: None,
            };
            j.command(&hold).expect("a hold can be placed");
            work(j, |_| Reply::Yes);
        }),
        lead(Confirm, "too little came in", |j| {
            round(j, |_| Reply::Yes);
            round(j, |_| Reply::Odd);
        }),
        lead(Shipment, "too little is authorized", |j| {
            round(j, |_| Reply::Yes);
            round(j, |_| Reply::Odd);
        }),
        lead(
            Shipment,
            "captured as it shipped, completed, charged back",
            |j| {
                delivered(j);
                j.command(&Command::Complete)
                    .expect("all is delivered and paid");
                j.facts(&[charged_back(&j.order)]);
                work(j, |_| Reply::Yes);
            },
        ),
        lead(Confirm, "paid, charged back", |j| {
            work(j, |_| Reply::Yes);
            j.facts(&[charged_back(&j.order)]);
            work(j, |_| Reply::Yes);
        }),
        lead(Confirm, "fulfilled and completed, charged back", |j| {
            delivered(j);
            j.command(&Command::Complete)
                .expect("all is delivered and paid");
            j.facts(&[charged_back(&j.order)]);
            work(j, |_| Reply::Yes);
        }),
        lead(
            Confirm,
            "paid, a hold blocks confirming, an edit waits for its stock and payment",
            |j| {
                let hold = Command::PlaceHold {
                    kind: text("fraud"),
                    blocks: Some(Blocks::Confirm),
                    until: None,
                };
                j.command(&hold).expect("a hold can be placed");
                work(j, |_| Reply::Yes);
                let more = edit(raised(&j.order, 1, 1));
                j.command(&more).expect("nothing is in its way");
            },
        ),
        lead(Confirm, "paid", |j| {
            work_while(j, pending);
            work(j, |_| Reply::Yes);
        }),
        lead(
            Shipment,
            "authorized, with a hold that blocks shipping",
            |j| {
                work(j, |_| Reply::Yes);
                let hold = Command::PlaceHold {
                    kind: text("fraud"),
                    blocks: Some(Blocks::Ship),
                    until: None,
                };
                j.command(&hold).expect("a hold can be placed");
            },
        ),
        lead(Confirm, "paid and fulfilled", |j| {
            work(j, |_| Reply::Yes);
            ship_all(j);
            j.command(&Command::Deliver { shipment: None })
                .expect("it is on its way");
            work(j, |_| Reply::Yes);
            j.command(&Command::Complete)
                .expect("all is delivered and paid");
        }),
        lead(Confirm, "paid, one unit planned to ship", |j| {
            work(j, |_| Reply::Yes);
            let lines = vec![LineUnits { line: 1, units: 1 }];
            j.command(&Command::PlanShipment { lines })
                .expect("it is open");
        }),
        lead(Confirm, "paid, one unit shipped", |j| {
            work(j, |_| Reply::Yes);
            ship_one(j);
            work(j, |_| Reply::Yes);
        }),
        lead(
            Confirm,
            "paid, one unit shipped, one planned to ship",
            |j| {
                work(j, |_| Reply::Yes);
                ship_one(j);
                j.command(&Command::PlanShipment { lines: Vec::new() })
                    .expect("it is open");
                work(j, |_| Reply::Yes);
            },
        ),
        lead(Shipment, "one unit shipped, its capture under way", |j| {
            work(j, |_| Reply::Yes);
            ship_one(j);
            round(j, dies_in(CAPTURE));
        }),
        lead(Shipment, "one unit shipped, its capture refused", |j| {
            work(j, |_| Reply::Yes);
            ship_one(j);
            work(j, |call| {
                if call.verb == CAPTURE {
                    Reply::No
                } else {
                    Reply::Yes
                }
            });
        }),
        lead(Confirm, "paid, the shipment failed", |j| {
            work(j, |_| Reply::Yes);
            ship_all(j);
            j.command(&Command::FailShipment { shipment: 1 })
                .expect("it is on its way");
            work(j, |_| Reply::Yes);
        }),
        lead(
            Confirm,
            "paid, the shipment lost, its units reserved anew",
            |j| {
                work(j, |_| Reply::Yes);
                ship_all(j);
                j.command(&Command::LoseShipment { shipment: 1 })
                    .expect("it is on its way");
                work(j, |_| Reply::Yes);
            },
        ),
        lead(Confirm, "lost, sent again, and both arrived", |j| {
            work(j, |_| Reply::Yes);
            ship_all(j);
            j.command(&Command::LoseShipment { shipment: 1 })
                .expect("it is on its way");
            work(j, |_| Reply::Yes);
            ship_all(j);
            for n in [2, 1] {
                j.command(&Command::Deliver { shipment: Some(n) })
                    .expect("it has left");
            }
            work(j, |_| Reply::Yes);
        }),
        lead(
            Confirm,
            "the shipment failed, then the order was cancelled",
            |j| {
                work(j, |_| Reply::Yes);
                ship_all(j);
                j.command(&Command::FailShipment { shipment: 1 })
                    .expect("it is on its way");
                cancel(j);
                work(j, |_| Reply::Yes);
            },
        ),
        lead(
            Confirm,
            "the shipment failed, and the order is being cancelled",
            |j| {
                work(j, |_| Reply::Yes);
                ship_all(j);
                j.command(&Command::FailShipment { shipment: 1 })
                    .expect("it is on its way");
                cancel(j);
                round(j, |call| {
                    if call.verb == REFUND {
                        Reply::Crash
                    } else {
                        Reply::Yes
                    }
                });
            },
        ),
        lead(Confirm, "completed, then found to be lost", |j| {
            delivered(j);
            j.command(&Command::Complete)
                .expect("all is delivered and paid");
            j.command(&Command::LoseShipment { shipment: 1 })
                .expect("it has left");
            work(j, |_| Reply::Yes);
        }),
        lead_of(
            &sample_given_out(Confirm),
            "paid, one line was given out",
            |j| work(j, |_| Reply::Yes),
        ),
        lead(Shipment, "authorized, and given up by the provider", |j| {
            work(j, |_| Reply::Yes);
            let voided = answer(&j.order, OperationState::Voided, 1, 0, j.now);
            j.facts(&[Fact::Payment {
                n: 1,
                outcome: voided,
            }]);
        }),
        lead(Invoice, "to be paid by invoice", |j| {
            work(j, |_| Reply::Yes)
        }),
        lead(Confirm, "delivered, a return requested", |j| {
            delivered(j);
            request_return(j);
        }),
        lead(Confirm, "delivered, a return approved", |j| {
            delivered(j);
            request_return(j);
            j.command(&Command::ApproveReturn { number: 1 })
                .expect("it is requested");
        }),
        lead(Confirm, "one unit came back and is refunded", |j| {
            delivered(j);
            request_return(j);
            j.command(&Command::ApproveReturn { number: 1 })
                .expect("it is requested");
            j.command(&Command::ReceiveReturn {
                number: 1,
                lines: Vec::new(),
            })
            .expect("it is approved");
            j.command(&Command::CloseReturn { number: 1 })
                .expect("it is approved");
            work(j, |_| Reply::Yes);
        }),
        lead(Confirm, "one unit cancelled, its refund refused", |j| {
            work(j, |_| Reply::Yes);
            let lines = vec![LineUnits { line: 1, units: 1 }];
            j.command(&Command::CancelLines { lines })
                .expect("it is open");
            work(j, |call| {
                if call.verb == REFUND {
                    Reply::No
                } else {
                    Reply::Yes
                }
            });
        }),
        lead(
            Confirm,
            "paid, an edit waits for its stock and payment",
            |j| {
                work(j, |_| Reply::Yes);
                let more = edit(raised(&j.order, 1, 1));
                j.command(&more).expect("nothing is in its way");
            },
        ),
        lead(Confirm, "paid, a bank questions it", |j| {
            work(j, |_| Reply::Yes);
            let amount = j.order.in_currency(j.order.amounts.total);
            let (reference, payment) = (text("dispute-1"), Some(text("pay-1")));
            j.facts(&[Fact::Dispute(DisputeReport {
                reference,
                payment,
                state: DisputeState::Open,
                amount,
            })]);
        }),
        lead(Confirm, "completed, a return requested", |j| {
            delivered(j);
            j.command(&Command::Complete)
                .expect("all is delivered and paid");
            request_return(j);
        }),
        lead(Confirm, "completed, a return approved", |j| {
            delivered(j);
            j.command(&Command::Complete)
                .expect("all is delivered and paid");
            request_return(j);
            j.command(&Command::ApproveReturn { number: 1 })
                .expect("it is requested");
        }),
        lead(Confirm, "cancelled before anything was asked", |j| {
            round(j, dies_in(Verb::Reserve));
            cancel(j);
        }),
        lead(Confirm, "cancelled while the charge was under way", |j| {
            round(j, |_| Reply::Yes);
            round(j, dies_in(CHARGE));
            cancel(j);
        }),
        lead(Confirm, "being refunded and released", |j| {
            work(j, |_| Reply::Yes);
            cancel(j);
            round(j, |call| {
                if matches!(call.verb, REFUND | Verb::Release) {
                    Reply::Crash
                } else {
                    Reply::Yes
                }
            });
        }),
        lead(Shipment, "being voided", |j| {
            work(j, |_| Reply::Yes);
            cancel(j);
            round(j, dies_in(VOID));
        }),
        lead(Confirm, "refunded and released", |j| {
            work(j, |_| Reply::Yes);
            cancel(j);
            work(j, |_| Reply::Yes);
        }),
        lead(Confirm, "declined, stock released", |j| {
            work(j, |call| {
                if call.verb == CHARGE {
                    Reply::No
                } else {
                    Reply::Yes
                }
            });
        }),
        lead(Confirm, "out of stock", |j| {
            work(j, |call| {
                if call.verb == Verb::Reserve {
                    Reply::No
                } else {
                    Reply::Yes
                }
            });
        }),
        lead(Confirm, "never paid", |j| {
            work(j, |call| {
                if call.verb == CHARGE {
                    Reply::Action
                } else {
                    Reply::Yes
                }
            });
            j.advance(Duration::from_secs(3_600));
            work(j, |call| {
                if call.verb == Verb::LookUpPayment {
                    Reply::Action
                } else {
                    Reply::Yes
                }
            });
        }),
    ]
}

/// In a few words what the records of an order say.
pub fn records(order: &Order) -> String {
    let holds = order.reservations.iter().map(|r| match r.closing {
        Some(closing) => format!("r{} {} ({})", r.n, r.state, closing.kind),
        None => format!("r{} {}", r.n, r.state),
    });
    let payments = order
        .payments
        .iter()
        .map(|p| format!("p{} {} {}", p.n, p.kind, p.state));
    let lifts = order
        .holds
        .iter()
        .map(|h| format!("hold {} blocks {}", h.kind, h.blocks));
    let shipments = order
        .shipments
        .iter()
        .map(|s| format!("shipment {} {}", s.n, s.state));
    let returns = order
        .returns
        .iter()
        .map(|r| format!("return {} {}", r.n, r.state));
    let edits = order
        .edits
        .iter()
        .map(|e| format!("edit {} {}", e.n, e.state));
    let disputes = order
        .disputes
        .iter()
        .map(|d| format!("{} {}", d.reference, d.state));
    let attention = order
        .attention
        .iter()
        .map(|a| format!("attention {}", a.reason));
    let rest = shipments
        .chain(returns)
        .chain(edits)
        .chain(disputes)
        .chain(attention);
    holds
        .chain(payments)
        .chain(lifts)
        .chain(rest)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The states that no provider reports: they are ours alone.
pub const OUR_STATES: [OperationState; 5] = [
    OperationState::Planned,
    OperationState::Armed,
    OperationState::Unknown,
    OperationState::Dropped,
    OperationState::NeverHappened,
];
