//! Writes out the part of `order_write_v1` that follows from the tables of
//! [`order_core::store::records`], and compares it with what the migration has: a migration is not
//! made anew by every build, so its text stands in a file.

use std::fmt::Write as _;

use order_core::store::records::{CHILDREN, Column, Kind, ORDER_STATUS_HISTORY, ORDERS, Table};

use crate::statements::LISTED;

/// The numbers of each section in `p_counts`: how many rows it has, how many rows were before it,
/// and how many values of each kind.
const COUNTS: usize = 7;
/// From which of the children on no order has rows from its beginning.
const LATER: &str = "order_shipments";

/// The places in `p_counts` of what is said of a section.
#[derive(Clone, Copy)]
struct Section {
    n: usize,
}

impl Section {
    fn place(self, at: usize) -> String {
        format!("p_counts[{}]", COUNTS * (self.n - 1) + 1 + at)
    }

    fn rows(self) -> String {
        self.place(0)
    }

    fn rows_before(self) -> String {
        self.place(1)
    }

    fn values_before(self, kind: usize) -> String {
        self.place(2 + kind)
    }
}

const KINDS: [(Kind, &str, &str); 5] = [
    (Kind::Id, "p_ids", "xi"),
    (Kind::Int, "p_ints", "xn"),
    (Kind::Text, "p_texts", "xt"),
    (Kind::Flag, "p_flags", "xf"),
    (Kind::Time, "p_times", "xm"),
];

fn place(kind: Kind) -> usize {
    KINDS.iter().position(|(of, ..)| *of == kind).unwrap()
}

/// The expressions for the values of `columns`, which a row has in this order, and how many of each
/// kind there are.
fn expressions<'a>(columns: &[&'a Column]) -> (Vec<(&'a Column, String)>, [usize; 5]) {
    let mut widths = [0; 5];
    let expressions = columns.iter().map(|column| {
        let at = place(column.kind);
        widths[at] += 1;
        let (_, array, base) = KINDS[at];
        (*column, format!("{array}[{base} + {}]", widths[at]))
    });
    (expressions.collect(), widths)
}

/// The rows of the section: their changeset, and after which place their values of each kind come.
/// It is worked out once for each row, not for each column.
fn rows(section: Section, widths: [usize; 5]) -> String {
    let mut columns = format!("p_of[{} + i] AS g", section.rows_before());
    for (kind, ((_, _, base), width)) in KINDS
        .into_iter()
        .zip(widths)
        .enumerate()
        .filter(|(_, (_, width))| *width > 0)
    {
        let before = section.values_before(kind);
        let _ = match width {
            1 => write!(columns, ", {before} + i - 1 AS {base}"),
            _ => write!(columns, ", {before} + {width} * (i - 1) AS {base}"),
        };
    }
    let columns = wrapped(columns.split(", ").map(str::to_owned), "      ");
    format!(
        "(SELECT\n{columns}\n      FROM generate_series(1, {}) i OFFSET 0) x",
        section.rows()
    )
}

/// Breaks a list into lines.
fn wrapped(items: impl IntoIterator<Item = String>, indent: &str) -> String {
    let mut text = String::new();
    let mut line = String::from(indent);
    let mut items = items.into_iter().peekable();
    while let Some(item) = items.next() {
        let item = if items.peek().is_some() {
            format!("{item},")
        } else {
            item
        };
        if line.len() + 1 + item.len() > 130 {
            let _ = writeln!(text, "{line}");
            line = indent.to_owned();
        }
        if line.len() > indent.len() {
            line.push(' ');
        }
        line.push_str(&item);
    }
    text + &line
}

fn insert(
    section: Section,
    table: &str,
    owner: &str,
    columns: &[(&Column, String)],
    widths: [usize; 5],
) -> String {
    let names = [owner.to_owned()]
        .into_iter()
        .chain(columns.iter().map(|(column, _)| column.name.to_owned()));
    let values = ["coalesce(p_bucket, p_buckets[g])", "p_orders[g]"]
        .map(str::to_owned)
        .into_iter();
    let values = values.chain(columns.iter().map(|(_, value)| value.clone()));
    let (names, values, rows) = (
        wrapped(["bucket".to_owned()].into_iter().chain(names), "      "),
        wrapped(values, "      "),
        rows(section, widths),
    );
    format!(
        "    INSERT INTO {table} (\n{names})\n    SELECT\n{values}\n    FROM {rows} WHERE p_ok[g];\n"
    )
}

/// Takes its values by name from a row, not from the arrays: a node of Citus crashed on an array's
/// element that is assigned to a column.
fn update(
    section: Section,
    table: &str,
    owner: &str,
    key: &[(&Column, String)],
    set: &[(&Column, String)],
    only_if_changed: bool,
    widths: [usize; 5],
) -> String {
    let assigned = set
        .iter()
        .map(|(Column { name, rises, .. }, _)| match rises {
            true => format!("{name} = greatest(y.{name}, z.{name})"),
            false => format!("{name} = z.{name}"),
        });
    let named = key
        .iter()
        .chain(set)
        .map(|(column, value)| format!("{value} AS {}", column.name));
    let values = wrapped(["g".to_owned()].into_iter().chain(named), "      ");
    let mut sql = format!(
        "    UPDATE {table} y SET\n{}\n    FROM (SELECT\n{values}\n    FROM {} WHERE p_ok[g]) z\n",
        wrapped(assigned, "      "),
        rows(section, widths)
    );
    let _ = write!(
        sql,
        "    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.{owner} = p_orders[z.g]"
    );
    for (Column { name, .. }, _) in key {
        let _ = write!(sql, " AND y.{name} = z.{name}");
    }
    if only_if_changed {
        let of = |row: &str| {
            wrapped(
                set.iter()
                    .map(|(column, _)| format!("{row}.{}", column.name)),
                "        ",
            )
        };
        let _ = write!(
            sql,
            "\n      AND (\n{})\n      IS DISTINCT FROM (\n{})",
            of("y"),
            of("z")
        );
    }
    sql + ";\n"
}

fn delete(
    section: Section,
    table: &Table,
    key: &[(&Column, String)],
    widths: [usize; 5],
) -> String {
    let mut sql = format!(
        "    DELETE FROM {} y USING {}\n    WHERE p_ok[g] AND y.bucket = coalesce(p_bucket, p_buckets[g]) AND y.order_id = p_orders[g]",
        table.name,
        rows(section, widths)
    );
    for (column, value) in key {
        let _ = write!(sql, " AND y.{} = {value}", column.name);
    }
    sql + ";\n"
}

fn own_columns(table: &'static Table) -> Vec<&'static Column> {
    table.columns.iter().skip(1).collect()
}

fn parts<'a>(
    columns: &[(&'a Column, String)],
    in_it: impl Fn(&Column) -> bool,
) -> Vec<(&'a Column, String)> {
    columns
        .iter()
        .filter(|(column, _)| in_it(column))
        .cloned()
        .collect()
}

/// The statements for the order itself: new, and changed.
fn of_order(new: Section, changed: Section) -> [String; 2] {
    let (columns, widths) = expressions(&own_columns(ORDERS));
    let listed = |column: &Column| LISTED.contains(&column.name);
    let in_state = |column: &Column| !listed(column);
    let in_updates = |column: &Column| ["status", "updated_at"].contains(&column.name);
    let changing =
        |in_it: &dyn Fn(&Column) -> bool| parts(&columns, |column| in_it(column) && !column.fixed);
    let inserts = insert(new, "orders", "id", &parts(&columns, listed), widths)
        + &insert(
            new,
            "order_state",
            "order_id",
            &parts(&columns, in_state),
            widths,
        )
        + &insert(
            new,
            "order_updates",
            "order_id",
            &parts(&columns, in_updates),
            widths,
        );
    let updates = update(
        changed,
        "orders",
        "id",
        &[],
        &changing(&listed),
        true,
        widths,
    ) + &update(
        changed,
        "order_state",
        "order_id",
        &[],
        &changing(&in_state),
        false,
        widths,
    ) + &update(
        changed,
        "order_updates",
        "order_id",
        &[],
        &changing(&in_updates),
        false,
        widths,
    );
    [inserts, updates]
}

/// The statements for one of its other tables: new, changed, and gone.
fn of_child(table: &'static Table, [new, changed, gone]: [Section; 3]) -> [String; 3] {
    let (columns, widths) = expressions(&own_columns(table));
    let is_key = |column: &Column| {
        table
            .key_columns()
            .iter()
            .any(|key| key.name == column.name)
    };
    let inserts = insert(new, table.name, "order_id", &columns, widths);
    let changing = parts(&columns, |column| !is_key(column) && !column.fixed);
    let updates = update(
        changed,
        table.name,
        "order_id",
        &parts(&columns, is_key),
        &changing,
        false,
        widths,
    );
    let (key, widths) = expressions(&table.key_columns().iter().skip(1).collect::<Vec<_>>());
    [inserts, updates, delete(gone, table, &key, widths)]
}

fn if_any(section: Section, name: &str, statements: &str) -> String {
    format!(
        "  -- {name}\n  IF {} > 0 THEN\n{statements}  END IF;\n",
        section.rows()
    )
}

/// The part that is looked at only if one of the sections from the first up to the last, itself not
/// among them, has rows.
fn if_any_between(first: Section, last: Section, statements: &str) -> String {
    format!(
        "  IF {} > {} THEN\n{statements}  END IF;\n",
        last.rows_before(),
        first.rows_before()
    )
}

/// Each question costs as much as the writing of a row: so what has no rows is passed over with few
/// of them.
fn written() -> String {
    let mut sections = (1..).map(|n| Section { n });
    let mut next = || sections.next().unwrap();
    let (new, changed) = (next(), next());
    let [inserts, updates] = of_order(new, changed);
    let mut sql =
        if_any(new, "orders: new", &inserts) + &if_any(changed, "orders: changed", &updates);
    let children: Vec<_> = CHILDREN
        .iter()
        .copied()
        .map(|table| (table, [next(), next(), next()]))
        .collect();
    let history = next();
    let (mut later, mut first_later) = (String::new(), None);
    for (at, (table, of_table)) in children.iter().enumerate() {
        let after = children.get(at + 1).map_or(history, |(_, [new, ..])| *new);
        let mut inner = String::new();
        for ((section, what), statements) in of_table
            .iter()
            .zip(["new", "changed", "gone"])
            .zip(of_child(table, *of_table))
        {
            inner += &if_any(*section, &format!("{}: {what}", table.name), &statements);
        }
        let of_table = if_any_between(of_table[0], after, &inner);
        if table.name == LATER {
            first_later = Some(children[at].1[0]);
        }
        if first_later.is_some() {
            later += &of_table
        } else {
            sql += &of_table
        }
    }
    sql += &if_any_between(first_later.unwrap(), history, &later);
    let (columns, widths) = expressions(&own_columns(ORDER_STATUS_HISTORY));
    let inserts = insert(
        history,
        "order_status_history",
        "order_id",
        &columns,
        widths,
    );
    sql + &if_any(history, "order_status_history: new", &inserts)
}

#[test]
fn the_write_function_writes_the_columns_of_the_tables() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/0002_write.sql");
    let stands = std::fs::read_to_string(file).unwrap();
    let (begin, end) = (
        "  -- begin of what follows from the tables\n",
        "  -- end of what follows from the tables\n",
    );
    let (head, rest) = stands.split_once(begin).expect("the mark of the beginning");
    let (_, tail) = rest.split_once(end).expect("the mark of the end");
    let anew = format!("{head}{begin}{}\n{end}{tail}", written());
    if std::env::var_os("ORDER_WRITE_MIGRATION").is_some() {
        std::fs::write(file, &anew).unwrap();
    }
    assert!(
        stands == anew,
        "the tables have changed: before 0.1.0, ORDER_WRITE_MIGRATION=1 writes the function anew"
    );
}
