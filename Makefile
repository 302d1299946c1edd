# `make demo` and `make test` need Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The processes of the tests: they wait for a third of their time, and for engines; four keep two
# cores busy.
WORKERS ?= 4
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# On a terminal pip shows the bytes of each download; elsewhere its lines would hide the rest.
QUIET := $(shell test -t 2 || echo --quiet)

# The graph library of the interactive pages. npm fetches it; where there is none, one is put into
# the environment.
LIBRARY := trailhound/report/render/libraries/cytoscape/cytoscape.min.js

.PHONY: demo test test-all check suite unit bench assets screenshots listings lock clean

$(VENV)/run.stamp: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Trailhound needs Python 3.11 or newer; {sys.executable} is {v[0]}.{v[1]}. Try: make $(MAKECMDGOALS) PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(QUIET) --no-deps --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements/dev.txt
	$(BIN)/python -m pip install $(QUIET) --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

$(LIBRARY): trailhound/report/render/libraries/cytoscape.json | $(VENV)/run.stamp
	@command -v npm >/dev/null || $(BIN)/python -m pip install $(QUIET) --no-deps --require-hashes -r requirements/npm.txt
	$(BIN)/python requirements/graph_library.py
	@touch $@

assets: $(LIBRARY)

demo: $(VENV)/run.stamp
	$(BIN)/trailhound demo

check: $(VENV)/dev.stamp
	$(BESIDE) $(BIN)/ruff check .
	$(BESIDE) $(BIN)/ruff format --check .
	$(BESIDE) $(BIN)/mypy
	$(BESIDE) $(BIN)/lint-imports

# The checks keep one processor busy for a minute. Beside the tests they take only what those leave
# while they wait.
test: $(VENV)/dev.stamp $(LIBRARY)
	@$(MAKE) --no-print-directory -j2 BESIDE="nice -n 19" check suite

suite: $(VENV)/dev.stamp $(LIBRARY)
	$(PYTEST)

# The whole suite with more random examples, then everything that asks an engine on each further
# product and version.
PRODUCTS := 2.19 elasticsearch-8.19 elasticsearch-9.5
test-all: export TRAILHOUND_TEST_EXAMPLES := thorough
test-all: test
	for product in $(PRODUCTS); do \
		TRAILHOUND_TEST_PRODUCT=$$product $(PYTEST) tests/integration || exit 1; \
	done

unit: $(VENV)/dev.stamp $(LIBRARY)
	$(PYTEST) tests/unit

# `make bench investigation` runs one part: what stands behind `bench` is no target of its own.
ifeq (bench,$(firstword $(MAKECMDGOALS)))
PARTS := $(filter-out bench,$(MAKECMDGOALS))
ifneq (,$(PARTS))
.PHONY: $(PARTS)
$(PARTS):
	@:
endif
endif

bench: $(VENV)/dev.stamp $(LIBRARY)
	$(BIN)/python -m bench $(PARTS)

screenshots: $(VENV)/dev.stamp $(LIBRARY)
	$(BIN)/python -m tests.screenshots

listings: $(VENV)/dev.stamp
	$(BIN)/python -m tests.listings

lock:
	requirements/lock.sh

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
