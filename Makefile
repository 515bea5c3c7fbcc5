# Everything a new machine needs is Python 3.11 or newer, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STACK := $(BIN)/python deploy/stack/stack.py
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help demo stop status restart stack prometheus dashboards test test-all check unit lint bench bench-quick bench-peers bench-connect bench-latency bench-growth bench-decode bench-idle bench-all bench-takeover docs format lock build release clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { line = sprintf("  make %-15s", $$1); n = split($$2, word, " "); \
		for (i = 1; i <= n; i++) { \
			if (length(line) + length(word[i]) > 79) { print line; line = sprintf("%22s", "") } \
			line = line " " word[i] } \
		print line }' $(MAKEFILE_LIST)

demo: $(VENV)/stack ## Kafka, MongoDB's protocol, the fleet, 1,000 numbers, and the proof; leaves it running
	@$(BIN)/python deploy/stack/demo.py up

stop: ## Stop what `make demo` started
	@test ! -x $(BIN)/python || $(BIN)/python deploy/stack/demo.py down

status: $(VENV)/run ## Show the fleet on one screen; `.venv/bin/workers status --watch` keeps it there
	@$(BIN)/workers status

restart: $(VENV)/run ## Restart the fleet, one worker at a time
	@$(BIN)/workers restart

stack: $(VENV)/stack ## Build the embedded stack, once
	@$(STACK) build

prometheus: $(VENV)/stack ## Prometheus beside the demo; builds it once, for some minutes
	@$(STACK) build prometheus
	@$(BIN)/python deploy/prometheus/targets.py
	@test ! -S var/stack/run/supervisord.sock || $(STACK) up

dashboards: $(VENV)/dev ## Write grafana/dashboards/*.json again
	@$(BIN)/python grafana/make.py

# Three files at a time, each process with servers of its own: tests wait for most of their time.
PYTEST = $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

test: $(VENV)/dev ## What nobody may break, on real servers: less than ten minutes
	@$(STACK) build kafka ferretdb
	@$(PYTEST) -m 'not slow'

test-all: $(VENV)/dev $(VENV)/release ## The rest: chaos, the network, builds, scale, a real Prometheus, a short soak
	@$(STACK) build kafka ferretdb prometheus
	@$(BIN)/python -m tests.model.soak 30 $$(date +%s)
	@$(PYTEST) -m slow

check: lint unit ## Format, lint, types, import rules, and the tests that need no server

unit: $(VENV)/dev ## The tests that need no server; VENV=folder PYTHON=python3.13: on another Python
	@$(BIN)/pytest -q -n auto --maxprocesses 4 -m 'not integration and not acceptance and not slow'

lint: $(VENV)/dev ## Format, lint, types, import rules
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy --no-error-summary workers
	@$(BIN)/mypy --no-error-summary --strict deploy/stack
	@$(BIN)/mypy --no-error-summary --strict deploy/prometheus/targets.py
	@$(BIN)/mypy --no-error-summary --strict deploy/release.py
	@$(BIN)/mypy --no-error-summary --strict grafana/make.py
	@$(BIN)/lint-imports --no-logo > .import-rules.log || { cat .import-rules.log; exit 1; }

bench: $(VENV)/dev ## Records a second: ours, the database's limit, the tutorial's consumer; six minutes
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.compare

bench-quick: $(VENV)/dev ## The same with few records, in less than a minute
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.compare --quick

bench-peers: $(VENV)/dev ## Beside all peers: confluent-kafka, Quix Streams, the connector, which it fetches once; QUICK=1: few records
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.compare --peers $(if $(QUICK),--quick)

bench-connect: $(VENV)/dev ## Beside the official connector on Kafka Connect only
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.compare --connect $(if $(QUICK),--quick)

bench-latency: $(VENV)/dev ## From the producer's acknowledgement to the document; and an idle worker
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.latency

bench-idle: $(VENV)/dev ## A fleet that has nothing to do, and starts: of workers, and of commands; five minutes
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.idle

bench-growth: $(VENV)/dev ## More records, partitions, bytes, workers; LARGE=1: 5,000,000 records as well
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.growth $(if $(LARGE),--large)

bench-decode: $(VENV)/dev ## The counted instructions to decode a record; seconds
	@$(BIN)/python -m bench.decode

bench-all: $(VENV)/dev ## All that docs/performance.md shows; half an hour. FROM=latency: go on there; LARGE=1; QUICK=1
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.everything $(if $(FROM),--from $(FROM)) $(if $(LARGE),--large) $(if $(QUICK),--quick)

bench-takeover: $(VENV)/dev ## How long the partitions of a killed worker wait; ten minutes
	@$(STACK) build kafka ferretdb
	@$(BIN)/python -m bench.takeover

build: $(VENV)/release ## The sdist and the wheel, in dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist .

release: $(VENV)/release ## The checklist of a release, up to the tag and the upload, which it only names
	@$(BIN)/python deploy/release.py

docs: $(VENV)/dev $(VENV)/docs ## Write the reference from the code, and build the site into var/site
	@$(BIN)/python -m docs.generate
	@$(BIN)/python -m docs.generate.site

format: $(VENV)/dev ## Format the code
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

LOCK = $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
PIP_COMPILE = $(LOCK) --build-deps-for editable pyproject.toml

lock: $(VENV)/dev ## Resolve the requirements again
	$(PIP_COMPILE) --upgrade --extra stack --extra dev -o requirements/dev.txt
	$(PIP_COMPILE) --extra release -c requirements/dev.txt -o requirements/release.txt
	$(PIP_COMPILE) --extra stack -c requirements/dev.txt -o requirements/stack.txt
	$(PIP_COMPILE) -c requirements/dev.txt -o requirements/run.txt
	$(PIP_COMPILE) --extra docs -c requirements/dev.txt -o requirements/docs.txt
	$(LOCK) --upgrade -c requirements/run.txt -o requirements/bench-confluent.txt requirements/bench-confluent.in
	$(LOCK) --upgrade -o requirements/bench-quix.txt requirements/bench-quix.in

clean: stop ## Remove what was made here: environment, servers, their data
	rm -rf .venv .cache var/ci var/site var/stack/build var/stack/data

# One environment, three sets of packages, each containing the one before: run, stack, dev. And docs: run, and the site.
$(VENV)/%: requirements/%.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 78; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ why="this user must be able to write into $(CURDIR)"; \
		$(PYTHON) -c 'import ensurepip' 2>/dev/null || why="on Debian: apt install python3-venv"; \
		echo "$(PYTHON) cannot make an environment here: $$why" >&2; exit 69; }
	@echo "installing Python packages ($*)"
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/$*.txt
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# What a larger set was installed for, a smaller one need not be.
$(VENV)/run: | $(wildcard $(VENV)/stack $(VENV)/dev)
$(VENV)/stack: | $(wildcard $(VENV)/dev)
