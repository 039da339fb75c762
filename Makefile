# `make run` and `make test` do all the set-up: a fresh machine needs Python 3.11 and make, nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

MORE := $(VENV)/.more

.PHONY: run test test-all test-more check update bench fuzz chaos docs codemirror release clean
run: $(READY)
	@$(BIN)/detlab run

test: $(READY)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not more"

test-all: $(READY)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not more"

# Second engines, other people's clients and a browser: needs what requirements.more.lock names, and from the system Java
# (default-jre-headless), chromium and neovim; a test without its program skips and says so.
test-more: $(MORE)
	$(BIN)/python -m pytest -q -rs -n 2 --dist loadfile -m more

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Needs hours at full size: MEASURES="start spl" for some, OPTIONS="--events 1000000" or OPTIONS=--quick for less.
bench: $(READY)
	@mkdir -p dist
	$(BIN)/python -m bench $(MEASURES) --json dist/bench.json --page dist/bench.html $(OPTIONS)

# The project's own mutations of real inputs, SECONDS for each target; a find is a file and its traceback in dist/fuzz.
# Nothing is installed: where somebody put atheris into the environment, `python -m fuzz --guided` uses it.
SECONDS ?= 60
SEED ?= 1
fuzz: $(READY)
	$(BIN)/python -m fuzz --seconds $(SECONDS) --seed $(SEED)

# Detonations and clean-ups on a lab host that does its worst; a failure names the number that runs it again (--only).
SCHEDULES ?= 1000
chaos: $(READY)
	$(BIN)/python -m tests.winrm.chaos --schedules $(SCHEDULES)

# Locks the newest versions that pyproject.toml allows; needs the network.
update:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade uv
	$(BIN)/uv pip compile pyproject.toml --extra lab --extra plots --extra sigma --extra editor --extra falcon --extra serve \
		--extra splunk --group dev --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra lab --extra plots --extra sigma --extra editor --extra falcon --extra serve \
		--extra splunk --extra spark --group dev --group more --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --constraint requirements.lock --output-file requirements.more.lock
	rm -f $(READY) $(MORE)

$(READY): pyproject.toml requirements.lock
	@echo "setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q harness generators
	@touch $@

$(MORE): $(READY) requirements.more.lock
	@echo "adding what the longer suites need to $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.more.lock
	@touch $@

# The documentation site in dist/site: pages by hand from docs/, and a reference that is made from the code.
docs: $(MORE)
	$(BIN)/python -m manual dist/docs
	$(BIN)/zensical build --clean

# The editor of the workbench's page, from npm's packages at the versions and hashes of package-lock.json; needs node, npm and
# the network. The result is checked in, and the same for the same versions.
codemirror:
	cd codemirror && npm ci --ignore-scripts --no-audit --no-fund && npm run bundle

# A wheel, a source archive, the bill of materials of what an installation holds, and their sums; docs/release.md.
release: $(MORE)
	rm -rf dist/release dist/installed
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m hatchling build -d dist/release
	$(PYTHON) -m venv --without-pip dist/installed
	$(BIN)/python -m pip --python dist/installed install --quiet $$(ls dist/release/*.whl)[editor,falcon,lab,plots,serve,sigma,splunk]
	$(BIN)/cyclonedx-py environment dist/installed --pyproject pyproject.toml --output-reproducible \
		--output-file dist/release/detlab.cdx.json
	cd dist/release && sha256sum * > SHA256SUMS

clean:
	rm -rf $(VENV) dist
