# Everything a new machine needs is Python 3.11 or newer, make and git.
PYTHON ?= python3
BIN := .venv/bin
STACK := $(BIN)/python deploy/stack/stack.py
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help demo stop status restart stack prometheus dashboards test check lint bench bench-quick bench-connect bench-latency bench-growth bench-takeover docs format lock clean

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: .venv/stack ## Kafka, MongoDB's protocol, the fleet, 1,000 numbers, and the proof; leaves it running
	@$(BIN)/python deploy/stack/demo.py up

stop: ## Stop what `make demo` started
	@test ! -x $(BIN)/python || $(BIN)/python deploy/stack/demo.py down

status: .venv/run ## Show the fleet on one screen; `.venv/bin/workers status --watch` keeps it there
	@$(BIN)/workers status

restart: .venv/run ## Restart the fleet, one worker at a time
	@$(BIN)/workers restart

stack: .venv/stack ## Build the embedded stack, once
	@$(STACK) build

prometheus: .venv/stack ## Prometheus beside the demo; builds it once, for some minutes
	@$(STACK) build prometheus
	@$(BIN)/python deploy/prometheus/targets.py
	@test ! -S var/stack/run/supervisord.sock || $(STACK) up

dashboards: .venv/dev ## Write grafana/dashboards/*.json again
	@$(BIN)/python grafana/make.py

test: .venv/dev ## Every test, on real servers of their own
	@$(STACK) build kafka ferretdb prometheus
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

check: lint ## Format, lint, types, import rules, and the tests that need no server
	@$(BIN)/pytest -q -n auto --maxprocesses 4 -m 'not integration and not acceptance'

lint: .venv/dev ## Format, lint, types, import rules
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy --no-error-summary workers
	@$(BIN)/mypy --no-error-summary --strict deploy/stack
	@$(BIN)/mypy --no-error-summary --strict deploy/prometheus/targets.py
	@$(BIN)/mypy --no-error-summary --strict grafana/make.py
	@$(BIN)/lint-imports --no-logo > .import-rules.log || { cat .import-rules.log; exit 1; }

bench: .venv/dev ## Records a second: ours, the database's limit, the tutorial's consumer; six minutes
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.compare

bench-quick: .venv/dev ## The same with few records, in less than a minute; writes nothing to docs/
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.compare --quick

bench-connect: .venv/dev ## Ours beside the official connector on Kafka Connect, which it fetches once
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.compare --connect

bench-latency: .venv/dev ## From the producer's acknowledgement to the document; and an idle worker
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.latency

bench-growth: .venv/dev ## More records, partitions, bytes, workers; LARGE=1: 5,000,000 records as well
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.growth $(if $(LARGE),--large)

bench-takeover: .venv/dev ## How long the partitions of a killed worker wait; ten minutes
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.takeover

docs: .venv/dev ## Write docs/metrics.md from the code
	@$(BIN)/python docs/metrics.py

format: .venv/dev ## Format the code
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

PIP_COMPILE = $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --build-deps-for editable pyproject.toml

lock: .venv/dev ## Resolve the requirements again
	$(PIP_COMPILE) --upgrade --extra stack --extra dev -o requirements/dev.txt
	$(PIP_COMPILE) --extra stack -c requirements/dev.txt -o requirements/stack.txt
	$(PIP_COMPILE) -c requirements/dev.txt -o requirements/run.txt

clean: stop ## Remove what was made here: environment, servers, their data
	rm -rf .venv var/stack/build var/stack/data

# One environment, three sets of packages, each containing the one before: run, stack, dev.
.venv/%: requirements/%.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 78; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ echo "python3 cannot make an environment here; on Debian: apt install python3-venv" >&2; exit 69; }
	@echo "installing Python packages ($*)"
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/$*.txt
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# What a larger set was installed for, a smaller one need not be.
.venv/run: | $(wildcard .venv/stack .venv/dev)
.venv/stack: | $(wildcard .venv/dev)
