# Everything a newcomer needs: `make demo` runs the main job, `make test` passes the tests. Both set up .venv by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= runs/digits-bottleneck

.PHONY: demo quick test test-full lint types bench clean setup

setup: $(VENV)/.installed

# A virtual environment of the project's own, so that a system-managed Python does not refuse. Debian ships Python without
# ensurepip unless python3-venv is installed: say so in one line instead of failing half way.
$(VENV)/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "fpsim needs Python >= 3.11; this is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) || \
	  { rm -rf $(VENV); echo "Python cannot make virtual environments. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/fpsim run digits-bottleneck --out $(OUT).h5 --figures $(OUT) --force

quick: setup
	$(BIN)/fpsim run digits-bottleneck --quick --out $(OUT)-quick.h5 --figures $(OUT)-quick --force

test: setup
	$(BIN)/pytest

test-full: setup
	$(BIN)/pytest -m "slow or not slow"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build *.egg-info
