//! Asks a service whether it is there and speaks the contract it is taken for. Nothing is changed
//! by it.

use order_core::services::CallDeadline;
use tonic::Code;

use super::channel::ServiceChannel;
use super::outcome::Failure;
use crate::proto::{inventory, notification, payment, product, stock, user};

/// The contract that a service is taken to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// `inventory.InventoryService` of the platform.
    PlatformInventory,
    /// `product.ProductService` of the platform.
    Product,
    /// `user.UserService` of the platform.
    User,
    /// `notification.NotificationService`.
    Notification,
    /// `payment.PaymentService`, which may describe itself too.
    Payment,
    /// `stock.StockService`, which may describe itself too.
    Stock,
}

impl Contract {
    /// The name of the service in its proto, with its package.
    pub const fn name(self) -> &'static str {
        match self {
            Contract::PlatformInventory => "inventory.InventoryService",
            Contract::Product => "product.ProductService",
            Contract::User => "user.UserService",
            Contract::Notification => "notification.NotificationService",
            Contract::Payment => "payment.PaymentService",
            Contract::Stock => "stock.StockService",
        }
    }
}

/// Asks the service at the other end of `channel` for nothing at all, which its contract has it
/// refuse.
///
/// # Errors
///
/// [`Failure`] if it cannot be reached, or answers as no service of that contract does:
/// UNIMPLEMENTED is another service.
pub async fn probe(channel: &ServiceChannel, contract: Contract) -> Result<(), Failure> {
    let never = &CallDeadline::NEVER;
    let answer = match contract {
        Contract::PlatformInventory => {
            let nothing = inventory::GetInventoryItemRequest::default();
            let ask = |wire| async {
                inventory::inventory_service_client::InventoryServiceClient::new(wire)
                    .get_inventory_item(nothing)
                    .await
            };
            channel.call(never, ask).await.map(drop)
        }
        Contract::Product => {
            let nothing = product::GetProductRequest::default();
            let ask = |wire| async {
                product::product_service_client::ProductServiceClient::new(wire)
                    .get_product(nothing)
                    .await
            };
            channel.call(never, ask).await.map(drop)
        }
        Contract::User => {
            let nothing = user::GetUserRequest::default();
            let ask = |wire| async {
                user::user_service_client::UserServiceClient::new(wire)
                    .get_user(nothing)
                    .await
            };
            channel.call(never, ask).await.map(drop)
        }
        Contract::Notification => {
            let nothing = notification::NotifyRequest::default();
            let ask = |wire| async {
                notification::notification_service_client::NotificationServiceClient::new(wire)
                    .notify(nothing)
                    .await
            };
            channel.call(never, ask).await.map(drop)
        }
        Contract::Payment => {
            let nothing = payment::GetPaymentRequest::default();
            let ask = |wire| async {
                payment::payment_service_client::PaymentServiceClient::new(wire)
                    .get_payment(nothing)
                    .await
            };
            channel.call(never, ask).await.map(drop)
        }
        Contract::Stock => {
            let nothing = stock::CheckRequest::default();
            let ask = |wire| async {
                stock::stock_service_client::StockServiceClient::new(wire)
                    .check(nothing)
                    .await
            };
            channel.call(never, ask).await.map(drop)
        }
    };
    match answer {
        // A key that nobody has used may be looked for and not be found.
        Err(failure) if matches!(failure.code(), Some(Code::InvalidArgument | Code::NotFound)) => {
            Ok(())
        }
        answer => answer,
    }
}
