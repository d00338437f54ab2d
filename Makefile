# Everything a checkout needs, without any tool beyond make and a Python 3.11-3.13.
#   make mine    the default mining run, into runs/default-<timestamp>
#   make test    the test suite            make check   ruff and mypy
#   make bench   every benchmark           make clean   remove the environment and the caches (runs/ is kept)
#   make bench-engine   the engine against its peers, into experiments/results (about five minutes)

PYTHON ?= python3
WORKERS ?= 2
OUT ?= runs/default-$(shell date +%Y%m%d-%H%M%S)
MINE_ARGS ?=
BENCH_ARGS ?=
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Installing is skipped while neither the requirements nor the pins have changed since the stamp was written.
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

# The reference data lie beside a developer's checkout; without them their tests are counted as not run.
ifneq ($(wildcard ../shared/reference),)
export CONCEPTMINE_REFERENCE ?= $(abspath ../shared)
endif

.DELETE_ON_ERROR:
.PHONY: mine test check bench bench-engine clean

mine: $(STAMP)
	$(BIN)/conceptmine mine --out $(OUT) $(MINE_ARGS)

test: $(DEV_STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

check: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	@set -e; for file in experiments/bench_*.py; do \
	  if [ ! -e "$$file" ]; then echo "make bench: no experiments/bench_*.py here" >&2; exit 1; fi; \
	  name=$$(basename "$$file" .py); echo "== experiments.$$name"; $(BIN)/python -m experiments.$$name; \
	done

bench-engine: $(STAMP)
	$(BIN)/python -m experiments.bench_engine $(BENCH_ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find conceptmine engines experiments tests -type d -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else \
	  "conceptmine needs Python 3.11, 3.12 or 3.13: run make with PYTHON=/path/to/one of them")'
	$(PYTHON) -m venv $(VENV)

# torch comes first and by itself, so that the machine's own package index decides which build (CPU or CUDA) is right.
$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet torch -c constraints.txt
	$(PIP) install --quiet -e . -c constraints.txt
	@touch $@

$(DEV_STAMP): $(STAMP)
	$(PIP) install --quiet -e '.[dev]' -c constraints.txt
	@touch $@
