# make demo: from nothing to predictions on real images.   make test: the tests.   make lint: style and types.
# make site: the documents as a website.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo ops test lint format docs site golden clean

$(VENV)/ready: pyproject.toml requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(VENV)/ready
	$(BIN)/python examples/demo.py

# The CPU's operators, compiled ahead of the first training.
ops: $(VENV)/ready
	$(BIN)/python -m ppcls.ops.compiled

# Two files at a time: few tests keep two cores busy.
test: $(VENV)/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/ready
	$(BIN)/python -m ppcls.config.reference > docs/configs.md
	$(BIN)/python docs/gallery.py
	$(BIN)/python docs/from_paddleclas.py
	$(BIN)/python benchmarks/sizes.py
	$(BIN)/python docs/models.py

# The pages of docs/ with a search, in output/site.
site: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[site]'
	$(BIN)/mkdocs build --strict

golden: $(VENV)/ready
	REGENERATE_GOLDEN=1 $(BIN)/python -m pytest tests/unit/config

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
