# Everything is made from a Python >= 3.11 with venv; name another one with PYTHON=python3.12.
.NOTPARALLEL:
.PHONY: help demo test check bench soak lock clean venv wheel programs

VENV = .venv
BENCH = .venv-bench
BIN = $(VENV)/bin
UV = uv
LOCK = $(UV) pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

export PYTHON
unexport PYTHONPATH PYTHONHOME

help:
	@echo 'make demo    hold sessions to a throwaway sshd and to simulated hosts, and see one heal'
	@echo 'make test    test the built wheel; ARGS="tests/model -x" is passed on to pytest'
	@echo 'make check   ruff, mypy and the layers'
	@echo 'make soak    the tests that take minutes'
	@echo 'make bench   measure beside AsyncSSH, paramiko, parallel-ssh and OpenSSH'
	@echo 'make lock    resolve the locked versions anew (needs uv)'
	@echo 'make clean   remove all that make has made'

demo: venv wheel
	@scripts/programs openssh-server:sshd openssh-client:ssh
	@$(BIN)/mooring demo

test: venv wheel programs
	@$(BIN)/python -m pytest $(ARGS)

soak: venv wheel programs
	@$(BIN)/python -m pytest -m soak --timeout 600 $(ARGS)

check: venv
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary $(wildcard src tests bench examples)
	@out=$$(PYTHONPATH=src $(BIN)/lint-imports --no-logo) || { echo "$$out"; exit 1; }

bench: programs
	@scripts/bootstrap $(BENCH) requirements/bench.txt
	@scripts/wheel $(BENCH)
	@$(BENCH)/bin/python -m bench.exec $(ARGS)

venv:
	@scripts/bootstrap $(VENV) requirements/dev.txt

wheel: venv
	@scripts/wheel $(VENV)

programs:
	@scripts/programs openssh-server:sshd openssh-client:ssh dropbear-bin:dropbear

lock:
	@$(LOCK) pyproject.toml --group dev --output-file requirements/dev.txt
	@$(LOCK) pyproject.toml --group dev --group bench --constraint requirements/dev.txt --output-file requirements/bench.txt

clean:
	@rm -rf $(VENV) $(BENCH) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
