# Every job of the project, one line each. `make demo` and `make test` install what they need first.
# the newest Python that fits; PYTHON=/path/to/python asks for another
PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3,$(shell $(name) -c $(FITS) 2>/dev/null && echo $(name))) python3)
FITS := 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
VENV := .venv
RUN := $(VENV)/bin/python

STUDIES ?= demo/studies
# make serve PACS=http://host/dicom-web PACS_USER=name PACS_PASSWORD_FILE=path
PACS_LOGIN = $(if $(PACS_USER),--pacs-user "$(PACS_USER)") $(if $(PACS_PASSWORD_FILE),--pacs-password-file "$(PACS_PASSWORD_FILE)")

.PHONY: setup demo serve test test-fast lint check bench clean

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.txt requirements-package.txt requirements-server.txt requirements-monai.txt requirements-dev.txt requirements-monailabel.txt constraints.txt
	@$(PYTHON) -c $(FITS) 2>/dev/null || { echo "Python 3.11, 3.12 or 3.13 with venv is needed, and none was found: on Debian 13 install python3.13-venv, on Ubuntu 24.04 python3.12-venv, on Debian 12 python3.11-venv (apt-get install), or pass PYTHON=/path/to/python."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-monailabel.txt
	touch $@

demo: setup
	$(RUN) main.py demo

serve: setup
	$(RUN) main.py serve $(if $(PACS),--pacs "$(PACS)" $(PACS_LOGIN),--studies "$(STUDIES)")

# one process more than there are cores; tests/conftest.py says what stays in one process, and what comes first
SHARED_OUT := -n auto --dist loadscope --no-loadscope-reorder
# the slowest are named in the end
SLOWEST := --durations=25 --durations-min=5

test: setup
	$(RUN) -m pytest $(SHARED_OUT) $(SLOWEST)

test-fast: setup
	$(RUN) -m pytest $(SHARED_OUT) -m "not slow and not server and not browser and not pacs and not data"

lint: setup
	$(RUN) -m ruff check . && $(RUN) -m ruff format --check . && $(RUN) -m mypy && $(VENV)/bin/oxlint --deny-warnings apps/vhi/lib/server/ohif

check: lint test

# beside the build of commit 06ad96e: benchmarks/before.sh FOLDER makes it, once; make bench BEFORE=FOLDER
bench: setup
	@[ -n "$(BEFORE)" ] || { echo "make bench BEFORE=FOLDER, where benchmarks/before.sh FOLDER made the build to compare with."; exit 1; }
	PYTHONPATH=apps/vhi $(RUN) benchmarks/before_after.py $(BEFORE) --batch-pairs 3 --history benchmarks/history/before_after.jsonl --figure docs/performance.svg
	PYTHONPATH=apps/vhi $(RUN) benchmarks/many_studies.py

clean:
	rm -rf $(VENV) build apps/vhi.egg-info demo .pytest_cache .mypy_cache .ruff_cache
