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
SOURCES := pyproject.toml hatch_build.py napari.yaml constraints.txt
EXTRAS := training/pyproject.toml benchmarks/pyproject.toml
# Small arrays run slower on many threads; two pytest-wide threads leave room on a small machine.
export OMP_NUM_THREADS ?= 2

.PHONY: demo test view docs lint types check clean system-libs

demo: $(VENV)/.installed
	$(BIN)/napari-xmem demo demo

view: demo
	$(BIN)/python demo/view.py

test: system-libs $(VENV)/.installed-test
	PYTEST_QT_API=pyqt6 QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24" \
		$(BIN)/python -m pytest $(PYTEST_ARGS)

# The pages are read from docstrings without importing the package, so neither torch nor napari is installed for them.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open site/index.html"

system-libs:
	scripts/install-system-libs.sh

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

check: lint types test

$(VENV)/.installed-docs: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) $$($(BIN)/python -c "import tomllib; \
		print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['docs'])")
	touch $@

# torch first and by itself: its build (CPU or CUDA) is whatever the machine's pip is set up for.
$(VENV)/.torch: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV); this takes some minutes"
	$(INSTALL) "$(TORCH)"
	touch $@

$(VENV)/.installed: $(VENV)/.torch $(SOURCES)
	$(INSTALL) --editable ".[all]"
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed $(EXTRAS)
	$(INSTALL) --editable ".[all,test]" --editable ./training --editable ./benchmarks
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	$(INSTALL) --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist demo site .pytest_cache .mypy_cache .ruff_cache
