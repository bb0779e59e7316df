//! The platform's product and user services, with every quirk that was seen of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use order_grpc::proto::product::get_product_request::Identifier;
use order_grpc::proto::product::product_service_server::{ProductService, ProductServiceServer};
use order_grpc::proto::product::{GetProductRequest, Product};
use order_grpc::proto::user::user_service_server::{UserService, UserServiceServer};
use order_grpc::proto::user::{GetUserRequest, User, UserResponse};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::peer::{Handler, Peer, Wire, lock};

pub const GET_PRODUCT: &str = "GetProduct";
pub const GET_USER: &str = "GetUser";

/// The rows of the product service.
#[derive(Default)]
struct Shelf {
    rows: HashMap<Uuid, Product>,
    /// The answers given before, by the very text of the id.
    cached: HashMap<String, Product>,
    /// Rows that cannot be read, as one without a description.
    unreadable: Vec<Uuid>,
    down: bool,
    /// The product that is answered instead of what was asked for.
    mixed_up: Option<Product>,
}

#[derive(Clone, Default)]
pub struct Products {
    shelf: Arc<Mutex<Shelf>>,
    pub wire: Wire,
}

impl Products {
    pub async fn serve(&self) -> Peer {
        Peer::start(self.wire.clone(), self.handler()).await
    }

    /// Its calls, for whoever serves them.
    pub fn handler(&self) -> impl Handler<Future: Send> {
        ProductServiceServer::new(self.clone())
    }

    /// Puts a product in, or changes it: what is cached under its id is forgotten, under its id as
    /// it prints it.
    pub fn put(&self, product: Product) {
        let mut shelf = lock(&self.shelf);
        let id = Uuid::try_parse(&product.id).unwrap();
        shelf.cached.remove(&id.to_string());
        shelf.rows.insert(id, product);
    }

    pub fn delete(&self, id: Uuid) {
        let mut shelf = lock(&self.shelf);
        shelf.rows.remove(&id);
        shelf.cached.remove(&id.to_string());
    }

    pub fn make_unreadable(&self, id: Uuid) {
        lock(&self.shelf).unreadable.push(id);
    }

    pub fn set_down(&self, down: bool) {
        lock(&self.shelf).down = down;
    }

    /// Forgets every answer it gave, and asks its database again.
    pub fn forget_cached(&self) {
        lock(&self.shelf).cached.clear();
    }

    /// From now on every request is answered by this product, or again as it ought to be.
    pub fn mix_up(&self, product: impl Into<Option<Product>>) {
        lock(&self.shelf).mixed_up = product.into();
    }
}

#[tonic::async_trait]
impl ProductService for Products {
    async fn get_product(
        &self,
        request: Request<GetProductRequest>,
    ) -> Result<Response<Product>, Status> {
        let identifier = request.into_inner().identifier;
        let missing = || Status::not_found("product not found");
        let about = match &identifier {
            Some(Identifier::Id(value) | Identifier::Slug(value)) => value.clone(),
            None => String::new(),
        };
        let look = || {
            let text = match &identifier {
                None => return Err(Status::invalid_argument("an identifier is required")),
                // Twelve columns into eleven targets.
                Some(Identifier::Slug(_)) => return Err(missing()),
                Some(Identifier::Id(text)) => text,
            };
            let mut shelf = lock(&self.shelf);
            if let Some(product) = &shelf.mixed_up {
                return Ok(product.clone());
            }
            if let Some(product) = shelf.cached.get(text) {
                return Ok(product.clone());
            }
            let id = Uuid::try_parse(text).map_err(|_| missing())?;
            if shelf.down || shelf.unreadable.contains(&id) {
                return Err(missing());
            }
            let mut product = shelf.rows.get(&id).cloned().ok_or_else(missing)?;
            if let Some(oldest) = product.variants.first() {
                (product.price, product.discount_price) = (oldest.price, oldest.discount_price);
                product.sku = oldest.sku.clone();
            }
            product.default_variant_id = None;
            shelf.cached.insert(text.clone(), product.clone());
            Ok(product)
        };
        self.wire
            .carry_out(GET_PRODUCT, about.clone(), look, |product| {
                Ok(Response::new(product))
            })
            .await
    }
}

/// The rows of the user service.
#[derive(Default)]
struct People {
    rows: HashMap<Uuid, User>,
    /// The answers given before: not forgotten by updates or deletes.
    cached: HashMap<Uuid, User>,
    /// Set if its start-up code made the table: then ids are numbers.
    numbered: bool,
    mixed_up: Option<UserResponse>,
}

#[derive(Clone, Default)]
pub struct Users {
    people: Arc<Mutex<People>>,
    pub wire: Wire,
}

impl Users {
    pub async fn serve(&self) -> Peer {
        Peer::start(self.wire.clone(), self.handler()).await
    }

    /// Its calls, for whoever serves them.
    pub fn handler(&self) -> impl Handler<Future: Send> {
        UserServiceServer::new(self.clone())
    }

    pub fn put(&self, id: Uuid, account_status: &str) {
        let user = User {
            user_id: id.to_string(),
            email: "customer@example.com".into(),
            account_status: account_status.into(),
            ..User::default()
        };
        lock(&self.people).rows.insert(id, user);
    }

    /// As UpdateUser, which overwrites what it was not told with nothing.
    pub fn update(&self, id: Uuid, first_name: &str) {
        let mut people = lock(&self.people);
        let user = people.rows.get_mut(&id).unwrap();
        let kept = User {
            user_id: user.user_id.clone(),
            username: user.username.clone(),
            ..User::default()
        };
        *user = User {
            first_name: first_name.into(),
            ..kept
        };
    }

    /// 30 minutes pass.
    pub fn forget_cached(&self) {
        lock(&self.people).cached.clear();
    }

    pub fn number_rows(&self) {
        lock(&self.people).numbered = true;
    }

    /// From now on every request is answered so, or again as it ought to be.
    pub fn mix_up(&self, answer: impl Into<Option<UserResponse>>) {
        lock(&self.people).mixed_up = answer.into();
    }
}

#[tonic::async_trait]
impl UserService for Users {
    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<UserResponse>, Status> {
        let text = request.into_inner().user_id;
        let look = || {
            let id =
                Uuid::try_parse(&text).map_err(|_| Status::invalid_argument("invalid user id"))?;
            let mut people = lock(&self.people);
            if let Some(answer) = &people.mixed_up {
                return Ok(answer.clone());
            }
            if let Some(user) = people.cached.get(&id) {
                return Ok(UserResponse {
                    user: Some(user.clone()),
                });
            }
            let found = if people.numbered {
                None
            } else {
                people.rows.get(&id).cloned()
            };
            let user = found.ok_or_else(|| Status::not_found("user not found"))?;
            people.cached.insert(id, user.clone());
            Ok(UserResponse { user: Some(user) })
        };
        self.wire
            .carry_out(GET_USER, text.clone(), look, |answer| {
                Ok(Response::new(answer))
            })
            .await
    }
}
