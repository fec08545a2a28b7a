# Every command of the project. All that they make is in .local/, except what was built, which is in the user's cache.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help up down shell status test test-unit lint format docs lock clean install

python := .local/venv/bin/python
parallel := -n auto --dist loadfile --no-loadscope-reorder
export PYTHONPYCACHEPREFIX := $(CURDIR)/.local/cache/pycache
# It is written there, so that nothing is compiled twice.
unexport PYTHONDONTWRITEBYTECODE

help: ## what there is to call
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

up: install ## install what is missing, start the sandbox, deploy both stacks to it
	@$(python) -m sandbox up $(ARGS)

down: ## stop the sandbox; what is installed stays
	@if [ -x $(python) ]; then $(python) -m sandbox down $(ARGS); else echo "Nothing runs: nothing is installed."; fi

shell: install ## a shell in which pulumi, dr and boto3 work against the sandbox
	@unset MAKEFLAGS MFLAGS MAKELEVEL; exec $(python) -m sandbox shell

status: install ## what runs in the sandbox
	@$(python) -m sandbox status $(ARGS)

test: install ## prove the product, with the real engine (10 minutes); ARGS="-k replication" selects, ARGS=--all runs every test (40)
	@$(python) -m sandbox.toolchain
	@$(python) -m pytest $(parallel) $(ARGS)

test-unit: install ## the unit tests (1 minute)
	@$(python) -m pytest $(parallel) tests/unit $(ARGS)

lint: install ## what must be clean before a commit
	@$(python) -m ruff check
	@$(python) -m ruff format --check
	@$(python) -m mypy
	@if command -v go >/dev/null; then go -C .github/actionlint tool actionlint -shellcheck= -pyflakes= "$(CURDIR)"/.github/workflows/*.yml; \
	else echo "There is no go on PATH: .github/workflows was not checked by actionlint." >&2; fi

format: install ## format the code, and sort its imports
	@$(python) -m ruff check --select I --fix
	@$(python) -m ruff format

docs: install ## write the generated sections of the documents again
	@$(python) -m docs.generate

lock: ## write requirements.txt again; ARGS=--upgrade takes newer versions
	@sh sandbox/bootstrap.sh lock $(ARGS)

clean: down ## stop the sandbox and remove .local
	@rm -rf .local

install: ## install what requirements.txt names in .local/venv, and nothing else
	@sh sandbox/bootstrap.sh
