//! Files that may be replaced while the server runs: certificates, keys, authorities.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};
use tracing::Level;

use crate::log::Log;
use crate::security::SecurityError;

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 1024 * 1024;

/// A file and the setting that names it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) field: &'static str,
    pub(crate) path: PathBuf,
}

impl Named {
    /// An error about the file.
    pub(crate) fn wrong(&self, problem: impl std::fmt::Display) -> SecurityError {
        SecurityError::new(self.field, format!("{}: {problem}", self.path.display()))
    }

    /// Returns the file's contents.
    pub(crate) fn read(&self) -> Result<Vec<u8>, SecurityError> {
        let cannot = |e| self.wrong(format_args!("cannot be read: {e}"));
        let file = File::open(&self.path).map_err(cannot)?;
        if !file.metadata().map_err(cannot)?.is_file() {
            return Err(self.wrong("is not a file"));
        }
        let mut bytes = Vec::new();
        file.take(FILE_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(cannot)?;
        if bytes.len() as u64 > FILE_MAX {
            return Err(self.wrong("is longer than 1 MiB: it is none of what is expected here"));
        }
        Ok(bytes)
    }
}

/// Makes a value of the contents of some files, in their order.
type Parse<T> = Box<dyn Fn(&[Named], &[Vec<u8>]) -> Result<T, SecurityError> + Send + Sync>;

/// A value read from files, and read again when they change. They may be replaced one after the
/// other: what does not fit together, or cannot be read, leaves in use what was there before.
pub(crate) struct Watched<T> {
    what: &'static str,
    files: Arc<[Named]>,
    parse: Parse<T>,
    every: Duration,
    current: RwLock<Arc<T>>,
    look: tokio::sync::Mutex<Look>,
}

/// The finding of the last look at the files: a digest of their contents, or why there is none.
/// Contents may be private keys.
struct Look {
    at: Instant,
    found: Result<Vec<u8>, SecurityError>,
}

impl<T> std::fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the files for the first time. They are looked at again `every` so often, when somebody
    /// asks.
    pub(crate) fn open(
        what: &'static str,
        files: Vec<Named>,
        every: Duration,
        parse: Parse<T>,
    ) -> Result<Self, SecurityError> {
        let contents = read_all(&files)?;
        let first = parse(&files, &contents)?;
        let look = Look {
            at: Instant::now(),
            found: Ok(digest_of(&contents)),
        };
        Ok(Watched {
            what,
            files: files.into(),
            parse,
            every,
            current: RwLock::new(Arc::new(first)),
            look: look.into(),
        })
    }

    /// Returns what the files hold now, or held when they were last right.
    pub(crate) async fn current(&self, log: &Log) -> Arc<T> {
        // While somebody looks, the others go on with what there is.
        if let Ok(mut look) = self.look.try_lock()
            && look.at.elapsed() >= self.every
        {
            look.at = Instant::now();
            self.look_again(&mut look, log).await;
        }
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn look_again(&self, look: &mut Look, log: &Log) {
        let files = Arc::clone(&self.files);
        // A slow disk holds up nobody else.
        let Ok(read) = tokio::task::spawn_blocking(move || read_all(&files)).await else {
            return;
        };
        let found = read
            .as_ref()
            .map(|contents| digest_of(contents))
            .map_err(Clone::clone);
        if found == look.found {
            return;
        }
        look.found = found;
        match read.and_then(|contents| (self.parse)(&self.files, &contents)) {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                log.event(
                    Level::INFO,
                    "reloaded",
                    &format!("{} changed, and are in use from now on", self.what),
                );
            }
            Err(e) => {
                log.event(
                    Level::WARN,
                    "reload",
                    &format!(
                        "{} changed and cannot be used, so the old ones stay: {e}",
                        self.what
                    ),
                );
            }
        }
    }
}

fn read_all(files: &[Named]) -> Result<Vec<Vec<u8>>, SecurityError> {
    files.iter().map(Named::read).collect()
}

fn digest_of(contents: &[Vec<u8>]) -> Vec<u8> {
    contents
        .iter()
        .flat_map(|content| digest(&SHA256, content).as_ref().to_vec())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(files: Vec<Named>, every: Duration) -> Result<Watched<Vec<u32>>, SecurityError> {
        let parse = |files: &[Named], contents: &[Vec<u8>]| {
            let number = |(file, text): (&Named, &Vec<u8>)| {
                let text = String::from_utf8_lossy(text);
                text.trim().parse().map_err(|e| file.wrong(e))
            };
            files.iter().zip(contents).map(number).collect()
        };
        Watched::open("the numbers", files, every, Box::new(parse))
    }

    fn file(dir: &std::path::Path, name: &str, text: &str) -> Named {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        Named { field: "n", path }
    }

    #[tokio::test]
    async fn files_are_read_again_when_they_change_and_what_is_broken_leaves_the_old() {
        let dir = std::env::temp_dir().join(format!("order-grpc-files-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let files = vec![file(&dir, "a", "1"), file(&dir, "b", "2")];
        let watched = numbers(files.clone(), Duration::ZERO).unwrap();
        let log = Log::default();
        assert_eq!(*watched.current(&log).await, [1, 2]);
        file(&dir, "a", "3");
        assert_eq!(*watched.current(&log).await, [3, 2]);
        file(&dir, "b", "none");
        assert_eq!(*watched.current(&log).await, [3, 2]);
        std::fs::remove_file(dir.join("b")).unwrap();
        assert_eq!(*watched.current(&log).await, [3, 2]);
        file(&dir, "b", "4");
        assert_eq!(*watched.current(&log).await, [3, 4]);

        let seldom = numbers(files.clone(), Duration::from_secs(3600)).unwrap();
        file(&dir, "a", "5");
        assert_eq!(
            *seldom.current(&log).await,
            [3, 4],
            "they are looked at once in a while"
        );

        file(&dir, "a", "none");
        let error = numbers(files.clone(), Duration::ZERO)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("n: ") && error.ends_with("/a: invalid digit found in string"),
            "{error}"
        );
        file(&dir, "a", &"1".repeat(1024 * 1024 + 1));
        assert!(
            numbers(files, Duration::ZERO)
                .unwrap_err()
                .problem
                .contains("longer than 1 MiB")
        );
        std::fs::remove_dir_all(dir).unwrap();
    }
}
