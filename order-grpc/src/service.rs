//! The eight calls of `order.OrderService`: each parses its request, calls the manager once, and
//! maps the answer.

use std::sync::Arc;

use order_core::error::{Error, Violation};
use order_core::ids::{LineId, OrderId, ParseIdError, UserId};
use order_core::manager::{
    Answered, CommandOptions, EditAnswer, OrderManager, PlaceOptions, Principal,
};
use order_core::order::{EditState, Order, Status as OrderStatus};
use order_core::request::{EditRequest, LineRef, MAX_NOTES};
use order_core::rules::Command;
use order_core::services::Clients;
use order_core::store::{ListQuery, OrderRef, OrderStore, SortKey};
use order_core::text::check_note;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::call::{Call, Trailer};
use crate::convert;
use crate::metadata::{self, CommandMetadata};
use crate::proto::order_service_server::OrderService;
use crate::proto::{self, get_order_request::Identifier};
use crate::status::{invalid, status_of, unauthenticated};

/// The number of orders of a list that page numbers reach; further on, a list is paged by its
/// filters.
const LIST_DEPTH: u32 = 10_000;
const PAGE_USUAL: u32 = 20;
const PAGE_MAX: u32 = 100;
/// The number of lines from which on an answer is compressed where the caller takes it so: that of
/// 4 KiB.
const LINES_COMPRESSED: usize = 20;

/// The service over a manager. Who calls stands in the request, as an extension of type
/// [`Principal`]: [`crate::serve`] puts it there, or an interceptor of a server of your own.
/// Without one a caller is UNAUTHENTICATED.
pub struct OrderApi<S, C> {
    manager: OrderManager<S, C>,
}

impl<S, C> std::fmt::Debug for OrderApi<S, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderApi").finish_non_exhaustive()
    }
}

impl<S, C> OrderApi<S, C> {
    /// The service over `manager`.
    pub fn new(manager: OrderManager<S, C>) -> Self {
        OrderApi { manager }
    }
}

/// A request that has been taken apart, and what is found wrong with it on the way.
struct Parts<T> {
    call: Call,
    caller: Principal,
    metadata: MetadataMap,
    message: T,
    wrong: Vec<Violation>,
}

impl<T> Parts<T> {
    fn of(request: Request<T>) -> Result<Self, Status> {
        let (metadata, mut extensions, message) = request.into_parts();
        let caller = extensions
            .remove::<Principal>()
            .ok_or_else(unauthenticated)?;
        let call = extensions.remove::<Call>().unwrap_or_default();
        call.note_begun();
        Ok(Parts {
            call,
            caller,
            metadata,
            message,
            wrong: Vec::new(),
        })
    }

    fn options(&mut self) -> CommandOptions {
        let CommandMetadata {
            key,
            expected_version,
        } = metadata::of_command(&self.metadata, &mut self.wrong);
        CommandOptions {
            key,
            expected_version,
            wait: self.call.wait(),
            ..CommandOptions::default()
        }
    }

    /// An id, or `None` and a violation.
    fn id<I: std::str::FromStr<Err = ParseIdError>>(
        &mut self,
        field: &'static str,
        text: &str,
    ) -> Option<I> {
        match text.parse() {
            Ok(id) => Some(id),
            Err(ParseIdError { what, remedy, .. }) => {
                let problem = if text.is_empty() {
                    format!("is missing: {remedy}")
                } else {
                    format!("is not a valid {what}: {remedy}")
                };
                self.wrong.push(Violation::new(field, problem));
                None
            }
        }
    }

    /// The order a command is for, remembered for the log.
    fn order(&mut self, text: &str) -> Option<OrderId> {
        let id = self.id("order_id", text);
        if let Some(id) = id {
            self.call.note_order(id);
        }
        id
    }

    fn note(&mut self, field: &'static str, text: &str) {
        if let Err(problem) = check_note(text, MAX_NOTES) {
            self.wrong.push(Violation::new(field, problem.to_string()));
        }
    }

    /// INVALID_ARGUMENT with everything that was found wrong.
    fn refused(&self) -> Status {
        invalid(&self.wrong)
    }
}

impl<S: OrderStore, C: Clients> OrderApi<S, C> {
    fn failed(call: &Call, error: &Error) -> Status {
        call.note_error(error);
        status_of(error)
    }

    /// Edits an order as its `parts` and the rest of the request say, once both are found right.
    async fn edit<T>(
        &self,
        mut parts: Parts<T>,
        order: Option<OrderId>,
        edit: Option<EditRequest>,
    ) -> Result<Response<proto::Order>, Status> {
        let edit = edit.map(|edit| EditRequest {
            payment_method: metadata::one(
                &parts.metadata,
                metadata::PAYMENT_METHOD,
                &mut parts.wrong,
            )
            .map(Into::into),
            payment_token: metadata::one(
                &parts.metadata,
                metadata::PAYMENT_TOKEN,
                &mut parts.wrong,
            )
            .map(Into::into),
            return_url: metadata::one(&parts.metadata, metadata::RETURN_URL, &mut parts.wrong)
                .map(Into::into),
            ..edit
        });
        if let Some(Err(Error::Invalid(more))) = edit.as_ref().map(EditRequest::validate) {
            parts.wrong.extend(more.into_iter().map(of_an_item));
        }
        let options = parts.options();
        let (Some(order), Some(edit), true) = (order, edit, parts.wrong.is_empty()) else {
            return Err(parts.refused());
        };
        let Parts { call, caller, .. } = parts;
        let done = self
            .manager
            .edit(&caller, OrderRef::Id(order), edit, options)
            .await;
        let EditAnswer {
            order,
            edit,
            state,
            repeats,
        } = done.map_err(|error| match error {
            Error::Invalid(wrong) => Self::failed(
                &call,
                &Error::Invalid(wrong.into_iter().map(of_an_item).collect()),
            ),
            error => Self::failed(&call, &error),
        })?;
        let mut response = answer(&call, &order, repeats.is_some());
        if let (EditState::Open, Some(number)) = (state, edit) {
            response.extensions_mut().insert(Trailer {
                name: metadata::ORDER_EDIT_ID,
                value: number.into(),
            });
        }
        Ok(response)
    }
}

/// The engine edits lists of lines, the contract one item at a time: where a client finds what is
/// wrong.
fn of_an_item(Violation { field, problem }: Violation) -> Violation {
    let field = match field.split_once("].") {
        Some(("items[0" | "add[0", rest)) => format!("item.{rest}"),
        Some(("set[0", rest)) => rest.to_owned(),
        _ => match field.as_str() {
            "items" | "add" => "item".to_owned(),
            "set" => "quantity".to_owned(),
            "payment_method" => metadata::PAYMENT_METHOD.to_owned(),
            _ => field,
        },
    };
    Violation { field, problem }
}

/// An order with its version, and whether an earlier request under the same key did what was asked
/// for.
fn answer(call: &Call, order: &Order, replayed: bool) -> Response<proto::Order> {
    call.note_order(order.id);
    let mut response = Response::new(convert::order(order));
    metadata::describe(order, replayed, response.metadata_mut());
    compressed_if_long(&mut response, order.lines.len());
    response
}

/// Leaves a short answer uncompressed, also where the caller takes compressed ones: common clients
/// say so with every call, and it would take longer to make it short than to send it.
fn compressed_if_long<T>(response: &mut Response<T>, lines: usize) {
    if lines < LINES_COMPRESSED {
        response.disable_compression();
    }
}

/// Orders as the contract has them. A long list takes milliseconds, in which a thread of the
/// runtime could answer many others.
async fn converted(orders: Vec<Arc<Order>>) -> Vec<proto::Order> {
    let all = move || orders.iter().map(|order| convert::order(order)).collect();
    match tokio::task::spawn_blocking(all).await {
        Ok(converted) => converted,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

#[tonic::async_trait]
impl<S: OrderStore, C: Clients> OrderService for OrderApi<S, C> {
    async fn create_order(
        &self,
        request: Request<proto::CreateOrderRequest>,
    ) -> Result<Response<proto::Order>, Status> {
        let Parts {
            call,
            caller,
            metadata,
            message,
            mut wrong,
        } = Parts::of(request)?;
        let mut request = convert::place_request(message);
        request.payment_token =
            metadata::one(&metadata, metadata::PAYMENT_TOKEN, &mut wrong).map(Into::into);
        request.return_url =
            metadata::one(&metadata, metadata::RETURN_URL, &mut wrong).map(Into::into);
        let key = metadata::key(&metadata, &mut wrong);
        if !wrong.is_empty() {
            if let Err(Error::Invalid(more)) = request.validate() {
                wrong.splice(0..0, more);
            }
            return Err(invalid(&wrong));
        }
        let options = PlaceOptions {
            key,
            expected_total: None,
            wait: call.wait(),
        };
        let placed = self.manager.place(&caller, request, options).await;
        let placed = placed.map_err(|e| Self::failed(&call, &e))?;
        call.note_order(placed.order.id);
        let order = placed.outcome().map_err(|no| status_of(&no.into()))?;
        Ok(answer(&call, order, placed.replayed))
    }

    async fn get_order(
        &self,
        request: Request<proto::GetOrderRequest>,
    ) -> Result<Response<proto::Order>, Status> {
        let mut parts = Parts::of(request)?;
        let proto::GetOrderRequest { identifier } = std::mem::take(&mut parts.message);
        let order = match identifier {
            Some(Identifier::Id(id)) => parts.id("id", &id).map(OrderRef::Id),
            Some(Identifier::OrderNumber(number)) => {
                parts.id("order_number", &number).map(OrderRef::Number)
            }
            None => {
                parts.wrong.push(Violation::new(
                    "identifier",
                    "is missing: set id or order_number",
                ));
                None
            }
        };
        let Some(order) = order else {
            return Err(parts.refused());
        };
        if let OrderRef::Id(id) = order {
            parts.call.note_order(id);
        }
        let order = self
            .manager
            .get(&parts.caller, order)
            .await
            .map_err(|e| Self::failed(&parts.call, &e))?;
        Ok(answer(&parts.call, &order, false))
    }

    async fn update_order_status(
        &self,
        request: Request<proto::UpdateOrderStatusRequest>,
    ) -> Result<Response<proto::Order>, Status> {
        let mut parts = Parts::of(request)?;
        let proto::UpdateOrderStatusRequest {
            order_id,
            status,
            notes,
        } = std::mem::take(&mut parts.message);
        let order = parts.order(&order_id);
        let status = parts.id::<OrderStatus>("status", &status);
        let notes = notes.unwrap_or_default();
        parts.note("notes", &notes);
        let options = parts.options();
        let (Some(order), Some(status), true) = (order, status, parts.wrong.is_empty()) else {
            return Err(parts.refused());
        };
        let command = Command::SetStatus { status };
        let order = self
            .manager
            .execute(
                &parts.caller,
                OrderRef::Id(order),
                command,
                options.with_notes(notes),
            )
            .await;
        let Answered { order, repeats } = order.map_err(|e| Self::failed(&parts.call, &e))?;
        Ok(answer(&parts.call, &order, repeats.is_some()))
    }

    async fn cancel_order(
        &self,
        request: Request<proto::CancelOrderRequest>,
    ) -> Result<Response<proto::CancelOrderResponse>, Status> {
        let mut parts = Parts::of(request)?;
        let proto::CancelOrderRequest { order_id, reason } = std::mem::take(&mut parts.message);
        let order = parts.order(&order_id);
        parts.note("reason", &reason);
        let options = parts.options();
        let (Some(order), true) = (order, parts.wrong.is_empty()) else {
            return Err(parts.refused());
        };
        let order = self
            .manager
            .execute(
                &parts.caller,
                OrderRef::Id(order),
                Command::Cancel,
                options.with_notes(reason),
            )
            .await;
        let Answered { order, repeats } = order.map_err(|e| Self::failed(&parts.call, &e))?;
        let number = order.number;
        let message = match order.statuses.status {
            OrderStatus::Cancelled => format!("order {number} is cancelled"),
            status => format!(
                "order {number} is {status}: what it held and what was paid is on its way back"
            ),
        };
        let mut response = Response::new(proto::CancelOrderResponse {
            success: true,
            message,
        });
        metadata::describe(&order, repeats.is_some(), response.metadata_mut());
        compressed_if_long(&mut response, 0);
        Ok(response)
    }

    async fn list_orders(
        &self,
        request: Request<proto::ListOrdersRequest>,
    ) -> Result<Response<proto::ListOrdersResponse>, Status> {
        let mut parts = Parts::of(request)?;
        let proto::ListOrdersRequest {
            user_id,
            status,
            page,
            limit,
            sort_by,
            sort_desc,
        } = std::mem::take(&mut parts.message);
        let user = if user_id.is_empty() {
            None
        } else {
            parts.id::<UserId>("user_id", &user_id)
        };
        let status = status
            .filter(|s| !s.is_empty())
            .and_then(|s| parts.id::<OrderStatus>("status", &s));
        let sort = if sort_by.is_empty() {
            Some(SortKey::CreatedAt)
        } else {
            parts.id("sort_by", &sort_by)
        };
        let page = parts.count("page", page).map(|page| page.max(1));
        let limit = parts.count("limit", limit).map(|limit| {
            if limit == 0 {
                PAGE_USUAL
            } else {
                limit.min(PAGE_MAX)
            }
        });
        if let (Some(page), Some(limit)) = (page, limit)
            && page.saturating_mul(limit) > LIST_DEPTH
        {
            let problem = format!(
                "{page} of {limit} orders each is beyond the first 10,000: narrow the list by user or status"
            );
            parts.wrong.push(Violation::new("page", problem));
        }
        let (Some(sort), Some(page), Some(limit), true) =
            (sort, page, limit, parts.wrong.is_empty())
        else {
            return Err(parts.refused());
        };
        let query = ListQuery {
            user,
            statuses: status.into_iter().collect(),
            sort,
            descending: sort_desc,
            skip: (page - 1) * limit,
            limit,
            count_up_to: LIST_DEPTH,
            ..ListQuery::default()
        };
        let found = self
            .manager
            .list(&parts.caller, query)
            .await
            .map_err(|e| Self::failed(&parts.call, &e))?;
        // All of them are at most 10,000.
        let int = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let lines = found.orders.iter().map(|order| order.lines.len()).sum();
        let mut response = Response::new(proto::ListOrdersResponse {
            orders: converted(found.orders).await,
            total: int(found.total),
            page: int(page),
            limit: int(limit),
        });
        compressed_if_long(&mut response, lines);
        Ok(response)
    }

    async fn add_order_item(
        &self,
        request: Request<proto::AddOrderItemRequest>,
    ) -> Result<Response<proto::Order>, Status> {
        let mut parts = Parts::of(request)?;
        let proto::AddOrderItemRequest { order_id, item } = std::mem::take(&mut parts.message);
        let order = parts.order(&order_id);
        if item.is_none() {
            parts
                .wrong
                .push(Violation::new("item", "is missing: say what to add"));
        }
        let add = item.map(|item| EditRequest {
            add: vec![convert::item_input(item)],
            ..EditRequest::default()
        });
        self.edit(parts, order, add).await
    }

    async fn update_order_item(
        &self,
        request: Request<proto::UpdateOrderItemRequest>,
    ) -> Result<Response<proto::Order>, Status> {
        let mut parts = Parts::of(request)?;
        let proto::UpdateOrderItemRequest {
            order_id,
            item_id,
            quantity,
        } = std::mem::take(&mut parts.message);
        let order = parts.order(&order_id);
        let line = parts.line(&item_id);
        let set = EditRequest {
            set: vec![(line, quantity.into())],
            ..EditRequest::default()
        };
        self.edit(parts, order, Some(set)).await
    }

    async fn remove_order_item(
        &self,
        request: Request<proto::RemoveOrderItemRequest>,
    ) -> Result<Response<proto::Order>, Status> {
        let mut parts = Parts::of(request)?;
        let proto::RemoveOrderItemRequest { order_id, item_id } =
            std::mem::take(&mut parts.message);
        let order = parts.order(&order_id);
        let line = parts.line(&item_id);
        let remove = EditRequest {
            remove: vec![line],
            ..EditRequest::default()
        };
        self.edit(parts, order, Some(remove)).await
    }
}

impl<T> Parts<T> {
    fn count(&mut self, field: &'static str, n: i32) -> Option<u32> {
        let count = u32::try_from(n).ok();
        if count.is_none() {
            self.wrong.push(Violation::new(
                field,
                format!("{n} is negative: expected 0 or more"),
            ));
        }
        count
    }

    /// The line an item call is for. What is not a line's id stands for no line, since the rest of
    /// the request is still to be checked.
    fn line(&mut self, text: &str) -> LineRef {
        self.id::<LineId>("item_id", text)
            .map_or(LineRef::Number(0), LineRef::Id)
    }
}
