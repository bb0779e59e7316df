//! `order completions` and `order man`: what a shell and `man` know of the command line.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use crate::exit::{Code, Failure, Outcome};
use crate::help;
use crate::output::{note, to_stdout};

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script that completes `order`.
pub fn completions(args: &Completions) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::command(), "order", &mut script);
    to_stdout(&String::from_utf8_lossy(&script))
}

/// Options of `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// The folder for the pages, such as ~/.local/share/man/man1; it is made if it is not there
    pub dir: PathBuf,
}

/// Writes the manual pages.
pub fn man(args: &Man) -> Outcome {
    let dir = &args.dir;
    fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(help::command(), dir))
        .map_err(|e| {
            Failure::caused(Code::Unavailable, &e).context(format_args!(
                "cannot write the pages into {}",
                dir.display()
            ))
        })?;
    note(format_args!("wrote the pages into {}", dir.display()));
    Ok(())
}
