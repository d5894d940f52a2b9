# Everything runs in one virtual environment beside this file; a stamp in it says what is
# installed, and an install happens only when pyproject.toml is newer than the stamp.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

# What Qt, OpenGL and a virtual display need on Debian and its children.
SYSTEM_LIBRARIES := libdbus-1-3 libegl1 libfontconfig1 libgl1 libgl1-mesa-dri libglib2.0-0 \
	libopengl0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 \
	libxcb-shape0 libxcb-xinerama0 libxkbcommon-x11-0 xauth xvfb

# A desktop's own Wayland session must not win over the virtual display.
VIRTUAL_DISPLAY := env -u WAYLAND_DISPLAY QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1920x1200x24"
WITH_DISPLAY = $(if $(filter Linux,$(shell uname -s)),$(VIRTUAL_DISPLAY))

.PHONY: help
help:
	@echo "make demo   set up, then show napari with a sample, an ROI and its enhancement"
	@echo "make test   set up, then run the linters, the type checker and every test"
	@echo "make test-openvino   a second environment, with OpenVINO's onnxruntime, and its tests"
	@echo "make test-train      a third environment, with torch, and the tests of training"
	@echo "make test-matrix     the whole path with each Qt, napari and Python that is there; a table"
	@echo "make check-install   does an install into an environment with napari leave it as it was?"
	@echo "make evaluate        the figures of the built-in networks, into docs/models.md"
	@echo "make check  in a minute: the linters, the type checker and the quick tests, side by side"
	@echo "make lint   the linters and the type checker alone"
	@echo "make bench  the benchmarks; prints ratios"
	@echo "make clean  remove the environment and everything generated"

.PHONY: demo
demo: system $(VENV)/.demo
	@if [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ] || [ "$$(uname -s)" = Darwin ]; then \
		$(BIN)/microenhance demo --out demo; \
	else \
		$(VIRTUAL_DISPLAY) $(BIN)/microenhance demo --out demo --no-window; \
	fi

# Not in pyproject.toml: where Qt is not installed, pytest would not know the option.
export PYTEST_QT_API ?= pyqt6

.PHONY: test
test: system lint
	$(WITH_DISPLAY) $(BIN)/python -m pytest $(PYTEST_ARGS)

# The tests that say most in little time: not those of the window, nor of what is seldom touched.
QUICK := -m "not slow and not viewer" --ignore=tests/widgets --ignore=tests/contributions \
	--ignore=tests/evaluation --ignore=tests/measure --ignore=tests/models --ignore=tests/test_benchmarks.py

.PHONY: check
check: $(VENV)/.test
	@$(MAKE) --no-print-directory --jobs=2 lint quick

.PHONY: quick
quick: $(VENV)/.test
	$(BIN)/python -m pytest -q --numprocesses=auto $(QUICK) $(PYTEST_ARGS)

# All builds of onnxruntime install one package, so another one needs an environment of its own.
OPENVINO := .venv-openvino

.PHONY: test-openvino
test-openvino: $(OPENVINO)/.openvino
	MICROENHANCE_OPENVINO=1 $(OPENVINO)/bin/python -m pytest tests/engine/runtime/test_openvino.py $(PYTEST_ARGS)

$(OPENVINO)/.openvino: pyproject.toml
	@$(MAKE) --no-print-directory VENV=$(OPENVINO) $(OPENVINO)/.test
	@$(OPENVINO)/bin/python -m pip uninstall --quiet --yes onnxruntime
	@$(OPENVINO)/bin/python -m pip install --quiet --force-reinstall --no-deps onnxruntime-openvino
	@touch $@

# Torch stays out of the environment that everything else is tested in.
TRAIN := .venv-train
# A build without CUDA's gigabytes, where the index offers one; any torch will do.
TORCH ?= torch==2.13.0

.PHONY: test-train
test-train: $(TRAIN)/.test-train
	OMP_NUM_THREADS=2 $(TRAIN)/bin/python -m pytest tests/training tests/evaluation $(PYTEST_ARGS)

# Environments of their own in .matrix/, one per combination, kept until pyproject.toml changes;
# MATRIX="--napari pre --qt pyside6" chooses some.
.PHONY: test-matrix
test-matrix: system
	$(WITH_DISPLAY) $(PYTHON) tools/test_matrix.py $(MATRIX)

.PHONY: check-install
check-install:
	$(PYTHON) tools/check_install.py

# Figures of the built-in networks; IMAGES names a folder of images to try them on.
IMAGES ?= ../shared/data/images
.PHONY: evaluate
evaluate: $(VENV)/.test
	@$(PIP) install --quiet --editable ".[evaluate]" --group evaluate
	$(BIN)/microenhance evaluate --images $(IMAGES) --out docs --overwrite

$(TRAIN)/.test-train: pyproject.toml
	@test -x $(TRAIN)/bin/python || $(PYTHON) -m venv $(TRAIN)
	@echo "Installing into $(TRAIN); the first time this takes some minutes."
	@$(TRAIN)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(TRAIN)/bin/python -m pip install --quiet $(TORCH)
	@$(TRAIN)/bin/python -m pip install --quiet --editable ".[train,evaluate]" --group test-train --group evaluate
	@touch $@

.PHONY: lint
lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.PHONY: bench
bench: system $(VENV)/.test
	@set -e; for program in benchmarks/*.py; do \
		echo "== $$program"; $(WITH_DISPLAY) $(BIN)/python $$program; \
	done

.PHONY: clean
clean:
	rm -rf $(VENV) $(OPENVINO) $(TRAIN) .matrix build demo dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.demo $(VENV)/.test: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV); the first time this takes some minutes."
	@$(PIP) install --quiet --upgrade "pip>=25.1"
	@$(PIP) install --quiet --editable . --group $(subst .,,$(@F))
	@touch $@

# The "t64" names are those of Debian 13 and Ubuntu 24.04.
.PHONY: system
system:
	@missing=""; \
	if command -v dpkg-query >/dev/null; then \
		for name in $(SYSTEM_LIBRARIES); do \
			dpkg-query -W -f '$${db:Status-Status}\n' $$name $${name}t64 2>/dev/null \
				| grep -qx installed || missing="$$missing $$name"; \
		done; \
	elif [ "$$(uname -s)" = Linux ] && ! command -v xvfb-run >/dev/null; then \
		echo "Install xvfb-run and the libraries that Qt's xcb plugin and OpenGL need," >&2; \
		echo "on Debian these are: $(SYSTEM_LIBRARIES)" >&2; \
		exit 2; \
	fi; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ]; then \
		echo "System libraries are missing. Run this command, then make again:" >&2; \
		echo "  sudo apt-get update && sudo apt-get install --yes$$missing" >&2; \
		exit 2; \
	fi; \
	echo "Installing system libraries:$$missing"; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq && \
	apt-get install -qq --yes --no-install-recommends $$missing >/dev/null
