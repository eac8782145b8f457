# make app    set up and serve the workbench on http://localhost:8501; it prints the link (ARGS=--no-token: no token)
# make test   set up with the test tools and run every test
# make check  style and types
# make pictures  renew the pictures of the pages in docs, in light and dark, with the demo open
# make docs   build the documentation site in site/, strictly and offline
# make nnunet  test the trainers inside nnU-Net; make nnunet-env makes the environment of its own that it needs (8 GB)
# For a release (CONTRIBUTING.md):
# make schemas   renew the JSON Schemas in docs/schemas
# make wheel     build dist/*.whl, which carries the app and the demo's checkpoints
# make lock      renew requirements.txt, and requirements-hashed.txt with the hash of every file
# make lowest    test the core with the lowest versions that pyproject.toml allows
# make licences  the licence of every package that is installed with the workbench
# make sbom      dist/sbom.json, the bill of materials (CycloneDX)
# make tag       tag this commit with the version of afl_core/__init__.py
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
TORCH := 2.13.0
NNUNET := torch==2.14.1 torchvision==0.29.1 nnunetv2==2.8.1

.PHONY: app setup test check pictures docs nnunet nnunet-env schemas wheel lock lowest licences sbom tag
.DELETE_ON_ERROR:

setup: $(VENV)/.app

app: setup
	$(BIN)/python -m streamlit run app.py --server.port $(PORT) -- $(ARGS)

test: $(VENV)/.dev
	@# One more process than cores: pages in a browser wait for one another.
	$(BIN)/python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist loadfile --no-loadscope-reorder -m "not timed"
	@# Times are compared while nothing else runs; only the files that do so are read.
	$(BIN)/python -m pytest -m timed $$(grep -rl --include="*.py" "pytest.mark.timed" tests)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@if command -v node >/dev/null; then for file in $(wildcard afl_core/ui/viewers/static/*.js); do \
		node --input-type=module --check < $$file || exit 1; done; else echo "No node: the scripts were not checked."; fi

pictures: $(VENV)/.dev
	@if test ! -d data/results/demo; then $(BIN)/afl demo; fi
	$(BIN)/python docs/pictures.py

docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -W --keep-going -n -q docs site
	@echo "Open site/index.html"

nnunet-env: $(VENV)/nnunet/.ready

nnunet: $(VENV)/nnunet/.ready
	@# nnU-Net's own warnings are no errors of ours; the losses are tested with its version of PyTorch too.
	$(VENV)/nnunet/bin/python -m pytest -o addopts=--import-mode=importlib -o filterwarnings= -o timeout=900 \
		-o pythonpath="nnunet_tests tests" nnunet_tests tests/nnunet tests/loss

schemas: $(VENV)/.dev
	$(BIN)/python docs/schemas.py

wheel: $(VENV)/.dev
	$(BIN)/python -m hatchling build -t wheel

# What is pinned is asked of pip, which takes torch's CPU wheel where that is the one at hand; pip names it 2.13.0+cpu.
COMPILE = $(VENV)/tools/bin/pip-compile --quiet --extra app --extra train --strip-extras --allow-unsafe --no-header \
	--no-emit-options --no-emit-index-url --no-emit-find-links
lock: $(VENV)/.tools
	$(COMPILE) --upgrade --upgrade-package torch==$(TORCH) --output-file requirements.txt pyproject.toml
	$(COMPILE) --no-annotate --generate-hashes --constraint requirements.txt --output-file requirements-hashed.txt pyproject.toml
	sed -i 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements.txt

lowest: $(VENV)/.dev
	@# What is ignored compares with an extra, or draws with one.
	rm -rf $(VENV)/lowest
	$(PYTHON) -m venv $(VENV)/lowest
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
		| sed 's/>=/==/' > $(VENV)/lowest/requirements.txt
	grep -E '^(pytest|hypothesis|simpleitk|statsmodels|edt)' requirements-dev.txt > $(VENV)/lowest/tools.txt
	$(VENV)/lowest/bin/python -m pip install --quiet -r $(VENV)/lowest/requirements.txt -r $(VENV)/lowest/tools.txt
	PYTHONPATH=. $(VENV)/lowest/bin/python -m pytest -n auto -p no:cacheprovider -o filterwarnings= \
		--ignore tests/metrics/test_surface_area.py --ignore tests/analysis/xray/test_xray.py \
		--ignore tests/figures/test_examples.py --ignore tests/figures/test_surfaces.py \
		tests/metrics tests/analysis tests/base tests/data tests/figures tests/test_shape.py tests/test_regions.py

licences: $(VENV)/.dev $(VENV)/.tools
	$(VENV)/tools/bin/pip-licenses --python $(BIN)/python --packages $$(sed -n 's/==.*//p' requirements.txt)

sbom: $(VENV)/.tools
	mkdir -p dist
	$(VENV)/tools/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-file dist/sbom.json requirements.txt

tag:
	git tag -a "v$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' afl_core/__init__.py)" -m "A-FL workbench"

$(VENV)/.app: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v != (3, 11) and f"Python 3.11 is needed, this is {v}. Try: make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/python -m compileall -q afl_core pages app.py  # as pip does with a package: the first page comes sooner
	touch $@

$(VENV)/.dev: $(VENV)/.app requirements-dev.txt requirements-trackers.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/trackers \
		--requirement requirements-trackers.txt
	command -v chromium >/dev/null || $(BIN)/python -m playwright install chromium || echo "No browser: the browser tests will be skipped."
	touch $@

$(VENV)/nnunet/.ready: pyproject.toml
	@# PyPI's torchvision, which nnU-Net brings, goes with PyPI's torch alone, and not with the CPU wheel of the lock.
	test -x $(VENV)/nnunet/bin/python || $(PYTHON) -m venv $(VENV)/nnunet
	$(VENV)/nnunet/bin/python -m pip install --quiet --disable-pip-version-check $(NNUNET) --editable '.[app,nnunet]' \
		$$(grep -E '^(pytest|pytest-timeout|hypothesis)==' requirements-dev.txt)
	touch $@

$(VENV)/.tools:
	$(PYTHON) -m venv $(VENV)/tools
	$(VENV)/tools/bin/python -m pip install --quiet --disable-pip-version-check pip-tools==7.6.2 pip-licenses==5.5.5 cyclonedx-bom==7.5.0
	touch $@
