# The two commands: `make book` builds the book, `make test` proves it. Both set up .venv first, and both skip what has not changed.
PYTHON ?= python3
PRESET ?= cpu
PY := .venv/bin/python
READY := .venv/.ready

.PHONY: help setup book pdf test check-site clean-room bench clean

help:
	@echo "make book [PRESET=cpu|ci|gpu]  execute the chapters and build the site in _build/html (cpu: minutes, ci: seconds a chapter)"
	@echo "make pdf                       print the built site to _build/pdf (needs chromium)"
	@echo "make test                      ruff, mypy, pytest, and every notebook through nbmake with the ci preset"
	@echo "make check-site                test the built site: no network, mathematics, sound (needs chromium)"
	@echo "make clean-room                execute chapter 00 with Colab's versions, the package as a wheel, in an empty folder"
	@echo "make bench                     time one TFR layer against torch.nn.TransformerEncoderLayer, a training step and its parts, how long it waits for data, the studio, and mixing a song"
	@echo "make clean                     remove what was built; .venv stays"

setup: $(READY)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@echo "setting up .venv: the first time this downloads PyTorch and takes minutes"
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(PY) -m pip install --disable-pip-version-check --quiet -r requirements.txt
	@$(PY) -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

book: setup
	@$(PY) tools/chapters.py $(PRESET)
	@$(PY) tools/build_site.py $(PRESET)

pdf: setup
	@$(PY) tools/make_pdf.py

test: setup
	@$(PY) tools/check.py
	@$(PY) tools/chapters.py ci

check-site: setup
	@$(PY) -m pytest tests/site --site _build/html

clean-room: setup
	@$(PY) tools/clean_room.py

bench: setup
	@$(PY) benchmarks/layer.py
	@$(PY) benchmarks/loader.py
	@$(PY) benchmarks/training.py $(PRESET)
	@$(PY) benchmarks/studio.py
	@$(PY) benchmarks/mix.py

clean:
	rm -rf _build .pytest_cache .ruff_cache
