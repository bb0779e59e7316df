//! Copies the source of order-core and writes the bugs into the copy, each behind its switch.

#![allow(
    clippy::disallowed_methods,
    reason = "a build script is told by its environment where it may write"
)]

#[allow(dead_code, reason = "what the bugs do is for their tests")]
mod bugs;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use bugs::{BUGS, EDITS, Edit};

struct File {
    /// Below the source folder.
    path: PathBuf,
    text: String,
}

fn main() {
    let source = Path::new("../../src");
    println!("cargo:rerun-if-changed={}", source.display());
    println!("cargo:rerun-if-changed=bugs.rs");
    let copy = Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("order-core");
    if let Err(problem) = write_copy(source, &copy) {
        // Cargo shows this, and nothing of a panic that does not help.
        eprintln!("{problem}");
        std::process::exit(1);
    }
}

fn write_copy(source: &Path, copy: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    read_all(source, Path::new(""), &mut files)
        .map_err(|e| format!("{}: {e}", source.display()))?;
    for bug in BUGS {
        if !EDITS.iter().any(|edit| edit.bugs.contains(&bug.name)) {
            return Err(format!("bug {} has no edit in bugs.rs", bug.name));
        }
    }
    for edit in EDITS {
        apply(edit, &mut files)?;
    }
    // A file that is gone from the source must not stay in the copy.
    let _ = fs::remove_dir_all(copy);
    for File { path, mut text } in files {
        // The tests of order-core are run on order-core.
        text = text
            .replace("cfg(test)", "cfg(any())")
            .replace("cfg(all(test,", "cfg(all(any(),");
        if path == Path::new("lib.rs") {
            text = without_inner_attributes(&text);
        }
        let path = copy.join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder"))
            .and_then(|()| fs::write(&path, text))
            .map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

fn read_all(root: &Path, below: &Path, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            read_all(root, &path, files)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(root.join(&path))?;
            files.push(File { path, text });
        }
    }
    Ok(())
}

/// Makes one change, at the one place where it fits.
fn apply(edit: &Edit, files: &mut [File]) -> Result<(), String> {
    let bugs = edit.bugs.join(" and ");
    if let Some(bug) = (edit.bugs.iter()).find(|name| !BUGS.iter().any(|b| b.name == **name)) {
        return Err(format!(
            "an edit in bugs.rs is for {bug}, which is not among its bugs"
        ));
    }
    let there = Squeezed::of(edit.there).text;
    let mut found = Vec::new();
    for (n, file) in files.iter().enumerate() {
        let squeezed = Squeezed::of(&file.text);
        found.extend(squeezed.places_of(&there).map(|range| (n, range)));
    }
    match &found[..] {
        [(n, range)] => {
            let switches: Vec<String> = (edit.bugs.iter())
                .map(|bug| format!("crate::planted::is_on({bug:?})"))
                .collect();
            let switch = format!("({})", switches.join(" || "));
            let with = edit.with.replace("BUG", &switch);
            files[*n].text.replace_range(range.clone(), &with);
            Ok(())
        }
        [] => Err(format!(
            "bug {bugs}: order-core/src has no such text any more: write into \
             order-core/sim/planted/bugs.rs how the place reads now\n{}",
            edit.there
        )),
        more => {
            let places: Vec<String> = more
                .iter()
                .map(|(n, _)| files[*n].path.display().to_string())
                .collect();
            Err(format!(
                "bug {bugs}: the text stands in several places ({}): say more of it in \
                 order-core/sim/planted/bugs.rs\n{}",
                places.join(", "),
                edit.there
            ))
        }
    }
}

/// A text without white space and trailing commas, so that formatting does not matter.
struct Squeezed {
    text: String,
    /// The place of each byte of it in the whole text.
    at: Vec<usize>,
}

impl Squeezed {
    fn of(whole: &str) -> Self {
        let mut squeezed = Self {
            text: String::new(),
            at: Vec::new(),
        };
        for (at, c) in whole.char_indices().filter(|(_, c)| !c.is_whitespace()) {
            if matches!(c, ')' | ']' | '}') && squeezed.text.ends_with(',') {
                squeezed.text.pop();
                squeezed.at.pop();
            }
            squeezed.text.push(c);
            squeezed.at.extend((at..).take(c.len_utf8()));
        }
        squeezed
    }

    /// Returns the places of the whole text at which `text`, itself squeezed, stands.
    fn places_of(&self, text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.text
            .match_indices(text)
            .map(|(from, found)| self.at[from]..self.at[from + found.len() - 1] + 1)
    }
}

/// A file that is included cannot have attributes and documentation of its own.
fn without_inner_attributes(text: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines() {
        inside |= line.starts_with("#![");
        if !inside && !line.starts_with("//!") {
            kept.push_str(line);
            kept.push('\n');
        }
        inside &= !line.ends_with(']');
    }
    kept
}
