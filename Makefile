# Every command a person types. Needs Python 3.11 or newer and make, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROCESSES ?= 3
REAL_COMFYUI := .cache/realcomfyui
PEERS := .cache/bench
EMULATORS := .cache/emulators
WORKER := .cache/worker
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq install

.PHONY: help demo up test wheel test-browser screenshots check lint format reference docs real-comfyui lab lab-runbook bench-apply bench-library bench-browser-upload bench-pages bench-worker-start lock synth vendor clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.runtime ## Render the sample clip through an effect, here and now
	@$(BIN)/comfyfleet demo --data .data

up: $(VENV)/.runtime ## Run everything on this machine until Ctrl-C
	@$(BIN)/comfyfleet up --data .data

test: $(VENV)/.dev $(EMULATORS)/.installed $(WORKER)/.installed ## Run all tests; those with a browser in a process of their own, for it has an event loop of its own
	@$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --ignore tests/browser
	@$(BIN)/python -m pytest tests/browser

test-browser: $(VENV)/.dev ## Walk through all pages with a real Chromium
	@REQUIRE_BROWSER=1 $(BIN)/python -m pytest tests/browser

screenshots: $(VENV)/.dev ## Take a picture of every page into docs/screenshots
	@SCREENSHOTS_FOLDER=docs/screenshots REQUIRE_BROWSER=1 $(BIN)/python -m pytest -q tests/browser

check: lint docs test ## Everything that has to be clean before a commit

lint: $(VENV)/.dev ## Run ruff, mypy and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

wheel: $(VENV)/.runtime ## Build comfyfleet's wheel into dist, for baking an image
	@$(BIN)/python -m pip --disable-pip-version-check -q wheel --no-deps --no-build-isolation -w dist .

reference: $(VENV)/.dev ## Write the reference pages that follow from the code
	@$(BIN)/python docs/generate.py

synth: $(VENV)/.dev ## Write the stacks of a stage on AWS into infrastructure/cdk.out (STAGE=staging; no network)
	@cd infrastructure && CDK_DEFAULT_ACCOUNT=$${CDK_DEFAULT_ACCOUNT:-000000000000} CDK_OUTDIR=cdk.out PYTHONPATH=.. ../$(BIN)/python app.py

docs: $(VENV)/.dev ## Build the documentation into docs/_build
	@$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

real-comfyui: ## Install a real ComfyUI for the tests (1.6 GB)
	@$(PYTHON) tests/realcomfyui/install.py $(REAL_COMFYUI)

lab: $(VENV)/.dev ## Run an AWS on this machine until Ctrl-C: emulators, and a simulator of what they lack
	@$(BIN)/python -m lab

lab-runbook: $(VENV)/.dev ## Walk through the whole runbook in the lab, from no stack to a rendered job and back to zero (7 min)
	@$(BIN)/python -m lab.runbook

bench-apply: $(VENV)/.dev $(PEERS)/.installed ## Measure an apply beside s5cmd, rclone, aws and boto3 (12 GB of disk)
	@$(BIN)/python -m benchmarks.apply --peers $(PEERS)/bin

bench-library: $(VENV)/.dev ## Bring a file of 5 GiB through upload, bundle, apply and verify (20 GB of disk)
	@$(BIN)/python -m benchmarks.library

bench-browser-upload: $(VENV)/.dev ## Upload 3 GiB with a headless Chromium through a restart and a reload (20 GB of disk)
	@$(BIN)/python -m benchmarks.browser_upload

bench-worker-start: $(VENV)/.dev $(WORKER)/.installed ## Measure how long the agent takes to start in an environment of its own
	@$(BIN)/python -m benchmarks.worker_start

bench-pages: $(VENV)/.dev ## Measure every list page with 100,000 jobs, 10,000 assets and 1,000 workers
	@$(BIN)/python -m benchmarks.pages

lock: $(VENV)/.dev ## Lock the dependencies again
	@requirements/lock

vendor: ## Fetch what browsers get, as pinned in requirements/browser.json (needs npm)
	@requirements/vendor

clean: ## Remove what was built, but no data
	rm -rf $(VENV) docs/_build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "comfyfleet needs Python 3.11 or newer: make PYTHON=python3.11")'
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing comfyfleet …"
	@$(PIP) --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(PEERS)/.installed: requirements/bench.txt | $(VENV)/bin/python
	@echo "Installing what the benchmarks compare with …"
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip --disable-pip-version-check -qq install --require-hashes -r requirements/bench.txt
	@touch $@

$(EMULATORS)/.installed: requirements/emulators.txt | $(VENV)/bin/python
	@echo "Installing what the tests of policies need …"
	@$(PYTHON) -m venv $(EMULATORS)
	@$(EMULATORS)/bin/python -m pip --disable-pip-version-check -qq install --require-hashes -r requirements/emulators.txt
	@touch $@

$(WORKER)/.installed: requirements/worker.txt requirements/build.txt | $(VENV)/bin/python
	@echo "Installing a worker's own environment …"
	@$(PYTHON) -m venv $(WORKER)
	@$(WORKER)/bin/python -m pip --disable-pip-version-check -qq install --require-hashes -r requirements/build.txt -r requirements/worker.txt
	@$(WORKER)/bin/python -m pip --disable-pip-version-check -qq install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "Installing what the tests need …"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@
