//! A short memory of what was read, so that a crowd that wants the same thing asks for it once.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache;
use order_core::services::CallError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::context::carrying;

/// Limits of the answers that are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// The greatest age of an answer that is given again, counted from when it was asked for. 2 s.
    /// Zero remembers nothing: every reader asks.
    pub time_to_live: Duration,
    /// The number of answers that are remembered at most; those that are asked for least go first.
    /// 10,000.
    pub entries_max: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        CacheSettings {
            time_to_live: Duration::from_secs(2),
            entries_max: 10_000,
        }
    }
}

impl CacheSettings {
    /// Remembers nothing.
    pub const OFF: CacheSettings = CacheSettings {
        time_to_live: Duration::ZERO,
        entries_max: 0,
    };
}

/// Counts of the calls that the memory saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// Readers that were answered from memory, or by a call that was under way for another.
    pub hits: u64,
    /// Readers for whom a call was made.
    pub misses: u64,
}

/// An answer that is remembered, and the time from which on it may be out of date.
#[derive(Clone)]
struct Entry<V> {
    value: V,
    asked: Instant,
}

/// A reason why a call made nothing to remember.
enum Nothing {
    NotFound,
    Failed(CallError),
}

/// Answers by their keys, for a short time. Readers of a key that is being asked for share that
/// call, which goes on as long as anybody could use its answer: it is nobody's own. What is not
/// found and what fails is told to those who share the call, and forgotten.
pub(super) struct ReadCache<K, V> {
    entries: Option<Cache<K, Entry<V>>>,
    time_to_live: Duration,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl<K, V> fmt::Debug for ReadCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadCache")
            .field("time_to_live", &self.time_to_live)
            .finish_non_exhaustive()
    }
}

impl<K, V> ReadCache<K, V>
where
    K: Hash + Eq + Copy + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new(settings: CacheSettings) -> Self {
        let CacheSettings {
            time_to_live,
            entries_max,
        } = settings;
        let entries = (!time_to_live.is_zero() && entries_max > 0).then(|| {
            Cache::builder()
                .max_capacity(entries_max)
                .time_to_live(time_to_live)
                .build()
        });
        ReadCache {
            entries,
            time_to_live,
            counts: Arc::default(),
        }
    }

    pub(super) fn stats(&self) -> CacheStats {
        let Counts { hits, misses } = &*self.counts;
        CacheStats {
            hits: hits.load(Ordering::Relaxed),
            misses: misses.load(Ordering::Relaxed),
        }
    }

    /// Answers what is known of `key`, or else what `ask` finds. Whoever stops waiting does not end
    /// a call that others share.
    pub(super) async fn read<F>(&self, key: K, ask: F) -> Result<Option<V>, CallError>
    where
        F: Future<Output = Result<Option<V>, CallError>> + Send + 'static,
    {
        let counts = Arc::clone(&self.counts);
        let Some(entries) = &self.entries else {
            counts.misses.fetch_add(1, Ordering::Relaxed);
            return ask.await;
        };
        if let Some(entry) = entries.get(&key).await {
            if entry.asked.elapsed() < self.time_to_live {
                counts.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(entry.value));
            }
            entries.invalidate(&key).await;
        }
        let (entries, (tell, told)) = (entries.clone(), oneshot::channel());
        tokio::spawn(carrying(Box::pin(async move {
            let mut asked_itself = false;
            let own = &mut asked_itself;
            let call = async move {
                *own = true;
                let asked = Instant::now();
                match ask.await {
                    Ok(Some(value)) => Ok(Entry { value, asked }),
                    Ok(None) => Err(Nothing::NotFound),
                    Err(e) => Err(Nothing::Failed(e)),
                }
            };
            let answer = entries.try_get_with(key, call).await;
            let count = if asked_itself {
                &counts.misses
            } else {
                &counts.hits
            };
            count.fetch_add(1, Ordering::Relaxed);
            // Whoever waited may have gone.
            let _ = tell.send(match answer {
                Ok(entry) => Ok(Some(entry.value)),
                Err(nothing) => match &*nothing {
                    Nothing::NotFound => Ok(None),
                    Nothing::Failed(e) => Err(e.clone()),
                },
            });
        })));
        told.await
            .unwrap_or_else(|_| Err(CallError::unknown("the call ended without an answer")))
    }
}

#[cfg(test)]
mod tests;
