# Every command makes the environment it needs. Python 3.11 or newer and make are all that must be there.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help book serve test run release colab bench experiments audit address clean
help:             ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

$(VENV)/book: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"seqlib needs Python 3.11 or newer, this is {sys.version.split()[0]}: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[book]'
	@touch $@

$(VENV)/dev: $(VENV)/book
	$(PIP) --editable '.[dev]'
	@touch $@

book: $(VENV)/book     ## build the book into _build/html (runs no notebook)
	$(BIN)/jupyter-book build -W --keep-going .

serve: book            ## look at the book at http://127.0.0.1:8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

test: $(VENV)/dev book ## run every test
	$(BIN)/python -m pytest

run: $(VENV)/dev       ## run the chapters and store their outputs: make run [ONLY=06-bptt]
	$(BIN)/python tools/run.py $(ONLY)

release: $(VENV)/dev   ## make the students' notebooks from the solutions
	$(BIN)/python -m seqlib.grading release

colab: $(VENV)/dev     ## rehearse every notebook as Colab would run it
	$(BIN)/python tools/colab.py

bench: $(VENV)/dev     ## measure beside the alternatives
	$(BIN)/python benchmarks/rnn_step.py

audit: $(VENV)/dev     ## lint, types, known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

address:               ## set the project's address everywhere: make address REPO=owner/name
	$(PYTHON) tools/address.py "$(REPO)"

clean:                 ## remove what was built, the environment too
	rm -rf _build build dist .venv .venv-colab *.egg-info
