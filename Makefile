# Two commands are all that a fresh machine needs: make example, make test.

PYTHON ?= python3
STUDY ?= epidemic
DRAW_epidemic := python plot_epidemic.py
DRAW_mc_circle := python plot_mc_circle.py
DRAW_digits := psy plot digits accuracy -o digits.png
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help example test lint gallery docs benchmark clean

help:
	@echo "make example    run a real parameter study and draw its picture"
	@echo "make test       check everything"
	@echo "make docs       build the documentation into docs/_build/html"
	@echo "make gallery    draw the pictures of the documentation anew"
	@echo "make benchmark  compare speed and memory with peers"
	@echo "make clean      delete what these commands have made"

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "psyrun needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade "pip>=25.1"

$(VENV)/example-ready: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) --editable ".[h5,plot]" --group examples
	touch $@

$(VENV)/test-ready: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) --editable ".[all]" --group test
	touch $@ $(VENV)/example-ready

example: $(VENV)/example-ready
	cd examples && ../$(BIN)/psy run -j 2 $(STUDY) && ../$(BIN)/$(DRAW_$(STUDY))

test: lint
	tests/install-packages
	$(BIN)/python -m pytest -n 3 --dist loadfile

lint: $(VENV)/test-ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

gallery: $(VENV)/test-ready
	$(BIN)/python docs/draw_gallery.py

docs: $(VENV)/test-ready
	$(BIN)/python -m sphinx -W -q docs docs/_build/html

benchmark: $(VENV)/test-ready
	$(INSTALL) --group benchmark
	$(BIN)/python benchmarks

clean:
	rm -rf $(VENV) docs/_build examples/psy-work examples/*.png .hypothesis .mypy_cache .pytest_cache .ruff_cache
