//! Asks a service what it can do, before anything depends on it.

use std::future::Future;

use order_core::services::CallError;
use tokio::sync::OnceCell;
use tonic::Code;

use super::channel::ServiceChannel;
use super::outcome::{Failure, plain};

/// A service's description of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description<C> {
    /// The name it gives, such as `acme-payments 3.1`; empty if it did not say.
    pub name: String,
    /// The capabilities it promises.
    pub capabilities: C,
}

/// Remembers whether a service was found to promise what is counted on. Asked once; a failure is
/// forgotten, so that the next call asks again.
#[derive(Debug, Default)]
pub(super) struct Checked(OnceCell<()>);

impl Checked {
    /// Asks by `describe`, unless it was asked before. `missing` names what is counted on and not
    /// promised.
    ///
    /// # Errors
    ///
    /// [`CallError::NotDone`]: the service cannot be asked, or cannot be used.
    pub(super) async fn before_use<C, Fut>(
        &self,
        channel: &ServiceChannel,
        describe: impl FnOnce() -> Fut,
        missing: impl FnOnce(&C) -> Vec<&'static str>,
    ) -> Result<(), CallError>
    where
        Fut: Future<Output = Result<Option<Description<C>>, CallError>>,
    {
        let check = async || {
            let described = match describe().await {
                Ok(Some(described)) => described,
                Ok(None) => return Ok(()),
                Err(error) => {
                    return Err(CallError::not_done(plain(&format!(
                        "not sent: it could not be asked what it can do: {error}"
                    ))));
                }
            };
            let missing = missing(&described.capabilities);
            if missing.is_empty() {
                return Ok(());
            }
            Err(CallError::not_done(plain(&format!(
                "not sent: the {} service at {} ({:?}) does not promise what it is configured for: {}; configure what it can do",
                channel.service(),
                channel.url(),
                described.name,
                missing.join(", ")
            ))))
        };
        self.0.get_or_try_init(check).await.map(|_| ())
    }
}

/// Takes UNIMPLEMENTED for a service that does not say what it can do.
pub(super) fn unless_unimplemented<R>(answer: Result<R, Failure>) -> Result<Option<R>, CallError> {
    match answer {
        Ok(description) => Ok(Some(description)),
        Err(failure) if failure.code() == Some(Code::Unimplemented) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

#[cfg(test)]
mod tests {
    use order_core::services::PaymentCapabilities;
    use order_core::services::{
        Notification, NotificationService as _, PaymentLookup, PaymentService as _,
    };
    use tonic::Code;

    use super::super::channel::tests::{Does, Peer};
    use super::super::{NotificationClient, PaymentClient};
    use super::*;

    fn lookup() -> PaymentLookup {
        let nil = uuid::Uuid::nil();
        PaymentLookup {
            key: nil,
            order: order_core::ids::OrderId::from_uuid(nil),
            reference: None,
        }
    }

    #[tokio::test]
    async fn a_service_that_does_not_say_what_it_can_do_is_believed_and_asked_once() {
        let peer = Peer::start(Does::Says(Code::Unimplemented)).await;
        let payments = PaymentClient::new(peer.channel(), PaymentCapabilities::IDEAL);
        for calls in [2, 3] {
            let error = payments.look_up(&lookup()).await.unwrap_err();
            assert!(
                matches!(&error, CallError::NotDone { message } if message.starts_with("UNIMPLEMENTED")),
                "{error}"
            );
            assert_eq!(peer.calls().len(), calls);
        }
    }

    #[tokio::test]
    async fn a_service_that_cannot_be_asked_is_not_used_and_asked_again() {
        let peer = Peer::start(Does::Says(Code::Unavailable)).await;
        let payments = PaymentClient::new(peer.channel(), PaymentCapabilities::IDEAL);
        for calls in [1, 2] {
            let error = payments.look_up(&lookup()).await.unwrap_err();
            assert!(
                matches!(&error, CallError::NotDone { message } if message.contains("what it can do")),
                "{error}"
            );
            assert_eq!(peer.calls().len(), calls);
        }
    }

    #[tokio::test]
    async fn a_notice_that_was_not_taken_on_is_an_error() {
        let peer = Peer::start(Does::Says(Code::AlreadyExists)).await;
        let notifications = NotificationClient::new(peer.channel());
        assert!(notifications.enabled());
        let nil = uuid::Uuid::nil();
        let notice = Notification {
            event_id: nil,
            order: order_core::ids::OrderId::from_uuid(nil),
            number: order_core::number::OrderNumber::new(1, order_core::ids::Bucket::MAX),
            user: order_core::ids::UserId::from_uuid(nil),
            seq: 1,
            kind: order_core::order::NoticeKind::Confirmed,
        };
        let error = notifications.notify(&notice).await.unwrap_err();
        assert!(
            matches!(&error, CallError::Refused { code, .. } if code == "ALREADY_EXISTS"),
            "{error}"
        );
    }
}
