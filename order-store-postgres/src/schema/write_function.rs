//! Writes out the part of `order_write_v1` that follows from the tables of [`order_core::store::records`], and compares it with what the
//! migration has: a migration is not made anew by every build, so its text stands in a file.

use std::fmt::Write as _;

use order_core::store::records::{CHILDREN, Column, Kind, ORDER_STATUS_HISTORY, ORDERS, Table};

use crate::statements::LISTED;

/// The rows of a section: where in the arrays of values the next row's begin.
struct Section {
    sql: String,
    /// How many values of each kind a row has.
    widths: [usize; 5],
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

/// The expressions for the values of `columns`, which a row has in this order, and how many of each kind there are.
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
fn rows(widths: [usize; 5]) -> String {
    let mut columns = "p_of[v_row + i] AS g".to_owned();
    for ((_, _, base), width) in KINDS.into_iter().zip(widths).filter(|(_, width)| *width > 0) {
        let _ = match width {
            1 => write!(columns, ", v_{base} + i - 1 AS {base}"),
            _ => write!(columns, ", v_{base} + {width} * (i - 1) AS {base}"),
        };
    }
    let columns = wrapped(columns.split(", ").map(str::to_owned), "      ");
    format!("(SELECT\n{columns}\n      FROM generate_series(1, v_rows) i) x")
}

/// Breaks a list into lines.
fn wrapped(items: impl IntoIterator<Item = String>, indent: &str) -> String {
    let mut text = String::new();
    let mut line = String::from(indent);
    let mut items = items.into_iter().peekable();
    while let Some(item) = items.next() {
        let item = if items.peek().is_some() { format!("{item},") } else { item };
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

fn insert(table: &str, owner: &str, columns: &[(&Column, String)], widths: [usize; 5]) -> String {
    let names = [owner.to_owned()].into_iter().chain(columns.iter().map(|(column, _)| column.name.to_owned()));
    let values = ["coalesce(p_bucket, p_buckets[g])", "p_orders[g]"].map(str::to_owned).into_iter();
    let values = values.chain(columns.iter().map(|(_, value)| value.clone()));
    let (names, values, rows) =
        (wrapped(["bucket".to_owned()].into_iter().chain(names), "      "), wrapped(values, "      "), rows(widths));
    format!("    INSERT INTO {table} (\n{names})\n    SELECT\n{values}\n    FROM {rows} WHERE p_ok[g];\n")
}

/// Takes its values by name from a row, not from the arrays: a node of Citus crashed on an array's element that is assigned to a column.
fn update(
    table: &str,
    owner: &str,
    key: &[(&Column, String)],
    set: &[(&Column, String)],
    only_if_changed: bool,
    widths: [usize; 5],
) -> String {
    let assigned = set.iter().map(|(Column { name, rises, .. }, _)| match rises {
        true => format!("{name} = greatest(y.{name}, z.{name})"),
        false => format!("{name} = z.{name}"),
    });
    let named = key.iter().chain(set).map(|(column, value)| format!("{value} AS {}", column.name));
    let values = wrapped(["g".to_owned()].into_iter().chain(named), "      ");
    let mut sql = format!(
        "    UPDATE {table} y SET\n{}\n    FROM (SELECT\n{values}\n    FROM {} WHERE p_ok[g]) z\n",
        wrapped(assigned, "      "),
        rows(widths)
    );
    let _ = write!(sql, "    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.{owner} = p_orders[z.g]");
    for (Column { name, .. }, _) in key {
        let _ = write!(sql, " AND y.{name} = z.{name}");
    }
    if only_if_changed {
        let of = |row: &str| wrapped(set.iter().map(|(column, _)| format!("{row}.{}", column.name)), "        ");
        let _ = write!(sql, "\n      AND (\n{})\n      IS DISTINCT FROM (\n{})", of("y"), of("z"));
    }
    sql + ";\n"
}

fn delete(table: &Table, key: &[(&Column, String)], widths: [usize; 5]) -> String {
    let mut sql = format!(
        "    DELETE FROM {} y USING {}\n    WHERE p_ok[g] AND y.bucket = coalesce(p_bucket, p_buckets[g]) AND y.order_id = p_orders[g]",
        table.name,
        rows(widths)
    );
    for (column, value) in key {
        let _ = write!(sql, " AND y.{} = {value}", column.name);
    }
    sql + ";\n"
}

fn own_columns(table: &'static Table) -> Vec<&'static Column> {
    table.columns.iter().skip(1).collect()
}

fn parts<'a>(columns: &[(&'a Column, String)], in_it: impl Fn(&Column) -> bool) -> Vec<(&'a Column, String)> {
    columns.iter().filter(|(column, _)| in_it(column)).cloned().collect()
}

fn sections() -> Vec<(String, Section)> {
    let mut sections = Vec::new();
    let (columns, widths) = expressions(&own_columns(ORDERS));
    let listed = |column: &Column| LISTED.contains(&column.name);
    let in_state = |column: &Column| !listed(column);
    let in_updates = |column: &Column| ["status", "updated_at"].contains(&column.name);
    let changing = |in_it: &dyn Fn(&Column) -> bool| parts(&columns, |column| in_it(column) && !column.fixed);
    let sql = insert("orders", "id", &parts(&columns, listed), widths)
        + &insert("order_state", "order_id", &parts(&columns, in_state), widths)
        + &insert("order_updates", "order_id", &parts(&columns, in_updates), widths);
    sections.push(("orders: new".to_owned(), Section { sql, widths }));
    let sql = update("orders", "id", &[], &changing(&listed), true, widths)
        + &update("order_state", "order_id", &[], &changing(&in_state), false, widths)
        + &update("order_updates", "order_id", &[], &changing(&in_updates), false, widths);
    sections.push(("orders: changed".to_owned(), Section { sql, widths }));
    for table in CHILDREN {
        let (columns, widths) = expressions(&own_columns(table));
        let is_key = |column: &Column| table.key_columns().iter().any(|key| key.name == column.name);
        let sql = insert(table.name, "order_id", &columns, widths);
        sections.push((format!("{}: new", table.name), Section { sql, widths }));
        let changing = parts(&columns, |column| !is_key(column) && !column.fixed);
        let sql = update(table.name, "order_id", &parts(&columns, is_key), &changing, false, widths);
        sections.push((format!("{}: changed", table.name), Section { sql, widths }));
        let (key, widths) = expressions(&table.key_columns().iter().skip(1).collect::<Vec<_>>());
        sections.push((format!("{}: gone", table.name), Section { sql: delete(table, &key, widths), widths }));
    }
    let (columns, widths) = expressions(&own_columns(ORDER_STATUS_HISTORY));
    let sql = insert("order_status_history", "order_id", &columns, widths);
    sections.push(("order_status_history: new".to_owned(), Section { sql, widths }));
    sections
}

fn written() -> String {
    let mut sql = String::new();
    for (n, (name, Section { sql: statements, widths })) in (1..).zip(sections()) {
        let _ = writeln!(sql, "  -- {name}");
        let moved = KINDS.into_iter().zip(widths).filter(|(_, width)| *width > 0);
        let moved: Vec<String> = moved
            .map(|((_, _, base), width)| match width {
                1 => format!("v_{base} := v_{base} + v_rows;"),
                _ => format!("v_{base} := v_{base} + {width} * v_rows;"),
            })
            .collect();
        let _ = writeln!(
            sql,
            "  v_rows := p_counts[{n}];\n  IF v_rows > 0 THEN\n{statements}    v_row := v_row + v_rows; {}\n  END IF;",
            moved.join(" ")
        );
    }
    sql
}

#[test]
fn the_write_function_writes_the_columns_of_the_tables() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/0002_write.sql");
    let stands = std::fs::read_to_string(file).unwrap();
    let (begin, end) = ("  -- begin of what follows from the tables\n", "  -- end of what follows from the tables\n");
    let (head, rest) = stands.split_once(begin).expect("the mark of the beginning");
    let (_, tail) = rest.split_once(end).expect("the mark of the end");
    let anew = format!("{head}{begin}{}\n{end}{tail}", written());
    if std::env::var_os("ORDER_WRITE_MIGRATION").is_some() {
        std::fs::write(file, &anew).unwrap();
    }
    assert!(stands == anew, "the tables have changed: before 0.1.0, ORDER_WRITE_MIGRATION=1 writes the function anew");
}
