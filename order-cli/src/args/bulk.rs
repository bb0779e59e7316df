//! Commands about all orders at once.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Commands about all orders at once.
#[derive(Debug, Subcommand)]
pub enum BulkCommand {
    /// Copy the whole store into a new file while it is in use; the copy is opened like any other
    /// store
    Backup(Backup),
    /// Write all orders out: to be kept, restored, or looked at in a spreadsheet
    Export(Export),
    /// Put exported orders into an empty store, as they were
    Restore(Restore),
    /// Copy all orders from one store to another, and compare them; an interrupted copy goes on
    /// where it ended
    Copy(Copy),
    /// Take in historic orders of another system; `examples/README.md` documents the format
    Import(Import),
}

/// Options of `backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// The copy; nothing is written over
    pub file: PathBuf,
}

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
    /// In a table, leave what begins with `=`, `+`, `-` or `@` as it is; a spreadsheet takes it for
    /// a formula, and it gets a `'` in front otherwise
    #[arg(long)]
    pub raw: bool,
    /// Write to a new file, which only its owner can read, rather than to standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Options of `copy`.
#[derive(Debug, Args)]
pub struct Copy {
    /// The store to copy from, as for --store; nothing may work on it any more
    #[arg(long, value_name = "URL")]
    pub from: String,
    /// The store to copy to. A file is made; a schema on a server must have been made by `order
    /// migrate`
    #[arg(long, value_name = "URL")]
    pub to: String,
}

/// Options of `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// What `order export` wrote
    pub file: PathBuf,
}

/// Options of `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Historic orders, one line of JSON each
    pub file: PathBuf,
    /// Say what is wrong with them and what would be imported, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}
