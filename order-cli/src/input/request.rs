//! Stand-in until the core has it.
#![allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlaceRequest {
    pub user_id: String,
    pub items: Vec<ItemInput>,
    pub shipping_address: Option<AddressInput>,
    pub billing_address: Option<AddressInput>,
    pub payment_method: String,
    pub shipping_method: String,
    pub notes: Option<String>,
    pub coupon_code: Option<String>,
    pub payment_token: Option<String>,
    pub return_url: Option<String>,
}
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemInput {
    pub product_id: String,
    pub variant_id: Option<String>,
    pub quantity: i64,
}
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressInput {
    pub address_type: String,
    pub first_name: String,
    pub last_name: String,
    pub address_line1: String,
    pub address_line2: Option<String>,
    pub city: String,
    pub state: String,
    pub postal_code: String,
    pub country: String,
    pub phone: Option<String>,
    pub email: Option<String>,
}
