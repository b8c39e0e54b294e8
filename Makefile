# One command each; every one sets up what it needs first (scripts/setup.sh).
.DEFAULT_GOAL := help
.PHONY: help up test check lint format bench test-image test-llama simulate conformance test-api check-runpod pictures lock
SETUP := bash scripts/setup.sh

help: ## print this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 18

up: ## set everything up and run the service in the foreground
	@exec $(SETUP) run .venv/bin/podkeeper up

test: ## set everything up and pass every test that needs no account
	@exec $(SETUP) dev $(MAKE) --no-print-directory check

check: lint ## what `make test` runs, without setting up the machine's parts
	@.venv/bin/pytest

lint: ## ruff, basedpyright and the import contracts
	@bash scripts/venv.sh dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/basedpyright
	.venv/bin/lint-imports

format: ## let ruff put the code in order
	@bash scripts/venv.sh dev
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

bench: ## the benchmarks, as ratios, to docs/benchmarks.md
	@exec $(SETUP) dev .venv/bin/python -m scripts.bench

test-image: ## build the service image, run it as compose.yaml does, and walk a pod through it
	@PODKEEPER_ENGINE=docker; export PODKEEPER_ENGINE; exec $(SETUP) run bash scripts/test_image.sh

test-llama: ## a real llama server as a pod (some minutes, a 240 MB model)
	@exec $(SETUP) dev bash scripts/test_llama.sh

simulate: ## 100,000 pod-hours of people, tabs, outages and restarts through the real reaper
	@exec $(SETUP) dev .venv/bin/python -m tests.simulator

test-api: ## schemathesis at `/v2` for five minutes, on the fakes (a minute of it is in `make test`)
	@bash scripts/venv.sh dev
	@PODKEEPER_FUZZ_SECONDS=300 .venv/bin/pytest -s -o faulthandler_timeout=600 tests/api/test_fuzz.py

check-runpod: ## on your RunPod account, about two minutes and a cent: start, visit, stop, resume, terminate
	@bash scripts/venv.sh run
	@exec .venv/bin/python -m scripts.check_runpod

conformance: ## the official MCP conformance suite against our server (npm, half a minute)
	@bash scripts/venv.sh dev
	@.venv/bin/python -m tests.conformance

pictures: ## the pictures in docs/slack, of a headless Chromium before an emulator of Slack
	@bash scripts/venv.sh dev
	@bash scripts/parts.sh namespace chromium fonts
	.venv/bin/python -m scripts.pictures

lock: ## renew requirements.lock and requirements-dev.lock
	@bash scripts/lock.sh
