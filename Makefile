# Every job of the project, one line each. `make demo` and `make test` install what they need first.
PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: setup demo test lint check bench clean

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Python 3.11 is needed: pass PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

demo: setup
	$(RUN) main.py phantom --out demo/study
	$(RUN) main.py measure --t1w demo/study/t1w.nii.gz --stir demo/study/stir.nii.gz --out demo/report

test: setup
	$(RUN) -m pytest

lint: setup
	$(RUN) -m ruff check . && $(RUN) -m ruff format --check . && $(RUN) -m mypy

check: lint test

bench: setup
	for script in benchmarks/*.py; do echo "== $$script"; PYTHONPATH=apps/vhi:tests $(RUN) $$script || exit 1; done

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache
