//! temp
#![allow(missing_docs)]
use crate::error::Error;
use crate::ids::*;
use crate::order::Addresses;
use crate::text::Private;
use uuid::Uuid;
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ItemInput {
    pub product_id: String,
    pub variant_id: Option<String>,
    pub quantity: i64,
}
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PlaceRequest {
    pub user_id: String,
    pub items: Vec<ItemInput>,
}
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValidItem {
    pub product: ProductId,
    pub variant: Option<VariantId>,
    pub quantity: u32,
}
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValidPlace {
    pub user: UserId,
    pub items: Vec<ValidItem>,
    pub addresses: Addresses,
    pub payment_method: Name,
    pub shipping_method: Option<Name>,
    pub notes: Option<String>,
    pub coupon: Option<Name>,
    pub token: Private<String>,
    pub return_url: Private<String>,
}
impl PlaceRequest {
    pub fn validate(&self) -> Result<ValidPlace, Error> {
        Err(Error::invalid("x", "temp"))
    }
}
impl ValidPlace {
    pub fn request_hash(&self) -> Uuid {
        Uuid::nil()
    }
}
