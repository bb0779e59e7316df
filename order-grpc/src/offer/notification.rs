//! The notification service of `proto/notification.proto`.

use order_core::services::{CallError, Clients, Notification, NotificationService as _};
use tonic::{Request, Response, Status};

use super::{Offer, status_of};
use crate::proto::notification as wire;
use crate::proto::notification::notification_service_server::NotificationService;
use crate::services::fields::Fields;

#[tonic::async_trait]
impl<C: Clients> NotificationService for Offer<C> {
    async fn notify(
        &self,
        request: Request<wire::NotifyRequest>,
    ) -> Result<Response<wire::NotifyResponse>, Status> {
        let wire::NotifyRequest {
            event_id,
            order_id,
            order_number,
            event_type,
            user_id,
            sequence,
        } = request.into_inner();
        let mut fields = Fields::default();
        let event_id = fields.key("event_id", &event_id);
        let (order, number) = (
            fields.read("order_id", &order_id),
            fields.read("order_number", &order_number),
        );
        let (kind, user) = (
            fields.read("event_type", &event_type),
            fields.read("user_id", &user_id),
        );
        let (Some(event_id), Some(order), Some(number), Some(kind), Some(user)) =
            (event_id, order, number, kind, user)
        else {
            return Err(fields.refused());
        };
        let notifications = self.clients.notification();
        if !notifications.enabled() {
            return Err(status_of(CallError::not_done("there is no one to tell")));
        }
        notifications
            .notify(&Notification {
                event_id,
                order,
                number,
                user,
                seq: sequence,
                kind,
            })
            .await
            .map_err(status_of)?;
        Ok(Response::new(wire::NotifyResponse {}))
    }
}
