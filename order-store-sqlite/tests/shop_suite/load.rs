use std::time::Duration;

use order_core::ids::ProductId;
use order_core::services::{InventoryService, ProductService, ReserveRequest};
use order_store_sqlite::shop::{Catalogue, Counts, Shop, ShopError};

use crate::{CATALOGUE, TempFile, TestClock, catalogue, customer, key, number, order, shop, sku};

fn parse(text: &str) -> Catalogue {
    Catalogue::parse(text, "test.toml").unwrap()
}

fn counts(added: usize, updated: usize, unchanged: usize) -> Counts {
    Counts {
        added,
        updated,
        unchanged,
    }
}

async fn units(shop: &Shop, of: &str) -> [u64; 2] {
    let row = shop.stock(Some(&sku(of))).await.unwrap().remove(0);
    [row.on_hand, row.reserved]
}

async fn resolve(shop: &Shop, text: &str) -> Option<(String, Option<String>)> {
    let found = shop.resolve_sku(&sku(text)).await.unwrap();
    found.map(|(product, variant)| (product.to_string(), variant.map(|v| v.to_string())))
}

#[tokio::test]
async fn reloading_updates_and_never_duplicates() {
    let shop = Shop::in_memory(TestClock::new()).unwrap();
    let report = shop.load(&catalogue()).await.unwrap();
    assert_eq!(
        (report.products, report.variants),
        (counts(2, 0, 0), counts(2, 0, 0))
    );
    assert_eq!(
        (report.customers, report.stock),
        (counts(2, 0, 0), counts(4, 0, 0))
    );
    assert_eq!(
        (
            report.shipping_methods,
            report.tax_rates,
            report.coupons,
            report.payment_methods
        ),
        (1, 2, 2, 8)
    );
    let before = shop.price_book().await.unwrap();
    assert_eq!(&before, catalogue().price_book());

    let report = shop.load(&catalogue()).await.unwrap();
    assert_eq!(
        (report.products, report.variants),
        (counts(0, 0, 2), counts(0, 0, 2))
    );
    assert_eq!(
        (report.customers, report.stock),
        (counts(0, 0, 2), counts(0, 0, 4))
    );
    assert_eq!(shop.price_book().await.unwrap(), before);

    let changed = CATALOGUE
        .replace("Enamel mug", "Steel mug")
        .replace("price = \"9.00\"", "price = \"9.50\"")
        .replace("suspended", "active")
        .replace("4.90", "5.90");
    let report = shop.load(&parse(&changed)).await.unwrap();
    assert_eq!(
        (report.products, report.variants),
        (counts(0, 1, 1), counts(0, 1, 1))
    );
    assert_eq!(report.customers, counts(0, 1, 1));
    assert_ne!(shop.price_book().await.unwrap(), before);
    let cup: ProductId = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d12".parse().unwrap();
    assert_eq!(
        ProductService::get(&shop, cup)
            .await
            .unwrap()
            .unwrap()
            .variants[1]
            .price
            .minor,
        950
    );
}

#[tokio::test]
async fn reloading_never_changes_an_existing_skus_stock() {
    let shop = shop().await;
    let mug = sku("MUG-01");
    let request = ReserveRequest::new(
        key(1),
        order(1),
        number(1),
        customer(),
        mug.clone(),
        2,
        Duration::ZERO,
    );
    shop.reserve(&request).await.unwrap();
    shop.restock(&mug, 5).await.unwrap();
    let renamed = CATALOGUE
        .replace("stock = 10", "stock = 99")
        .replace("CUP-RED", "CUP-PINK");
    let report = shop.load(&parse(&renamed)).await.unwrap();
    assert_eq!(report.stock, counts(1, 0, 3));
    assert_eq!(units(&shop, "MUG-01").await, [15, 2]);
    assert_eq!(
        units(&shop, "CUP-PINK").await,
        [3, 0],
        "a new name is new stock"
    );
    assert_eq!(
        units(&shop, "CUP-RED").await,
        [3, 0],
        "the old one's holds keep their counter"
    );
    assert_eq!(
        resolve(&shop, "CUP-RED").await,
        None,
        "but it cannot be ordered"
    );
}

#[tokio::test]
async fn a_sku_stands_for_a_product_or_a_variant() {
    let shop = shop().await;
    let cup = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d12".to_owned();
    let red = "6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b21".to_owned();
    assert_eq!(resolve(&shop, "CUP").await, Some((cup.clone(), None)));
    assert_eq!(resolve(&shop, "CUP-RED").await, Some((cup, Some(red))));
    assert_eq!(resolve(&shop, "NONE").await, None);
}

#[tokio::test]
async fn products_of_one_catalogue_can_swap_skus() {
    let shop = shop().await;
    let swapped = CATALOGUE
        .replace("\"MUG-01\"", "\"X\"")
        .replace("\"CUP\"", "\"MUG-01\"")
        .replace("\"X\"", "\"CUP\"");
    shop.load(&parse(&swapped)).await.unwrap();
    assert_eq!(
        resolve(&shop, "MUG-01").await,
        Some(("3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d12".into(), None))
    );
    assert_eq!(units(&shop, "MUG-01").await, [10, 0]);
}

#[tokio::test]
async fn what_contradicts_the_shop_is_refused_as_a_whole() {
    let shop = shop().await;
    let product = |sku: &str, variant: &str| {
        format!(
            "currency = \"USD\"\n[[customer]]\nid = \"9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a99\"\nemail = \"a@b\"\nfirst_name = \"A\"\n\
             last_name = \"B\"\n[[product]]\nid = \"3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d99\"\nsku = \"{sku}\"\nname = \"N\"\n\
             price = \"1\"\nstock = 1\n[[product.variant]]\nid = \"{variant}\"\nsku = \"V\"\nname = \"V\"\nprice = \"1\"\nstock = 1\n"
        )
    };
    let fresh = "6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b99";
    let report = shop.load(&parse(&product("MUG-01", fresh))).await;
    assert!(
        matches!(&report, Err(ShopError::Conflict(p)) if p.contains("sku MUG-01 belongs to product 3f2c")),
        "{report:?}"
    );
    let report = shop
        .load(&parse(&product(
            "NEW",
            "6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b21",
        )))
        .await;
    assert!(
        matches!(&report, Err(ShopError::Conflict(p)) if p.contains("variant 6a0e")),
        "{report:?}"
    );
    let yen = shop.load(&parse("currency = \"JPY\"")).await;
    assert!(
        matches!(yen, Err(ShopError::OtherCurrency { .. })),
        "{yen:?}"
    );
    assert_eq!(
        &shop.price_book().await.unwrap(),
        catalogue().price_book(),
        "nothing was replaced"
    );
    assert!(shop.stock(Some(&sku("NEW"))).await.is_err());
    let report = shop.load(&parse(&product("NEW", fresh))).await.unwrap();
    assert_eq!(
        (report.customers, report.products),
        (counts(1, 0, 0), counts(1, 0, 0))
    );
}

#[tokio::test]
async fn an_empty_shop_says_that_it_has_no_catalogue() {
    let shop = Shop::in_memory(TestClock::new()).unwrap();
    assert!(matches!(
        shop.price_book().await,
        Err(ShopError::NoCatalogue { .. })
    ));
    assert!(shop.stock(None).await.unwrap().is_empty());
    assert_eq!(resolve(&shop, "MUG-01").await, None);
}

#[tokio::test]
async fn a_catalogue_survives_reopening() {
    let file = TempFile::new();
    Shop::open(&file.0, TestClock::new())
        .unwrap()
        .load(&catalogue())
        .await
        .unwrap();
    let shop = Shop::open(&file.0, TestClock::new()).unwrap();
    assert_eq!(&shop.price_book().await.unwrap(), catalogue().price_book());
    assert_eq!(shop.stock(None).await.unwrap().len(), 4);
}

#[test]
fn files_of_another_kind_are_refused_and_left_alone() {
    let sqlite = TempFile::new();
    rusqlite::Connection::open(&sqlite.0)
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    let text = TempFile::new();
    std::fs::write(
        &text.0,
        "this is no database, and long enough to have a header of one hundred bytes ".repeat(9),
    )
    .unwrap();
    for file in [&sqlite, &text] {
        let before = std::fs::read(&file.0).unwrap();
        let error = Shop::open(&file.0, TestClock::new()).unwrap_err();
        assert!(matches!(error, ShopError::Foreign { .. }), "{error:?}");
        assert!(error.to_string().contains("name another file"), "{error}");
        assert_eq!(std::fs::read(&file.0).unwrap(), before);
    }
    let later = TempFile::new();
    drop(Shop::open(&later.0, TestClock::new()).unwrap());
    rusqlite::Connection::open(&later.0)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let error = Shop::open(&later.0, TestClock::new()).unwrap_err();
    assert!(error.to_string().contains("its schema is 99"), "{error}");
    let missing = Shop::open("/nonexistent/dir/shop.db", TestClock::new()).unwrap_err();
    assert!(
        missing.is_retryable() && missing.to_string().contains("directory"),
        "{missing}"
    );
}

#[tokio::test]
async fn names_that_are_no_files_are_recognised() {
    let shop = Shop::open(":memory:", TestClock::new()).unwrap();
    shop.load(&catalogue()).await.unwrap();
    assert!(!shop.stock(None).await.unwrap().is_empty());
    assert!(matches!(
        Shop::open("", TestClock::new()),
        Err(ShopError::Foreign { .. })
    ));
}

#[tokio::test]
async fn a_locked_file_is_not_done_and_says_so() {
    let file = TempFile::new();
    let shop = Shop::open(&file.0, TestClock::new()).unwrap();
    shop.load(&catalogue()).await.unwrap();
    let other = rusqlite::Connection::open(&file.0).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = shop.restock(&sku("MUG-01"), 1).await.unwrap_err();
    assert!(
        matches!(
            error,
            ShopError::Unavailable {
                maybe_done: false,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("another program keeps it locked"),
        "{error}"
    );
    assert_eq!(units(&shop, "MUG-01").await, [10, 0], "reads go on");
    other.execute_batch("ROLLBACK").unwrap();
    shop.restock(&sku("MUG-01"), 1).await.unwrap();
}

#[test]
fn many_can_open_a_new_file_at_once() {
    let file = TempFile::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| drop(Shop::open(&file.0, TestClock::new()).unwrap()));
        }
    });
}
