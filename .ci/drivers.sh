#!/usr/bin/env bash
# The contract of stores and the shop's tests with the oldest and with the newest rusqlite that the range of
# order-store-sqlite allows, so that a program which brings another driver of SQLite along can have both. Works
# on a copy below target/, and changes no file that git tracks. An argument names another version to try.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the range in Cargo.toml begins with, and the newest it allows.
LOWEST=0.32.1
HIGHEST=0.43.0

[ $# -gt 0 ] || set -- "$LOWEST" "$HIGHEST"
# One copy for all versions, so that what does not depend on the driver is compiled once. Files keep their
# times, so that only what has changed is compiled again.
copy=target/drivers/tree
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard | tar -c --null --files-from=- | tar -x -C "$copy"
cd "$copy"
for version in "$@"; do
    cargo update --quiet --package rusqlite --precise "$version"
    cargo test --quiet --package order-store-sqlite --lib --test conformance --test opening --test shop_suite \
        --target-dir ../build
done
