//! Stock: what the order wants of each SKU, what is reserved for it, and what is asked of the
//! inventory.

pub(super) mod apply;
pub(super) mod lost;
pub(super) mod outcome;
mod plan;
pub(super) mod state;

pub use state::{SkuStock, Stock, sku_stock};
