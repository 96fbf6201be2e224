# Every command makes the environment it needs; Python 3.11 or newer and make must be there.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV   := .venv
CONSTRAINTS ?= constraints.txt
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS)

# The matrices here are small: one thread is as fast as two, and on a busy machine faster.
export OMP_NUM_THREADS ?= 1
# Tests run in so many processes, each file in one of them, the longest first (tests/conftest.py).
WORKERS ?= 2

.NOTPARALLEL:
.PHONY: help book serve test oldest mutate run experiments release colab bench lint audit offline pdf address clean

help:                  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(VENV)/book: pyproject.toml constraints.txt
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "seqlib needs Python 3.11 or newer; if it is there by another name, say so: make PYTHON=python3.12"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || \
	  { echo "This Python cannot make environments; on Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "Installing what the book needs into $(VENV)"
	@$(PIP) --editable '.[book]'
	@touch $@

$(VENV)/dev: $(VENV)/book
	@echo "Installing what the tests need into $(VENV) (torch is large)"
	@$(PIP) --editable '.[dev]'
	@touch $@

book: $(VENV)/book     ## build the book into _build/html (runs no notebook)
	$(BIN)/jupyter-book build -W --keep-going .

serve: book            ## look at the book while you write it: make serve [PORT=8000]
	@$(BIN)/python tools/serve.py $(PORT)

# A kernel that dies is waited for until a cell has had its time.
test: $(VENV)/dev $(if $(ONLY),,book) ## run every test and notebook, or make test ONLY=package
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder --durations 50 \
	  $(if $(ONLY),-m $(ONLY) tests,--nbval --nbval-current-env --nbval-cell-timeout 180 tests chapters appendices)

oldest:                ## test with the oldest numpy and nothing else: make oldest [PYTHON=python3.13]
	@$(or $(PYTHON),false) tools/oldest.py

mutate: $(VENV)/dev    ## break each equation on purpose, and see a test fail: make mutate [ONLY=lstm]
	@nice -n 19 $(BIN)/python tools/mutate.py $(ONLY)

run: $(VENV)/dev       ## run the chapters and store their outputs: make run [ONLY=06-bptt]
	$(BIN)/python tools/run.py $(ONLY)

experiments: $(VENV)/dev ## run what takes longer than a chapter: make experiments [ONLY=adding]
	$(BIN)/python tools/experiments.py $(ONLY)

release: $(VENV)/dev   ## make the students' notebooks from the solutions
	$(BIN)/python -m seqlib.grading release

colab: $(VENV)/book    ## rehearse every notebook as Colab would run it
	$(BIN)/python tools/colab.py

bench: $(VENV)/dev     ## measure beside the alternatives, and store it for the book: make bench [ONLY=rnn]
	$(BIN)/python benchmarks $(ONLY)

lint: $(VENV)/dev      ## style and types of the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Lighthouse comes by npm; without Node.js the rest is measured.
node_modules: package.json package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund && touch $@; fi

audit: $(VENV)/dev book node_modules ## measure every page as a reader gets it: make audit [ONLY=06-bptt]
	$(BIN)/python tools/audit.py $(ONLY)

offline: book          ## pack the book into one zip that opens from a disk
	$(BIN)/python tools/pack.py

pdf: $(VENV)/dev book  ## print the book into one PDF, by Chromium
	$(BIN)/python tools/pdf.py

address:               ## set the project's address everywhere: make address REPO=owner/name
	@$(PYTHON) tools/address.py "$(REPO)"

clean:                 ## remove what was built, the environments too
	rm -rf _build build dist mutants node_modules $(VENV) .venv-colab .venv-oldest *.egg-info
