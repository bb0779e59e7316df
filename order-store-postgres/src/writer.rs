//! The tasks that write. Whatever has queued up while a task was committing becomes its next group.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use order_core::ids::{IdempotencyKey, OrderId, UserId};
use order_core::number::OrderNumber;
use order_core::runtime::Clock;
use order_core::store::records::{GroupVerdict, Step, error_again, judge, judge_rest};
use order_core::store::{CommitError, Committed, KeyMethod, StoreError, StoreErrorKind};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::{Notify, oneshot};
use tracing::{Level, debug, enabled, error, warn};
use uuid::Uuid;

use crate::commit::{self, Meant, Prepared};
use crate::errors::{During, collided, is_broken, store_error};
use crate::hook::{self, OnCommit};
use crate::places::connect;
use crate::schema::Buckets;

/// The most changesets in one group: bounds how long the first of them waits for the last.
const GROUP_MAX: usize = 256;
/// The number of times that one which others keep colliding with is sent by itself before it is
/// given up.
const TRIES_ALONE: u32 = 8;

/// Counts of what a [`crate::PostgresStore`] has written since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterStats {
    /// Groups that were committed: each is one round trip and one durable transaction, however many
    /// changesets share it.
    pub groups: u64,
    /// Changesets that were answered.
    pub changesets: u64,
    /// Groups and single changesets that were sent again because others wrote the same.
    pub collisions: u64,
}

#[derive(Default)]
struct Counters {
    groups: AtomicU64,
    changesets: AtomicU64,
    collisions: AtomicU64,
}

type Answer = Result<Committed, CommitError>;

/// A changeset, and who waits for it. The waiting side keeps it too, and frees it.
struct Job {
    prepared: Arc<Prepared>,
    answer: oneshot::Sender<Answer>,
}

/// The state that the tasks share with those who ask.
struct Queue {
    jobs: Mutex<Jobs>,
    filled: Notify,
    counters: Counters,
}

struct Jobs {
    waiting: VecDeque<Job>,
    closed: bool,
    /// The number of tasks that there still are.
    tasks: usize,
}

impl Jobs {
    /// Takes out what has waited longest, and those of its bucket that may be in one group with it.
    fn of_the_first_bucket(&mut self, apart: &mut Apart, most: usize) -> Vec<Job> {
        let mut group = Vec::new();
        let Some(bucket) = self
            .waiting
            .front()
            .map(|job| job.prepared.order().bucket())
        else {
            return group;
        };
        let mut left = VecDeque::with_capacity(self.waiting.len());
        let mut full = false;
        for job in self.waiting.drain(..) {
            let is_of_it = job.prepared.order().bucket() == bucket;
            full = full || is_of_it && (group.len() == most || !apart.admits(&job.prepared));
            if is_of_it && !full {
                group.push(job)
            } else {
                left.push_back(job)
            }
        }
        self.waiting = left;
        group
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tasks' owner: when it is dropped, they end after what is queued.
pub(crate) struct Writers {
    queue: Arc<Queue>,
    most: usize,
}

/// The terms on which the tasks write.
#[derive(Clone)]
pub(crate) struct Writing {
    pub(crate) connect: PgConnectOptions,
    pub(crate) connect_timeout: Duration,
    pub(crate) store: Uuid,
    pub(crate) schema: i32,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) buckets: Buckets,
    pub(crate) on_commit: Option<OnCommit>,
    /// The time that a call of the hook may take.
    pub(crate) hook_timeout: Duration,
}

impl Writers {
    /// Spawns them on the runtime of the task that asks.
    pub(crate) fn start(tasks: usize, most: usize, writing: &Writing) -> Self {
        let jobs = Mutex::new(Jobs {
            waiting: VecDeque::new(),
            closed: false,
            tasks: tasks.max(1),
        });
        let queue = Arc::new(Queue {
            jobs,
            filled: Notify::new(),
            counters: Counters::default(),
        });
        for _ in 0..tasks.max(1) {
            let task = Task {
                queue: Arc::clone(&queue),
                writing: writing.clone(),
                connection: None,
            };
            tokio::spawn(task.run());
        }
        Writers {
            queue,
            most: most.max(1),
        }
    }

    pub(crate) fn stats(&self) -> WriterStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters {
            groups,
            changesets,
            collisions,
        } = &self.queue.counters;
        WriterStats {
            groups: read(groups),
            changesets: read(changesets),
            collisions: read(collisions),
        }
    }

    /// Has the changeset written, and waits for the answer. It is written also if nobody waits any
    /// more.
    pub(crate) async fn commit(&self, prepared: Arc<Prepared>) -> Answer {
        let (answer, waiting) = oneshot::channel();
        {
            let mut jobs = self.queue.lock();
            if jobs.closed {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "the tasks that write have ended",
                )
                .into());
            }
            if jobs.waiting.len() >= self.most {
                debug!("a write was refused: too many wait already");
                let message = "too much waits to be written already: try again later";
                return Err(StoreError::new(StoreErrorKind::Unavailable, message).into());
            }
            jobs.waiting.push_back(Job { prepared, answer });
        }
        self.queue.filled.notify_one();
        waiting.await.unwrap_or_else(|_| {
            let message = "the task that writes has ended: whether it wrote is not known";
            Err(StoreError::new(StoreErrorKind::Unknown, message).into())
        })
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.filled.notify_waiters();
        // For a task that is just about to wait.
        self.queue.filled.notify_one();
    }
}

/// The things that no two changesets of a group may share, so that what becomes of one never
/// depends on another.
#[derive(Default)]
struct Apart {
    orders: HashSet<OrderId>,
    numbers: HashSet<OrderNumber>,
    keys: HashSet<(UserId, KeyMethod, IdempotencyKey)>,
}

impl Apart {
    /// Takes one in, unless it shares something with those that were.
    fn admits(&mut self, prepared: &Prepared) -> bool {
        let number = Some(prepared.changeset.after.number).filter(|_| prepared.is_new());
        let key = prepared
            .key()
            .map(|key| (key.user, key.method, key.key.clone()));
        let meets = self.orders.contains(&prepared.order())
            || number.is_some_and(|number| self.numbers.contains(&number))
            || key.as_ref().is_some_and(|key| self.keys.contains(key));
        if !meets {
            self.orders.insert(prepared.order());
            self.numbers.extend(number);
            self.keys.extend(key);
        }
        !meets
    }
}

/// The reason why nothing of a group was committed; of an unknown outcome, nothing may have been.
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) error: StoreError,
    pub(crate) collided: bool,
    /// The place in the group of the changeset that the hook stopped at.
    pub(crate) at: Option<usize>,
}

impl Failure {
    /// Says that nothing of a group was committed, or perhaps something. The causes of an error may
    /// quote what is stored, and are left out.
    fn tell(&self, size: usize) {
        let Failure {
            step,
            error,
            collided,
            at: _,
        } = self;
        let StoreError { kind, message, .. } = error;
        match kind {
            _ if *collided => debug!(size, ?step, "group collided with others'"),
            StoreErrorKind::Corrupt | StoreErrorKind::Unknown => {
                error!(size, ?step, ?kind, message, "group not committed");
            }
            // The reason is the hook's own, and may be about anybody.
            StoreErrorKind::Vetoed => debug!(size, "a changeset was refused by the hook"),
            _ => warn!(size, ?step, ?kind, message, "group not committed"),
        }
    }
}

struct Task {
    queue: Arc<Queue>,
    writing: Writing,
    /// None in the beginning, and after it broke.
    connection: Option<PgConnection>,
}

impl Task {
    async fn run(mut self) {
        while let Some(group) = self.next_group().await {
            let mut groups = vec![group];
            while let Some(group) = groups.pop() {
                groups.extend(self.write(group).await);
            }
        }
    }

    /// Takes what is queued by now, in its order, up to the first that must not be in one group
    /// with those before it: what was sent first is taken first. Where buckets are apart, those of
    /// other buckets are left to other groups. None when nobody can ask any more.
    async fn next_group(&self) -> Option<Vec<Job>> {
        let most = if self.writing.on_commit.is_some() {
            hook::GROUP_MAX
        } else {
            GROUP_MAX
        };
        loop {
            {
                let mut jobs = self.queue.lock();
                let mut group = Vec::new();
                let mut apart = Apart::default();
                if self.writing.buckets.are_apart() {
                    group = jobs.of_the_first_bucket(&mut apart, most);
                }
                while group.len() < most && !self.writing.buckets.are_apart() {
                    let Some(job) = jobs.waiting.pop_front_if(|job| apart.admits(&job.prepared))
                    else {
                        break;
                    };
                    group.push(job);
                }
                if !jobs.waiting.is_empty() {
                    // For another task.
                    self.queue.filled.notify_one();
                }
                if !group.is_empty() {
                    return Some(group);
                }
                if jobs.closed {
                    self.queue.filled.notify_one();
                    return None;
                }
            }
            self.queue.filled.notified().await;
        }
    }

    /// Commits the group as one, or if that fails one by one, and answers everybody but those of
    /// the groups that it returns: the last of them is to be written first.
    async fn write(&mut self, mut group: Vec<Job>) -> Vec<Vec<Job>> {
        let mut tried = self.attempt(&group).await;
        if let Err(failure) = &tried {
            failure.tell(group.len());
        }
        if group.len() > 1 && tried.as_ref().is_err_and(|failure| failure.collided) {
            self.pause(1).await;
            tried = self.attempt(&group).await;
            if let Err(failure) = &tried {
                failure.tell(group.len());
            }
        }
        match tried {
            Ok(answers) => {
                let mut again = Vec::new();
                for (job, answer) in group.into_iter().zip(answers) {
                    match answer {
                        Ok(committed) => job.tell(Ok(committed)),
                        Err(Some(refusal)) => job.tell(Err(refusal)),
                        Err(None) => again.push(job),
                    }
                }
                self.write_each(again).await;
            }
            // Whether the hook refuses it is found out where nothing of others is in its
            // transaction.
            Err(Failure { at: Some(at), .. }) if group.len() > 1 => {
                let (after, alone) = (group.split_off(at + 1), group.split_off(at));
                return vec![after, alone, group];
            }
            Err(Failure {
                step,
                error,
                collided: false,
                at: _,
            }) if judge(group.len(), step, error.kind) == GroupVerdict::RefuseAll => {
                group.into_iter().for_each(|job| job.refuse(&error));
            }
            Err(_) => self.write_each(group).await,
        }
        Vec::new()
    }

    async fn write_each(&mut self, jobs: Vec<Job>) {
        let mut unusable = None;
        for job in jobs {
            match &unusable {
                Some(error) => job.refuse(error),
                None => unusable = self.write_alone(job).await,
            }
        }
    }

    /// Answers whoever waits; returns why the others of its group need not be tried, if so.
    async fn write_alone(&mut self, job: Job) -> Option<StoreError> {
        for tries in 1..=TRIES_ALONE {
            let tried = self.attempt(std::slice::from_ref(&job)).await;
            if let Err(failure) = &tried {
                failure.tell(1);
            }
            match tried.map(|mut answers| answers.pop()) {
                Ok(Some(Ok(committed))) => {
                    job.tell(Ok(committed));
                    return None;
                }
                Ok(Some(Err(Some(refusal)))) => {
                    job.tell(Err(refusal));
                    return None;
                }
                Err(Failure {
                    step,
                    error,
                    collided,
                    at: _,
                }) if !collided || tries == TRIES_ALONE => {
                    job.refuse(&error);
                    return judge_rest(step, error.kind).map(|kind| StoreError { kind, ..error });
                }
                // It changed between two looks, or somebody else was first.
                Ok(Some(Err(None)) | None) | Err(_) => self.pause(tries).await,
            }
        }
        job.refuse(&StoreError::new(
            StoreErrorKind::Unavailable,
            "others kept writing the same: try again",
        ));
        None
    }

    /// Lets others go first, each for another while.
    async fn pause(&self, tries: u32) {
        self.queue
            .counters
            .collisions
            .fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_micros(
            fastrand::u64(500..2_000) << tries.min(6),
        ))
        .await;
    }

    /// One durable transaction with all of `jobs`: one round trip, or with a hook what that takes
    /// between BEGIN and COMMIT.
    async fn attempt(&mut self, jobs: &[Job]) -> Result<Vec<commit::Answer>, Failure> {
        let failed = |step| {
            move |error| Failure {
                step,
                error,
                collided: false,
                at: None,
            }
        };
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let started = enabled!(Level::DEBUG).then(Instant::now);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.writing.connect, self.writing.connect_timeout)
                .await
                .map_err(failed(Step::Begin))?,
        };
        let Writing {
            store,
            schema,
            clock,
            buckets,
            ..
        } = &self.writing;
        let meant = Meant {
            store: *store,
            schema: *schema,
            buckets,
            now: clock.as_ref().map(|clock| clock.now()),
        };
        let group: Vec<&Prepared> = jobs.iter().map(|job| &*job.prepared).collect();
        if let Some(hook) = &self.writing.on_commit {
            let done = hook
                .commit(&mut connection, meant, &group, self.writing.hook_timeout)
                .await;
            if done.as_ref().err().is_none_or(|stopped| stopped.is_usable) {
                self.connection = Some(connection);
            }
            let answers = done.map_err(|stopped| stopped.failure)?;
            self.count(jobs, &answers, started);
            return Ok(answers);
        }
        let rows = match commit::call(meant, &group).fetch_all(&mut connection).await {
            Ok(rows) => rows,
            Err(error) => {
                let collided = collided(&error);
                let is_usable = !is_broken(&error);
                let error = store_error(error, During::Write);
                // A standby that refuses to write is left, for the primary may be elsewhere by now.
                if is_usable
                    && error.kind != StoreErrorKind::Unknown
                    && error.kind != StoreErrorKind::Unavailable
                    || collided
                {
                    self.connection = Some(connection);
                }
                let step = if error.kind == StoreErrorKind::Unknown {
                    Step::Commit
                } else {
                    Step::Apply
                };
                return Err(Failure {
                    step,
                    error,
                    collided,
                    at: None,
                });
            }
        };
        self.connection = Some(connection);
        if rows.len() != jobs.len() {
            let error = StoreError::new(
                StoreErrorKind::Unknown,
                "the answer of the database cannot be read",
            );
            return Err(failed(Step::Commit)(error));
        }
        let answers = jobs
            .iter()
            .zip(&rows)
            .map(|(job, row)| commit::answer(&job.prepared, row));
        let answers = answers
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed(Step::Commit))?;
        self.count(jobs, &answers, started);
        Ok(answers)
    }

    fn count(&self, jobs: &[Job], answers: &[commit::Answer], started: Option<Instant>) {
        if let Some(started) = started {
            debug!(size = answers.len(), took = ?started.elapsed(), "group committed");
            for (job, answer) in jobs.iter().zip(answers) {
                if matches!(answer, Err(Some(CommitError::Fenced))) {
                    debug!(order = %job.prepared.order(), "lease lost");
                }
            }
        }
        self.queue.counters.groups.fetch_add(1, Ordering::Relaxed);
        self.queue
            .counters
            .changesets
            .fetch_add(answers.len() as u64, Ordering::Relaxed);
    }
}

/// The last task that ends, be it by a panic, leaves nobody waiting.
impl Drop for Task {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!("a task that writes has panicked, and is gone until the store is opened again");
        }
        let mut jobs = self.queue.lock();
        jobs.tasks -= 1;
        if jobs.tasks == 0 {
            jobs.closed = true;
            jobs.waiting.clear();
        }
    }
}

impl Job {
    fn tell(self, answer: Answer) {
        let Job {
            prepared,
            answer: waiting,
        } = self;
        // First, so that the waiting side is the one to free it.
        drop(prepared);
        let _ = waiting.send(answer);
    }

    fn refuse(self, error: &StoreError) {
        self.tell(Err(CommitError::Store(error_again(error))));
    }
}
