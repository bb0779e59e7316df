//! The changes that opening a store may make to its file, and what becomes of a file that is taken
//! away while it is used.

mod common;

use std::fs;
use std::path::Path;

use order_core::store::{
    CommitError, FeedQuery, LeaseRequest, ListQuery, OrderStore, StoreError, StoreErrorKind,
};
use order_core::testkit::orders;
use order_store_sqlite::{Access, SqliteOptions, SqliteStore};
use rusqlite::Connection;

use common::*;

fn open_as(access: Access, path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(
        path,
        SqliteOptions {
            access,
            ..SqliteOptions::new(clock())
        },
    )
}

/// The outcomes of opening.
#[track_caller]
fn refused(access: Access, file: &TempFile) -> String {
    let error = open_as(access, &file.0).map(drop).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Misconfigured, "{error}");
    assert!(
        error
            .message
            .starts_with(&format!("cannot open {}: ", file.0.display())),
        "{error}"
    );
    error.message
}

fn set_version(file: &TempFile, version: u32) -> u32 {
    let db = Connection::open(&file.0).unwrap();
    let before = db
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    db.pragma_update(None, "user_version", version).unwrap();
    before
}

#[track_caller]
fn store_error<T: std::fmt::Debug>(result: Result<T, CommitError>) -> StoreError {
    match result.unwrap_err() {
        CommitError::Store(error) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn only_who_may_make_a_store_makes_one() {
    for access in [Access::Existing, Access::ReadOnly] {
        let file = TempFile::new();
        assert!(refused(access, &file).ends_with("there is no such file"));
        assert!(!file.0.exists(), "and none is left behind");
        fs::write(&file.0, "").unwrap();
        assert!(refused(access, &file).contains("it is empty"));
        assert_eq!(fs::metadata(&file.0).unwrap().len(), 0);
        Connection::open(&file.0)
            .unwrap()
            .execute_batch("PRAGMA user_version = 0; VACUUM")
            .unwrap();
        assert!(refused(access, &file).contains("there are no orders in it"));
        drop(open_as(Access::Create, &file.0).unwrap());
        let store = open_as(access, &file.0).unwrap();
        assert!(
            store
                .list(&ListQuery::default())
                .await
                .unwrap()
                .orders
                .is_empty()
        );
    }
}

#[tokio::test]
async fn a_store_that_is_only_read_is_not_written_to() {
    let file = TempFile::new();
    let store = open(&file.0);
    let order = place(&store, plain(1)).await;
    let reading = open_as(Access::ReadOnly, &file.0).unwrap();
    assert_eq!(load(&reading, order.id).await.0, order);
    assert_eq!(
        reading
            .feed(&FeedQuery {
                after: None,
                limit: 9
            })
            .await
            .unwrap()
            .rows
            .len(),
        1
    );
    let error = store_error(reading.commit(orders::place(plain(2))).await);
    assert_eq!(
        (error.kind, error.message.as_str()),
        (
            StoreErrorKind::Misconfigured,
            "the store was opened for reading only"
        )
    );
    let lease = LeaseRequest {
        fence: fence(1),
        ttl: std::time::Duration::from_secs(1),
        limit: 1,
        order: None,
    };
    assert_eq!(
        reading.lease(&lease).await.unwrap_err().kind,
        StoreErrorKind::Misconfigured
    );
    let apart = SqliteOptions {
        access: Access::ReadOnly,
        reads_apart: true,
        ..SqliteOptions::new(clock())
    };
    assert_eq!(
        load(&SqliteStore::open(&file.0, apart).unwrap(), order.id)
            .await
            .0,
        order
    );
    // It sees what others write.
    let later = place(&store, plain(3)).await;
    assert_eq!(load(&reading, later.id).await.0, later);
    let copy = TempFile::new();
    reading.backup(&copy.0).await.unwrap();
    assert_eq!(
        load(&open_as(Access::ReadOnly, &copy.0).unwrap(), later.id)
            .await
            .0,
        later
    );
}

/// Brings the file to a schema that only programs may use which know one of these numbers.
fn set_needed(file: &TempFile, min_reader: u32, min_writer: u32) {
    let db = Connection::open(&file.0).unwrap();
    db.execute(
        "UPDATE order_store SET min_reader = ?1, min_writer = ?2",
        [min_reader, min_writer],
    )
    .unwrap();
}

#[tokio::test]
async fn who_only_reads_brings_nothing_up_to_date() {
    let file = TempFile::new();
    place(&open(&file.0), plain(1)).await;
    // As if it had seen none of its migrations yet but the mark.
    let known = set_version(&file, 0);
    assert!(refused(Access::ReadOnly, &file).contains("there are no orders in it"));
    set_version(&file, known);
    drop(open_as(Access::ReadOnly, &file.0).unwrap());
}

#[tokio::test]
async fn a_newer_schema_says_who_may_still_use_it() {
    let file = TempFile::new();
    let order = place(&open(&file.0), plain(1)).await;
    let known = set_version(&file, 1_000);
    for access in [Access::ReadOnly, Access::Existing, Access::Create] {
        let store = open_as(access, &file.0).unwrap();
        assert_eq!(load(&store, order.id).await.0, order);
    }
    place(&open(&file.0), plain(2)).await;

    set_needed(&file, known, 1_000);
    let reading = open_as(Access::ReadOnly, &file.0).unwrap();
    assert_eq!(load(&reading, order.id).await.0, order);
    for access in [Access::Existing, Access::Create] {
        let says = format!(
            "its schema has version 1000, and is for programs that know version 1000 to write it, this one knows {known}"
        );
        assert!(refused(access, &file).contains(&says));
    }
    set_needed(&file, 1_000, 1_000);
    let says = format!(
        "its schema has version 1000, and is for programs that know version 1000 to read it, this one knows {known}"
    );
    assert!(refused(Access::ReadOnly, &file).contains(&says));
}

#[tokio::test]
async fn a_newer_schema_is_noticed_by_who_has_the_file_open() {
    let file = TempFile::new();
    let store = open(&file.0);
    let order = place(&store, plain(1)).await;
    let known = set_version(&file, 1_000);
    // It is made for this program too.
    assert!(store.list(&ListQuery::default()).await.is_ok());
    place(&store, plain(3)).await;

    let says = "its schema was brought to version 1000 while in use, and is for programs that know version 1000 to ";
    let lease = LeaseRequest {
        fence: fence(1),
        ttl: std::time::Duration::from_secs(1),
        limit: 1,
        order: None,
    };
    set_needed(&file, known, 1_000);
    for error in [
        store_error(store.commit(orders::place(plain(2))).await),
        store.lease(&lease).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StoreErrorKind::Misconfigured);
        assert!(
            error.message.starts_with(&format!("{says}write it")),
            "{error}"
        );
    }
    assert!(store.list(&ListQuery::default()).await.is_ok());
    set_needed(&file, 1_000, known);
    let error = store.list(&ListQuery::default()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Misconfigured);
    assert!(
        error.message.starts_with(&format!("{says}read it")),
        "{error}"
    );
    assert!(store.commit(orders::place(plain(2))).await.is_err());

    set_version(&file, known);
    assert_eq!(load(&store, order.id).await.0, order);
    assert!(
        store
            .load(plain(2).id.into(), None)
            .await
            .unwrap()
            .is_none()
    );
    place(&store, plain(2)).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_vanished_or_was_replaced_is_noticed() {
    let file = TempFile::new();
    let store = open(&file.0);
    let order = place(&store, plain(1)).await;
    let away = TempFile::new();
    fs::rename(&file.0, &away.0).unwrap();
    for error in [
        store_error(store.commit(orders::place(plain(2))).await),
        store.list(&ListQuery::default()).await.unwrap_err(),
        store.backup(TempFile::new().0.as_path()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
        assert!(
            error
                .message
                .contains("the file was removed or moved while in use"),
            "{error}"
        );
    }
    let other = TempFile::new();
    place(&open(&other.0), plain(7)).await;
    fs::copy(&other.0, &file.0).unwrap();
    let error = store_error(store.commit(orders::place(plain(2))).await);
    assert_eq!(error.kind, StoreErrorKind::Misconfigured);
    assert!(
        error
            .message
            .contains("was replaced by another file while in use"),
        "{error}"
    );
    assert_eq!(
        store.list(&ListQuery::default()).await.unwrap_err().kind,
        StoreErrorKind::Misconfigured
    );
    // Back again, and nothing was lost or written in vain.
    fs::rename(&away.0, &file.0).unwrap();
    assert_eq!(load(&store, order.id).await.0, order);
    place(&store, plain(2)).await;
    assert_eq!(
        store
            .list(&ListQuery::default())
            .await
            .unwrap()
            .orders
            .len(),
        2
    );
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_made_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let file = TempFile::new();
    let store = open(&file.0);
    place(&store, plain(1)).await;
    store.list(&ListQuery::default()).await.unwrap();
    let copy = TempFile::new();
    store.backup(&copy.0).await.unwrap();
    for path in [
        file.0.clone(),
        file.0.with_extension("db-wal"),
        file.0.with_extension("db-shm"),
        copy.0.clone(),
    ] {
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            path.display()
        );
    }
    // What somebody has made for others too stays as it is.
    let shared = TempFile::new();
    fs::write(&shared.0, "").unwrap();
    fs::set_permissions(&shared.0, fs::Permissions::from_mode(0o640)).unwrap();
    drop(open(&shared.0));
    assert_eq!(
        fs::metadata(&shared.0).unwrap().permissions().mode() & 0o777,
        0o640
    );
}

#[tokio::test]
async fn a_backup_that_died_after_its_copy_had_its_name_is_not_written_over() {
    let file = TempFile::new();
    let store = open(&file.0);
    place(&store, plain(1)).await;
    let copy = TempFile::new();
    store.backup(&copy.0).await.unwrap();
    // As a program leaves it that dies before the other name is removed; then somebody puts the
    // backup away.
    let partial = copy.0.with_extension("db.partial");
    fs::hard_link(&copy.0, &partial).unwrap();
    let kept = TempFile::new();
    fs::rename(&copy.0, &kept.0).unwrap();
    place(&store, plain(2)).await;
    store.backup(&copy.0).await.unwrap();
    assert!(!partial.exists());
    for (path, orders) in [(&kept.0, 1), (&copy.0, 2)] {
        let found = open_as(Access::ReadOnly, path)
            .unwrap()
            .list(&ListQuery::default())
            .await
            .unwrap();
        assert_eq!(found.orders.len(), orders);
    }
}

#[tokio::test]
async fn two_backups_to_one_name_do_not_write_into_each_other() {
    let file = TempFile::new();
    let store = open(&file.0);
    place(&store, plain(1)).await;
    let copy = TempFile::new();
    let partial = copy.0.with_extension("db.partial");
    let other = fs::File::create(&partial).unwrap();
    other.lock().unwrap();
    let error = store.backup(&copy.0).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::InvalidQuery);
    assert!(
        error.message.ends_with("another backup to it is under way"),
        "{error}"
    );
    assert!(partial.exists() && !copy.0.exists());
    drop(other);
    store.backup(&copy.0).await.unwrap();
    assert!(!partial.exists());
}
