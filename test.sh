#!/usr/bin/env bash
# The gate, the same here and in CI; changes no file that git tracks.
#
#   ./test.sh         everything: every test with every feature, documentation, what each crate may
#                     depend on, and the simulator at full speed
#   ./test.sh quick   while working: formatting, lints, unit tests, the rules and the scenarios;
#                     no servers, no databases, no simulator
set -euo pipefail
cd "$(dirname "$0")"

# Says what begins, and how many seconds the gate has taken so far.
step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }

# Demands that a crate of this workspace does without others, or without a feature of one of them.
without() {
    local package=$1 why=$2
    shift 2
    local tree
    tree=$(cargo tree --package "$package" --edges features,normal --prefix none --locked "${features[@]}")
    for unwanted in "$@"; do
        if grep -q "^$unwanted" <<<"$tree"; then
            echo "$package must not depend on $unwanted: $why" >&2
            exit 1
        fi
    done
}

mode=${1:-full}
case $mode in
full | quick) ;;
*)
    echo "usage: ./test.sh [quick]" >&2
    exit 2
    ;;
esac

# Most of the time tests wait: for processes, for databases, for leases to end.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-4}

step "formatting"
cargo fmt --all --check

step "doc comments"
.ci/doc-words 1

step "what may depend on what"
features=(--all-features)
without order-core "it is the rules, not a server" "sqlx " "rusqlite " "tonic " "clap "
features=(--no-default-features)
without order-grpc "the feature tls has it" "rustls " "rustls-webpki " "rustls-native-certs " "tokio-rustls " "ring "
features=()
without order-cli "what is shipped has no tools for tests" 'order-core feature "testkit"' order-sim order-core-planted

step "lints"
cargo clippy --workspace --all-features --all-targets --locked -- -D warnings

if [ "$mode" = quick ]; then
    step "unit tests, rules, scenarios"
    cargo test --package order-core --all-features --lib --test rules --test scenarios --locked
    cargo test --package order-cli --package order-grpc --package order-store-sqlite --all-features --lib --bins --locked
    step "everything quick is in order"
    exit
fi

step "order-core without its default features, and with each alone"
cargo check --package order-core --no-default-features --locked
cargo check --package order-core --no-default-features --features virtual-time --locked
cargo check --package order-core --no-default-features --features json --locked

# Takes what processors the tests leave idle. Seeds begin where every commit draws anew, and where
# the same commit begins again.
optimised() {
    local commit
    renice -n 19 -p "$BASHPID" >/dev/null
    commit=$(git rev-parse --short=8 HEAD 2>/dev/null || echo 1)
    cargo build --release --locked --package order-sim --bins
    cargo run --release --locked --package order-sim --bin walk
    cargo run --release --locked --package order-sim --bin simulate -- \
        --seeds 20000 --complete --start "$((16#${commit:0:8}))"
}
beside_log=$(mktemp)
set -m
optimised >"$beside_log" 2>&1 &
beside=$!
set +m
trap 'kill -- "-$beside" 2>/dev/null || true; rm -f "$beside_log"' EXIT

step "tests"
cargo test --workspace --all-features --locked
cargo run --quiet --locked --package order-store-sqlite --example consumer

step "order-grpc without its features, and without TLS"
cargo test --package order-grpc --no-default-features --lib --locked
cargo check --package order-grpc --no-default-features --features reflection --tests --locked

step "order-store-sqlite with features left out, and with the oldest and the newest driver"
for features in "" bundled shop; do
    cargo check --package order-store-sqlite --no-default-features --features "$features" --tests --locked
done
.ci/drivers.sh

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --locked --quiet
RUSTDOCFLAGS="-D warnings" cargo doc --package order-core --no-deps --locked --quiet

step "every state of a small order, and simulated disasters, optimised: begun beside the tests"
if ! wait "$beside"; then
    cat "$beside_log"
    exit 1
fi
grep -v "^ *Compiling" "$beside_log"

step "everything is in order"
