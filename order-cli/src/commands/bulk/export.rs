//! `order export`: all orders, whole or as tables.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use order_core::archive;
use order_core::store::{Dumped, Unreadable};
use tempfile::{NamedTempFile, PersistError};

use super::csv::{self, Formulas};
use super::progress::Progress;
use crate::engine::Engine;
use crate::exit::{Code, Failure, Outcome};
use crate::output::{counted, note};
use crate::settings::Settings;

/// The form in which orders are written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ExportForm {
    /// A line of JSON for each order, with everything that belongs to it: `order restore` reads it
    #[default]
    Jsonl,
    /// A row for each order
    CsvOrders,
    /// A row for each line of each order
    CsvLines,
}

/// Options of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The form. `jsonl` holds personal data (addresses, notes, metadata) and payment
    /// tokens: keep it as you keep the store. The others hold no more of a customer than the user
    /// id
    #[arg(long = "as", value_name = "FORM", value_enum, default_value_t)]
    pub form: ExportForm,
    /// In a table, leave what begins with `=`, `+`, `-` or `@` as it is; a spreadsheet takes it for
    /// a formula, and it gets a `'` in front otherwise
    #[arg(long)]
    pub raw: bool,
    /// Write to a new file, which only its owner can read, rather than to standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Writes all orders out.
pub async fn export(settings: &Settings, args: &Export) -> Outcome {
    let engine = Engine::open_for_reading(settings).await?;
    let mut sink = Sink::open(args.output.as_deref())?;
    let formulas = if args.raw {
        Formulas::Raw
    } else {
        Formulas::Defused
    };
    let mut progress = Progress::new("exporting", None);
    let (mut after, mut orders, mut left_out) = (None, 0, 0);
    let mut read_on = sink.put(&head(args.form)?)?;
    while read_on {
        let page = engine.manager.export(&engine.principal, after).await?;
        for dumped in &page.orders {
            read_on = read_on && sink.put(&text(dumped, args.form, formulas)?)?;
            orders += 1;
            progress.step(0);
        }
        for Unreadable { order, reason } in &page.unreadable {
            progress.aside(|| {
                note(format_args!(
                    "left out order {order}, which cannot be read: {reason}"
                ));
            });
            left_out += 1;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let end = sink.end()?;
    drop(progress);
    if read_on {
        note(format_args!("exported {}{end}", counted(orders, "order")));
    }
    if left_out > 0 {
        let failure = Failure::new(
            Code::Unavailable,
            format!("{} cannot be read", counted(left_out, "order")),
        );
        return Err(failure.hint(
            "what was exported is whole but for these: a newer `order` may be able to read them",
        ));
    }
    Ok(())
}

/// The text before the first order.
pub fn head(form: ExportForm) -> Outcome<String> {
    match form {
        ExportForm::Jsonl => Ok(String::new()),
        ExportForm::CsvOrders => csv::orders_head(),
        ExportForm::CsvLines => csv::lines_head(),
    }
}

/// An order as it is written out.
pub fn text(dumped: &Dumped, form: ExportForm, formulas: Formulas) -> Outcome<String> {
    match form {
        ExportForm::Jsonl => Ok(archive::write(dumped) + "\n"),
        ExportForm::CsvOrders => csv::order(&dumped.order, formulas),
        ExportForm::CsvLines => csv::lines(&dumped.order, formulas),
    }
}

/// The place an export goes to: standard output, or a file that appears under its name once it is
/// whole and on disk, with nothing written over.
enum Sink {
    Stdout(BufWriter<io::Stdout>),
    File {
        file: BufWriter<NamedTempFile>,
        path: PathBuf,
    },
}

impl Sink {
    fn open(path: Option<&Path>) -> Outcome<Sink> {
        let Some(path) = path else {
            return Ok(Sink::Stdout(BufWriter::new(io::stdout())));
        };
        // Told now rather than when the work is done; it is looked at again then.
        if std::fs::symlink_metadata(path).is_ok() {
            return Err(exists(path));
        }
        let mut prefix = OsString::from(".");
        prefix.push(path.file_name().unwrap_or_default());
        // Only the owner may read it, and it is gone if the export fails.
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            .tempfile_in(folder(path))
            .map_err(|e| cannot_write(path, &e))?;
        Ok(Sink::File {
            file: BufWriter::new(file),
            path: path.into(),
        })
    }

    /// Writes on, and says whether anybody still reads.
    fn put(&mut self, text: &str) -> Outcome<bool> {
        match self {
            Sink::Stdout(out) => still_read(out.write_all(text.as_bytes())),
            Sink::File { file, path } => file
                .write_all(text.as_bytes())
                .map(|()| true)
                .map_err(|e| cannot_write(path, &e)),
        }
    }

    /// Makes it durable; returns what is to be said of where it is.
    fn end(self) -> Outcome<String> {
        match self {
            Sink::Stdout(mut out) => still_read(out.flush()).map(|_| String::new()),
            Sink::File { file, path } => {
                let cannot = |e: io::Error| cannot_write(&path, &e);
                let file = file.into_inner().map_err(|e| cannot(e.into_error()))?;
                file.as_file().sync_all().map_err(cannot)?;
                file.persist_noclobber(&path).map_err(
                    |PersistError { error, file: _ }| match error.kind() {
                        io::ErrorKind::AlreadyExists => exists(&path),
                        _ => cannot(error),
                    },
                )?;
                sync(folder(&path)).map_err(cannot)?;
                Ok(format!(" to {}", path.display()))
            }
        }
    }
}

/// The folder of a file that is named by `path`.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the names in a folder durable: a new file is on disk once its folder is.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

fn exists(path: &Path) -> Failure {
    let path = path.display();
    Failure::bad_input(format!("{path} exists, and is not written over"))
        .hint("name another file with --output, or remove it")
}

fn still_read(written: io::Result<()>) -> Outcome<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => {
            Err(Failure::caused(Code::Unavailable, &e).context("cannot write to standard output"))
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::caused(Code::Unavailable, error)
        .context(format_args!("cannot write {}", path.display()))
}
