//! Migrating and opening: who may use which schema, and what is noticed while it is in use.

mod common;

use common::{Schema, block_on, cluster, connect_to, in_schema, options, run_in, schema_name};
use order_core::store::records::{Kind, ORDERS, TABLES};
use order_core::store::{
    CommitError, FeedQuery, LeaseRequest, OrderStore, StoreError, StoreErrorKind,
};
use order_core::testkit::orders::{fence, place, plain};
use order_store_postgres::{PostgresOptions, PostgresStore, migrate, pending_migrations};
use sqlx::Row as _;

async fn refusal(url: &str) -> StoreError {
    PostgresStore::open(url, options(None))
        .await
        .expect_err("it is refused")
}

#[test]
fn migrations_are_taken_once_whoever_takes_them() {
    block_on(async {
        let name = schema_name();
        let url = in_schema(cluster::shared(), &name);
        let schema = Schema { name, url };
        let all = pending_migrations(&schema.url, &options(None))
            .await
            .unwrap();
        assert!(all.len() >= 4 && all[0] == "0001_tables");
        assert_eq!(
            refusal(&schema.url).await.kind,
            StoreErrorKind::Misconfigured
        );
        let options = options(None);
        let at_once = (0..4).map(|_| migrate(&schema.url, &options));
        let taken = futures_util::future::join_all(at_once).await;
        let taken: Vec<String> = taken.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(taken, all);
        assert_eq!(
            migrate(&schema.url, &options).await.unwrap(),
            Vec::<String>::new()
        );
        assert_eq!(
            pending_migrations(&schema.url, &options).await.unwrap(),
            Vec::<String>::new()
        );
        // What was begun is gone on with, and what is there is left alone.
        let store = schema.open(None).await;
        store.commit(place(plain(1))).await.unwrap();
        run_in(&schema.name, "DELETE FROM order_migrations").await;
        assert_eq!(migrate(&schema.url, &options).await.unwrap(), all);
        store.commit(place(plain(2))).await.unwrap();
        assert!(
            store
                .load(plain(1).id.into(), None)
                .await
                .unwrap()
                .is_some()
        );
    });
}

#[test]
fn the_tables_have_the_columns_of_the_records_in_their_kinds() {
    block_on(async {
        let schema = Schema::new().await;
        let mut db = connect_to(&schema.name).await;
        let select = "SELECT column_name::text, udt_name::text, is_nullable = 'YES', collation_name::text FROM information_schema.columns \
             WHERE table_schema = $1 AND table_name = ANY ($2)";
        for table in TABLES {
            let tables = if table.n == ORDERS.n {
                vec!["orders", "order_state"]
            } else {
                vec![table.name]
            };
            let rows = sqlx::query(select)
                .bind(&schema.name)
                .bind(tables)
                .fetch_all(&mut db)
                .await
                .unwrap();
            let found = |name: &str| {
                let named = rows.iter().find(|row| row.get::<String, _>(0) == name);
                named.map(|row| {
                    (
                        row.get::<String, _>(1),
                        row.get::<bool, _>(2),
                        row.get::<Option<String>, _>(3),
                    )
                })
            };
            for column in table.columns {
                let (kind, collation) = match column.kind {
                    Kind::Id => ("uuid", None),
                    Kind::Int => ("int8", None),
                    Kind::Text => ("text", Some("C".to_owned())),
                    Kind::Flag => ("bool", None),
                    Kind::Time => ("timestamptz", None),
                };
                assert_eq!(
                    found(column.name),
                    Some((kind.to_owned(), column.nullable, collation)),
                    "{}.{}",
                    table.name,
                    column.name
                );
            }
            assert_eq!(
                found("bucket").map(|bucket| bucket.0).as_deref(),
                Some("int2"),
                "{}",
                table.name
            );
        }
    });
}

#[test]
fn a_schema_for_newer_programs_is_refused_and_one_that_becomes_so_is_noticed() {
    block_on(async {
        let schema = Schema::new().await;
        let store = schema.open(None).await;
        store.commit(place(plain(1))).await.unwrap();
        run_in(&schema.name, "UPDATE order_store SET min_writer = 99").await;
        let error = refusal(&schema.url).await;
        assert!(
            error.kind == StoreErrorKind::Misconfigured && error.message.contains("99"),
            "{error}"
        );
        let misconfigured =
            |error: &StoreError| assert_eq!(error.kind, StoreErrorKind::Misconfigured, "{error}");
        match store.commit(place(plain(2))).await {
            Err(CommitError::Store(error)) => misconfigured(&error),
            other => panic!("{other:?}"),
        }
        let lease = LeaseRequest {
            fence: fence(1),
            ttl: std::time::Duration::from_secs(1),
            limit: 1,
            order: None,
        };
        misconfigured(&store.lease(&lease).await.unwrap_err());
        assert!(
            store
                .load(plain(1).id.into(), None)
                .await
                .unwrap()
                .is_some(),
            "older programs may read"
        );
        run_in(&schema.name, "UPDATE order_store SET min_writer = 1").await;
        store.commit(place(plain(2))).await.unwrap();
    });
}

#[test]
fn another_store_in_the_same_schema_is_noticed() {
    block_on(async {
        let schema = Schema::new().await;
        let store = schema.open(None).await;
        run_in(
            &schema.name,
            "UPDATE order_store SET id = gen_random_uuid()",
        )
        .await;
        match store.commit(place(plain(1))).await {
            Err(CommitError::Store(StoreError {
                kind: StoreErrorKind::Misconfigured,
                ..
            })) => {}
            other => panic!("{other:?}"),
        }
        schema
            .open(None)
            .await
            .commit(place(plain(1)))
            .await
            .unwrap();
    });
}

#[test]
fn a_server_that_does_not_wait_for_its_disk_is_refused_unless_told() {
    block_on(async {
        let schema = Schema::new().await;
        let url = format!("{}&options[synchronous_commit]=off", schema.url);
        let error = refusal(&url).await;
        assert!(
            error.kind == StoreErrorKind::Misconfigured
                && error.message.contains("synchronous_commit"),
            "{error}"
        );
        let options = PostgresOptions {
            allow_volatile: true,
            ..options(None)
        };
        PostgresStore::open(&url, options)
            .await
            .unwrap()
            .commit(place(plain(1)))
            .await
            .unwrap();
    });
}

#[test]
fn a_user_without_rights_to_the_schema_itself_can_run_the_store() {
    block_on(async {
        let schema = Schema::new().await;
        let (name, role) = (&schema.name, format!("{}_runs", schema.name));
        let grants = format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {name} TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {role};
             REVOKE INSERT, UPDATE, DELETE ON order_store, order_migrations, order_migration_lease FROM {role}"
        );
        run_in(name, &grants).await;
        let url = format!("{}&user={role}", schema.url);
        let store = PostgresStore::open(&url, options(None)).await.unwrap();
        store.commit(place(plain(1))).await.unwrap();
        assert_eq!(
            store
                .feed(&FeedQuery {
                    after: None,
                    limit: 10
                })
                .await
                .unwrap()
                .rows
                .len(),
            1
        );
        drop(store);
        run_in(name, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    });
}

#[test]
fn a_database_that_cannot_be_reached_is_said_to_be_so_without_the_password() {
    block_on(async {
        let error = refusal("postgres://me:secret@127.0.0.1:1/shop?schema=orders").await;
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
        assert!(
            error.message.contains("127.0.0.1:1") && !format!("{error:?}").contains("secret"),
            "{error:?}"
        );
        let error = refusal(&in_schema(cluster::shared(), "nothing_there")).await;
        assert!(
            error.kind == StoreErrorKind::Misconfigured && error.message.contains("no store"),
            "{error}"
        );
    });
}
