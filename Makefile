# Everything runs in environments that the targets make themselves; only Python 3.10+ and make are needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -n 3 --dist loadgroup
PIP_INSTALL := python -m pip install --quiet
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONDONTWRITEBYTECODE  # what is imported is compiled once, not in each of the thousand processes of the tests
NEW_VENV := @$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, $(PYTHON) is %d.%d\n  -> name another: make PYTHON=python3.12 ..." % sys.version_info[:2] if sys.version_info < (3, 10) else 0)' && $(PYTHON) -m venv

.DEFAULT_GOAL := help
.PHONY: help demo test test-engines test-snowflake test-feast test-azure lint fmt golden fuzz bench lock clean

help: ## Show this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml constraints.txt
	$(NEW_VENV) $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

.venv-lint/.installed: constraints-lint.txt
	$(NEW_VENV) .venv-lint
	.venv-lint/bin/$(PIP_INSTALL) --no-compile --requirement constraints-lint.txt
	@touch $@

.venv-oldest/.installed .venv-middle/.installed: .venv-%/.installed: pyproject.toml constraints-%.txt
	$(NEW_VENV) .venv-$*
	PIP_CONSTRAINT=constraints-$*.txt .venv-$*/bin/$(PIP_INSTALL) \
		--editable . hatchling hypothesis 'pytest<9.2' pytest-xdist $(if $(filter middle,$*),'sqlglot[c]')
	@touch $@

demo: $(VENV)/.installed ## Build the example shop with dbt, train, sync and look features up.
	$(BIN)/featurestore demo

test: $(VENV)/.installed ## Run all tests; servers start from wheels.
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-engines: .venv-oldest/.installed .venv-middle/.installed ## Run the SQL tests on older DuckDB and sqlglot, and on compiled sqlglot.
	FEWER_EXAMPLES=4 .venv-oldest/bin/python -m pytest $(PYTEST_ARGS) tests/pit tests/golden tests/warehouse
	FEWER_EXAMPLES=4 .venv-middle/bin/python -m pytest $(PYTEST_ARGS) tests/pit tests/golden tests/warehouse

.venv-snowflake/.installed: pyproject.toml constraints-snowflake.txt
	$(NEW_VENV) .venv-snowflake
	PIP_CONSTRAINT=constraints-snowflake.txt .venv-snowflake/bin/$(PIP_INSTALL) --no-compile --editable '.[snowflake-tests]'
	@touch $@

test-snowflake: .venv-snowflake/.installed ## Run Snowflake's connector against fakesnow; needs Python 3.11.
	.venv-snowflake/bin/python -m pytest tests/warehouse/test_snowflake.py tests/training/test_other_warehouses.py

test-feast: $(VENV)/.installed ## Run Feast's own client and server against ours; makes .venv-feast.
	FEAST_PYTHON=$$($(BIN)/python -m benchmarks.feast_env) $(BIN)/python -m pytest tests/feast

.azurite/node_modules/.bin/azurite-blob:
	npm install --silent --no-save --prefix .azurite azurite@3.37.0

test-azure: $(VENV)/.installed .azurite/node_modules/.bin/azurite-blob ## Run the registry against Azurite; needs Node and npm.
	$(BIN)/python -m pytest tests/registry/test_any_files.py tests/registry/test_buckets.py -k azurite

lint: $(VENV)/.installed .venv-lint/.installed ## Check style, types, layers, SQL and spelling.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/typos
	.venv-lint/bin/mypy --python-executable $(BIN)/python
	.venv-lint/bin/sqlfluff lint dbt_project/models --disable-progress-bar

fmt: $(VENV)/.installed ## Format the code.
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

golden: $(VENV)/.installed ## Rewrite the golden SQL; the diff is the review.
	$(BIN)/python -m pytest tests/golden --update -q

fuzz: $(VENV)/.installed ## Compare a million random cases with the oracle.
	$(BIN)/python -m tests.pit.million --cases 1000000 --jobs 2

bench: $(VENV)/.installed ## Measure ours and the peer's; one JSON line per measurement.
	$(BIN)/python -m benchmarks

lock: ## Resolve the constraints files anew (needs uv).
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.10 --no-annotate --no-header -q -U -o constraints.txt
	uv pip compile pyproject.toml --extra snowflake-tests --universal --python-version 3.11 --no-annotate --no-header -q -U \
		-o constraints-snowflake.txt
	printf 'mypy>=1.15\nsqlfluff>=3.3\ntypes-pyyaml\n' | \
		uv pip compile - --universal --python-version 3.10 --no-annotate --no-header -q -U -o constraints-lint.txt

clean: ## Remove environments and everything built.
	rm -rf .venv .venv-lint .venv-oldest .venv-middle .venv-snowflake .azurite dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
