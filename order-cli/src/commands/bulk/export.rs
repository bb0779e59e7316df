//! `order export`: all orders, whole or as tables.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use order_core::archive;
use order_core::store::{Dumped, Unreadable};

use super::csv;
use super::progress::Progress;
use crate::engine::Engine;
use crate::exit::{Code, Failure, Outcome};
use crate::output::{counted, note};
use crate::settings::Settings;

/// How orders are written out.
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
    /// What is written. `jsonl` holds personal data (addresses, notes, metadata) and payment
    /// tokens: keep it as you keep the store. The others hold no more of a customer than the user
    /// id
    #[arg(long = "as", value_name = "FORM", value_enum, default_value_t)]
    pub form: ExportForm,
    /// Write to a new file, which only its owner can read, rather than to standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Writes all orders out.
pub async fn export(settings: &Settings, args: &Export) -> Outcome {
    let engine = Engine::open_for_reading(settings).await?;
    let mut sink = Sink::open(args.output.as_deref())?;
    let mut progress = Progress::new("exporting", None);
    let (mut after, mut orders, mut left_out) = (None, 0, 0);
    let mut read_on = sink.put(head(args.form))?;
    while read_on {
        let page = engine.manager.export(&engine.principal, after).await?;
        for dumped in &page.orders {
            read_on = read_on && sink.put(&text(dumped, args.form))?;
            orders += 1;
            progress.step(0);
        }
        for Unreadable { order, reason } in &page.unreadable {
            note(format_args!(
                "left out order {order}, which cannot be read: {reason}"
            ));
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

/// What stands before the first order.
pub const fn head(form: ExportForm) -> &'static str {
    match form {
        ExportForm::Jsonl => "",
        ExportForm::CsvOrders => csv::ORDERS,
        ExportForm::CsvLines => csv::LINES,
    }
}

/// An order as it is written out.
pub fn text(dumped: &Dumped, form: ExportForm) -> String {
    match form {
        ExportForm::Jsonl => archive::write(dumped) + "\n",
        ExportForm::CsvOrders => csv::order(&dumped.order),
        ExportForm::CsvLines => csv::lines(&dumped.order),
    }
}

/// Where an export goes: standard output, or a file that appears under its name once it is whole.
enum Sink {
    Stdout(BufWriter<io::Stdout>),
    File {
        file: BufWriter<File>,
        part: PathBuf,
        path: PathBuf,
    },
}

impl Sink {
    fn open(path: Option<&Path>) -> Outcome<Sink> {
        let Some(path) = path else {
            return Ok(Sink::Stdout(BufWriter::new(io::stdout())));
        };
        if std::fs::symlink_metadata(path).is_ok() {
            let failure = Failure::bad_input(format!(
                "{} exists, and is not written over",
                path.display()
            ));
            return Err(failure.hint("name another file with --output, or remove it"));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&part).map_err(|e| cannot_write(&part, &e))?;
        Ok(Sink::File {
            file: BufWriter::new(file),
            part,
            path: path.into(),
        })
    }

    /// Whether anybody still reads.
    fn put(&mut self, text: &str) -> Outcome<bool> {
        match self {
            Sink::Stdout(out) => still_read(out.write_all(text.as_bytes())),
            Sink::File { file, part, .. } => file
                .write_all(text.as_bytes())
                .map(|()| true)
                .map_err(|e| cannot_write(part, &e)),
        }
    }

    /// Makes it durable; what to say of where it is.
    fn end(self) -> Outcome<String> {
        match self {
            Sink::Stdout(mut out) => still_read(out.flush()).map(|_| String::new()),
            Sink::File { file, part, path } => {
                let durable = file
                    .into_inner()
                    .map_err(io::IntoInnerError::into_error)
                    .and_then(|file| file.sync_all());
                durable
                    .and_then(|()| std::fs::rename(&part, &path))
                    .map_err(|e| cannot_write(&path, &e))?;
                Ok(format!(" to {}", path.display()))
            }
        }
    }
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
