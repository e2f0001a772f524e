# knockfirst: `make demo` shows it, `make test` proves it. Everything lives in .venv; nothing is installed elsewhere.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find agent collectors probes exporters -type f ! -name '*.pyc') docs/verify.py

# How many processes run the tests: a number, or auto (tests/conftest.py says what that is).
WORKERS ?= auto

.PHONY: install deb demo test check bench golden fuzz grafana reference lock clean

install: $(VENV)/.installed

# The runtime packages, by hash; then our own wheel, built without any network.
$(VENV)/.runtime: lock/runtime.txt lock/dev.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r lock/dev.txt
	@touch $@

$(VENV)/.installed: $(VENV)/.runtime pyproject.toml README.md $(SOURCES)
	@rm -rf dist build
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall dist/knockfirst-*.whl
	@rm -rf build knockfirst.egg-info
	@touch $@

# dist/knockfirst_VERSION_ARCH.deb, its checksum and what is inside; on the Debian that it is for (docs/packages.md).
deb: install
	@$(BIN)/python -m package.deb

demo: install
	@$(BIN)/knockfirst demo $(if $(ONCE),--once)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=
	$(BIN)/coverage report --fail-under=90

test: check

bench: install
	$(BIN)/python -m bench.replay

# Rewrites what the cases expect; look at `git diff tests/cases` before you commit.
golden: install
	$(BIN)/python -m tests.golden

# Dashboards, rules and provisioning files, from grafana/*.py. RUNBOOK says where docs/runbook.md is published.
grafana: install
	$(BIN)/python -m grafana.build $(if $(RUNBOOK),--runbook $(RUNBOOK))

# docs/metrics.md, from the table that the exporter goes by.
reference: install
	$(BIN)/python -m exporters.reference

fuzz: install
	$(BIN)/python -m pytest -n $(shell nproc) tests/fuzz --fuzz-seconds $(or $(FUZZ_SECONDS),30)

# Needs uv. The lock names no index: it holds versions and hashes only.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --no-annotate -o lock/runtime.txt
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --no-annotate -o lock/dev.txt

clean:
	rm -rf $(VENV) dist build *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
