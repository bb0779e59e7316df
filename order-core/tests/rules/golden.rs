//! Golden files: what the rules answer, kept to be read and compared.

use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name]
        .iter()
        .collect()
}

fn accepts() -> bool {
    std::env::var_os("ACCEPT_GOLDEN").is_some_and(|v| v == "1")
}

const HOW: &str = "if the change is meant, accept it: ACCEPT_GOLDEN=1 cargo test -p order-core --all-features --test rules";

/// The file's text; empty if there is none.
pub fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_default()
}

fn write(name: &str, text: &str) {
    std::fs::write(path(name), text)
        .unwrap_or_else(|e| panic!("cannot write {}: {e}", path(name).display()));
}

/// Compares `text` with the golden file, or accepts it.
pub fn check(name: &str, text: &str) {
    let golden = read(name);
    if golden == text {
        return;
    }
    if accepts() {
        return write(name, text);
    }
    panic!("{name} differs:\n{}\n{HOW}", diff(&golden, text));
}

/// The file's lines, with those of `lines` appended that are beyond its end, where that is
/// accepted. What is there stays.
pub fn appended(name: &str, lines: &[String]) -> Vec<String> {
    let mut golden: Vec<String> = read(name).lines().map(str::to_owned).collect();
    let new = lines.get(golden.len()..).unwrap_or_default();
    if !new.is_empty() {
        assert!(accepts(), "{name} lacks\n{}\n{HOW}", new.join("\n"));
        golden.extend_from_slice(new);
        write(name, &(golden.join("\n") + "\n"));
    }
    golden
}

/// The lines that are only in one of two texts, in order: by their longest common subsequence.
fn diff(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same_start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[same_start..], &new[same_start..]);
    let same_end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (old, new) = (&old[..old.len() - same_end], &new[..new.len() - same_end]);
    let mut common = vec![vec![0u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            out.push(format!("- {}", old[i]));
            i += 1;
        } else {
            out.push(format!("+ {}", new[j]));
            j += 1;
        }
    }
    out.join("\n")
}

#[test]
fn a_difference_is_shown_line_by_line() {
    assert_eq!(diff("a\nb\nc\nd", "a\nc\nx\nd"), "- b\n+ x");
}
