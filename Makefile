# Ramal: what can be done with a checkout. `make` alone lists it.
# More arguments for demo and run: make demo ARGS=--exit

.DEFAULT_GOAL := help
ARGS ?=
RAMAL := .venv/bin/ramal

.PHONY: help setup demo run test lint format bench bench-safety fuzz web clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing to run Ramal
	@python3 deploy/setup.py run

demo: ## Set up, then show the main job on real calls (ARGS=--exit: stop afterwards)
	@python3 deploy/setup.py demo
	@$(RAMAL) demo $(ARGS)

run: ## Set up, then start the server on the data folder var/
	@python3 deploy/setup.py run
	@$(RAMAL) serve --data var $(ARGS)

test: ## Set up, then run every test
	@python3 deploy/setup.py test
	@PATH="$(CURDIR)/.venv/bin:$$PATH" npm --prefix web run --silent test
	@.venv/bin/python -m pytest -n 2 --maxschedchunk 1 $(ARGS)

lint: ## Check style, types and floors
	@python3 deploy/setup.py test
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	@PATH="$(CURDIR)/.venv/bin:$$PATH" npm --prefix web run --silent lint
	@PATH="$(CURDIR)/.venv/bin:$$PATH" npm --prefix web run --silent check

format: ## Format the Python code
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

bench: ## Set up, then measure (bench/README.md keeps the figures)
	@python3 deploy/setup.py bench
	@.venv/bin/python -m bench $(ARGS)

bench-safety: ## Set up, then run the media engine under ThreadSanitizer, and many short calls that must leave nothing behind
	@python3 deploy/setup.py fuzz
	@.venv/bin/python -m bench.safety $(ARGS)

fuzz: ## Set up, then fuzz what strangers can send, ten minutes for each target (what is found stays in var/fuzz)
	@python3 deploy/setup.py fuzz
	@.venv/bin/python -m tests.fuzz $(ARGS)

web: ## Build the web app
	@python3 deploy/setup.py web

clean: ## Remove what was built, but not the data folder
	rm -rf .venv build web/node_modules web/dist media/_engine*.so
