# SPDX-License-Identifier: Apache-2.0
# The short way in.  Meson and ninja do the building; this file puts in what they need and names the
# handful of things that people do.  All that is made lies in build/.

SHELL := /bin/bash -euo pipefail
MAKEFLAGS += --no-builtin-rules --no-print-directory
RELEASE := build/release
PYTHON := build/venv/bin/python

.PHONY: help build demo test check nightly bench format clean packages test-packages
help:
	@echo 'make build    build/bin/{model-service,ray,serve} and build/venv'
	@echo 'make demo     deploy three applications and send them real requests'
	@echo 'make check    the fast checks and the unit tests (under three minutes)'
	@echo 'make test     everything that CI runs'
	@echo 'make nightly  the slow analysers over all of the C code'
	@echo 'make bench    measure us beside uvicorn behind HAProxy'
	@echo 'make format   lay out the C and the Python code'
	@echo 'make clean    remove build/'

# Debian packages: asked of dpkg each time, which takes 50 ms, and installed only when one is missing.
packages:
	@tools/packages.sh requirements/apt-build.txt
test-packages:
	@tools/packages.sh requirements/apt-build.txt requirements/apt-test.txt

# The venv is made again when what goes into it changes.
VENV_STAMP := build/venv/.made-from-$(shell cat requirements/*.txt tools/make_venv.sh | sha256sum | cut -c1-16)
$(VENV_STAMP): | packages
	@tools/make_venv.sh build/venv requirements/run.txt requirements/dev.txt
	@touch $@

build: packages $(VENV_STAMP)
	@tools/meson.sh $(RELEASE) -Dbuildtype=release
	@tools/install.sh $(RELEASE)

demo: build
	@$(PYTHON) models/demo.py

check: test-packages $(VENV_STAMP)
	@$(PYTHON) tools/run_tests.py --fast

test: test-packages $(VENV_STAMP)
	@$(PYTHON) tools/run_tests.py

nightly: test-packages $(VENV_STAMP)
	@tools/nightly.sh

bench: build
	@bench/setup
	@bench/run python-bytes && bench/run python-starlette && bench/run python-fastapi

format:
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i
	@build/venv/bin/ruff format . && build/venv/bin/ruff check --fix .

clean:
	rm -rf build python/model_service/_ext*.so
