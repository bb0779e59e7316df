//! Reading files and standard input, with a bound on their size.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::exit::{Code, Failure, Outcome};

/// The largest request accepted, in bytes; the same as over the network.
pub const REQUEST_MAX: u64 = 256 * 1024;
/// The largest script or catalogue accepted, in bytes.
pub const DOCUMENT_MAX: u64 = 16 * 1024 * 1024;
/// The longest payment token accepted, in bytes.
const TOKEN_MAX: u64 = 4096;

/// The text of a file, or of standard input if it is `-`; at most `max` bytes of UTF-8.
pub fn text(path: &Path, max: u64) -> Outcome<String> {
    let name = name(path);
    let bytes = if path.as_os_str() == "-" {
        up_to(io::stdin().lock(), max)
    } else {
        File::open(path).and_then(|file| up_to(file, max))
    };
    let bytes = bytes.map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            Failure::new(Code::NotFound, format!("{name}: there is no such file"))
        }
        _ => Failure::caused(Code::BadInput, &e).context(format!("cannot read {name}")),
    })?;
    if bytes.len() as u64 > max {
        return Err(Failure::bad_input(format!(
            "{name} is larger than {max} bytes"
        )));
    }
    String::from_utf8(bytes).map_err(|e| {
        let good = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = good.iter().filter(|&&b| b == b'\n').count() + 1;
        // All of it is UTF-8, in which every character has one byte that is no continuation.
        let column = good
            .iter()
            .rev()
            .take_while(|&&b| b != b'\n')
            .filter(|&&b| b & 0xC0 != 0x80)
            .count()
            + 1;
        Failure::bad_input(format!("{name}:{line}:{column}: not valid UTF-8"))
    })
}

/// Returns the name that messages have for a file.
pub fn name(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "standard input".into()
    } else {
        path.display().to_string()
    }
}

/// The payment token in a file, without the line break at its end.
pub fn token(path: Option<&Path>) -> Outcome<Option<String>> {
    path.map(|p| text(p, TOKEN_MAX).map(|t| t.trim_end_matches(['\r', '\n']).to_owned()))
        .transpose()
}

fn up_to(reader: impl Read, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
