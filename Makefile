# make demo [IMAGE=scan.nii.gz]   segment a scan through the real server
# make test                       all tests
# make check                      style, types, layers, packaging
# make parity                     compare with the recorded reference runs; writes docs/parity.md
# make recordings                 record the reference programs anew (installs them beside; an hour)
# make bench                      time this program: calls by size and stage, memory, slopes; prints them
# make bench-peers                time the reference programs and this one in turn (installs them beside);
#                                 writes docs/performance.md, docs/scale.md and benchmarks/results.md

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NO_RADIOMICS := pyradiomics could not be built (is there a C compiler?): all but radiomics works.
NO_NUMBA := numba is not to be had for this machine: torch computes networks of two dimensions.
NO_OPENVINO := OpenVINO is not to be had for this machine: torch computes, slower on a CPU.

.PHONY: demo test check parity recordings bench bench-peers benchmarks install

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Say: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools wheel
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt pyradiomics-bhklab || echo "$(NO_RADIOMICS)"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt openvino || echo "$(NO_OPENVINO)"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt numba || echo "$(NO_NUMBA)"
	touch $@

demo: $(INSTALLED)
	$(BIN)/totalseg-mcp demo $(IMAGE)

test: $(INSTALLED)
	$(BIN)/python -m pytest -m 'not packaging'

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m packaging

parity: $(INSTALLED)
	PYTHONPATH=tests $(BIN)/python -m parity.report
	PYTHONPATH=tests $(BIN)/python -m parity.report_2d
	PYTHONPATH=tests $(BIN)/python -m parity.engines

recordings: $(INSTALLED)
	PYTHONPATH=tests $(BIN)/python -m parity.record
	PYTHONPATH=tests $(BIN)/python -m parity.record_2d

bench: $(INSTALLED)
	PYTHONPATH=tests $(BIN)/python -m benchmarks.calls.run --measured .bench.json
	PYTHONPATH=tests $(BIN)/python -m benchmarks.calls.page --measured .bench.json --print

# REFERENCE=/path/to/python uses an environment that has TotalSegmentator 2.18.0 already, TS2D=...
# one that has ts2d 1.2.0.
bench-peers: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[bench]'
	PYTHONPATH=tests $(BIN)/python -m benchmarks.calls.run --peers $(if $(REFERENCE),--reference $(REFERENCE))
	PYTHONPATH=tests $(BIN)/python -m benchmarks.run $(if $(REFERENCE),--reference $(REFERENCE))
	PYTHONPATH=tests $(BIN)/python -m benchmarks.run_2d $(if $(TS2D),--ts2d $(TS2D))
	PYTHONPATH=tests $(BIN)/python -m benchmarks.calls.page
	PYTHONPATH=tests $(BIN)/python -m benchmarks.calls.cohort

benchmarks: bench-peers
