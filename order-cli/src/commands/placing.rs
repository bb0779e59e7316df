//! `order place` and `order quote`.

use std::path::PathBuf;

use clap::Args;
use order_core::error::Error;
use order_core::ids::{IdempotencyKey, ProductId, Sku, VariantId};
use order_core::manager::{PlaceOptions, Quote};
use order_core::money::Money;
use order_core::order::{Order, Status};
use order_core::request::{HoldInput, ItemInput, PlaceRequest};
use order_store_sqlite::shop::Shop;

use crate::engine::Engine;
use crate::exit::{Failure, Outcome, dead_order};
use crate::input::addresses::{self, AddressText};
use crate::input::items::{self, Named};
use crate::input::near::nearest;
use crate::input::{holds, read};
use crate::output::order_text::text;
use crate::output::table::Table;
use crate::output::time::plain;
use crate::output::{Out, note};
use crate::settings::Settings;
use order_core::json::{self, OrderView, QuoteView, amount};

/// Options of `quote`, and of `place` among others: the goods, and how they are sent and paid.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to order")]
pub struct Request {
    /// Read a CreateOrderRequest in proto3 JSON from FILE, or from standard input if it is `-`
    #[arg(long, value_name = "FILE|-")]
    pub file: Option<PathBuf>,
    /// The customer
    #[arg(
        long,
        value_name = "UUID",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub user: Option<String>,
    /// An item and how many of it: `SKU[=QTY]` or `PRODUCT[/VARIANT][=QTY]`; may be repeated
    #[arg(
        long = "item",
        value_name = "ITEM",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub items: Vec<String>,
    /// The shipping address: an address in JSON, or a file with one
    #[arg(
        long,
        value_name = "FILE|JSON",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub ship_to: Option<AddressText>,
    /// The billing address, if not the same: an address in JSON, or a file with one
    #[arg(long, value_name = "FILE|JSON", conflicts_with = "file")]
    pub bill_to: Option<AddressText>,
    /// The payment method
    #[arg(
        long,
        value_name = "METHOD",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub payment_method: Option<String>,
    /// The shipping method; needed unless nothing needs shipping
    #[arg(long, value_name = "METHOD", conflicts_with = "file")]
    pub shipping_method: Option<String>,
    /// A coupon's code
    #[arg(long, value_name = "CODE", conflicts_with = "file")]
    pub coupon: Option<String>,
    /// A note from the customer
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    pub notes: Option<String>,
    /// A file with the client's opaque payment token
    #[arg(long, value_name = "FILE")]
    pub payment_token_file: Option<PathBuf>,
    /// The page that a payment provider sends the customer back to
    #[arg(long, value_name = "URL")]
    pub return_url: Option<String>,
}

/// Options of `place`.
#[derive(Debug, Args)]
pub struct Place {
    /// The goods.
    #[command(flatten)]
    pub request: Request,
    /// Makes it safe to repeat: the same key names the same order
    #[arg(long, value_name = "KEY")]
    pub key: Option<IdempotencyKey>,
    /// Refuse if the total is not this
    #[arg(long, value_name = "AMOUNT")]
    pub expect_total: Option<String>,
    /// Hold it from the moment it is accepted, such as fraud-review:ship:2d; repeatable
    #[arg(long = "hold", value_name = "KIND[:BLOCKS][:DURATION]", value_parser = holds::parse)]
    pub holds: Vec<HoldInput>,
    /// Keep VALUE with it under KEY; repeatable
    #[arg(long = "metadata", value_name = "KEY=VALUE", value_parser = holds::entry)]
    pub metadata: Vec<(String, String)>,
    /// Its name elsewhere, such as in the channel it was sold through
    #[arg(long, value_name = "REF")]
    pub external_ref: Option<String>,
}

/// Places an order and works it until nothing is due now.
pub async fn place(settings: &Settings, out: &Out, args: Place) -> Outcome {
    let request = Draft::read(args.request)?;
    let engine = Engine::open(settings).await?;
    let mut request = request.resolve(&engine).await?;
    request.holds = args.holds;
    for (key, value) in args.metadata {
        if request.metadata.insert(key.clone(), value).is_some() {
            return Err(Failure::bad_input(format!(
                "--metadata: {key} is given twice"
            )));
        }
    }
    request.external_ref = args.external_ref;
    let expected_total = args
        .expect_total
        .map(|t| expected_total(&t, &engine))
        .transpose()?;
    let options = PlaceOptions {
        key: args.key,
        expected_total,
        wait: None,
    };
    let placement = engine
        .finished(
            engine
                .manager
                .place(&engine.principal, request, options)
                .await,
        )
        .await?;
    let order = engine.drive(placement.order.id).await?;
    if placement.replayed {
        note(format_args!(
            "the key already named order {}, placed at {}",
            order.number,
            plain(order.created_at)
        ));
    }
    show_result(out, &order, placement.replayed)
}

/// Shows an order that was placed or paid again; a failure if it came to nothing.
pub fn show_result(out: &Out, order: &Order, replayed: bool) -> Outcome {
    out.one(&OrderView::of(order).replayed(replayed), || text(order))?;
    if order.statuses.status == Status::Pending {
        let number = order.number;
        note(format_args!(
            "order {number} is not decided yet: `order explain {number}` says what it waits for"
        ));
    }
    dead_order(order).map_or(Ok(()), Err)
}

fn expected_total(text: &str, engine: &Engine) -> Outcome<Money> {
    let amount = text
        .strip_suffix(engine.currency.code())
        .unwrap_or(text)
        .trim();
    Money::parse(amount, engine.currency).map_err(|e| Failure::from(e).context("--expect-total"))
}

/// Says what an order would cost.
pub async fn quote(settings: &Settings, out: &Out, args: Request) -> Outcome {
    let request = Draft::read(args)?;
    let engine = Engine::open_to_quote(settings).await?;
    let request = request.resolve(&engine).await?;
    let quote = engine.manager.quote(&engine.principal, &request).await?;
    out.one(&QuoteView::of(&quote), || quote_text(&quote))
}

/// A request whose items may still be named by SKU.
pub struct Draft {
    request: PlaceRequest,
    items: Vec<items::Item>,
}

impl Draft {
    /// Reads a request from a file or from options.
    fn read(args: Request) -> Outcome<Self> {
        let mut draft = match &args.file {
            Some(file) => {
                let body = read::text(file, read::REQUEST_MAX)?;
                Draft {
                    request: json::request(&read::name(file), &body)?,
                    items: Vec::new(),
                }
            }
            None => Draft::from_options(&args)?,
        };
        draft.request.payment_token = read::token(args.payment_token_file.as_deref())?;
        draft.request.return_url = args.return_url;
        Ok(draft)
    }

    fn from_options(args: &Request) -> Outcome<Self> {
        let items = args
            .items
            .iter()
            .map(|i| items::parse(i).map_err(|e| Failure::bad_input(format!("--item: {e}"))));
        let request = PlaceRequest {
            user_id: args.user.clone().unwrap_or_default(),
            shipping_address: addresses::read("--ship-to", args.ship_to.as_ref())?,
            billing_address: addresses::read("--bill-to", args.bill_to.as_ref())?,
            payment_method: args.payment_method.clone().unwrap_or_default(),
            shipping_method: args.shipping_method.clone().unwrap_or_default(),
            notes: args.notes.clone(),
            coupon_code: args.coupon.clone(),
            ..PlaceRequest::default()
        };
        Ok(Draft {
            items: items.collect::<Outcome<_>>()?,
            request,
        })
    }

    async fn resolve(mut self, engine: &Engine) -> Outcome<PlaceRequest> {
        let shop = engine.products.as_deref();
        for item in self.items {
            self.request.items.push(resolve_item(&item, shop).await?);
        }
        let request = &mut self.request;
        as_offered(&mut request.payment_method, &engine.payment_methods);
        as_offered(&mut request.shipping_method, &engine.shipping_methods);
        Ok(self.request)
    }
}

/// Spells `method` as one that is on offer, if it differs from that only in upper and lower case.
pub fn as_offered(method: &mut String, offered: &[String]) {
    let same = |known: &&String| known.eq_ignore_ascii_case(method);
    if !offered.contains(method)
        && let Some(known) = offered.iter().find(same)
    {
        method.clone_from(known);
    }
}

/// The item by product and variant; `shop` has the products, if they are in the embedded one.
pub async fn resolve_item(item: &items::Item, shop: Option<&Shop>) -> Outcome<ItemInput> {
    let (product, variant) = match &item.named {
        Named::Product(product, variant) => (*product, *variant),
        Named::Sku(sku) => {
            let Some(shop) = shop else {
                let failure = Failure::bad_input(format!(
                    "{sku}: only the embedded shop knows products by SKU, and they are not in it"
                ));
                return Err(failure.hint("name it by its product, as PRODUCT[/VARIANT][=QTY]"));
            };
            match shop.resolve_sku(sku).await? {
                Some(found) => found,
                None => near_sku(sku, shop).await?,
            }
        }
    };
    Ok(ItemInput {
        product_id: product.to_string(),
        variant_id: variant.map(|v| v.to_string()),
        quantity: item.quantity,
    })
}

/// Returns the product of the one SKU that is spelled like `sku` but for upper and lower case.
///
/// # Errors
///
/// Not found, with the SKU that comes nearest.
async fn near_sku(sku: &Sku, shop: &Shop) -> Outcome<(ProductId, Option<VariantId>)> {
    let stock = shop.stock(None).await?;
    let mut same = stock
        .iter()
        .filter(|row| row.sku.as_str().eq_ignore_ascii_case(sku.as_str()));
    if let (Some(row), None) = (same.next(), same.next())
        && let Some(found) = shop.resolve_sku(&row.sku).await?
    {
        return Ok(found);
    }
    let failure = Failure::from(Error::NotFound {
        what: "product",
        id: sku.to_string(),
    });
    let typed = sku.as_str().to_uppercase();
    let known = stock.iter().map(|row| row.sku.as_str());
    Err(match nearest(&typed, known) {
        Some(near) => failure.hint(format!(
            "{near} may be meant; `order shop stock` shows what this shop has"
        )),
        None => failure,
    })
}

fn quote_text(quote: &Quote) -> String {
    let money = |minor| amount(minor, quote.currency);
    let mut items = Table::new(&["SKU", "NAME", ">QTY", ">PRICE", ">DISCOUNT", ">SUBTOTAL"]);
    for l in &quote.lines {
        items.row([
            l.sku.to_string(),
            l.name.clone(),
            l.lot.units.to_string(),
            money(l.unit_price),
            money(l.discount),
            money(l.lot.subtotal),
        ]);
    }
    format!(
        "{}\n{}",
        items.render(),
        crate::output::order_text::sums(&quote.amounts, quote.currency)
    )
}
