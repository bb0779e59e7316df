//! Money that moved without the engine: what was paid changes, what is owed does not. A surplus
//! goes back by itself; a shortfall is seen, stops what costs money, and ends in one of a few ways.

mod asked;
mod below;
mod ends;
mod out;
mod random;
mod reports;
mod short;
mod times;

use std::time::Duration;

use order_core::error::RejectionReason;
use order_core::money::{Minor, Money};
use order_core::order::{
    Attention, AttentionReason, Blocks, CancelCause, CreditKind, DiscardCause, DisputeState,
    EditState, Event, HoldEnd, Lifecycle, LineUnits, Op, OperationKind, OperationState, Order,
    PaymentOperation, PaymentStatus, PaymentTerms, ReceivedUnits, ShipmentState, Verification,
};
use order_core::policy::{BeforeLapse, Policy};
use order_core::rules::{
    Call, Command, DisputeReport, Evidence, Fact, Finding, PaymentOutcome, PaymentReport,
    ProviderAnswer, Purpose, Verb, key,
};
use order_core::services::PaymentCapabilities;
use order_core::testkit::orders::text;
use order_core::text::Private;

use crate::inputs::edit;
use crate::journey::{Journey, Reply, answer, looked_up};
use crate::shop::{Shop, raised, sample, sample_given_out};

use AttentionReason as Why;
use OperationState as S;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The price of the sample order.
const TOTAL: Minor = 4_500;

fn quiet() -> Shop {
    Shop {
        notify: false,
        ..Shop::ideal()
    }
}

fn placed(terms: PaymentTerms) -> Journey {
    Journey::place(quiet(), &sample(terms))
}

fn confirmed(terms: PaymentTerms) -> Journey {
    confirmed_in(quiet(), terms)
}

fn confirmed_in(shop: Shop, terms: PaymentTerms) -> Journey {
    // What needs no shipping is captured at confirmation, and cannot be cancelled from then on.
    let placed = if terms == PaymentTerms::Shipment {
        sample_given_out(terms)
    } else {
        sample(terms)
    };
    let mut journey = Journey::place(shop, &placed);
    journey.work_well();
    assert_eq!(journey.order.lifecycle, Lifecycle::Confirmed);
    journey
}

fn delivered(terms: PaymentTerms) -> Journey {
    let mut journey = confirmed(terms);
    journey.ship().expect("it is covered");
    journey.work_well();
    journey.does(&Command::Deliver { shipment: None });
    journey
}

impl Journey {
    /// Works until nothing is due now, and all goes well.
    fn work_well(&mut self) {
        self.work_with(&mut |_, _| Reply::Yes);
    }

    fn work_with(&mut self, reply: &mut dyn FnMut(&Order, Call) -> Reply) {
        for _ in 0..60 {
            if self.work(reply).is_some() {
                return;
            }
        }
        panic!("it does not come to rest: {:#?}", self.order);
    }

    fn does(&mut self, command: &Command) {
        self.command(command)
            .unwrap_or_else(|r| panic!("{}: {r}\n{:#?}", command.name(), self.order));
    }

    fn refuses(&mut self, command: &Command) -> RejectionReason {
        let before = self.order.version;
        let refused = self.command(command).expect_err(command.name());
        assert_eq!(self.order.version, before);
        refused.reason
    }

    fn ship(&mut self) -> Result<(), order_core::error::Rejection> {
        self.command(&Command::Ship {
            shipment: None,
            lines: Vec::new(),
            carrier: None,
            tracking: None,
        })
    }

    /// A refund made in the provider's dashboard.
    fn refunded_elsewhere(&mut self, reference: &str, of: Option<u32>, amount: Minor) {
        self.reported(reference, of, S::Refunded, self.order.in_currency(amount));
    }

    fn reported(
        &mut self,
        reference: &str,
        of: Option<u32>,
        status: OperationState,
        amount: Money,
    ) {
        let parent = of.map(|n| text(&format!("pay-{n}")));
        self.facts(&[Fact::Report(PaymentReport {
            key: None,
            reference: text(reference),
            parent,
            status,
            amount,
        })]);
    }

    /// A callback about operation `n`.
    fn called_back(&mut self, n: u32, status: OperationState, amount: Minor) {
        let amount = self.order.in_currency(amount);
        let key = Some(key(self.order.id, Purpose::Payment, n));
        let reference = text(&format!("pay-{n}"));
        self.facts(&[Fact::Report(PaymentReport {
            key,
            reference,
            parent: None,
            status,
            amount,
        })]);
    }

    fn disputed(&mut self, reference: &str, state: DisputeState, amount: Minor) {
        let (payment, amount) = (Some(text("pay-1")), self.order.in_currency(amount));
        self.facts(&[Fact::Dispute(DisputeReport {
            reference: text(reference),
            payment,
            state,
            amount,
        })]);
    }

    fn hears(&mut self, n: u32, status: OperationState, amount: Minor) {
        let outcome = answer(&self.order, status, n, amount, self.now.after(HOUR));
        self.facts(&[Fact::Payment { n, outcome }]);
    }

    fn found(&mut self, n: u32, status: OperationState, amount: Minor) {
        let outcome = looked_up(answer(&self.order, status, n, amount, self.now.after(HOUR)));
        self.facts(&[Fact::Payment { n, outcome }]);
    }

    /// An authorization that can be captured for so long.
    fn authorized(&mut self, n: u32, amount: Minor, lasts: Duration, evidence: Evidence) {
        let outcome = PaymentOutcome::Answer(ProviderAnswer {
            status: S::Authorized,
            reference: Some(text(&format!("pay-{n}"))),
            amount: self.order.in_currency(amount),
            code: None,
            deadline: self.now.after(HOUR),
            action: Private(None),
            capture_before: Some(self.now.after(lasts)),
            evidence,
        });
        self.facts(&[Fact::Payment { n, outcome }]);
    }

    /// Works, but whatever is asked about payments stays without an answer.
    fn until_asked(&mut self, n: u32) {
        for _ in 0..10 {
            if self.order.payment(n).is_some_and(|p| p.state == S::Armed) {
                return;
            }
            self.work(&mut |_, call| {
                if matches!(call.op, Op::Payment(_)) {
                    Reply::Crash
                } else {
                    Reply::Yes
                }
            });
        }
        panic!("payment {n} is not asked for: {:#?}", self.order);
    }

    /// Less is captured than was asked, and the provider bears it out.
    fn pays_only(&mut self, amount: Minor) {
        self.until_asked(1);
        self.hears(1, S::Captured, amount);
        self.found(1, S::Captured, amount);
        self.work_well();
    }

    fn kept(&self) -> Minor {
        let money = self.order.money();
        money.captured - money.refunded
    }

    fn short(&self) -> Minor {
        self.order.short(self.now)
    }

    fn open(&self, reason: AttentionReason) -> Option<&Attention> {
        self.order.attention.iter().find(|a| a.reason == reason)
    }

    /// The amount of an open reason that nobody has acknowledged.
    fn told_of(&self, reason: AttentionReason) -> Option<Minor> {
        self.open(reason)
            .filter(|a| !a.acknowledged)
            .map(|a| a.amount.expect("it names an amount"))
    }

    fn acknowledge(&mut self, reason: AttentionReason) {
        self.does(&Command::Acknowledge {
            reason,
            about: None,
        });
    }

    fn state(&self, n: u32) -> OperationState {
        self.order.payment(n).expect("it exists").state
    }

    fn journaled(&self, event: &str) -> usize {
        self.rows
            .iter()
            .filter(|(payload, ..)| {
                order_core::order::decode_event(payload)
                    .expect("it decodes")
                    .name()
                    == event
            })
            .count()
    }

    fn wait(&mut self, time: Duration) {
        self.advance(time);
        self.settle();
    }
}

fn pay(amount: Option<Minor>, terms: PaymentTerms) -> Command {
    Command::RetryPayment {
        amount,
        method: text("wallet"),
        terms,
        token: Private(None),
        return_url: Private(None),
    }
}

fn write_off(amount: Option<Minor>) -> Command {
    Command::WriteOff { amount }
}

fn returned(units: u32) -> [Command; 4] {
    [
        Command::RequestReturn {
            lines: vec![LineUnits { line: 1, units }],
        },
        Command::ApproveReturn { number: 1 },
        Command::ReceiveReturn {
            number: 1,
            lines: vec![ReceivedUnits {
                line: 1,
                restock: units,
                scrap: 0,
            }],
        },
        Command::CloseReturn { number: 1 },
    ]
}
