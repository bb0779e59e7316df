//! The platform's product and user services, as far as `proto/platform/` has them.

use order_core::ids::{ProductId, UserId};
use order_core::money::Money;
use order_core::services::{
    Clients, Product, ProductService as _, ProductVariant, User, UserService as _,
};
use tonic::{Request, Response, Status};

use super::{Offer, status_of};
use crate::convert::major;
use crate::proto::product::product_service_server::ProductService;
use crate::proto::user::user_service_server::UserService;
use crate::proto::{product as products, user as users};
use crate::services::fields::Fields;

/// A price as the platform writes it.
fn price(money: Money) -> f64 {
    major(money.minor, money.currency)
}

fn product(product: Product) -> products::Product {
    let Product {
        id,
        sku,
        name,
        price: list,
        discount_price,
        published,
        requires_shipping,
        variants,
    } = product;
    let variant = |ProductVariant {
                       id: variant,
                       sku,
                       name,
                       price: list,
                       discount_price,
                   }| products::ProductVariant {
        id: variant.to_string(),
        product_id: id.to_string(),
        sku: sku.to_string(),
        title: name,
        price: price(list),
        discount_price: discount_price.map(price),
    };
    products::Product {
        id: id.to_string(),
        title: name,
        price: price(list),
        discount_price: discount_price.map(price),
        sku: sku.to_string(),
        is_published: published,
        variants: variants.into_iter().map(variant).collect(),
        default_variant_id: None,
        discount: None,
        currency: list.currency.to_string(),
        requires_shipping: Some(requires_shipping),
    }
}

#[tonic::async_trait]
impl<C: Clients> ProductService for Offer<C> {
    async fn get_product(
        &self,
        request: Request<products::GetProductRequest>,
    ) -> Result<Response<products::Product>, Status> {
        use products::get_product_request::Identifier;
        let mut fields = Fields::default();
        let id: Option<ProductId> =
            match fields.required("identifier", request.into_inner().identifier) {
                Some(Identifier::Id(id)) => fields.read("id", &id),
                Some(Identifier::Slug(_)) => {
                    return Err(Status::not_found("products have no slugs here: ask by id"));
                }
                None => None,
            };
        let Some(id) = id else {
            return Err(fields.refused());
        };
        let found = self.clients.product().get(id).await.map_err(status_of)?;
        found
            .map(|found| Response::new(product(found)))
            .ok_or_else(|| Status::not_found(format!("product {id} not found")))
    }
}

#[tonic::async_trait]
impl<C: Clients> UserService for Offer<C> {
    async fn get_user(
        &self,
        request: Request<users::GetUserRequest>,
    ) -> Result<Response<users::UserResponse>, Status> {
        let users::GetUserRequest { user_id } = request.into_inner();
        let mut fields = Fields::default();
        let Some(id) = fields.read::<UserId>("user_id", &user_id) else {
            return Err(fields.refused());
        };
        let found = self.clients.user().get(id).await.map_err(status_of)?;
        let Some(User {
            id,
            email,
            account_status,
        }) = found
        else {
            return Err(Status::not_found(format!("user {id} not found")));
        };
        let user = users::User {
            user_id: id.to_string(),
            email,
            account_status,
            ..users::User::default()
        };
        Ok(Response::new(users::UserResponse { user: Some(user) }))
    }
}
