# `make help` lists the targets. What they do is in tools/ (Python) and ci/ (shell).
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules --no-print-directory

# The interpreter for .venv: the first that runs (a version manager's shim may not) and is new enough.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3.15 python3 \
	"$$HOME"/.pyenv/versions/3.1[1-5]*/bin/python; do \
	"$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo "$$python"; break; }; done)
# The shell expands it, so that a folder may have any name.
VENV := .venv/bin/python
# PyO3 asks an interpreter how to compile; extension modules say their own (tools/build_ext.py).
export PYO3_PYTHON = $(CURDIR)/.venv/bin/python
CARGO_TESTS = $(VENV) -m tools.cargo_tests
# Some versions only, and more arguments for the program: make test-python ONLY=3.13 ARGS="-k timer"
ONLY ?=
ARGS ?=
EACH = $(VENV) -m tools.each $(ONLY:%=--only %)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup setup-default
setup: have-python ## Make .venv, and .venvs/X.Y for every other Python 3.11 to 3.15 found
	@"$(PYTHON)" -m tools.setup_env
setup-default: have-python
	@"$(PYTHON)" -m tools.setup_env --default-only

.PHONY: have-python
have-python:
	@test -n "$(PYTHON)" || { echo "no CPython >= 3.11 with venv found: make PYTHON=/path/to/python" >&2; exit 1; }

.PHONY: build build-default
build: setup ## Build the extension and install the package (editable) into each environment
	@$(VENV) -m tools.build_ext
build-default: setup-default
	@$(VENV) -m tools.build_ext --default-only

.PHONY: test test-rust test-python
test: test-rust test-python ## Run all tests, Rust and Python, with every interpreter
test-rust: setup-default ## Run the tests of the core (no Python in them)
	@$(CARGO_TESTS) --locked --package ropewalk $(ARGS)
test-python: build ## Run the Python tests with every interpreter
	@$(EACH) -- -m pytest $(ARGS)

.PHONY: demo
demo: build-default ## Crawl documentation with threads and queues: stock Python, then Ropewalk
	@$(VENV) examples/crawler/demo.py $(ARGS)

.PHONY: conformance conformance-quick
conformance: build ## Run CPython's own tests stock and under Ropewalk, and compare them
	@$(VENV) tests/conformance/run.py $(ARGS)
conformance-quick: build
	@$(VENV) tests/conformance/run.py --subset quick $(ARGS)

# The table is about these two; others have no budget of their own.
BENCH_ONLY = $(or $(ONLY),3.11 3.13)
.PHONY: bench bench-smoke
bench: build ## Measure every row against the stdlib and peers: build/bench-X.Y.json (minutes)
	@$(VENV) -m tools.each $(BENCH_ONLY:%=--only %) -- -m pip --disable-pip-version-check install --quiet fastrlock culsans aiologic pebble gevent
	@$(VENV) -m tools.each $(BENCH_ONLY:%=--only %) -- -m benches.python --json build/bench-{name}.json $(ARGS)
.PHONY: bench-rust
bench-rust: ## Measure the core against std, parking_lot, crossbeam-channel and other pools
	cargo bench --locked --package ropewalk --bench core -- $(ARGS)
bench-smoke: build
	@$(EACH) -- -c "import ropewalk.queue, ropewalk.threading"
	@$(EACH) -- -m benches.python --smoke $(ARGS)
	cargo bench --locked --package ropewalk --bench core -- --smoke

.PHONY: lint lint-rust lint-python
lint: lint-rust lint-python ## Check formatting, clippy, ruff and mypy
lint-rust: setup-default
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
lint-python: setup-default
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy

.PHONY: stubs
stubs: build-default ## Compare the stubs with the compiled extension
	MYPYPATH=python $(VENV) -m mypy.stubtest ropewalk._ropewalk --mypy-config-file pyproject.toml \
		--allowlist tests/stubs/allowlist.txt

.PHONY: check-install
check-install: setup-default ## Check what users get: pip install ., the command, children, uninstall
	@$(VENV) -m tools.check_install

.PHONY: layers
layers: setup-default ## Check the layers: who may use whom, where unsafe and sleeping may be
	$(VENV) -m tools.check_layers

.PHONY: loom
loom: setup-default ## Explore loom's models of the wait point and the primitives
	@ci/loom $(ARGS)

.PHONY: tsan
tsan: setup-default ## Run the stress tests of the core under ThreadSanitizer
	@ci/tsan $(ARGS)

.PHONY: portable
portable: setup-default ## Run the tests of the core on what other systems than Linux get
	@ci/portable $(ARGS)

.PHONY: docs
docs: setup-default ## Build the documentation of the Rust crates; a warning is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

.PHONY: ci
ci: ## Run all that a change must pass
	@.ci/run

.PHONY: clean
clean: ## Remove what was built (the environments stay)
	rm -rf target build .mypy_cache .ruff_cache .pytest_cache .hypothesis python/ropewalk/*.so
	find . -name __pycache__ -type d -not -path './.venv*' -exec rm -rf {} +
