# make app    set up and serve the workbench on http://localhost:8501; it prints the link (ARGS=--no-token: no token)
# make test   set up with the test tools and run every test
# make check  style and types
# make pictures  renew the pictures of the pages in docs, in light and dark, with the demo open
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501

.PHONY: app setup test check pictures
.DELETE_ON_ERROR:

setup: $(VENV)/.app

app: setup
	@# Checking the demo takes a second that a ready one need not cost.
	@if test ! -f data/demo/splits.json || test ! data/results/demo/.complete -nt models/demo_afl/card.json; then \
		$(BIN)/afl demo && touch data/results/demo/.complete; fi
	$(BIN)/python -m streamlit run app.py --server.port $(PORT) -- $(ARGS)

test: $(VENV)/.dev
	@# One more process than cores: pages in a browser wait for one another.
	$(BIN)/python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist loadfile --no-loadscope-reorder -m "not timed"
	@# Times are compared while nothing else runs.
	$(BIN)/python -m pytest -m timed

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@if command -v node >/dev/null; then for file in $(wildcard afl_core/ui/viewers/static/*.js); do \
		node --input-type=module --check < $$file || exit 1; done; else echo "No node: the scripts were not checked."; fi

pictures: $(VENV)/.dev
	@if test ! -d data/results/demo; then $(BIN)/afl demo; fi
	$(BIN)/python docs/pictures.py

$(VENV)/.app: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v != (3, 11) and f"Python 3.11 is needed, this is {v}. Try: make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.app requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	command -v chromium >/dev/null || $(BIN)/python -m playwright install chromium || echo "No browser: the browser tests will be skipped."
	touch $@
