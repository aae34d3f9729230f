# Everything runs from .venv/, which is made from requirements.lock and made again only when the lock changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup dev test fuzz lint format lock wheel clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/'

setup: $(VENV)/.ready  ## make .venv from the locked versions

# The stamp is written last, so a set-up that broke half-way is done again.
$(VENV)/.ready: requirements.lock pyproject.toml lab/pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("checkout needs Python 3.11 or newer, and %s is %d.%d; name another: make PYTHON=python3.12 setup" % (sys.executable, v[0], v[1]))'
	@$(PYTHON) -m venv --clear $(VENV) || { echo "could not make $(VENV): on Debian and Ubuntu, install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --editable lab
	@touch $@

dev: setup  ## run everything on this machine; Ctrl-C stops it
	@exec $(BIN)/checkout dev

# Most tests wait more than they work, and share the machine; those that measure or crowd it have it to themselves.
# A selection may leave one of the two without a test (5), but not both.
test: setup  ## the whole test suite, on servers it starts itself
	$(BIN)/python -m pytest -m "not alone" --numprocesses=2 --dist=loadfile --no-loadscope-reorder $(if $(REPORTS),--junit-xml=$(REPORTS)/shared.xml) $(ARGS); shared=$$?; \
	test $$shared -eq 0 || test $$shared -eq 5 || exit $$shared; \
	$(BIN)/python -m pytest -m alone $(if $(REPORTS),--junit-xml=$(REPORTS)/alone.xml) $(ARGS); alone=$$?; \
	if test $$alone -eq 5; then exit $$shared; else exit $$alone; fi

# What is looked at depends on the seed alone; how fast the shop is on this machine is another matter.
fuzz: SEED := $(or $(SEED),$(shell od -An -N3 -tu4 /dev/urandom | tr -d ' '))
fuzz: EXAMPLES ?= 100
fuzz: setup  ## look for what nobody thought of; SEED=1 EXAMPLES=100 say where and for how long
	@echo "the same again: make fuzz SEED=$(SEED) EXAMPLES=$(EXAMPLES)"
	HYPOTHESIS_PROFILE=long HYPOTHESIS_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/property --hypothesis-seed=$(SEED) $(ARGS)

lint: setup  ## ruff, mypy strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: setup  ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## choose versions again (needs uv), after a change of the dependencies
	uv pip compile --universal --generate-hashes --python-version 3.11 --all-extras --no-header --no-annotate --no-emit-package durable-checkout --upgrade -q pyproject.toml lab/pyproject.toml -o requirements.lock

wheel: setup  ## build the wheels of product and laboratory into dist/
	$(BIN)/hatchling build -t wheel
	cd lab && ../$(BIN)/hatchling build -t wheel -d ../dist

clean:  ## remove .venv and what was built
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache
