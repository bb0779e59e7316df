//! Commands that change one order. Scripts do them by the same functions.

use std::sync::Arc;
use std::time::Duration;

use order_core::ids::{IdempotencyKey, Name};
use order_core::manager::{Answered, CommandOptions, EditPreview, OrderManager, Principal};
use order_core::money::{Minor, Money};
use order_core::order::{EditState, HoldEnd, JournalRow, OperationState, Order};
use order_core::request::{EditRequest, ItemInput, LineRef};
use order_core::rules::{Command, DisputeReport, Finding, ReservationOutcome};
use order_core::services::Clients;
use order_core::store::{OrderRef, OrderStore};
use order_core::text::Private;
use order_store_sqlite::shop::Shop;

use super::place::{address, resolve_item};
use crate::args::Note;
use crate::args::change::{
    ChangeCommand, Edit, FoundReservation, How, Metadata, Moved, Resolve, ReturnCommand,
};
use crate::engine::Engine;
use crate::exit::{Failure, Outcome};
use crate::input::{items, lines, read};
use crate::output::Out;
use crate::output::note as say;
use crate::output::order::OrderView;
use crate::output::order_text::text;
use crate::output::preview::{EditView, PreviewView, edit_text, preview_text};
use crate::settings::Settings;

/// What came of a command.
pub enum Changed {
    /// The order, changed; and what to say if it was a repeat, and nothing was done.
    Order(Arc<Order>, Option<String>),
    /// What would come of it.
    Preview(Box<Order>, Vec<JournalRow>),
    /// What would come of an edit.
    EditPreview(Box<EditPreview>),
}

impl Changed {
    fn of(answered: Answered, key: Option<&IdempotencyKey>) -> Self {
        let repeated = said_of_repeat(key, &answered);
        Changed::Order(answered.order, repeated)
    }
}

/// Does what the command says, and works the order until nothing is due now.
pub async fn change(settings: &Settings, out: &Out, command: ChangeCommand) -> Outcome {
    let engine = if calls_services(&command) {
        Engine::open_existing(settings).await?
    } else {
        Engine::open_existing_without_services(settings).await?
    };
    let added = new_items(&command, engine.products.as_deref()).await?;
    let desk = Desk {
        manager: &engine.manager,
        principal: &engine.principal,
        wait: None,
    };
    match engine
        .finished(desk.perform(command.order(), &command, added).await)
        .await?
    {
        Changed::Order(order, repeated) => {
            let order = engine.drive(order.id).await?;
            repeated.iter().for_each(say);
            if let Some(edit) = order
                .open_edit()
                .filter(|_| matches!(command, ChangeCommand::Edit(_)))
            {
                let number = order.number;
                say(format_args!(
                    "edit {} is not decided yet: `order explain {number}` says what it waits for",
                    edit.n
                ));
            }
            out.one(&OrderView::of(&order).replayed(repeated.is_some()), || {
                text(&order)
            })
        }
        Changed::Preview(order, rows) => out.one(&PreviewView::of(&order, &rows), || {
            preview_text(&order, &rows)
        }),
        Changed::EditPreview(preview) => out.one(&EditView::of(&preview), || edit_text(&preview)),
    }
}

/// Writes something down.
pub async fn note(settings: &Settings, out: &Out, args: Note) -> Outcome {
    let engine = Engine::open_existing_without_services(settings).await?;
    let options = CommandOptions {
        key: args.key.clone(),
        expected_version: args.expect_version,
        ..CommandOptions::default()
    };
    let done = engine
        .manager
        .execute(
            &engine.principal,
            args.order.order,
            Command::Note,
            options.with_notes(args.text),
        )
        .await?;
    said_of_repeat(args.key.as_ref(), &done)
        .iter()
        .for_each(say);
    out.one(
        &OrderView::of(&done.order).replayed(done.repeats.is_some()),
        || text(&done.order),
    )
}

/// Returns what is said of a command that was carried out before under its key.
pub fn said_of_repeat(key: Option<&IdempotencyKey>, answered: &Answered) -> Option<String> {
    let (key, row) = (key?, answered.repeats?);
    Some(format!(
        "repeated: key {key} was used for this at journal row {row}"
    ))
}

/// Whether the command may lead to calls; the others need no shop.
fn calls_services(command: &ChangeCommand) -> bool {
    match command {
        ChangeCommand::Metadata(_)
        | ChangeCommand::Address(_)
        | ChangeCommand::Attention(_)
        | ChangeCommand::Redact(_) => false,
        ChangeCommand::Cancel(_)
        | ChangeCommand::Edit(_)
        | ChangeCommand::Ship(_)
        | ChangeCommand::PlanShipment(_)
        | ChangeCommand::CancelShipment(_)
        | ChangeCommand::Deliver(_)
        | ChangeCommand::FailShipment(_)
        | ChangeCommand::Complete(_)
        | ChangeCommand::Status(_)
        | ChangeCommand::Credit(_)
        | ChangeCommand::WriteOff(_)
        | ChangeCommand::Return(_)
        | ChangeCommand::Hold(_)
        | ChangeCommand::Release(_)
        | ChangeCommand::Dispute(_)
        | ChangeCommand::Resolve(_) => true,
    }
}

/// The items an edit adds, by product and variant.
pub async fn new_items(command: &ChangeCommand, shop: Option<&Shop>) -> Outcome<Vec<ItemInput>> {
    let ChangeCommand::Edit(edit) = command else {
        return Ok(Vec::new());
    };
    let mut added = Vec::new();
    for text in &edit.add {
        let item = items::parse(text).map_err(|e| Failure::bad_input(format!("--add: {e}")))?;
        added.push(resolve_item(&item, shop).await?);
    }
    Ok(added)
}

/// Who gives a command, and where.
pub struct Desk<'a, S, C> {
    /// The engine.
    pub manager: &'a OrderManager<S, C>,
    /// Who.
    pub principal: &'a Principal,
    /// How long they wait; as long as the engine's policy says if they do not say.
    pub wait: Option<Duration>,
}

impl<S: OrderStore, C: Clients> Desk<'_, S, C> {
    /// Does what the command says, to the order that is named here rather than in the command.
    pub async fn perform(
        &self,
        about: OrderRef,
        command: &ChangeCommand,
        added: Vec<ItemInput>,
    ) -> Outcome<Changed> {
        match command {
            ChangeCommand::Edit(edit) => return self.edit(about, edit, added).await,
            ChangeCommand::Resolve(resolve) => return self.resolve(about, resolve).await,
            ChangeCommand::Address(a) => {
                let Some(input) = address("--file", Some(&a.file))? else {
                    return Err(Failure::bad_input("--file is empty"));
                };
                let options = self.options(&a.how);
                let which = a.which;
                let address = Private(Some(input.validate(which)?));
                let command = Command::ChangeAddress { which, address };
                let done = self
                    .manager
                    .execute(self.principal, about, command, options)
                    .await?;
                return Ok(Changed::of(done, a.how.key.as_ref()));
            }
            ChangeCommand::Dispute(d) => {
                let order = self.manager.get(self.principal, about).await?;
                let amount = money(&order, "--amount", &d.amount)?;
                let report = DisputeReport {
                    reference: d.reference.clone(),
                    payment: d.payment.clone(),
                    state: d.state,
                    amount,
                };
                let order = self
                    .manager
                    .record_dispute(self.principal, about, report)
                    .await?;
                return Ok(Changed::Order(order, None));
            }
            _ => {}
        }
        let order = self.manager.get(self.principal, about).await?;
        let (command, how) = self.read(&order, command)?;
        let done = self
            .manager
            .execute(
                self.principal,
                about,
                command,
                self.options(how).with_notes(how.reason.clone()),
            )
            .await?;
        Ok(Changed::of(done, how.key.as_ref()))
    }

    fn options(&self, how: &How) -> CommandOptions {
        CommandOptions {
            key: how.key.clone(),
            expected_version: how.expect_version,
            wait: self.wait,
            ..CommandOptions::default()
        }
    }

    /// The engine's command, with lines by number and amounts in the order's currency.
    fn read<'c>(&self, order: &Order, command: &'c ChangeCommand) -> Outcome<(Command, &'c How)> {
        Ok(match command {
            ChangeCommand::Cancel(a) if a.rest => (Command::CancelRest, &a.how),
            ChangeCommand::Cancel(a) if !a.items.items.is_empty() => (
                Command::CancelLines {
                    lines: lines::units(order, &a.items.items)?,
                },
                &a.how,
            ),
            ChangeCommand::Cancel(a) => (Command::Cancel, &a.how),
            ChangeCommand::Ship(a) => {
                let lines = lines::units(order, &a.items.items)?;
                let (carrier, tracking) = (a.carrier.clone(), a.tracking.clone());
                (
                    Command::Ship {
                        shipment: a.shipment,
                        lines,
                        carrier,
                        tracking,
                    },
                    &a.how,
                )
            }
            ChangeCommand::PlanShipment(a) => (
                Command::PlanShipment {
                    lines: lines::units(order, &a.items.items)?,
                },
                &a.how,
            ),
            ChangeCommand::CancelShipment(a) => (
                Command::CancelShipment {
                    shipment: a.shipment,
                },
                &a.how,
            ),
            ChangeCommand::Deliver(a) => (
                Command::Deliver {
                    shipment: a.shipment,
                },
                &a.how,
            ),
            ChangeCommand::FailShipment(a) if a.returned => (
                Command::ReturnToSender {
                    shipment: a.shipment,
                },
                &a.how,
            ),
            ChangeCommand::FailShipment(a) if a.lost => (
                Command::LoseShipment {
                    shipment: a.shipment,
                },
                &a.how,
            ),
            ChangeCommand::FailShipment(a) => (
                Command::FailShipment {
                    shipment: a.shipment,
                },
                &a.how,
            ),
            ChangeCommand::Complete(a) => (Command::Complete, &a.how),
            ChangeCommand::Status(a) => (Command::SetStatus { status: a.set }, &a.how),
            ChangeCommand::Credit(a) => match &a.amount {
                Some(amount) => (
                    Command::Credit {
                        amount: money(order, "--amount", amount)?.minor,
                    },
                    &a.how,
                ),
                None => (
                    Command::CreditLines {
                        lines: lines::amounts(order, &a.items)?,
                    },
                    &a.how,
                ),
            },
            ChangeCommand::WriteOff(a) => {
                let amount = a
                    .amount
                    .as_deref()
                    .map(|amount| money(order, "--amount", amount))
                    .transpose()?;
                (
                    Command::WriteOff {
                        amount: amount.map(|a| a.minor),
                    },
                    &a.how,
                )
            }
            ChangeCommand::Return(ReturnCommand::Request(a)) => (
                Command::RequestReturn {
                    lines: lines::units(order, &a.items)?,
                },
                &a.how,
            ),
            ChangeCommand::Return(ReturnCommand::Approve(a)) => {
                (Command::ApproveReturn { number: a.number }, &a.how)
            }
            ChangeCommand::Return(ReturnCommand::Reject(a)) => {
                (Command::RejectReturn { number: a.number }, &a.how)
            }
            ChangeCommand::Return(ReturnCommand::Close(a)) => {
                (Command::CloseReturn { number: a.number }, &a.how)
            }
            ChangeCommand::Return(ReturnCommand::Receive(a)) => (
                Command::ReceiveReturn {
                    number: a.number,
                    lines: lines::received(order, &a.items)?,
                },
                &a.how,
            ),
            ChangeCommand::Hold(a) => {
                let until = a
                    .until
                    .map(HoldEnd::At)
                    .or_else(|| a.lasts.map(HoldEnd::After));
                (
                    Command::PlaceHold {
                        kind: a.kind.clone(),
                        blocks: a.blocks,
                        until,
                    },
                    &a.how,
                )
            }
            ChangeCommand::Release(a) => (
                Command::ReleaseHold {
                    kind: a.kind.clone(),
                },
                &a.how,
            ),
            ChangeCommand::Metadata(a) => (metadata(a)?, &a.how),
            ChangeCommand::Attention(a) => (
                Command::Acknowledge {
                    reason: a.ack,
                    about: a.about,
                },
                &a.how,
            ),
            ChangeCommand::Redact(a) => (Command::Redact, &a.how),
            // These are not the manager's commands, or need more than the order.
            ChangeCommand::Edit(Edit { how, .. }) => (Command::DiscardEdit, how),
            ChangeCommand::Address(_) | ChangeCommand::Dispute(_) | ChangeCommand::Resolve(_) => {
                return Err(Failure::bad_input("not a command of this kind"));
            }
        })
    }

    async fn edit(&self, about: OrderRef, edit: &Edit, added: Vec<ItemInput>) -> Outcome<Changed> {
        let order = self.manager.get(self.principal, about).await?;
        let options = self.options(&edit.how);
        if edit.discard {
            let reason = edit.how.reason.clone();
            let done = self
                .manager
                .execute(
                    self.principal,
                    about,
                    Command::DiscardEdit,
                    options.with_notes(reason),
                )
                .await?;
            return Ok(Changed::of(done, edit.how.key.as_ref()));
        }
        let line = |name: &str| lines::number(&order, name).map(LineRef::Number);
        let request = EditRequest {
            add: added,
            set: edit
                .set
                .iter()
                .map(|l| Ok((line(&l.line)?, i64::from(l.units))))
                .collect::<Outcome<_>>()?,
            remove: edit
                .remove
                .iter()
                .map(|l| line(l))
                .collect::<Outcome<_>>()?,
            shipping_address: address("--ship-to", edit.ship_to.as_deref())?,
            shipping_method: edit.shipping_method.clone(),
            payment_method: edit.payment_method.clone(),
            payment_token: read::token(edit.payment_token_file.as_deref())?,
            return_url: edit.return_url.clone(),
        };
        if edit.dry_run {
            let preview = self
                .manager
                .preview_edit(self.principal, about, &request)
                .await?;
            return Ok(Changed::EditPreview(Box::new(preview)));
        }
        let answer = self
            .manager
            .edit(self.principal, about, request, options)
            .await?;
        debug_assert!(
            answer.state != EditState::Discarded,
            "a discarded edit is an error"
        );
        let done = Answered {
            order: answer.order,
            repeats: answer.repeats,
        };
        Ok(Changed::of(done, edit.how.key.as_ref()))
    }

    async fn resolve(&self, about: OrderRef, resolve: &Resolve) -> Outcome<Changed> {
        if resolve.evidence.trim().is_empty() {
            return Err(Failure::bad_input(
                "--evidence is empty: say how it was found out",
            ));
        }
        let order = self.manager.get(self.principal, about).await?;
        let command = Command::Resolve {
            finding: finding(&order, resolve)?,
        };
        if resolve.dry_run {
            let (order, rows) = self
                .manager
                .preview(self.principal, about, &command)
                .await?;
            return Ok(Changed::Preview(Box::new(order), rows));
        }
        let options = CommandOptions {
            key: resolve.key.clone(),
            expected_version: resolve.expect_version,
            wait: self.wait,
            ..CommandOptions::default()
        };
        let evidence = resolve.evidence.clone();
        let done = self
            .manager
            .execute(self.principal, about, command, options.with_notes(evidence))
            .await?;
        Ok(Changed::of(done, resolve.key.as_ref()))
    }
}

/// What an operator found out.
fn finding(order: &Order, r: &Resolve) -> Outcome<Finding> {
    let amount = r
        .amount
        .as_ref()
        .map(|a| money(order, "--amount", a))
        .transpose()?
        .map(|m| m.minor);
    if let (Some(n), Some(state)) = (r.reservation, r.state) {
        let outcome = match state {
            FoundReservation::Held => ReservationOutcome::Held {
                reference: r.reference.clone(),
                expires_at: None,
            },
            FoundReservation::Absent => ReservationOutcome::Absent,
            FoundReservation::Released => ReservationOutcome::Released,
            FoundReservation::Committed => ReservationOutcome::Committed,
            FoundReservation::Lost => ReservationOutcome::Lost,
        };
        return Ok(Finding::Hold { n, outcome });
    }
    if let Some(n) = r.closing {
        if r.done == r.not_done {
            return Err(Failure::bad_input("--closing needs --done or --not-done"));
        }
        return Ok(Finding::Closing { n, done: r.done });
    }
    if let (Some(n), Some(status)) = (r.payment, r.status) {
        if matches!(
            status,
            OperationState::Pending | OperationState::ActionRequired
        ) {
            return Err(Failure::bad_input(format!(
                "--status {status} is no outcome: find out what has become of it"
            )));
        }
        let moves = matches!(
            status,
            OperationState::Authorized | OperationState::Captured | OperationState::Refunded
        );
        let asked = order.payment(n).map_or(0, |p| p.amount);
        let amount = amount.unwrap_or(if moves { asked } else { 0 });
        return Ok(Finding::Payment {
            n,
            status,
            amount,
            reference: r.reference.clone(),
        });
    }
    match (&r.moved, &r.unmatched, amount, &r.reference) {
        (Some(way), _, Some(amount), Some(reference)) => {
            let status = if *way == Moved::In {
                OperationState::Captured
            } else {
                OperationState::Refunded
            };
            moved(status, amount, reference.clone())
        }
        (_, Some(reference), _, _) => Ok(Finding::Unmatched {
            reference: reference.clone(),
        }),
        _ => Err(Failure::bad_input(
            "say what was found out: --reservation, --closing, --payment, --moved or --unmatched",
        )),
    }
}

fn moved(
    status: OperationState,
    amount: Minor,
    reference: order_core::ids::Reference,
) -> Outcome<Finding> {
    if amount <= 0 {
        return Err(Failure::bad_input("--amount must be more than 0"));
    }
    Ok(Finding::Moved {
        status,
        amount,
        reference,
    })
}

fn metadata(m: &Metadata) -> Outcome<Command> {
    match (&m.set, &m.remove) {
        (Some(text), _) => {
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| Failure::bad_input("--set: expected KEY=VALUE"))?;
            let key: Name = key.parse().map_err(|e| Failure::from(e).context("--set"))?;
            Ok(Command::SetMetadata {
                key,
                value: Private(Some(value.to_owned())),
            })
        }
        (None, Some(key)) => Ok(Command::SetMetadata {
            key: key.clone(),
            value: Private(None),
        }),
        (None, None) => Err(Failure::bad_input("--set or --remove is needed")),
    }
}

/// An amount in the order's currency.
fn money(order: &Order, option: &str, text: &str) -> Outcome<Money> {
    Money::parse(text, order.currency).map_err(|e| Failure::from(e).context(option))
}
