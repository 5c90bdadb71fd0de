# Everything happens in .venv; say PYTHON=python3.12 to make it from another Python (3.11 or newer).
PYTHON ?= python3
WORKERS = --numprocesses=2 --dist=loadfile --no-loadscope-reorder
PIP = .venv/bin/python -m pip install --constraint constraints.txt

.PHONY: run run-all run-iterate tune sensitivity ui deploy test check bench chaos parallel fuzz audit base

run: .venv/installed
	@.venv/bin/python -m flows.pipeline

# every method, three seeds each, in a worktree of HEAD; goes on where it was stopped
run-all: .venv/installed
	@.venv/bin/python -m flows.every

# cured pairs under planted noise, self-rewarding and iterated DPO, in a worktree of HEAD
run-iterate: .venv/installed
	@.venv/bin/python -m flows.iterate

# the same number of trials for every method, on the validation split; the best settings go to assets/tuned.yaml
tune: .venv/installed
	@.venv/bin/python -m flows.grid assets/tuning.yaml

# PPO and RLOO over learning rates and betas: how far the result moves
sensitivity: .venv/installed
	@.venv/bin/python -m flows.grid assets/sensitivity.yaml

# Prefect's and MLflow's pages and the worker behind Prefect's Run button, until Ctrl-C
ui: .venv/installed
	@.venv/bin/python -m flows.ui

# the form behind that button, anew from HEAD
deploy: .venv/installed
	@.venv/bin/python -m flows.deploy

# two workers, a file each at a time; `.venv/bin/python -m pytest tests/corpus` is a part of it, in one
test: .venv/installed-dev
	.venv/bin/python -m pytest $(WORKERS)

check: .venv/installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright
	.venv/bin/python -m pytest $(WORKERS)

# kills and starts again every stage and every method, and compares the bytes (docs/reliability.md)
chaos: .venv/installed-dev
	.venv/bin/python -m bench.chaos

# ten thousand bad rows, files and settings through every reader; a table, and 1 where a good row is lost
fuzz: .venv/installed-dev
	@.venv/bin/python -m fuzz

# docs/licences.md anew, and known vulnerabilities of the pinned packages by pip-audit, in an environment of its own
audit: .venv/installed-dev .state/audit/bin/pip-audit
	@.venv/bin/python -m audit .state/audit/bin/pip-audit

.state/audit/bin/pip-audit:
	$(PYTHON) -m venv .state/audit
	.state/audit/bin/python -m pip install --quiet pip-audit==2.10.1

# the core against TRL, in pairs; takes hours (python -m bench dpo, say, less)
bench: .venv/installed-dev
	.venv/bin/python -m bench

# twenty rounds of branches side by side, with edits, kills and second trainers; writes 10 GB, and needs 1
parallel: .venv/installed-dev
	@.venv/bin/python -m bench.parallel

# the model in assets/base, anew (assets/base.yaml says from what)
base: .venv/installed
	.venv/bin/python -m tasks pretrain

# again only when what it reads has changed
.venv/installed: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0
	$(PIP) --editable .
	.venv/bin/python -m flows.local # Prefect's database
	touch $@

.venv/installed-dev: .venv/installed
	$(PIP) --editable ".[dev]"
	touch $@
