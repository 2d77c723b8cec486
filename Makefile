# The same commands for people, hooks and CI.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test check format docs clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Spindle needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up .venv (once, a minute or two)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,compile,dev]'
	@touch $@

demo: .venv/ready
	@$(BIN)/spindle demo

# other people's runtimes in a process of their own: what they do to it is nobody else's failure
test: .venv/ready
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal --ignore=tests/guests
	@$(BIN)/python -m pytest tests/guests

check: .venv/ready
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(MAKE) --no-print-directory test

format: .venv/ready
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: .venv/docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/docs/index.html; to look at it: $(BIN)/python -m http.server --directory build/docs"

.venv/docs: .venv/ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

clean:
	rm -rf .venv demo build dist *.egg-info
