//! Database files: made for their owner alone, and recognised again.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Makes an empty file unless there is one. What is in it concerns only its owner; SQLite gives its
/// log the same permissions.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    match options().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// Opens a file to write it, made for its owner alone if there is none.
pub(crate) fn open_or_make(path: &Path) -> io::Result<File> {
    options().create(true).truncate(false).open(path)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The file's write-ahead log.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// The name with something behind it.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
}

impl Identity {
    /// The one that has this name now.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|found| Identity::found(&found))
    }

    /// The one that is open.
    pub(crate) fn of_open(file: &File) -> io::Result<Self> {
        file.metadata().map(|found| Identity::found(&found))
    }

    #[cfg(unix)]
    fn found(found: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Identity {
            device_and_inode: (found.dev(), found.ino()),
        }
    }

    /// Elsewhere a file that is open can be neither removed nor replaced.
    #[cfg(not(unix))]
    fn found(_: &fs::Metadata) -> Self {
        Identity {}
    }
}

/// The file as a URI (sqlite.org/uri.html) that tells SQLite that nobody writes to it.
pub(crate) fn immutable_uri(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte))
            }
            byte => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri + "?immutable=1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_fits_into_a_uri() {
        assert_eq!(
            immutable_uri(Path::new("/a b/ä?#%.db")),
            "file:/a%20b/%C3%A4%3F%23%25.db?immutable=1"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_its_owners_alone_and_known_by_more_than_its_name() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("order-file-{}", std::process::id()));
        let other = beside(&path, ".other");
        make(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::write(&path, "kept").unwrap();
        make(&path).unwrap();
        drop(open_or_make(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        let before = Identity::of(&path).unwrap();
        assert_eq!(
            Identity::of_open(&File::open(&path).unwrap()).unwrap(),
            before
        );
        fs::rename(&path, &other).unwrap();
        make(&path).unwrap();
        assert_ne!(Identity::of(&path).unwrap(), before);
        assert_eq!(Identity::of(&other).unwrap(), before);
        fs::remove_file(path).unwrap();
        fs::remove_file(other).unwrap();
    }
}
