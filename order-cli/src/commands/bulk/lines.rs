//! A file read line by line, however large it is.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::exit::{Code, Failure, Outcome};

/// The longest line: no order needs as much.
const LINE_MAX: u64 = 64 << 20;

/// The lines of a file that are not empty, and how far they are read.
pub struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    number: u64,
    read: u64,
}

/// A file that can be read twice: the one that was named, or a copy of standard input, which is
/// gone with it.
pub struct Kept {
    path: PathBuf,
    name: PathBuf,
    _copy: Option<TempPath>,
}

impl Kept {
    /// Keeps standard input if `path` is `-`.
    ///
    /// # Errors
    ///
    /// Unavailable, if it cannot be read or kept.
    pub fn of(path: &Path) -> Outcome<Kept> {
        if path.as_os_str() != "-" {
            return Ok(Kept {
                path: path.into(),
                name: path.into(),
                _copy: None,
            });
        }
        let keep = || {
            let mut copy = NamedTempFile::new()?;
            io::copy(&mut io::stdin().lock(), &mut copy)?;
            Ok(copy.into_temp_path())
        };
        let copy = keep().map_err(|e: io::Error| {
            Failure::caused(Code::Unavailable, &e).context("cannot keep standard input")
        })?;
        Ok(Kept {
            path: copy.to_path_buf(),
            name: "standard input".into(),
            _copy: Some(copy),
        })
    }

    /// The name that messages have for it.
    pub fn name(&self) -> &Path {
        &self.name
    }
}

/// A line.
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// Without its end.
    pub text: String,
    /// The number of bytes of the file that are read with it.
    pub read: u64,
}

impl Lines {
    /// Opens a file; with its size in bytes.
    pub fn open(kept: &Kept) -> Outcome<(Lines, u64)> {
        let path = &kept.path;
        let cannot = |e: std::io::Error| {
            let code = if e.kind() == std::io::ErrorKind::NotFound {
                Code::NotFound
            } else {
                Code::Unavailable
            };
            Failure::caused(code, &e).context(format_args!("cannot read {}", path.display()))
        };
        let file = File::open(path).map_err(cannot)?;
        let size = file.metadata().map_err(cannot)?;
        // It is read twice, which only a file can be.
        if !size.is_file() {
            return Err(Failure::bad_input(format!(
                "{} is not a file: write it to one first",
                path.display()
            )));
        }
        Ok((
            Lines {
                path: kept.name.clone(),
                file: BufReader::new(file),
                number: 0,
                read: 0,
            },
            size.len(),
        ))
    }

    /// A failure that says where it is.
    pub fn at(path: &Path, number: u64, problem: impl std::fmt::Display) -> Failure {
        Failure::bad_input(format!("{}:{number}: {problem}", path.display()))
    }

    fn line(&mut self) -> Outcome<Option<Line>> {
        loop {
            let mut bytes = Vec::new();
            let read = (&mut self.file)
                .take(LINE_MAX)
                .read_until(b'\n', &mut bytes);
            let read = read.map_err(|e| {
                Failure::caused(Code::Unavailable, &e)
                    .context(format_args!("cannot read {}", self.path.display()))
            })?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.read += read as u64;
            let wrong = |problem: &str| Lines::at(&self.path, self.number, problem);
            if !bytes.ends_with(b"\n") && read as u64 == LINE_MAX {
                return Err(wrong("the line is longer than 64 MiB"));
            }
            let text = String::from_utf8(bytes).map_err(|_| wrong("the line is not UTF-8"))?;
            let text = if self.number == 1 {
                text.trim_start_matches('\u{feff}')
            } else {
                &text
            };
            let text = text.trim_end_matches(['\n', '\r']);
            if !text.trim().is_empty() {
                return Ok(Some(Line {
                    number: self.number,
                    text: text.into(),
                    read: self.read,
                }));
            }
        }
    }
}

impl Iterator for Lines {
    type Item = Outcome<Line>;
    fn next(&mut self) -> Option<Self::Item> {
        self.line().transpose()
    }
}
