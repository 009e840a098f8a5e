# Everything is made from a Python >= 3.11 with venv; name another one with PYTHON=python3.12.
.NOTPARALLEL:
.PHONY: help demo test check bench soak lock clean venv wheel programs collections

VENV = .venv
BENCH = .venv-bench
WHAT = exec
BIN = $(VENV)/bin
# More than the cores of a small machine: tests wait for timers and for other programs more than they compute.
JOBS = 3
UV = uv
LOCK = $(UV) pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

export PYTHON
unexport PYTHONPATH PYTHONHOME

help:
	@echo 'make demo    hold sessions to a throwaway sshd and to simulated hosts, and see one heal'
	@echo 'make test    test the built wheel; ARGS="tests/model -x" is passed on to pytest'
	@echo 'make check   ruff, mypy and the layers'
	@echo 'make soak    the tests that take minutes'
	@echo 'make bench   measure beside what a user would pick instead: WHAT=exec (commands), daemon, netconf, call_home, pipe, files, forward, fanout, gateway, page'
	@echo 'make lock    resolve the locked versions anew (needs uv)'
	@echo 'make clean   remove all that make has made'

demo: venv wheel
	@scripts/programs openssh-server:sshd openssh-client:ssh
	@$(BIN)/mooring demo

# A worker that is gone is not replaced: with loadfile pytest-xdist 3.8 may then wait for ever (its issue 1323).
test: venv programs wheel collections
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --max-worker-restart 0 $(ARGS)

soak: venv programs wheel
	@$(BIN)/python -m pytest -m soak --timeout 600 -o faulthandler_timeout=700 $(ARGS)

check: venv
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary $(wildcard src tests bench examples)
	@out=$$(PYTHONPATH=src $(BIN)/lint-imports --no-logo) || { echo "$$out"; exit 1; }

bench: programs
	@scripts/bootstrap $(BENCH) requirements/bench.txt
	@scripts/wheel $(BENCH)
	@$(BENCH)/bin/python -m bench.$(WHAT) $(ARGS)

venv:
	@scripts/bootstrap $(VENV) requirements/dev.txt

wheel: venv
	@scripts/wheel $(VENV)

programs:
	@scripts/programs openssh-server:sshd openssh-client:ssh dropbear-bin:dropbear netconfd:netconfd \
		libyuma-base:/usr/share/yuma/modules libnetconf2-dev:/usr/include/nc_server.h gcc:gcc \
		bc:bc libyang2-dev:/usr/include/libyang/libyang.h libssh-dev:/usr/include/libssh/callbacks.h tmux:tmux vim-tiny:vi \
		putty-tools:plink rsync:rsync chromium:chromium nodejs:node npm:npm

collections: venv
	@scripts/collections $(VENV) requirements/collections.txt

lock:
	@$(LOCK) pyproject.toml --extra daemon --extra junos --extra yaml --group dev --output-file requirements/dev.txt
	@$(LOCK) pyproject.toml --extra daemon --extra junos --extra yaml --group dev --group bench --constraint requirements/dev.txt --output-file requirements/bench.txt
	@echo ansible | $(LOCK) --no-deps - --output-file requirements/collections.txt

clean:
	@rm -rf $(VENV) $(BENCH) web/node_modules src/mooring/web/static build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
