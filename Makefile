# make demo     install into .venv, then run the whole job on two clients' data, offline
# make test     the same environment with development tools: lint, types, import contracts, tests
# make lint     the checks of `make test` without the tests
# make docs     the site of docs/, into build/site
# make starter  build the embedded base again (adapters/starter/weights)
# make bench    measure speed, and training on the client data in ../shared/data, into benchmarks/results
# make clean    remove what was built and cached; .venv stays (delete the folder for a new one)
#
# pip's own settings apply (PIP_INDEX_URL, PIP_FIND_LINKS ...), for example for a mirror or a smaller build of torch.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
TORCH := $(shell grep '^torch==' constraints.txt)
SETUPTOOLS := $(shell grep '^setuptools==' constraints.txt)

# Idle threads rest instead of spinning; the command line sees to it by itself (adapters/base/core_watch.py). What is set
# already stays.
ifeq ($(OMP_WAIT_POLICY)$(GOMP_SPINCOUNT)$(KMP_BLOCKTIME),)
test starter bench: export GOMP_SPINCOUNT := 1000
test starter bench: export KMP_BLOCKTIME := 1
endif

.PHONY: demo test lint docs starter bench clean .venv
.DELETE_ON_ERROR:

demo: .venv
	HF_HUB_OFFLINE=1 $(BIN)/repertoire demo

test: lint
	$(BIN)/python -m pytest -q --numprocesses auto --maxprocesses 4 --dist worksteal

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m mypy

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

starter: .venv
	$(BIN)/python -m adapters.starter.build

bench: $(VENV)/.installed-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find adapters hub recipes tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

.venv: $(VENV)/.installed

# torch comes first and alone, so that nothing installed later can choose another build of it.
$(VENV)/.installed: pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: install it, or say which with make PYTHON=/path/to/python"; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "venv is missing: on Debian, apt-get install python3.11-venv, then make again"; exit 1; }
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	@$(PIP) install -c constraints.txt $(TORCH) $(SETUPTOOLS)
	@$(PIP) install -c constraints.txt --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) install -c constraints.txt --no-build-isolation --editable '.[dev,docs]'
	@touch $@
