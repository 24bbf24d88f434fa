PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Small networks on small batches: more threads than test processes only get into each other's way.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

.PHONY: help demo figures test check format clean

help:
	@echo "make demo     install, and run the main job on scikit-learn's digits"
	@echo "make figures  install, and measure and draw anew what is in docs/gallery, in some minutes"
	@echo "make test     install all that is needed for development, and run the tests"
	@echo "make check    what must pass before a commit: format, lint, types, imports, all tests"
	@echo "make format   format the code, and mend what the linter can mend"
	@echo "make clean    delete what the other targets made, except for runs/ and docs/gallery/"

demo: $(VENV)/.core
	$(BIN)/attar fit digits --labels-per-class 5 --budget 50KB --out runs/demo

figures: $(VENV)/.core
	OMP_NUM_THREADS=1 $(BIN)/python -m gallery

test: $(VENV)/.dev
	$(PYTEST) -m "not slow"

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(PYTEST)

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .grimp_cache .hypothesis
	find src tests benchmarks gallery -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is younger than what decides the packages, so a second call installs nothing.
$(VENV)/.core: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "attar needs Python 3.11 or later, and this is " + sys.version.split()[0] + "; name another with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	@echo "installing attar and what it needs into $(VENV); torch makes this a matter of minutes"
	$(INSTALL) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(INSTALL) -e ".[all,dev]"
	@touch $@
