//! The shop's file: who makes it, and what becomes of it while the shop is open.

use std::fs;

use order_core::runtime::virtual_time::block_on;
use order_store_sqlite::shop::{Catalogue, Shop, ShopError};
use rusqlite::Connection;

use super::{TempFile, TestClock, catalogue, sku};

fn reason(error: ShopError) -> String {
    match error {
        ShopError::Foreign { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn a_shop_that_must_be_there_is_not_made() {
    let file = TempFile::new();
    let open = || Shop::open_existing(&file.0, TestClock::new());
    assert_eq!(
        reason(open().unwrap_err()),
        "there is no such file; load a catalogue, which makes it"
    );
    assert!(!file.0.exists());
    fs::write(&file.0, "").unwrap();
    assert_eq!(
        reason(open().unwrap_err()),
        "it is empty; there never was a shop in it, or all of it was lost"
    );
    drop(Shop::open(&file.0, TestClock::new()).unwrap());
    assert_eq!(open().unwrap().path(), file.0.to_str().unwrap());
}

#[tokio::test]
async fn a_newer_schema_is_noticed_by_who_has_the_shop_open() {
    let file = TempFile::new();
    let shop = Shop::open(&file.0, TestClock::new()).unwrap();
    shop.load(&catalogue()).await.unwrap();
    Connection::open(&file.0)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let error = shop.restock(&sku("MUG-01"), 1).await.unwrap_err();
    assert!(reason(error).starts_with("its schema was brought to 99 while in use"));
}

#[test]
fn a_shop_whose_migrations_are_not_ours_is_refused() {
    let file = TempFile::new();
    drop(Shop::open(&file.0, TestClock::new()).unwrap());
    drop(Shop::open(&file.0, TestClock::new()).unwrap());
    let db = Connection::open(&file.0).unwrap();
    let edited = "UPDATE shop_migrations SET checksum = 'edited' WHERE version = 1";
    assert_eq!(db.execute(edited, []).unwrap(), 1);
    drop(db);
    assert_eq!(
        reason(Shop::open(&file.0, TestClock::new()).unwrap_err()),
        "its migrations are not those of this program; it was made by another build"
    );
    // One that was made before they were recorded is taken.
    let db = Connection::open(&file.0).unwrap();
    db.execute_batch("DROP TABLE shop_migrations").unwrap();
    drop(db);
    drop(Shop::open(&file.0, TestClock::new()).unwrap());
}

#[test]
fn what_a_shop_no_longer_knows_is_nowhere_in_its_file() {
    const SECRET: &str = "ada.lovelace@example.org";
    let file = TempFile::new();
    let load = |email: &str| {
        let text = format!(
            r#"
            currency = "USD"
            [[customer]]
            id = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33"
            email = "{email}"
            first_name = "A"
            last_name = "B"
            "#
        );
        let catalogue = Catalogue::parse(&text, "customers.toml").unwrap();
        let shop = Shop::open(&file.0, TestClock::new()).unwrap();
        block_on(shop.load(&catalogue)).unwrap();
        // Closed, so that all of it is in the file.
        drop(shop);
        let bytes = fs::read(&file.0).unwrap();
        bytes
            .windows(SECRET.len())
            .any(|found| found == SECRET.as_bytes())
    };
    assert!(load(SECRET));
    assert!(!load("a@b.c"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_shop_whose_file_vanished_or_was_replaced_says_so() {
    let file = TempFile::new();
    let shop = Shop::open(&file.0, TestClock::new()).unwrap();
    shop.load(&catalogue()).await.unwrap();
    let away = TempFile::new();
    fs::rename(&file.0, &away.0).unwrap();
    for error in [
        shop.restock(&sku("MUG-01"), 1).await.unwrap_err(),
        shop.stock(None).await.unwrap_err(),
    ] {
        assert!(
            matches!(
                &error,
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
                .ends_with("it was removed or moved while in use; put it back"),
            "{error}"
        );
    }
    fs::rename(&away.0, &file.0).unwrap();
    assert_eq!(shop.restock(&sku("MUG-01"), 1).await.unwrap().on_hand, 11);
    let other = TempFile::new();
    drop(Shop::open(&other.0, TestClock::new()).unwrap());
    fs::rename(&other.0, &file.0).unwrap();
    let error = shop.restock(&sku("MUG-01"), 1).await.unwrap_err();
    assert_eq!(
        reason(error),
        "it was replaced by another file while in use; start anew"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_shop_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let file = TempFile::new();
    let shop = Shop::open(&file.0, TestClock::new()).unwrap();
    shop.load(&catalogue()).await.unwrap();
    for path in [
        file.0.clone(),
        file.0.with_extension("db-wal"),
        file.0.with_extension("db-shm"),
    ] {
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            path.display()
        );
    }
}
