//! Products and users in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::ids::{ProductId, UserId};
use crate::runtime::virtual_time::lock;
use crate::services::{CallError, Product, ProductService, User, UserService};

/// Products and users that are looked up by id.
#[derive(Default)]
pub struct MemoryCatalogue {
    products: Mutex<BTreeMap<ProductId, Product>>,
    users: Mutex<BTreeMap<UserId, User>>,
}

impl MemoryCatalogue {
    /// Adds a product, or replaces the one with its id.
    pub fn put_product(&self, product: Product) {
        lock(&self.products).insert(product.id, product);
    }

    /// Adds a user, or replaces the one with their id.
    pub fn put_user(&self, user: User) {
        lock(&self.users).insert(user.id, user);
    }

    /// The product with `id`.
    pub fn product(&self, id: ProductId) -> Option<Product> {
        lock(&self.products).get(&id).cloned()
    }

    /// The user with `id`.
    pub fn user(&self, id: UserId) -> Option<User> {
        lock(&self.users).get(&id).cloned()
    }
}

#[async_trait]
impl ProductService for MemoryCatalogue {
    async fn get(&self, id: ProductId) -> Result<Option<Product>, CallError> {
        Ok(self.product(id))
    }
}

#[async_trait]
impl UserService for MemoryCatalogue {
    async fn get(&self, id: UserId) -> Result<Option<User>, CallError> {
        Ok(self.user(id))
    }
}
