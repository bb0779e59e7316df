//! `order_items`: the lines of an order, with their lots.

use serde::{Deserialize, Serialize};

use super::read::{Columns, Stored};
use super::table::{Column, Table, Unreadable};
use super::write::Cells;
use super::{Child, Record};
use crate::ids::{LineId, ProductId, VariantId};
use crate::money::Minor;
use crate::order::{Counters, Line, Lot, Order};

/// One row for each line.
pub const ORDER_ITEMS: &Table = &Table {
    n: 1,
    name: "order_items",
    key: 2,
    columns: &[
        Column::id("order_id"),
        Column::int("n"),
        Column::id("id"),
        Column::id("product_id"),
        Column::id("variant_id").nullable(),
        Column::text("sku").indexed(),
        Column::text("name"),
        Column::int("quantity"),
        Column::int("unit_price"),
        Column::int("discount_amount"),
        Column::int("subtotal"),
        Column::flag("requires_shipping"),
        // What became of the units.
        Column::int("cancelled"),
        Column::int("planned"),
        Column::int("shipped"),
        Column::int("delivered"),
        Column::int("returned"),
        Column::int("restocked"),
        Column::int("lost"),
        // JSON: of each group of equal units [units, subtotal, coupon, tax, tax included], and its
        // credit if there is one.
        Column::text("lots"),
        Column::time("created_at"),
        Column::time("updated_at"),
    ],
};

/// A lot as it is stored.
#[derive(Serialize, Deserialize)]
struct LotRow(
    u32,
    Minor,
    Minor,
    Minor,
    Minor,
    #[serde(default, skip_serializing_if = "is_zero")] Minor,
);

fn is_zero(minor: &Minor) -> bool {
    *minor == 0
}

impl From<&Lot> for LotRow {
    fn from(
        &Lot {
            units,
            subtotal,
            coupon,
            tax,
            tax_included,
            credit,
        }: &Lot,
    ) -> Self {
        LotRow(units, subtotal, coupon, tax, tax_included, credit)
    }
}

impl From<LotRow> for Lot {
    fn from(LotRow(units, subtotal, coupon, tax, tax_included, credit): LotRow) -> Self {
        Lot {
            units,
            subtotal,
            coupon,
            tax,
            tax_included,
            credit,
        }
    }
}

/// The lots of a line as an array of arrays.
struct Lots<'a>(&'a [Lot]);

impl Serialize for Lots<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(LotRow::from))
    }
}

impl Child for Line {
    fn number(&self, _: usize) -> u32 {
        self.n
    }

    fn put(&self, order: &Order, n: u32, row: &mut Cells) {
        #[rustfmt::skip]
        let Line {
            n: _, id, product, variant, sku, name, quantity, unit_price, discount, subtotal, requires_shipping, counters, lots,
            created_at, updated_at,
        } = self;
        let Counters {
            cancelled,
            planned,
            shipped,
            delivered,
            returned,
            restocked,
            lost,
        } = counters;
        row.id(order.id.as_bytes()).int(n).id(id.as_bytes());
        row.id(product.as_bytes())
            .id_some(variant.as_ref().map(|v| v.as_bytes()))
            .text(sku.as_str())
            .text(name);
        row.int(*quantity)
            .int(*unit_price)
            .int(*discount)
            .int(*subtotal)
            .flag(*requires_shipping);
        row.int(*cancelled)
            .int(*planned)
            .int(*shipped)
            .int(*delivered)
            .int(*returned)
            .int(*restocked)
            .int(*lost);
        row.json(&Lots(lots)).time(*created_at).time(*updated_at);
    }
}

impl Record for Line {
    const TABLE: &'static Table = ORDER_ITEMS;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        Ok(Line {
            n: c.skip(1).int()?,
            id: LineId::from_bytes(c.id()?),
            product: ProductId::from_bytes(c.id()?),
            variant: c.id_some()?.map(VariantId::from_bytes),
            sku: c.parse()?,
            name: c.text()?,
            quantity: c.int()?,
            unit_price: c.int()?,
            discount: c.int()?,
            subtotal: c.int()?,
            requires_shipping: c.flag()?,
            counters: Counters {
                cancelled: c.int()?,
                planned: c.int()?,
                shipped: c.int()?,
                delivered: c.int()?,
                returned: c.int()?,
                restocked: c.int()?,
                lost: c.int()?,
            },
            lots: {
                let rows: Vec<LotRow> = c.json()?;
                rows.into_iter().map(Lot::from).collect()
            },
            created_at: c.time()?,
            updated_at: c.time()?,
        })
    }
}
