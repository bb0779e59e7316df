//! The events by which the store tells of itself: that its work can be followed, and that nobody's
//! data is in it.

mod common;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::*;
use order_core::store::{CommitError, LeaseRequest, OrderStore, StoreErrorKind, WorkChange};
use order_core::testkit::orders;
use order_store_sqlite::{OnCommit, SqliteOptions, SqliteStore};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The events of all threads, a line each.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for Said {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Said {
    fn has(&self, level: &str, parts: &[&str]) {
        let lines = self.0.lock().unwrap();
        let is_it = |line: &&String| {
            line.starts_with(level) && parts.iter().all(|part| line.contains(part))
        };
        assert!(
            lines.iter().any(|line| is_it(&line)),
            "{level} {parts:?} in {lines:#?}"
        );
    }
}

// One test for all of it: whoever hears the thread that writes hears all of the program.
#[tokio::test]
async fn what_the_store_does_is_said_and_nothing_about_persons() {
    let said = Said::default();
    tracing::subscriber::set_global_default(said.clone()).unwrap();
    let file = TempFile::new();
    let hook = OnCommit::new(|_, changeset| match changeset.after.id {
        id if id == orders::order_id(9) => panic!("planned by the test"),
        id if id == orders::order_id(8) => Err("Ada's reason".into()),
        _ => Ok(()),
    });
    let options = SqliteOptions {
        on_commit: Some(hook),
        ..SqliteOptions::new(clock())
    };
    let store = SqliteStore::open(&file.0, options).unwrap();
    said.has("INFO", &["schema", "brought up to date", "from=0 to=1"]);

    let order = place(&store, full(1)).await;
    said.has("DEBUG", &["group committed", "size=1", "rows=", "took="]);

    let request = LeaseRequest {
        fence: fence(1),
        ttl: Duration::from_secs(1),
        limit: 9,
        order: None,
    };
    let id = order.id.to_string();
    let due = WorkChange::Wake { due: at(0) };
    store.commit(orders::work(&order, due)).await.unwrap();
    assert_eq!(store.lease(&request).await.unwrap().leased.len(), 1);
    said.has("DEBUG", &["leases taken", "orders=1"]);

    let late = WorkChange::Done {
        fence: fence(2),
        revision: 1,
    };
    let refused = store.commit(orders::work(&order, late)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Fenced), "{refused:?}");
    said.has("DEBUG", &["lease lost", &id]);

    for n in [8, 9] {
        let vetoed = store.commit(orders::place(full(n))).await.unwrap_err();
        assert!(
            matches!(&vetoed, CommitError::Store(e) if e.kind == StoreErrorKind::Vetoed),
            "{vetoed:?}"
        );
    }
    said.has("ERROR", &["the hook panicked"]);

    let copy = TempFile::new();
    store.backup(&copy.0).await.unwrap();
    said.has("DEBUG", &["backup written"]);

    let all = said.0.lock().unwrap().join("\n");
    for personal in [
        "Ada",
        "Lovelace",
        "London",
        "St James",
        "Babbage",
        "7946",
        "example.org",
        "ring twice",
        "✓",
    ] {
        assert!(!all.contains(personal), "{personal} in {all}");
    }
}
