//! `order list`: orders, a page at a time.

use std::sync::Arc;

use clap::Args;
use order_core::ids::{ExternalRef, Name, ParseIdError, Sku, UserId};
use order_core::order::{AttentionReason, FulfilmentStatus, Order, PaymentStatus, Status};
use order_core::store::{Cursor, ListQuery, SortKey, TimeRange, Unreadable};
use order_core::time::Timestamp;

use super::attention::reason;
use super::options::whole;
use crate::engine::Engine;
use crate::exit::Outcome;
use crate::input::holds;
use crate::input::words::words;
use crate::output::rows::{needs_a_person, orders_table};
use crate::output::{Out, note};
use crate::settings::Settings;
use order_core::json::PageView;

/// Options of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only this user's
    #[arg(long, value_name = "UUID")]
    pub user: Option<UserId>,
    /// Only with this status, such as CONFIRMED; repeatable, or several with commas between them
    #[arg(long = "status", value_name = "STATUS", value_delimiter = ',', hide_possible_values = true, value_parser = words(Status::ALL, Status::as_str))]
    pub statuses: Vec<Status>,
    /// Only those paid so far, such as PAID or PARTIALLY_REFUNDED
    #[arg(long, value_name = "STATUS", hide_possible_values = true, value_parser = words(PaymentStatus::ALL, PaymentStatus::as_str))]
    pub payment_status: Option<PaymentStatus>,
    /// Only those delivered so far, such as SHIPPED
    #[arg(long, value_name = "STATUS", hide_possible_values = true, value_parser = words(FulfilmentStatus::ALL, FulfilmentStatus::as_str))]
    pub fulfilment_status: Option<FulfilmentStatus>,
    /// Only with open attention for this reason, such as DISPUTE
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub attention: Option<AttentionReason>,
    /// Only those for which something is left to do, now or later
    #[arg(long)]
    pub open_work: bool,
    /// Only those with this e-mail in an address, to the letter
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// Only those with a line of this SKU
    #[arg(long)]
    pub sku: Option<Sku>,
    /// Only those that are called so elsewhere
    #[arg(long, value_name = "REF")]
    pub external_ref: Option<ExternalRef>,
    /// Only those with VALUE under KEY
    #[arg(long, value_name = "KEY=VALUE", value_parser = metadata)]
    pub metadata: Option<(Name, String)>,
    /// Only those placed at that time or later, such as 2026-03-01 or 2026-03-01T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = day_or_time)]
    pub placed_from: Option<Timestamp>,
    /// Only those placed before that time
    #[arg(long, value_name = "TIME", value_parser = day_or_time)]
    pub placed_before: Option<Timestamp>,
    /// Only those that changed last at that time or later
    #[arg(long, value_name = "TIME", value_parser = day_or_time)]
    pub updated_from: Option<Timestamp>,
    /// Only those that changed last before that time
    #[arg(long, value_name = "TIME", value_parser = day_or_time)]
    pub updated_before: Option<Timestamp>,
    /// The most that are shown, 1 to 1000
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        allow_negative_numbers = true,
        value_parser = whole::<1, 1000>
    )]
    pub limit: u32,
    /// Go on after this place: the `next` of the page before
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<Cursor>,
    /// The key they are sorted by: created_at, updated_at, total_amount, order_number
    #[arg(long, value_name = "KEY", default_value = "created_at")]
    pub sort: SortKey,
    /// Smallest, or earliest, first
    #[arg(long)]
    pub asc: bool,
    /// Largest, or latest, first, as without it
    #[arg(long, conflicts_with = "asc")]
    pub desc: bool,
}

/// Shows a page of orders.
pub async fn list(settings: &Settings, out: &Out, args: List) -> Outcome {
    let engine = Engine::open_to_list(settings).await?;
    let query = ListQuery {
        user: args.user,
        statuses: args.statuses,
        payment_status: args.payment_status,
        fulfilment_status: args.fulfilment_status,
        attention: args.attention,
        open_work: args.open_work,
        email: args.email,
        sku: args.sku,
        external_ref: args.external_ref,
        metadata: args.metadata,
        placed: TimeRange {
            from: args.placed_from,
            before: args.placed_before,
        },
        updated: TimeRange {
            from: args.updated_from,
            before: args.updated_before,
        },
        sort: args.sort,
        // A page that goes on after another goes its way, which stands in the cursor.
        descending: match (args.asc, args.desc, &args.after) {
            (true, _, _) => false,
            (false, false, Some(cursor)) => cursor.descending,
            _ => true,
        },
        after: args.after,
        limit: args.limit,
        ..ListQuery::default()
    };
    let page = engine.manager.list(&engine.principal, query).await?;
    let view = PageView::of(&page);
    out.many(&view, &view.orders, || orders_table(&page.orders).render())?;
    if out.is_for_people() {
        explain_marks(&page.orders);
    }
    if let Some(next) = view.next.as_ref().filter(|_| !out.is_json()) {
        note(format_args!("more: --after {next}"));
    }
    say_unreadable(&page.unreadable);
    Ok(())
}

/// Says what the marks behind a status mean, if there are any.
fn explain_marks(orders: &[Arc<Order>]) {
    if orders.iter().any(|order| needs_a_person(order)) {
        note("! a person must look: `order stuck` says why");
    }
    if orders.iter().any(|order| !order.holds.is_empty()) {
        note("# on hold: `order get` says what that keeps it from");
    }
}

/// Names orders that cannot be read, beside those that can.
fn say_unreadable(unreadable: &[Unreadable]) {
    for Unreadable { order, reason } in unreadable {
        note(format_args!("order {order} cannot be read: {reason}"));
    }
}

/// Reads an entry of metadata to look for.
fn metadata(text: &str) -> Result<(Name, String), String> {
    let (key, value) = holds::entry(text)?;
    Ok((key.parse().map_err(|e: ParseIdError| e.to_string())?, value))
}

/// Reads a time, or a day in UTC as its beginning.
fn day_or_time(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == "2026-03-01".len() {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    whole.parse().map_err(|_| {
        format!(
            "{text:?} is no time: expected a day such as 2026-03-01, or RFC 3339 such as \
                 2026-03-01T10:00:00Z"
        )
    })
}
