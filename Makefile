# `make` lists the targets. Needs git, make and Python 3.11, 3.12 or 3.13. Everything lands inside the clone:
# packages in .venv, results in runs/. Only pip's own cache lies elsewhere.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
UV := uv==0.13.9
FREQTRADE := $(VENV)/freqtrade

# The tools keep their state in the clone too, so that an empty, missing or read-only home is no obstacle.
STATE := $(CURDIR)/$(VENV)/state
export JUPYTER_CONFIG_DIR := $(STATE)/jupyter/config
export JUPYTER_DATA_DIR := $(STATE)/jupyter/data
export JUPYTER_RUNTIME_DIR := $(STATE)/jupyter/runtime
export JUPYTERLAB_SETTINGS_DIR := $(STATE)/jupyter/settings
export JUPYTERLAB_WORKSPACES_DIR := $(STATE)/jupyter/workspaces
export IPYTHONDIR := $(STATE)/ipython
export MPLCONFIGDIR := $(STATE)/matplotlib
# JupyterLab asks npm, where there is one, for language servers, and npm writes a log of it.
export npm_config_cache := $(STATE)/npm

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help install demo test soak storm crash fuzz freqtrade check lab bench study shortfall results lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s%s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## set up .venv and nothing else: .venv/bin/citadel, .venv/bin/jupyter-lab

demo: $(STAMP) ## run the quickstart notebook; TAPE=, CANDLES=, LIVE= replace its input, DEMO_FLAGS= adds options
	@$(BIN)/citadel demo $(if $(TAPE),--tape '$(TAPE)') $(if $(CANDLES),--candles '$(CANDLES)') \
		$(if $(LIVE),--live '$(LIVE)') $(DEMO_FLAGS)

test: $(STAMP) ## run the tests; TEST_FLAGS= goes to pytest
	@$(BIN)/python -m pytest $(TEST_FLAGS)

soak: $(STAMP) ## five local venues, killed, stalled and restarted for ten minutes; SOAK_FLAGS= adds options
	@$(BIN)/python tests/soak.py $(SOAK_FLAGS)

storm: $(STAMP) ## 20,000 chase orders against an adversary, 10,000 executors at a local exchange; STORM_FLAGS=
	@$(BIN)/python tests/chase_storm.py $(STORM_FLAGS)
	@$(BIN)/python tests/executor_storm.py $(STORM_FLAGS)

crash: $(STAMP) ## 200 times kill -9 of an engine that trades at a local exchange, each judged; CRASH_FLAGS= adds options
	@$(BIN)/python tests/account_crash.py $(CRASH_FLAGS)

fuzz: $(STAMP) ## an hour of mutated frames into every codec; FUZZ_FLAGS= adds options
	@$(BIN)/python tests/fuzz_codecs.py $(FUZZ_FLAGS)

freqtrade: $(STAMP) $(FREQTRADE)/.installed ## Freqtrade, in an environment of its own, trades at the local exchange
	@CITADEL_FREQTRADE="$(CURDIR)/$(FREQTRADE)/bin/python" $(BIN)/python -m pytest -rs tests/exchange/test_freqtrade.py

check: $(STAMP) ## lint, formatting, types, and who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lab: $(STAMP) ## open the quickstart in JupyterLab, on this machine only; LAB_FLAGS= adds options
	@$(BIN)/jupyter-lab $(LAB_FLAGS) notebooks/00_quickstart.ipynb

bench: $(STAMP) ## run every benchmark beside its peer
	@set -e; for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python "$$file"; done

study: $(STAMP) ## false alarms and power of the whole pipeline, into docs/honesty.md; half an hour
	@$(BIN)/python benchmarks/study_null.py

shortfall: $(STAMP) ## what chasing costs on two recorded markets, into docs/shortfall.md; some minutes
	@$(BIN)/python benchmarks/study_shortfall.py

results: $(STAMP) ## the quickstart's strategy on real candles, into docs/results.md
	@$(BIN)/python benchmarks/study_real.py

lock: $(BIN)/python ## remake requirements.lock from pyproject.toml; LOCK_FLAGS=--upgrade takes newer versions
	@$(BIN)/python -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip install --quiet $(UV)
	@UV_CACHE_DIR="$(STATE)/uv" $(VENV)/lock/bin/uv pip compile pyproject.toml --group dev --quiet --universal \
		--python-version 3.11 --python $(BIN)/python --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' $(LOCK_FLAGS) --output-file requirements.lock

clean: ## remove .venv and the tools' caches; results in runs/ stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find citadel_kit tests data benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@for python in $(PYTHONS); do \
		if "$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; \
		then echo "$(VENV): made with $$("$$python" --version)"; exec "$$python" -m venv --clear $(VENV); fi; \
	done; \
	echo "No usable Python 3.11, 3.12 or 3.13 among: $(PYTHONS). Install one with its venv module" \
		"(Debian, Ubuntu: apt-get install python3-venv) or name it: make PYTHON=/path/to/python3.12" >&2; \
	exit 1

$(STAMP): requirements.lock pyproject.toml | $(BIN)/python
	@{ $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
			--require-hashes -r requirements.lock && \
		$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .; \
		echo "exit $$?"; } | awk -v locked="$$(grep -c '^[a-z].*==' requirements.lock)" "$$PIP_PROGRESS"
	@$(BIN)/python -c 'import lightgbm' 2> $(VENV)/lightgbm.log || { \
		if grep -qE 'lib(g)?omp' $(VENV)/lightgbm.log; then \
			echo "LightGBM needs the system's OpenMP library. Install it and run make again:" \
				"apt-get install libgomp1 (Debian, Ubuntu), dnf install libgomp (Fedora), brew install libomp (macOS)"; \
		else cat $(VENV)/lightgbm.log; fi >&2; exit 1; }
	@mkdir -p $(STATE)/ipython $(STATE)/matplotlib
	@touch $@

# The version is the one of the extra in pyproject.toml.
$(FREQTRADE)/.installed: pyproject.toml | $(STAMP)
	@test -x $(FREQTRADE)/bin/python || $(BIN)/python -m venv $(FREQTRADE)
	@$(FREQTRADE)/bin/python -c 'import tomllib; \
		print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["freqtrade"], sep="\n")' \
		> $(FREQTRADE)/requirements.txt
	@echo "installing $$(cat $(FREQTRADE)/requirements.txt) into $(FREQTRADE)"
	@$(FREQTRADE)/bin/python -m pip install --disable-pip-version-check --quiet -r $(FREQTRADE)/requirements.txt
	@touch $@

# pip's own progress is one line or two for each package; this counts them, and ends with pip's exit status.
define PIP_PROGRESS
BEGIN { status = 1 }
/^Collecting / { if (++n == 1) printf "installing %d packages or fewer (some are for other systems):", locked
	if (n % 20 == 0) { printf " %d", n; fflush() } }
/^Installing collected/ { printf " %d, unpacking", n; fflush() }
/^exit / { status = $$2; if (n) print (status ? " … failed" : " … done") }
END { exit status }
endef
export PIP_PROGRESS
