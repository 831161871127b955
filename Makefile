# Everything a newcomer needs: `make demo` runs the main job, `make test` passes the tests. Both set up .venv by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= runs/digits-bottleneck

.PHONY: demo quick test test-full lint types bench clean setup

setup: $(VENV)/.installed

# A virtual environment of the project's own, so that a system-managed Python does not refuse.
$(VENV)/.installed: setup.py setup.cfg pyproject.toml tools/make_venv.py
	@test -x $(BIN)/pip || $(PYTHON) tools/make_venv.py $(VENV)
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
