#!/bin/sh
# Moves all orders: in from another system, out to a file, and into another store, where exporting again gives the same bytes.
# Run it in an empty directory, with `order` on the PATH; EXAMPLES names this directory.
set -eu
examples=${EXAMPLES:-$(dirname "$0")}

order shop load "$examples/catalogue.toml"
order import "$examples/history.jsonl" --dry-run
order import "$examples/history.jsonl"
order import "$examples/history.jsonl" # changes nothing: they are in
order work

order export --output orders.jsonl
order export --as csv-orders --output orders.csv
order export --as csv-lines --output lines.csv
order --store sqlite:restored.db restore orders.jsonl
order --store sqlite:restored.db export --output again.jsonl
cmp orders.jsonl again.jsonl

order backup copy.db
order --store sqlite:copy.db check
