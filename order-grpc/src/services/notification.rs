//! The client of a notification service: `proto/notification.proto`.

use async_trait::async_trait;
use order_core::services::{CallDeadline, CallError, Notification, NotificationService};

use super::channel::ServiceChannel;
use crate::proto::notification as wire;
use crate::proto::notification::notification_service_client::NotificationServiceClient as Client;

/// The notification service at the other end of a channel.
#[derive(Debug, Clone)]
pub struct NotificationClient {
    channel: ServiceChannel,
}

impl NotificationClient {
    /// The service that `channel` leads to.
    pub fn new(channel: ServiceChannel) -> Self {
        NotificationClient { channel }
    }
}

#[async_trait]
impl NotificationService for NotificationClient {
    fn enabled(&self) -> bool {
        true
    }

    async fn notify(&self, notification: &Notification) -> Result<(), CallError> {
        let Notification {
            event_id,
            order,
            number,
            user,
            seq,
            kind,
        } = notification;
        let message = wire::NotifyRequest {
            event_id: event_id.to_string(),
            order_id: order.to_string(),
            order_number: number.to_string(),
            event_type: kind.to_string(),
            user_id: user.to_string(),
            sequence: *seq,
        };
        let never = CallDeadline::NEVER;
        let told = self.channel.call(&never, |wire| async {
            Client::new(wire).notify(message).await
        });
        let wire::NotifyResponse {} = told.await?;
        Ok(())
    }
}
