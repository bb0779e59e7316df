//! The service traits for `Arc` and `Box`, so that binaries choose at run time and tests share.

use std::sync::Arc;

use async_trait::async_trait;

use super::*;

macro_rules! forward {
    ($($pointer:ident),*) => {$(
        #[async_trait]
        impl<T: InventoryService + ?Sized> InventoryService for $pointer<T> {
            fn capabilities(&self) -> InventoryCapabilities { (**self).capabilities() }
            async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
                (**self).check(skus).await
            }
            async fn reserve(&self, r: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
                (**self).reserve(r).await
            }
            async fn commit(&self, r: &ClosingRequest) -> Result<(), CallError> {
                (**self).commit(r).await
            }
            async fn release(&self, r: &ClosingRequest) -> Result<(), CallError> {
                (**self).release(r).await
            }
            async fn look_up(&self, r: &ReserveRequest) -> Result<ReservationLookup, CallError> {
                (**self).look_up(r).await
            }
        }
        #[async_trait]
        impl<T: PaymentService + ?Sized> PaymentService for $pointer<T> {
            fn capabilities(&self) -> PaymentCapabilities { (**self).capabilities() }
            async fn authorize(&self, r: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
                (**self).authorize(r).await
            }
            async fn charge(&self, r: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
                (**self).charge(r).await
            }
            async fn capture(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
                (**self).capture(r).await
            }
            async fn void(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
                (**self).void(r).await
            }
            async fn refund(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
                (**self).refund(r).await
            }
            async fn look_up(&self, r: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
                (**self).look_up(r).await
            }
        }
        #[async_trait]
        impl<T: ProductService + ?Sized> ProductService for $pointer<T> {
            async fn get(&self, id: ProductId) -> Result<Option<Product>, CallError> {
                (**self).get(id).await
            }
        }
        #[async_trait]
        impl<T: UserService + ?Sized> UserService for $pointer<T> {
            async fn get(&self, id: UserId) -> Result<Option<User>, CallError> {
                (**self).get(id).await
            }
        }
        #[async_trait]
        impl<T: NotificationService + ?Sized> NotificationService for $pointer<T> {
            fn enabled(&self) -> bool { (**self).enabled() }
            async fn notify(&self, n: &Notification) -> Result<(), CallError> {
                (**self).notify(n).await
            }
        }
    )*};
}

forward!(Arc, Box);

impl<T: Clients + ?Sized> Clients for Arc<T> {
    type Inventory = T::Inventory;
    type Product = T::Product;
    type User = T::User;
    type Payment = T::Payment;
    type Notification = T::Notification;

    fn inventory(&self) -> &T::Inventory {
        (**self).inventory()
    }
    fn product(&self) -> &T::Product {
        (**self).product()
    }
    fn user(&self) -> &T::User {
        (**self).user()
    }
    fn payment(&self) -> &T::Payment {
        (**self).payment()
    }
    fn notification(&self) -> &T::Notification {
        (**self).notification()
    }
}
