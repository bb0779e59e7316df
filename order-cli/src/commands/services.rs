//! `order services`: the five services, as they are found.

use clap::Subcommand;
use order_core::services::{CallError, InventoryCapabilities, PaymentCapabilities, ServiceName};
use order_grpc::services::{
    self, Contract, Endpoint, PaymentClient, ServiceChannel, StockClient, probe,
};
use serde::Serialize;

use crate::clients::channel;
use crate::engine::existing_shop;
use crate::exit::{Code, Failure, Outcome};
use crate::output::Out;
use crate::output::table::Table;
use crate::settings::Settings;
use crate::settings::services::{Place, Profile};

/// Commands about the services.
#[derive(Debug, Subcommand)]
pub enum ServicesCommand {
    /// Ask each if it is there, what it is and what it can do; exit 4 if one cannot be used
    Check,
}

/// The code of gRPC that a service answers which knows nothing of the call.
const UNIMPLEMENTED: i32 = 12;

/// A service as it was found.
#[derive(Debug, Serialize)]
struct ServiceView {
    service: String,
    at: String,
    reachable: bool,
    is: String,
    can: Vec<&'static str>,
    problem: Option<String>,
}

/// Runs the command.
pub async fn run(settings: &Settings, out: &Out, command: ServicesCommand) -> Outcome {
    match command {
        ServicesCommand::Check => check(settings, out).await,
    }
}

/// Asks each of the five services whether it is there, what it is and what it can do.
async fn check(settings: &Settings, out: &Out) -> Outcome {
    let services = &settings.services;
    let inventory = match services.profile {
        Profile::Platform => Asked::Platform(services.inventory_can),
        Profile::Ideal => Asked::Stock(services.inventory_can),
    };
    let rows = [
        (ServiceName::Inventory, &services.inventory, inventory),
        (
            ServiceName::Product,
            &services.product,
            Asked::Other(Contract::Product),
        ),
        (
            ServiceName::User,
            &services.user,
            Asked::Other(Contract::User),
        ),
        (
            ServiceName::Payment,
            &services.payment,
            Asked::Payment(services.payment_can),
        ),
        (
            ServiceName::Notification,
            &services.notification,
            Asked::Other(Contract::Notification),
        ),
    ];
    let mut views = Vec::new();
    for (service, place, asked) in rows {
        views.push(match place {
            Place::Shop => in_shop(settings, service),
            Place::Nowhere => view(
                service,
                "none",
                Ok(("nobody is told anything".to_owned(), Vec::new())),
            ),
            Place::Remote(endpoint) => remote(service, endpoint, asked).await,
        });
    }
    out.many(&views, &views, || table(&views))?;
    let wrong = views.iter().filter(|view| view.problem.is_some()).count();
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::new(
            Code::Unavailable,
            "one service cannot be used as it is configured",
        )),
        n => Err(Failure::new(
            Code::Unavailable,
            format!("{n} services cannot be used as they are configured"),
        )),
    }
}

/// By which contract a service is asked, and what is counted on.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Stock(InventoryCapabilities),
    Payment(PaymentCapabilities),
    Platform(InventoryCapabilities),
    Other(Contract),
}

/// A service's name and what it can do, or what is wrong with it.
type Found = Result<(String, Vec<&'static str>), Trouble>;

/// The trouble with a service.
struct Trouble {
    message: String,
    /// It answered at all.
    answered: bool,
}

impl From<services::Failure> for Trouble {
    fn from(failure: services::Failure) -> Self {
        let message = match failure.code() {
            Some(code) if code as i32 == UNIMPLEMENTED => {
                "another service answers there".to_owned()
            }
            _ => failure.to_string(),
        };
        Trouble {
            message,
            answered: failure.code().is_some(),
        }
    }
}

fn view(service: ServiceName, at: impl Into<String>, found: Found) -> ServiceView {
    let (service, at) = (service.to_string(), at.into());
    match found {
        Ok((is, can)) => ServiceView {
            service,
            at,
            reachable: true,
            is,
            can,
            problem: None,
        },
        Err(Trouble { message, answered }) => ServiceView {
            service,
            at,
            reachable: answered,
            is: String::new(),
            can: Vec::new(),
            problem: Some(message),
        },
    }
}

fn in_shop(settings: &Settings, service: ServiceName) -> ServiceView {
    let at = settings
        .shop
        .as_ref()
        .map_or_else(|| ":memory:".to_owned(), |path| path.display().to_string());
    let found = existing_shop(settings).map(|_| {
        let can = match service {
            ServiceName::Inventory => stock_can(&InventoryCapabilities::IDEAL),
            ServiceName::Payment => payment_can(&PaymentCapabilities::IDEAL),
            _ => Vec::new(),
        };
        ("the embedded shop".to_owned(), can)
    });
    view(
        service,
        at,
        found.map_err(|failure| Trouble {
            message: failure.message().to_owned(),
            answered: false,
        }),
    )
}

async fn remote(service: ServiceName, endpoint: &Endpoint, asked: Asked) -> ServiceView {
    let found = match channel(service, endpoint) {
        Ok(channel) => ask(channel, asked).await,
        Err(failure) => Err(Trouble {
            message: failure.message().to_owned(),
            answered: false,
        }),
    };
    view(service, &*endpoint.url, found)
}

async fn ask(channel: ServiceChannel, asked: Asked) -> Found {
    let contract = match asked {
        Asked::Stock(_) => Contract::Stock,
        Asked::Payment(_) => Contract::Payment,
        Asked::Platform(_) => Contract::PlatformInventory,
        Asked::Other(contract) => contract,
    };
    probe(&channel, contract).await?;
    let silent = |e: CallError| Trouble {
        message: format!("it could not be asked what it can do: {e}"),
        answered: true,
    };
    let lacking = |missing: Vec<&'static str>| match missing[..] {
        [] => Ok(()),
        _ => {
            let message = format!(
                "it is configured for what it does not promise: {}",
                missing.join(", ")
            );
            Err(Trouble {
                message,
                answered: true,
            })
        }
    };
    match asked {
        Asked::Stock(counted_on) => {
            let client = StockClient::new(channel, counted_on);
            let Some(described) = client.describe().await.map_err(silent)? else {
                return Ok(taken_for(stock_can(&counted_on)));
            };
            lacking(client.missing(&described.capabilities))?;
            Ok((described.name, stock_can(&described.capabilities)))
        }
        Asked::Payment(counted_on) => {
            let client = PaymentClient::new(channel, counted_on);
            let Some(described) = client.describe().await.map_err(silent)? else {
                return Ok(taken_for(payment_can(&counted_on)));
            };
            lacking(client.missing(&described.capabilities))?;
            Ok((described.name, payment_can(&described.capabilities)))
        }
        Asked::Platform(counted_on) => Ok((
            "the platform's inventory".to_owned(),
            stock_can(&counted_on),
        )),
        Asked::Other(contract) => Ok((contract.name().to_owned(), Vec::new())),
    }
}

/// A service that does not say what it can do, and is believed to be as it is configured.
fn taken_for(can: Vec<&'static str>) -> (String, Vec<&'static str>) {
    ("does not say; taken for what is configured".to_owned(), can)
}

fn stock_can(can: &InventoryCapabilities) -> Vec<&'static str> {
    let all = [
        ("repeat", can.repeat_reserve),
        ("look_up", can.look_up),
        ("release_committed", can.release_committed),
        ("partial", can.partial),
    ];
    all.into_iter()
        .filter_map(|(name, can)| can.then_some(name))
        .collect()
}

fn payment_can(can: &PaymentCapabilities) -> Vec<&'static str> {
    [("repeat", can.repeat), ("look_up", can.look_up)]
        .into_iter()
        .filter_map(|(name, can)| can.then_some(name))
        .collect()
}

fn table(views: &[ServiceView]) -> String {
    let mut table = Table::new(&["SERVICE", "AT", "IS", "CAN", "WHAT IS WRONG"]);
    for view in views {
        let problem = view.problem.clone().unwrap_or_default();
        table.row([
            view.service.clone(),
            view.at.clone(),
            view.is.clone(),
            view.can.join(", "),
            problem,
        ]);
    }
    table.render()
}
