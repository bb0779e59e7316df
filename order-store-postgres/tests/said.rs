//! The events by which the store tells of itself: that its work can be followed, and that nobody's
//! data is in it.

mod common;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::*;
use order_core::store::{CommitError, LeaseRequest, OrderStore, WorkChange};
use order_core::testkit::orders::{self, at, fence, full};
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

// One test for all of it: whoever hears the tasks that write hears all of the program.
#[test]
fn what_the_store_does_is_said_and_nothing_about_persons() {
    let said = Said::default();
    tracing::subscriber::set_global_default(said.clone()).unwrap();
    block_on(async {
        let schema = Schema::new().await;
        said.has("INFO", &["migration taken", "name=\"tables\""]);
        let store = schema.open(None).await;
        said.has("DEBUG", &["connected to the database", "took="]);

        let placing = orders::place(full(1));
        let order = Arc::clone(&placing.after);
        store.commit(placing).await.unwrap();
        said.has("DEBUG", &["group committed", "size=1", "took="]);

        let due = WorkChange::Wake { due: at(0) };
        store.commit(orders::work(&order, due)).await.unwrap();
        let request = LeaseRequest {
            fence: fence(1),
            ttl: Duration::from_secs(60),
            limit: 9,
            order: None,
        };
        assert_eq!(store.lease(&request).await.unwrap().leased.len(), 1);
        said.has("DEBUG", &["leases taken", "orders=1"]);

        let late = WorkChange::Done {
            fence: fence(2),
            revision: 1,
        };
        let refused = store.commit(orders::work(&order, late)).await.unwrap_err();
        assert!(matches!(refused, CommitError::Fenced), "{refused:?}");
        said.has("DEBUG", &["lease lost", &order.id.to_string()]);
    });
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
