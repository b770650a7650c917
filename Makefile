# make demo   install into .venv and run the main job on an embedded sample
# make test   install what tests need and run them
# make view   open the demo's result in napari
# make docs   build the pages of docs/ into site/

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)
# Twice quiet: errors only.
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet --constraint constraints.txt
# Dependency groups need pip 25.1.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet "pip==25.3"
SOURCES := pyproject.toml hatch_build.py napari.yaml constraints.txt
EXTRAS := training/pyproject.toml benchmarks/pyproject.toml
# Small arrays run slower on many threads.
export OMP_NUM_THREADS ?= 2
# Processes that run tests side by side, files as a whole; each computes on one thread.
TEST_PROCESSES ?= 2

.PHONY: demo test view docs lint types check clean system-libs dist dist-check headless-check test-matrix test-lowest

demo: $(VENV)/.installed
	$(BIN)/napari-xmem demo demo

view: demo
	$(BIN)/python demo/view.py

test: system-libs $(VENV)/.installed-test
	OMP_NUM_THREADS=1 PYTEST_QT_API=pyqt6 QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24" \
		$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

# The pages are read from docstrings without importing the package, so neither torch nor napari is installed for them.
docs: $(VENV)/.installed-docs
	$(BIN)/zensical build --strict --clean
	$(BIN)/python scripts/local_pages.py site
	@echo "open site/index.html"

system-libs:
	scripts/install-system-libs.sh

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy
	$(BIN)/pyright --project tests/typing/pyrightconfig.json --pythonpath $(BIN)/python

check: lint types test

dist: $(VENV)/.installed-release
	rm -rf dist
	$(BIN)/python -m build --outdir dist .

# What package pages, installers and napari's hub will say about the files of a release.
dist-check: dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	$(BIN)/pyroma --min 10 dist/*.tar.gz
	$(BIN)/python scripts/check_distribution.py dist

# The core in an environment of its own, without napari and without Qt, propagates from Python and the command line.
headless-check: dist
	scripts/check_headless.sh "$(PYTHON)" dist "$(TORCH)"

# As `test`, on any system and with the Qt binding QT; uses the Python that is active.
QT ?= pyqt6
test-matrix:
	$(PYTHON) -m pip install --upgrade pip
	$(PYTHON) -m pip install torch
	$(PYTHON) -m pip install --editable ".[napari]" --editable ./training --editable ./benchmarks --group test $(QT)
	scripts/run_tests.sh "$(PYTHON)" "$(QT)"

# The oldest versions of what pyproject.toml asks for.
test-lowest:
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --upgrade pip uv
	VIRTUAL_ENV=.venv-lowest .venv-lowest/bin/python -m uv pip install --resolution lowest-direct --editable ".[napari]" \
		--editable ./training --editable ./benchmarks --group test "pyqt6>=6.7"
	scripts/run_tests.sh .venv-lowest/bin/python pyqt6

$(VENV)/.installed-release: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP)
	$(INSTALL) --group release
	touch $@

$(VENV)/.installed-docs: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP)
	$(INSTALL) --group docs
	touch $@

# torch first and by itself: its build (CPU or CUDA) is whatever the machine's pip is set up for.
$(VENV)/.torch: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV); this takes some minutes"
	$(PIP)
	$(INSTALL) "$(TORCH)"
	touch $@

$(VENV)/.installed: $(VENV)/.torch $(SOURCES)
	$(INSTALL) --editable ".[all,metrics]"
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed $(EXTRAS)
	$(INSTALL) --editable ".[all]" --group test --editable ./training --editable ./benchmarks
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	$(INSTALL) --group dev
	touch $@

clean:
	rm -rf $(VENV) build dist demo site .pytest_cache .mypy_cache .ruff_cache
