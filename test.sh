#!/usr/bin/env bash
# The gate, the same here and in CI: formatting, lints, every test with every feature, documentation, the dependency guard.
# It changes no file that git tracks.
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n== %s\n' "$*"; }

step "formatting"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-features --all-targets --locked -- -D warnings

step "order-core without its default features"
cargo check -p order-core --no-default-features --locked

step "order-core depends on no database driver, no server and no command line"
tree=$(cargo tree -p order-core --all-features --edges normal --prefix none --locked)
for crate in sqlx rusqlite tonic clap; do
    if grep -q "^$crate v" <<<"$tree"; then
        echo "order-core must not depend on $crate" >&2
        exit 1
    fi
done

step "tests"
cargo test --workspace --all-features --locked
cargo run --quiet --locked -p order-store-sqlite --example consumer

step "order-store-sqlite with each of its features left out, and with the oldest and the newest driver"
for features in "" bundled shop; do
    cargo check -p order-store-sqlite --no-default-features --features "$features" --tests --locked
done
.ci/drivers.sh

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --locked --quiet

step "every state of a small order, optimised"
cargo run --release --locked -p order-core --features testkit --example walk

step "the simulator, optimised"
# From a start that every commit draws anew, and that is the same whenever one is tried again.
commit=$(git rev-parse --short=8 HEAD 2>/dev/null || echo 1)
cargo run --release --locked -p order-core --features testkit --example simulate -- --seeds 20000 --complete --start "$((16#${commit:0:8}))"

step "everything is in order"
