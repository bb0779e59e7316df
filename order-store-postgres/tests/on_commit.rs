//! The hook of an embedder: what it writes beside orders is durable exactly if the changeset is, and
//! it may refuse the changeset.

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use common::{Schema, block_on, cluster, connect_to, options, run_in};
use futures_util::future::join_all;
use order_core::order::Order;
use order_core::store::{
    Changeset, CommitError, Committed, FeedQuery, JournalQuery, OrderStore, StoreError,
    StoreErrorKind,
};
use order_core::testkit::orders::*;
use order_store_postgres::{HookError, OnCommit, PostgresOptions, PostgresStore};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// The things that the hook does besides noting the changeset, by the attempt of its order.
const REFUSED: u32 = 200;
const PANICS: u32 = 666;
const NOTED_ALREADY: u32 = 201;
const BREAKS_A_RULE_LATER: u32 = 202;
const PASSES_OVER: u32 = 203;
const TAKES_LONG: u32 = 204;
const WAITS_LONG: u32 = 205;
const ROLLS_BACK: u32 = 206;
const IS_CUT_OFF: u32 = 207;
const SERIALIZES_AT_LAST: u32 = 208;
const NESTS: u32 = 209;
const RAISES_LATER: u32 = 210;

/// A store that notes each changeset in a table of its own, and whose hook has its moods.
async fn noting(schema: &Schema, called: &Arc<AtomicU32>) -> PostgresStore {
    let own =
        "CREATE TABLE IF NOT EXISTS noted (order_id uuid NOT NULL, version bigint NOT NULL, PRIMARY KEY (order_id, version));
         CREATE TABLE IF NOT EXISTS rule (one integer PRIMARY KEY);
         CREATE TABLE IF NOT EXISTS checked (one integer REFERENCES rule DEFERRABLE INITIALLY DEFERRED);
         CREATE TABLE IF NOT EXISTS raising (one integer);
         CREATE OR REPLACE FUNCTION raise_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not like this'; END $$;
         CREATE CONSTRAINT TRIGGER raised AFTER INSERT ON raising DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_it();";
    run_in(&schema.name, own).await;
    opened(schema, &schema.url, called).await
}

async fn opened(schema: &Schema, url: &str, called: &Arc<AtomicU32>) -> PostgresStore {
    let (calls, name) = (Arc::clone(called), schema.name.clone());
    let hook = OnCommit::new(move |db, changeset| {
        let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
        Box::pin(note(db, changeset, call, name.clone()))
    });
    let options = PostgresOptions {
        on_commit: Some(hook),
        lock_timeout: Duration::from_secs(1),
        ..options(None)
    };
    PostgresStore::open(url, options).await.unwrap()
}

async fn note(
    db: &mut PgConnection,
    changeset: &Changeset,
    call: u32,
    schema: String,
) -> Result<(), HookError> {
    let insert = "INSERT INTO noted (order_id, version) VALUES ($1::text::uuid, $2)";
    let (id, version) = (
        changeset.after.id.uuid().to_string(),
        changeset.after.version.cast_signed(),
    );
    sqlx::query(insert)
        .bind(&id)
        .bind(version)
        .execute(&mut *db)
        .await?;
    match changeset.after.round {
        REFUSED => return Err(HookError::Refused("200 attempts are too many".to_owned())),
        PANICS => panic!("as the test asked"),
        NOTED_ALREADY => {
            sqlx::query(insert)
                .bind(&id)
                .bind(version)
                .execute(db)
                .await?;
        }
        BREAKS_A_RULE_LATER => {
            sqlx::query("INSERT INTO checked VALUES (1)")
                .execute(db)
                .await?;
        }
        PASSES_OVER => drop(sqlx::query("SELECT 1 / 0").execute(db).await),
        TAKES_LONG => {
            sqlx::query("SELECT pg_sleep(20)").execute(db).await?;
        }
        WAITS_LONG => tokio::time::sleep(Duration::from_secs(20)).await,
        // Within a transaction of the driver's, which is a savepoint; one that is not committed
        // leaves nothing.
        NESTS => {
            for commits in [true, false] {
                let mut nested = db.begin().await?;
                sqlx::query(insert)
                    .bind(&id)
                    .bind(version + 1_000 + i64::from(commits))
                    .execute(&mut *nested)
                    .await?;
                if commits {
                    nested.commit().await?
                } else {
                    drop(nested)
                }
            }
        }
        RAISES_LATER => {
            sqlx::query("INSERT INTO raising VALUES (1)")
                .execute(db)
                .await?;
        }
        ROLLS_BACK => {
            sqlx::raw_sql("ROLLBACK").execute(db).await?;
        }
        IS_CUT_OFF if call == 1 => {
            let own = sqlx::query("SELECT pg_backend_pid()")
                .fetch_one(db)
                .await?
                .get::<i32, _>(0);
            let cut = "SELECT pg_terminate_backend($1, 5000)";
            sqlx::query(cut)
                .bind(own)
                .execute(&mut connect_to(&schema).await)
                .await?;
        }
        SERIALIZES_AT_LAST if call < 3 => {
            let fail = "DO $$ BEGIN RAISE EXCEPTION 'not yet' USING ERRCODE = '40001'; END $$";
            sqlx::raw_sql(fail).execute(db).await?;
        }
        _ => {}
    }
    Ok(())
}

async fn noted(schema: &Schema) -> Vec<(String, i64)> {
    let select = "SELECT order_id::text, version FROM noted ORDER BY order_id, version";
    let rows = sqlx::query(select)
        .fetch_all(&mut connect_to(&schema.name).await)
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn refused(answer: Result<Committed, CommitError>) -> StoreError {
    match answer {
        Err(CommitError::Store(error)) => error,
        other => panic!("it was not refused: {other:?}"),
    }
}

fn vetoed(answer: Result<Committed, CommitError>) -> String {
    let StoreError { kind, message, .. } = refused(answer);
    assert_eq!(kind, StoreErrorKind::Vetoed, "{message}");
    message
}

fn with(n: u64, attempt: u32) -> Changeset {
    place(Order {
        round: attempt,
        user: user_id(1),
        ..plain(n)
    })
}

async fn fed(store: &PostgresStore) -> usize {
    store
        .feed(&FeedQuery {
            after: None,
            limit: 1000,
        })
        .await
        .unwrap()
        .rows
        .len()
}

#[test]
fn own_rows_are_written_with_the_changeset_and_with_no_other() {
    block_on(async {
        let (schema, called) = (Schema::new().await, Arc::default());
        let store = noting(&schema, &called).await;
        let placing = place(plain(1)).keyed("key");
        let order = Arc::clone(&placing.after);
        store.commit(placing.clone()).await.unwrap();
        store
            .commit(amend_in(&order, 2, |order| order.round += 1))
            .await
            .unwrap();
        let id = order.id.uuid().to_string();
        assert_eq!(noted(&schema).await, [(id.clone(), 1), (id.clone(), 3)]);
        // Neither a replay nor what the store itself refuses is noted.
        assert!(store.commit(placing).await.unwrap().replayed);
        assert!(matches!(
            store.commit(amend(&order, |_| {})).await,
            Err(CommitError::Conflict)
        ));
        assert_eq!(
            (noted(&schema).await.len(), called.load(Ordering::Relaxed)),
            (2, 2)
        );
    });
}

#[test]
fn what_is_refused_leaves_nothing_behind_and_the_others_of_its_group_untouched() {
    block_on(async {
        let (schema, called) = (Schema::new().await, Arc::default());
        let store = noting(&schema, &called).await;
        let of = |n: u64| with(n, if n.is_multiple_of(5) { REFUSED } else { 1 });
        let sent: Vec<Changeset> = (1..=40)
            .map(|n| of(n).keyed(&format!("key-{n}")).taking("coupon", 33))
            .collect();
        let answers = join_all(sent.iter().map(|changeset| store.commit(changeset.clone()))).await;
        for (n, answer) in (1..=40u64).zip(answers) {
            match n % 5 {
                0 => assert_eq!(vetoed(answer), "200 attempts are too many"),
                _ => assert!(answer.is_ok(), "{n}: {answer:?}"),
            }
        }
        // Each is asked for again at most once for each time that its group is parted.
        assert!(called.load(Ordering::Relaxed) <= 3 * 40, "{called:?} calls");
        assert!(
            store.stats().groups < 32,
            "{:?}: they share transactions still",
            store.stats()
        );
        assert_eq!(noted(&schema).await.len(), 32);
        let gone = order_id(5);
        assert!(store.load(gone.into(), None).await.unwrap().is_none());
        assert!(
            store
                .journal(&JournalQuery::of(gone, 0, 10))
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            fed(&store).await,
            32,
            "positions of what was refused are given to others"
        );
        // All uses of the coupon are taken by those that were not refused; the key of one that was
        // is free.
        assert!(matches!(
            store.commit(with(41, 1).taking("coupon", 32)).await,
            Err(CommitError::RedemptionExhausted { .. })
        ));
        store.commit(with(42, 1).keyed("key-5")).await.unwrap();
    });
}

#[test]
fn a_hook_that_fails_in_whatever_way_refuses_what_it_was_called_for_and_nothing_else() {
    block_on(async {
        let (schema, called) = (Schema::new().await, Arc::default());
        let store = noting(&schema, &called).await;
        let moods = [
            (PANICS, StoreErrorKind::Vetoed, "the hook panicked"),
            (
                NOTED_ALREADY,
                StoreErrorKind::Vetoed,
                "a statement of the hook failed",
            ),
            (
                BREAKS_A_RULE_LATER,
                StoreErrorKind::Vetoed,
                "what the hook wrote breaks a rule of its tables",
            ),
            (
                RAISES_LATER,
                StoreErrorKind::Vetoed,
                "what the hook wrote breaks a rule of its tables",
            ),
            (
                PASSES_OVER,
                StoreErrorKind::Vetoed,
                "the hook passed over a statement that failed",
            ),
            (
                TAKES_LONG,
                StoreErrorKind::Unavailable,
                "the hook took longer than it may",
            ),
            (
                WAITS_LONG,
                StoreErrorKind::Unavailable,
                "the hook took longer than it may",
            ),
        ];
        for (n, (mood, kind, message)) in (1..).zip(moods) {
            let sent = [
                with(10 * n, 1),
                with(10 * n + 1, mood),
                with(10 * n + 2, 1),
                with(10 * n + 3, 2),
            ];
            let mut answers =
                join_all(sent.into_iter().map(|changeset| store.commit(changeset))).await;
            let error = refused(answers.remove(1));
            assert_eq!((error.kind, error.message.as_str()), (kind, message));
            assert!(answers.iter().all(Result::is_ok), "{mood}: {answers:?}");
            assert_eq!(noted(&schema).await.len(), 3 * n as usize, "{mood}");
            assert!(
                store
                    .load(order_id(10 * n + 1).into(), None)
                    .await
                    .unwrap()
                    .is_none()
            );
        }
        assert_eq!(fed(&store).await, noted(&schema).await.len());
    });
}

#[test]
fn what_a_hook_begins_by_the_driver_is_a_savepoint_of_the_transaction() {
    block_on(async {
        let (schema, called) = (Schema::new().await, Arc::default());
        let store = noting(&schema, &called).await;
        let sent = [with(1, NESTS), with(2, REFUSED), with(3, NESTS), with(4, 1)];
        let answers = join_all(sent.into_iter().map(|changeset| store.commit(changeset))).await;
        assert_eq!(
            answers.iter().map(Result::is_ok).collect::<Vec<_>>(),
            [true, false, true, true]
        );
        let mut kept: Vec<i64> = noted(&schema)
            .await
            .into_iter()
            .map(|(_, version)| version)
            .collect();
        kept.sort_unstable();
        assert_eq!(
            kept,
            [1, 1, 1, 1_002, 1_002],
            "of each order that was not refused, with what its savepoints left"
        );
        assert_eq!(fed(&store).await, 3);
    });
}

#[test]
fn a_hook_that_meets_others_is_called_again() {
    block_on(async {
        let (schema, called) = (Schema::new().await, Arc::default());
        let store = noting(&schema, &called).await;
        assert!(
            !store
                .commit(with(1, SERIALIZES_AT_LAST))
                .await
                .unwrap()
                .replayed
        );
        assert_eq!(
            (noted(&schema).await.len(), called.load(Ordering::Relaxed)),
            (1, 3)
        );
    });
}

#[test]
fn nobody_is_told_that_it_was_written_when_the_hook_ended_the_transaction() {
    block_on(async {
        let (schema, called) = (Schema::new().await, Arc::default());
        let store = noting(&schema, &called).await;
        let error = refused(store.commit(with(1, ROLLS_BACK)).await);
        assert!(
            error.kind == StoreErrorKind::Unknown && error.message.contains("must not"),
            "{error:?}"
        );
        assert!(
            store
                .load(order_id(1).into(), None)
                .await
                .unwrap()
                .is_none()
        );
        store.commit(with(2, 1)).await.unwrap();
        assert_eq!(noted(&schema).await.len(), 1);
    });
}

#[test]
fn a_connection_that_is_cut_between_the_hook_and_the_commit_leaves_nothing() {
    block_on(async {
        let (schema, called) = (Schema::new().await, Arc::default());
        let store = noting(&schema, &called).await;
        let changeset = with(1, IS_CUT_OFF);
        let error = refused(store.commit(changeset.clone()).await);
        assert!(
            matches!(
                error.kind,
                StoreErrorKind::Unknown | StoreErrorKind::Unavailable
            ),
            "{error:?}"
        );
        assert!(
            noted(&schema).await.is_empty()
                && store
                    .load(order_id(1).into(), None)
                    .await
                    .unwrap()
                    .is_none()
        );
        assert!(!store.commit(changeset.clone()).await.unwrap().replayed);
        assert!(store.commit(changeset).await.unwrap().replayed);
        assert_eq!(
            (
                noted(&schema).await.len(),
                fed(&store).await,
                called.load(Ordering::Relaxed)
            ),
            (1, 1, 2)
        );
    });
}

/// Stands between a store and its server, and swallows the answer of the next COMMIT if it is
/// armed.
struct Between {
    dir: PathBuf,
    armed: Arc<AtomicBool>,
}

impl Between {
    async fn start(server: PathBuf) -> Self {
        let dir = std::env::temp_dir().join(format!("order-between-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let listener = UnixListener::bind(dir.join(".s.PGSQL.5432")).unwrap();
        let armed = Arc::new(AtomicBool::new(false));
        let is_armed = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server.clone(), Arc::clone(&is_armed)));
            }
        });
        Between { dir, armed }
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

async fn pass(mut client: UnixStream, server: PathBuf, armed: Arc<AtomicBool>) {
    let mut server = UnixStream::connect(server).await.unwrap();
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            Ok(read @ 1..) = client.read(&mut asked) => {
                server.write_all(&asked[..read]).await.unwrap();
                let commits = asked[..read].windows(6).any(|bytes| bytes == b"COMMIT");
                if commits && armed.swap(false, Ordering::Relaxed) {
                    // The server answers when it is done; nobody hears it.
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            Ok(read @ 1..) = server.read(&mut answered) => client.write_all(&answered[..read]).await.unwrap(),
            else => return,
        }
    }
}

#[test]
fn a_commit_without_an_answer_is_unknown_and_the_hook_is_not_called_for_its_replay() {
    block_on(async {
        let cluster = cluster::Cluster::start();
        let between = Between::start(cluster.socket(5432)).await;
        let direct = common::in_schema(&cluster.url(), "orders");
        order_store_postgres::migrate(&direct, &options(None))
            .await
            .unwrap();
        let mut db = PgConnection::connect(&cluster.url()).await.unwrap();
        sqlx::raw_sql("CREATE TABLE orders.noted (order_id uuid, version bigint)")
            .execute(&mut db)
            .await
            .unwrap();
        let calls = Arc::new(AtomicU32::new(0));
        let called = Arc::clone(&calls);
        let hook = OnCommit::new(move |db, changeset| {
            let call = called.fetch_add(1, Ordering::Relaxed) + 1;
            Box::pin(note(db, changeset, call, "orders".to_owned()))
        });
        let url = format!(
            "postgres://postgres@localhost/postgres?host={}",
            between.dir.display()
        );
        let store = PostgresStore::open(
            &url,
            PostgresOptions {
                on_commit: Some(hook),
                ..options(None)
            },
        )
        .await
        .unwrap();
        store.commit(with(1, 1)).await.unwrap();

        between.armed.store(true, Ordering::Relaxed);
        let changeset = with(2, 1);
        let error = refused(store.commit(changeset.clone()).await);
        assert_eq!(error.kind, StoreErrorKind::Unknown, "{error:?}");
        assert!(
            store.commit(changeset).await.unwrap().replayed,
            "it was written, and is not written again"
        );
        assert_eq!((calls.load(Ordering::Relaxed), fed(&store).await), (2, 2));
        let noted = sqlx::query("SELECT count(*) FROM orders.noted")
            .fetch_one(&mut db)
            .await
            .unwrap();
        assert_eq!(noted.get::<i64, _>(0), 2);
    });
}
