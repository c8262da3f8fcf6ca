"""Who may import whom, and what must work without loading Paddle: the table of CONTRIBUTING.md."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ppcls

REPO = Path(__file__).resolve().parents[1]
MODULES = {
    ".".join(file.relative_to(REPO).with_suffix("").parts): file for file in sorted((REPO / "ppcls").rglob("*.py"))
}

# The modules and packages directly below ppcls. Those of one floor know nothing of each other, but for the first.
FLOORS = (
    "errors text files pages download environment registry class_names pickles pdparams torch_file batch",
    "config device paddle_private",
    "images",
    "data models losses metrics optim inference",
    "tasks doctor ops",
    "engine",
    "export recipes",
    "report",
    "serve api",
    "cli",
)
FLOOR_OF = {part: floor for floor, parts in enumerate(FLOORS) for part in parts.split()}
# What predicts must run without the training side.
INFERENCE = {*FLOORS[0].split(), *FLOORS[1].split(), *FLOORS[2].split(), "inference"}
# To start fast and stay small.
WITHOUT_PADDLE = {*FLOORS[0].split(), "config", "images", "data", "doctor", "cli"}
# A package's own file holds tables of names only, and anyone may read those.
TABLES = {"models", "losses", "metrics", "optim", "data", "images", "inference"}


def part_of(module: str) -> str:
    """Return `models` for ppcls.models.resnet; "" for the package itself."""
    return f"{module}.".split(".")[1]


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the module of each import from the package, wherever in the file it stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if part_of(alias.name) in FLOOR_OF)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ppcls":
            # `from ppcls.inference import artifact` imports ppcls.inference.artifact.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((node.lineno, name) for name in names if part_of(name) in FLOOR_OF)


def loads(code: str) -> set[str]:
    """Return the modules that are loaded after a fresh interpreter has run the code."""
    code = f"import sys; sys.path.insert(0, {str(REPO)!r})\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_every_part_has_its_floor() -> None:
    assert {part_of(name) for name in MODULES} - {"__init__", "__main__"} == set(FLOOR_OF)


def test_nobody_imports_from_a_higher_floor_or_from_a_neighbour() -> None:
    faults = []
    for name, file in MODULES.items():
        part = "cli" if part_of(name) == "__main__" else part_of(name)
        for line, imported in imports(file):
            other = part_of(imported)
            if part in ("__init__", other) or FLOOR_OF[other] < FLOOR_OF[part] or is_table(imported):
                continue
            if FLOOR_OF[other] > FLOOR_OF[part] or FLOOR_OF[part] > 0:
                faults.append(f"{file.relative_to(REPO)}:{line}: imports {imported}")
    assert not faults, "\n".join(faults)


def is_table(imported: str) -> bool:
    """Return whether it is a package of TABLES itself, or one of its tables, such as ppcls.losses.LOSSES."""
    _, package, *names = imported.split(".")
    return package in TABLES and all(name.isupper() for name in names)


def test_tables_import_the_registry_alone() -> None:
    for package in TABLES:
        found = {name for _, name in imports(REPO / "ppcls" / package / "__init__.py")}
        assert found == {"ppcls.registry.Registry"}, package


def test_what_predicts_needs_nothing_of_the_training_side() -> None:
    faults = []
    for name, file in MODULES.items():
        for line, imported in imports(file):
            if part_of(name) in INFERENCE and part_of(imported) not in INFERENCE and not is_table(imported):
                faults.append(f"{file.relative_to(REPO)}:{line}: imports {imported}")
    assert not faults, "\n".join(faults)


def test_the_ground_the_data_and_the_commands_load_no_paddle() -> None:
    names = [name.replace(".__init__", "") for name in MODULES if part_of(name) in WITHOUT_PADDLE]
    assert len(names) > 30
    assert "paddle" not in loads("import ppcls")
    assert "paddle" not in loads("import " + ", ".join(names))


def test_a_notebook_completes_the_names_of_the_package() -> None:
    assert {"train", "load", "Predictor", "create_model"} <= set(dir(ppcls))
    assert all(hasattr(ppcls, name) for name in dir(ppcls))


def test_help_loads_next_to_nothing() -> None:
    run = "from ppcls.cli import main\ntry: main(['--help'], command='train')\nexcept SystemExit: pass"
    assert not loads(run) & {"paddle", "numpy", "cv2", "yaml"}
