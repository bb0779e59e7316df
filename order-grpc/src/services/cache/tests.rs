//! Time is tokio's, which stands still and goes on by itself when everybody waits.

use std::sync::Mutex;

use futures_util::future::join_all;

use super::*;

const TTL: Duration = Duration::from_secs(2);

/// A service that is asked for a number, and how often it was.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<u32>>>);

impl Asked {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Answers how often it was asked by then, after a second.
    fn slowly(
        &self,
        key: u32,
    ) -> impl Future<Output = Result<Option<usize>, CallError>> + Send + 'static {
        let asked = self.clone();
        async move {
            asked.0.lock().unwrap().push(key);
            let count = asked.count();
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(Some(count))
        }
    }
}

fn cache() -> ReadCache<u32, usize> {
    ReadCache::new(CacheSettings {
        time_to_live: TTL,
        ..CacheSettings::default()
    })
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_again_until_it_is_as_old_as_allowed_since_it_was_asked_for() {
    let (cache, asked) = (cache(), Asked::default());
    assert_eq!(cache.read(7, asked.slowly(7)).await.unwrap(), Some(1));
    // It took a second, and is a second old from the start.
    tokio::time::advance(TTL - Duration::from_secs(1) - Duration::from_millis(1)).await;
    assert_eq!(cache.read(7, asked.slowly(7)).await.unwrap(), Some(1));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(cache.read(7, asked.slowly(7)).await.unwrap(), Some(2));
    assert_eq!(
        cache.read(8, asked.slowly(8)).await.unwrap(),
        Some(3),
        "another key is another answer"
    );
    assert_eq!(cache.stats(), CacheStats { hits: 1, misses: 3 });
}

#[tokio::test(start_paused = true)]
async fn a_crowd_shares_one_call() {
    let (cache, asked) = (cache(), Asked::default());
    let answers = join_all((0..50).map(|_| cache.read(7, asked.slowly(7)))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == Some(1)));
    assert_eq!(asked.count(), 1);
    assert_eq!(
        cache.stats(),
        CacheStats {
            hits: 49,
            misses: 1
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_first_reader_gave_up_goes_on_for_the_others() {
    let (cache, asked) = (cache(), Asked::default());
    let first = tokio::time::timeout(Duration::from_millis(10), cache.read(7, asked.slowly(7)));
    assert!(first.await.is_err(), "it waits no longer than it has time");
    let second = tokio::time::timeout(Duration::from_millis(995), cache.read(7, asked.slowly(7)));
    assert_eq!(
        second
            .await
            .expect("the first one's call is answered by then")
            .unwrap(),
        Some(1)
    );
    assert_eq!(asked.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_found_or_fails_is_forgotten() {
    let (cache, asked) = (cache(), Asked::default());
    assert_eq!(cache.read(7, async { Ok(None) }).await.unwrap(), None);
    assert!(matches!(
        cache
            .read(7, async { Err(CallError::unknown("down")) })
            .await,
        Err(CallError::Unknown { .. })
    ));
    assert_eq!(cache.read(7, asked.slowly(7)).await.unwrap(), Some(1));
    assert_eq!(cache.stats(), CacheStats { hits: 0, misses: 3 });
}

#[tokio::test(start_paused = true)]
async fn those_who_share_a_call_that_fails_hear_why_it_did() {
    let cache = cache();
    let failing = || async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Err(CallError::unknown("down"))
    };
    let answers = join_all((0..3).map(|_| cache.read(7, failing()))).await;
    assert!(
        answers.iter().all(|a| a
            .as_ref()
            .is_err_and(|e| e.to_string() == "outcome unknown: down")),
        "{answers:?}"
    );
    assert_eq!(cache.stats(), CacheStats { hits: 2, misses: 1 });
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_is_an_error_and_no_more() {
    let (cache, asked) = (cache(), Asked::default());
    let answer = cache.read(7, async { panic!("as a test does") }).await;
    assert!(
        matches!(answer, Err(CallError::Unknown { .. })),
        "{answer:?}"
    );
    assert_eq!(cache.read(7, asked.slowly(7)).await.unwrap(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn no_time_to_live_remembers_nothing_and_shares_nothing() {
    let (cache, asked) = (ReadCache::new(CacheSettings::OFF), Asked::default());
    let answers = join_all((0..3).map(|_| cache.read(7, asked.slowly(7)))).await;
    assert_eq!(answers.len(), 3);
    assert_eq!(asked.count(), 3);
    assert_eq!(cache.stats(), CacheStats { hits: 0, misses: 3 });
}

#[tokio::test(start_paused = true)]
async fn no_more_is_remembered_than_allowed() {
    let cache = ReadCache::new(CacheSettings {
        time_to_live: TTL,
        entries_max: 10,
    });
    for key in 0..1000 {
        assert_eq!(
            cache.read(key, async { Ok(Some(1_usize)) }).await.unwrap(),
            Some(1)
        );
    }
    let entries = cache.entries.unwrap();
    entries.run_pending_tasks().await;
    assert!(
        (1..=10).contains(&entries.entry_count()),
        "{}",
        entries.entry_count()
    );
}
