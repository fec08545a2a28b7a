# Commands of the project. They write to .local/ only; built programs are in the user's cache.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help up down shell status test test-unit bench lint format docs lock clean install

python := .local/venv/bin/python
parallel := -n auto --dist loadfile --no-loadscope-reorder
export PYTHONPYCACHEPREFIX := $(CURDIR)/.local/cache/pycache
# Bytecode is kept there, so that modules are compiled once.
unexport PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

up: install ## install what is missing, start the sandbox, deploy both stacks to it
	@$(python) -m sandbox up $(ARGS)

down: ## stop the sandbox; ARGS=--force also while an update runs
	@if [ -x $(python) ]; then $(python) -m sandbox down $(ARGS); else echo "Nothing runs: nothing is installed."; fi

shell: install ## open a shell in which pulumi, dr and boto3 use the sandbox
	@unset MAKEFLAGS MFLAGS MAKELEVEL; exec $(python) -m sandbox shell

status: install ## show the state of the sandbox
	@$(python) -m sandbox status $(ARGS)

test: install ## prove the product, with the real engine (9 minutes); ARGS="-k replication" selects, ARGS=--all runs every test (65)
	@$(python) -m sandbox.toolchain
	@$(python) -m pytest $(parallel) $(ARGS)

test-unit: install ## the unit tests (1 minute)
	@$(python) -m pytest $(parallel) tests/unit $(ARGS)

bench: install ## print benchmarks with their objectives (2 minutes)
	@$(python) -m tests.bench

lint: install ## check format, types and workflows
	@$(python) -m ruff check
	@$(python) -m ruff format --check
	@$(python) -m mypy
	@if command -v go >/dev/null; then go -C .github/actionlint tool actionlint -shellcheck= -pyflakes= "$(CURDIR)"/.github/workflows/*.yml; \
	else echo "go is not on PATH: .github/workflows was not checked by actionlint." >&2; fi

format: install ## format the code and sort imports
	@$(python) -m ruff check --select I --fix
	@$(python) -m ruff format

docs: install ## write the generated sections of the documents again
	@$(python) -m docs.generate

lock: ## write requirements.txt again; ARGS=--upgrade takes newer versions
	@sh sandbox/bootstrap.sh lock $(ARGS)

clean: down ## stop the sandbox and remove .local
	@rm -rf .local

install: ## install requirements.txt in .local/venv
	@sh sandbox/bootstrap.sh
