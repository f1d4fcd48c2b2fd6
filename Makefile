# Everything happens in a virtual environment made on first use; `make test PYTHON=python3.12` chooses its Python.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SAMPLE := cards/linknet_camvid/samples/street.jpg

.PHONY: help quickstart test docs site release-check
.DEFAULT_GOAL := help

help:
	@echo "make quickstart   train LinkNet on drawn street scenes, then segment a picture with the pretrained weights"
	@echo "make test         ruff, mypy, import-linter and pytest"
	@echo "make docs         the site, in docs/_build/html/index.html"
	@echo "make site         the same with the pages of zoo demo embedded, to serve by any web server"
	@echo "make release-check   version, changelog, wheel and sdist, and the wheel in empty environments"

quickstart: $(VENV)/.installed
	$(BIN)/zoo fit --recipe linknet_streets.yaml
	$(BIN)/zoo predict linknet $(SAMPLE) -o runs/quickstart

# Most tests of commands start Python: compiling torch's modules again each time would take more than half of the start.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

docs: $(VENV)/.installed-docs
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

site: $(VENV)/.installed-docs
	$(BIN)/pip install --quiet --editable ".[docs,export]"
	$(BIN)/zoo demo -o docs/_extra/demo --overwrite
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "python -m http.server -d docs/_build/html, then open http://localhost:8000"

release-check: $(VENV)/.installed-release
	$(BIN)/python scripts/release_check.py

$(VENV)/.installed: pyproject.toml
	@echo "installing into $(VENV), which takes minutes the first time"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml
	@echo "installing into $(VENV), which takes minutes the first time"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --editable ".[dev]"
	@touch $(VENV)/.installed $@

$(VENV)/.installed-docs: pyproject.toml
	@echo "installing into $(VENV), which takes minutes the first time"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[docs]"
	@touch $(VENV)/.installed $@

$(VENV)/.installed-release: pyproject.toml
	@echo "installing into $(VENV), which takes minutes the first time"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[release]"
	@touch $(VENV)/.installed $@
