#!/usr/bin/env bash
# All tests of the SQLite store with the oldest and with the newest rusqlite that its range allows, so that a
# program which brings another driver of SQLite along can have both. Works on copies below target/, and changes
# no file that git tracks. An argument names another version to try.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the range in Cargo.toml begins with, and the newest it allows.
LOWEST=0.32.1
HIGHEST=0.43.0

[ $# -gt 0 ] || set -- "$LOWEST" "$HIGHEST"
for version in "$@"; do
    copy=target/drivers/$version
    mkdir -p "$copy"
    # Files keep their times, so that only what has changed is compiled again.
    git ls-files -z --cached --others --exclude-standard | tar -c --null --files-from=- | tar -x -C "$copy"
    (
        cd "$copy"
        cargo update --quiet --package rusqlite --precise "$version"
        cargo test --quiet --package order-store-sqlite --target-dir ../build
    )
done
