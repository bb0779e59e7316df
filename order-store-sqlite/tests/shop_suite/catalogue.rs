use order_core::order::PaymentTerms;
use order_core::pricing::Pricing;
use order_store_sqlite::shop::catalogue::Outcome;
use order_store_sqlite::shop::{Catalogue, CatalogueSource, RawCatalogue};

use crate::{CATALOGUE, catalogue, usd};

/// The error of the catalogue above with one line replaced by another, or of `text` itself.
fn error(text: &str) -> String {
    Catalogue::parse(text, "cat.toml").unwrap_err().to_string()
}

/// The catalogue with `from` replaced, and the 1-based line where that stood.
fn with(from: &str, to: &str) -> (String, usize) {
    let at = CATALOGUE
        .find(from)
        .unwrap_or_else(|| panic!("{from} is in the catalogue"));
    let line = CATALOGUE[..at].matches('\n').count() + 1;
    (CATALOGUE.replacen(from, to, 1), line)
}

/// Asserts that replacing `from` by `to` gives an error at the line of `from` plus `below`, in
/// `column`, containing `says`.
#[track_caller]
fn check(from: &str, to: &str, below: usize, column: usize, says: &str) {
    let (text, line) = with(from, to);
    let error = error(&text);
    let place = format!("cat.toml:{}:{column}: ", line + below);
    assert!(error.starts_with(&place), "expected {place}, got {error}");
    assert!(error.contains(says), "expected {says:?} in {error:?}");
    assert!(!error.contains('\n'), "one line: {error:?}");
}

#[test]
fn a_catalogue_says_what_is_sold_and_how() {
    let catalogue = catalogue();
    let [mug, cup] = catalogue.products() else {
        panic!("two products")
    };
    assert_eq!(
        (mug.product.price, mug.product.discount_price),
        (usd(1250), Some(usd(1100)))
    );
    assert!(mug.product.published && mug.product.requires_shipping);
    assert!(!cup.product.published && !cup.product.requires_shipping);
    let stock: Vec<_> = cup
        .stock
        .iter()
        .map(|(sku, n)| (sku.as_str(), *n))
        .collect();
    assert_eq!(stock, [("CUP", 0), ("CUP-RED", 3), ("CUP-BLUE", 4)]);
    let statuses: Vec<_> = catalogue
        .customers()
        .iter()
        .map(|c| c.status.as_str())
        .collect();
    assert_eq!(statuses, ["active", "suspended"]);
    let outcomes: Vec<_> = catalogue
        .payment_methods()
        .iter()
        .map(|m| (m.outcome, m.rule.due))
        .collect();
    assert_eq!(outcomes[0], (Outcome::Approve, PaymentTerms::Confirm));
    assert_eq!(outcomes[2], (Outcome::Pending, PaymentTerms::Shipment));
    let days: Vec<_> = catalogue
        .payment_methods()
        .iter()
        .map(|m| m.capture_within_days)
        .collect();
    assert_eq!((days[0], days[2]), (None, Some(7)));
    assert_eq!(catalogue.price_book().currency(), catalogue.currency());
}

#[test]
fn a_currency_is_enough() {
    let catalogue = Catalogue::parse("currency = \"JPY\"", "empty.toml").unwrap();
    assert!(catalogue.products().is_empty());
}

#[test]
fn errors_of_syntax_and_shape_name_line_and_column() {
    check(
        "name = \"Enamel mug\"",
        "name = \"Enamel mug",
        0,
        19,
        "string",
    );
    check("[[customer]]", "[[customer]", 0, 12, "unclosed array table");
    check(
        "name = \"Enamel mug\"",
        "nom = \"Enamel mug\"",
        0,
        1,
        "unknown field `nom`",
    );
    check(
        "stock = 10",
        "stock = \"10\"",
        0,
        9,
        "invalid type: string \"10\", expected a whole number such as 40, without quotes",
    );
    check(
        "stock = 10",
        "stock = 1.5",
        0,
        9,
        "invalid type: floating point",
    );
    check(
        "stock = 10",
        "stock = 10\nstock = 11",
        1,
        1,
        "stock is given twice",
    );
    check(
        "price = \"12.50\"",
        "price = 12.50",
        0,
        9,
        "a decimal number in quotes such as \"12.50\"",
    );
    check("[[coupon]]", "[[cupon]]", 0, 3, "unknown field `cupon`");
    check(
        "outcome = \"decline\"",
        "outcome = \"refuse\"",
        0,
        11,
        "unknown variant `refuse`, expected one of `approve`",
    );
    check(
        "due = \"shipment\"",
        "due = \"later\"",
        0,
        7,
        "unknown variant `later`",
    );
    check("until = 2027", "until = 7\n#", 0, 9, "an RFC 3339 time");
}

#[test]
fn errors_of_missing_fields_name_the_table_they_are_missing_from() {
    let blue =
        "[[product.variant]]\nid = \"6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b22\"\nsku = \"CUP-BLUE\"\n";
    check(
        &format!("{blue}name = \"Blue\"\n"),
        blue,
        0,
        1,
        "missing field `name`",
    );
    let declined = "[[payment_method]]\nmethod = \"DECLINED\"\n";
    check(
        &format!("{declined}outcome = \"decline\"\n"),
        declined,
        0,
        1,
        "missing field `outcome`",
    );
    assert_eq!(
        error(&CATALOGUE.replace("currency = \"USD\"\n", "")),
        "cat.toml:1:1: missing field `currency`"
    );
    assert_eq!(error(""), "cat.toml:1:1: missing field `currency`");
}

#[test]
fn errors_of_meaning_name_line_and_column() {
    check(
        "currency = \"USD\"",
        "currency = \"usd\"",
        0,
        12,
        "\"usd\" is not a currency",
    );
    check(
        "\"3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11\"",
        "\"mug\"",
        0,
        6,
        "\"mug\" is not a product id: expected a UUID",
    );
    check("sku = \"MUG-01\"", "sku = \"\"", 0, 7, "is not a SKU");
    check(
        "name = \"Enamel mug\"",
        "name = \"\"",
        0,
        8,
        "product.name: is empty",
    );
    check(
        "price = \"12.50\"",
        "price = \"12.505\"",
        0,
        9,
        "has more decimals than USD has (2)",
    );
    check(
        "price = \"12.50\"",
        "price = \"twelve\"",
        0,
        9,
        "is not an amount",
    );
    check(
        "price = \"12.50\"",
        "price = \"0\"",
        0,
        9,
        "expected more than 0",
    );
    check(
        "price = \"12.50\"",
        "price = \"-1\"",
        0,
        9,
        "expected more than 0",
    );
    check(
        "price = \"9.00\"",
        "price = \"0.00\"",
        0,
        9,
        "product.variant.price",
    );
    check(
        "discount_price = \"11.00\"",
        "discount_price = \"12.50\"",
        0,
        18,
        "12.50 USD is not below the price",
    );
    check(
        "discount_price = \"11.00\"",
        "discount_price = \"-1\"",
        0,
        18,
        "expected 0 or more",
    );
    check(
        "stock = 10",
        "stock = -1",
        0,
        9,
        "product.stock: -1 is out of range: expected 0 to 1000000000",
    );
    check(
        "stock = 4",
        "stock = 9999999999",
        0,
        9,
        "product.variant.stock",
    );
    check(
        "email = \"other@example.com\"",
        "email = \"other\"",
        0,
        9,
        "is not an e-mail address",
    );
    check(
        "status = \"suspended\"",
        "status = \"\"",
        0,
        10,
        "customer.status: is empty",
    );
    check(
        "price = \"4.90\"",
        "price = \"-4.90\"",
        0,
        9,
        "shipping.price",
    );
    check(
        "free_from = \"50.00\"",
        "free_from = \"x\"",
        0,
        13,
        "shipping.free_from",
    );
    check(
        "rate = \"0.05\"",
        "rate = \"5\"",
        0,
        8,
        "tax.rate: 5 is out of range: expected 0 to 1",
    );
    check("rate = \"0.05\"", "rate = \"5 %\"", 0, 8, "is not a number");
    check(
        "percent = \"10\"",
        "percent = \"0\"",
        0,
        11,
        "expected more than 0 and at most 100",
    );
    check(
        "percent = \"10\"",
        "percent = \"100.5\"",
        0,
        11,
        "expected more than 0 and at most 100",
    );
    check(
        "code = \"SUMMER10\"\npercent = \"10\"\n",
        "code = \"SUMMER10\"\n",
        0,
        8,
        "has neither percent nor amount",
    );
    check(
        "amount = \"5.00\"",
        "amount = \"5.00\"\npercent = \"5\"",
        0,
        10,
        "has both percent and amount",
    );
    check(
        "amount = \"5.00\"",
        "amount = \"0\"",
        0,
        10,
        "coupon.amount",
    );
    check(
        "minimum = \"20.00\"",
        "minimum = \"-1\"",
        0,
        11,
        "coupon.minimum",
    );
    check(
        "from = \"2026-01-01T00:00:00Z\"",
        "from = \"soon\"",
        0,
        8,
        "is not a time",
    );
    check(
        "until = 2027-01-01T00:00:00Z",
        "until = 2027-01-01",
        0,
        9,
        "is not a time",
    );
    check(
        "until = 2027-01-01T00:00:00Z",
        "until = \"2026-01-01T00:00:00Z\"",
        0,
        9,
        "expected a time after coupon.from",
    );
    check(
        "uses = 100",
        "uses = 0",
        0,
        8,
        "coupon.uses: 0 is out of range: expected 1 to",
    );
    let days = "payment_method.capture_within_days";
    check(
        "capture_within_days = 7",
        "capture_within_days = 0",
        0,
        23,
        &format!("{days}: 0 is out of range: expected 1 to 365"),
    );
    check(
        "capture_within_days = 7",
        "capture_within_days = 366",
        0,
        23,
        &format!("{days}: 366 is out of range"),
    );
}

#[test]
fn duplicates_name_both_places() {
    let id = "id = \"3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d12\"";
    check(
        id,
        "id = \"3F2C8F0E-6B1D-4C58-9A0E-3B6A2F0C1D11\"",
        0,
        6,
        "appears twice, first in line 4",
    );
    check(
        "sku = \"CUP-RED\"",
        "sku = \"MUG-01\"",
        0,
        7,
        "sku: MUG-01 appears twice, first in line 5",
    );
    let id = "id = \"6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b22\"";
    check(
        id,
        "id = \"6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b21\"",
        0,
        6,
        "product.variant.id",
    );
    let id = "id = \"9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a34\"";
    check(
        id,
        "id = \"9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33\"",
        0,
        6,
        "customer.id",
    );
    let tax = "[[tax]]\ncountry = \"US\"\nstate = \"CA\"";
    check(
        tax,
        "[[tax]]\ncountry = \" us\"\n",
        1,
        11,
        "tax.country and state:  us appears twice",
    );
    check(
        "code = \"FIVE\"",
        "code = \"SUMMER10\"",
        0,
        8,
        "coupon.code: SUMMER10 appears twice",
    );
    check(
        "method = \"BANK\"",
        "method = \"DECLINED\"",
        0,
        10,
        "payment_method.method: DECLINED appears twice",
    );
    let shipping = "price = \"4.90\"";
    check(
        shipping,
        "price = \"1\"\n[[shipping]]\nmethod = \"STANDARD\"\nprice = \"4.90\"",
        2,
        10,
        "shipping.method",
    );
}

#[test]
fn decimals_are_those_of_the_currency() {
    let shipping = |currency, price| {
        format!("currency = \"{currency}\"\n[[shipping]]\nmethod = \"A\"\nprice = \"{price}\"\n")
    };
    for (currency, good, bad) in [
        ("JPY", "490", "490.5"),
        ("USD", "4.90", "4.905"),
        ("KWD", "4.905", "4.9055"),
    ] {
        assert!(
            Catalogue::parse(&shipping(currency, good), "a").is_ok(),
            "{currency} {good}"
        );
        assert!(
            error(&shipping(currency, bad)).starts_with("cat.toml:4:9: "),
            "{currency} {bad}"
        );
    }
}

#[test]
fn columns_count_characters_and_lines_end_either_way() {
    let text = "currency = \"USD\"\r\n[[shipping]]\r\nmethod = \"ü\"\r\nprice = \"x\"\r\n";
    assert!(error(text).starts_with("cat.toml:4:9: "), "{}", error(text));
    let inline = "currency = \"USD\"\nshipping = [{ method = \"üü\", price = \"x\" }]\n";
    assert!(
        error(inline).starts_with("cat.toml:2:38: "),
        "{}",
        error(inline)
    );
}

#[test]
fn a_catalogue_inside_another_document_keeps_its_places() {
    #[derive(Debug, serde::Deserialize)]
    struct Script {
        catalogue: RawCatalogue,
    }
    let text = "[catalogue]\ncurrency = \"USD\"\n[[catalogue.shipping]]\nmethod = \"A\"\nprice = \"1.234\"\n";
    let script: Script = toml::from_str(text).unwrap();
    let error = script.catalogue.check("script.toml", text).unwrap_err();
    assert_eq!(
        (error.file.as_str(), error.line, error.column),
        ("script.toml", 5, 9)
    );
}

#[test]
fn a_document_can_hold_a_catalogue_or_name_its_file() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Script {
        catalogue: CatalogueSource,
        #[serde(default)]
        step: Vec<toml::Table>,
    }
    let script: Script =
        toml::from_str("catalogue = \"shop.toml\"\n[[step]]\nplace = 1\n").unwrap();
    assert!(matches!(&script.catalogue, CatalogueSource::File(f) if f == "shop.toml"));
    assert_eq!(script.step.len(), 1);

    let text = "[catalogue]\ncurrency = \"USD\"\n[[catalogue.shipping]]\nmethod = \"A\"\nprice = \"1.234\"\n";
    let Script {
        catalogue: CatalogueSource::Inline(raw),
        ..
    } = toml::from_str(text).unwrap()
    else {
        panic!("inline")
    };
    assert_eq!(raw.check("script.toml", text).unwrap_err().line, 5);

    let place = |text: &str| {
        let error = toml::from_str::<Script>(text).unwrap_err();
        (
            error.message().to_owned(),
            error
                .span()
                .map(|s| text[..s.start].matches('\n').count() + 1),
        )
    };
    let unknown = place(
        "[catalogue]\ncurrency = \"USD\"\n[[catalogue.shipping]]\nmethod = \"A\"\nprise = \"1\"\n",
    );
    assert!(
        unknown.0.contains("unknown field `prise`") && unknown.1 == Some(5),
        "{unknown:?}"
    );
    assert_eq!(place("catalogue = 1").1, Some(1));
}
