//! The payment service of `proto/payment.proto`.

use order_core::services::{
    AttemptRequest, CallError, Clients, FollowUpRequest, PaymentAnswer, PaymentLookup,
    PaymentService as _,
};
use order_core::text::Private;
use tonic::{Request, Response, Status};

use super::{Offer, status_of};
use crate::proto::payment as wire;
use crate::proto::payment::payment_service_server::PaymentService;
use crate::services::fields::{Fields, from_payment_address, non_empty, to_wire};
use crate::services::payment::to_payment;

impl<C: Clients> Offer<C> {
    fn attempt(&self, request: Request<wire::AttemptRequest>) -> Result<AttemptRequest, Status> {
        let deadline = self.deadline(&request);
        let wire::AttemptRequest {
            idempotency_key,
            order_id,
            order_number,
            user_id,
            amount,
            currency,
            method,
            token,
            return_url,
            shipping,
            billing,
        } = request.into_inner();
        let mut fields = Fields::default();
        let key = fields.key("idempotency_key", &idempotency_key);
        let (order, number) = (
            fields.read("order_id", &order_id),
            fields.read("order_number", &order_number),
        );
        let (user, amount) = (
            fields.read("user_id", &user_id),
            fields.money(&amount, &currency),
        );
        let method = fields.read("method", &method);
        let (Some(key), Some(order), Some(number), Some(user), Some(amount), Some(method)) =
            (key, order, number, user, amount, method)
        else {
            return Err(fields.refused());
        };
        let (token, return_url) = (Private(non_empty(token)), Private(non_empty(return_url)));
        let (shipping, billing) = (
            from_payment_address(shipping),
            from_payment_address(billing),
        );
        Ok(AttemptRequest {
            key,
            order,
            number,
            user,
            amount,
            method,
            token,
            return_url,
            shipping,
            billing,
            deadline,
        })
    }

    fn follow_up(
        &self,
        request: Request<wire::FollowUpRequest>,
    ) -> Result<FollowUpRequest, Status> {
        let deadline = self.deadline(&request);
        let wire::FollowUpRequest {
            idempotency_key,
            order_id,
            order_number,
            parent_key,
            parent_reference,
            amount,
            currency,
            repeat,
        } = request.into_inner();
        let mut fields = Fields::default();
        let (key, parent_key) = (
            fields.key("idempotency_key", &idempotency_key),
            fields.key("parent_key", &parent_key),
        );
        let (order, number) = (
            fields.read("order_id", &order_id),
            fields.read("order_number", &order_number),
        );
        let amount = fields.money(&amount, &currency);
        let parent_reference = fields.read_if_any("parent_reference", &parent_reference);
        let (
            Some(key),
            Some(order),
            Some(number),
            Some(parent_key),
            Some(parent_reference),
            Some(amount),
        ) = (key, order, number, parent_key, parent_reference, amount)
        else {
            return Err(fields.refused());
        };
        Ok(FollowUpRequest {
            key,
            order,
            number,
            parent_key,
            parent_reference,
            amount,
            repeat,
            deadline,
        })
    }
}

fn answer(answer: Result<PaymentAnswer, CallError>) -> Result<Response<wire::Payment>, Status> {
    answer
        .map_err(status_of)
        .and_then(on_the_wire)
        .map(Response::new)
}

fn on_the_wire(answer: PaymentAnswer) -> Result<wire::Payment, Status> {
    let status = answer.status;
    to_payment(answer).ok_or_else(|| {
        status_of(CallError::malformed(format!(
            "{status} is no status of a payment"
        )))
    })
}

#[tonic::async_trait]
impl<C: Clients> PaymentService for Offer<C> {
    async fn describe(
        &self,
        _: Request<wire::DescribeRequest>,
    ) -> Result<Response<wire::DescribeResponse>, Status> {
        let can = self.clients.payment().capabilities();
        let capabilities = wire::Capabilities {
            repeat: can.repeat,
            look_up: can.look_up,
            key_lifetime: can.key_lifetime.map(to_wire),
        };
        Ok(Response::new(wire::DescribeResponse {
            name: self.name.to_string(),
            capabilities: Some(capabilities),
        }))
    }

    async fn process_payment(
        &self,
        request: Request<wire::AttemptRequest>,
    ) -> Result<Response<wire::Payment>, Status> {
        let request = self.attempt(request)?;
        answer(self.clients.payment().charge(&request).await)
    }

    async fn authorize(
        &self,
        request: Request<wire::AttemptRequest>,
    ) -> Result<Response<wire::Payment>, Status> {
        let request = self.attempt(request)?;
        answer(self.clients.payment().authorize(&request).await)
    }

    async fn capture(
        &self,
        request: Request<wire::FollowUpRequest>,
    ) -> Result<Response<wire::Payment>, Status> {
        let request = self.follow_up(request)?;
        answer(self.clients.payment().capture(&request).await)
    }

    async fn void(
        &self,
        request: Request<wire::FollowUpRequest>,
    ) -> Result<Response<wire::Payment>, Status> {
        let request = self.follow_up(request)?;
        answer(self.clients.payment().void(&request).await)
    }

    async fn refund(
        &self,
        request: Request<wire::FollowUpRequest>,
    ) -> Result<Response<wire::Payment>, Status> {
        let request = self.follow_up(request)?;
        answer(self.clients.payment().refund(&request).await)
    }

    async fn get_payment(
        &self,
        request: Request<wire::GetPaymentRequest>,
    ) -> Result<Response<wire::GetPaymentResponse>, Status> {
        let wire::GetPaymentRequest {
            idempotency_key,
            order_id,
            reference,
        } = request.into_inner();
        let mut fields = Fields::default();
        let (key, order) = (
            fields.key("idempotency_key", &idempotency_key),
            fields.read("order_id", &order_id),
        );
        let reference = fields.read_if_any("reference", &reference);
        let (Some(key), Some(order), Some(reference)) = (key, order, reference) else {
            return Err(fields.refused());
        };
        let found = self
            .clients
            .payment()
            .look_up(&PaymentLookup {
                key,
                order,
                reference,
            })
            .await
            .map_err(status_of)?;
        let (result, payment) = match found {
            Some(answer) => (wire::LookUpResult::Found, Some(on_the_wire(answer)?)),
            None => (wire::LookUpResult::Absent, None),
        };
        Ok(Response::new(wire::GetPaymentResponse {
            result: result as i32,
            payment,
        }))
    }
}
