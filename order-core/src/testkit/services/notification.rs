//! A notification log in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use uuid::Uuid;

use crate::runtime::virtual_time::lock;
use crate::services::{CallError, Notification, NotificationService};

/// Tells nobody, and remembers what it was asked to tell and how often, deduplicated by event.
#[derive(Default)]
pub struct MemoryNotifications {
    told: Mutex<BTreeMap<Uuid, (Notification, u32)>>,
}

impl MemoryNotifications {
    /// Every notification with the number of times it was asked for, seen by `look`.
    pub fn with_log<R>(&self, look: impl FnOnce(&BTreeMap<Uuid, (Notification, u32)>) -> R) -> R {
        look(&lock(&self.told))
    }

    /// [`NotificationService::notify`], at once.
    pub fn notify_now(&self, notification: &Notification) {
        lock(&self.told)
            .entry(notification.event_id)
            .or_insert_with(|| (notification.clone(), 0))
            .1 += 1;
    }
}

#[async_trait]
impl NotificationService for MemoryNotifications {
    fn enabled(&self) -> bool {
        true
    }
    async fn notify(&self, notification: &Notification) -> Result<(), CallError> {
        self.notify_now(notification);
        Ok(())
    }
}
