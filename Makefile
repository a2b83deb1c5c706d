# make run    set up what is missing, then run the whole comparison      (options: make run ARGS='--preset smoke')
# make test   set up what is missing, then lint, types and every test
# make check  the same without the tests that take long: before every commit
# make extras set up what some options need: Dask, Ray, S3, XGBoost, formats of a model
# make server deploy worker    a Prefect server, what runs on it and when, and who runs it      (make stop ends them)
SHELL := /bin/bash
.DEFAULT_GOAL := run
.PHONY: run article server deploy worker stop extras check test bench browser lint lock schema docs fixtures clean
unexport PYTHONPATH

export PORT ?=
PYTHON = .venv/bin/python
ARGS ?=

run: .venv/ready
	@$(PYTHON) flows/main.py $(ARGS)

article: .venv/ready
	@$(PYTHON) flows/main.py --preset article $(ARGS)

# cron gives these too: while something runs its environment stays as it is, until `make stop`
server deploy worker stop:
	@[ -e .venv/ready ] && $(PYTHON) -c '$(SOMETHING_RUNS)' || $(MAKE) -s --no-print-directory .venv/ready
	@$(PYTHON) -m flows.operations.services $@

SOMETHING_RUNS = from flows.operations.processes import find_service; exit(not any(map(find_service, ("server", "worker", "pages"))))

# before every commit: lint, types, and the tests that need neither server, browser nor cluster
check: lint
	$(PYTHON) -m pytest -n 2 --dist loadfile -m "not slow" $(ARGS)

test: lint browser
	$(PYTHON) -m pytest -n 3 --dist loadfile $(ARGS)

# Chromium, for the tests that look at the report: installed where that is allowed
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "test: installing chromium" >&2 && apt-get -qq update && \
	  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium >/dev/null; } || \
	echo "test: no Chromium, and no right to install it: the browser tests WILL NOT RUN (Debian: apt-get install chromium)" >&2

lint: .venv/extras
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-cache
	@for file in tasks/reporting/*.css; do .venv/bin/css-beautify $(STYLE) $$file | diff $$file - || exit 1; done
	@for file in tasks/reporting/*.js; do .venv/bin/js-beautify $(SCRIPT) $$file | diff $$file - || exit 1; done

# how the page's style and scripts are written: with -r, the formatters do it themselves
STYLE = --indent-size=2 --end-with-newline --space-around-combinator \
	--disable-newline-between-rules --disable-selector-separator-newline
SCRIPT = --indent-size=2 --end-with-newline --brace-style=preserve-inline

extras: .venv/extras

.venv/ready: requirements.lock pyproject.toml setup.sh
	@./setup.sh

.venv/extras: requirements-dev.lock pyproject.toml setup.sh
	@./setup.sh extras

# everything that is timed, against plain Keras and DVC, into benchmarks.json (an hour at most; QUICK=1: minutes, held against that file)
bench: .venv/extras
	@$(PYTHON) -m tests.benchmarks $(if $(QUICK),--quick) $(ARGS)

COMPILE = uv pip compile --universal --generate-hashes --python-version 3.11 --no-strip-extras --no-header pyproject.toml
lock:
	$(COMPILE) --all-extras --group dev -o requirements-dev.lock
	$(COMPILE) --constraints requirements-dev.lock -o requirements.lock

schema: .venv/ready
	$(PYTHON) -c 'import json; from tasks.reporting.page import ReportData; print(json.dumps(ReportData.model_json_schema(), indent=1))' > docs/report.schema.json

docs: .venv/extras
	$(PYTHON) -m docs.options > docs/options.md
	$(PYTHON) -m docs.packages

fixtures: .venv/extras
	$(PYTHON) -m tests.fixtures.make_fixtures

clean:
	rm -rf .venv .venv.old
