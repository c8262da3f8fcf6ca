"""Who may import whom, and what must work without loading Paddle: the table of CONTRIBUTING.md."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
MODULES = {
    ".".join(file.relative_to(REPO).with_suffix("").parts): file for file in sorted((REPO / "ppcls").rglob("*.py"))
}

# The modules and packages directly below ppcls. Those of one floor know nothing of each other, but for 0 and 4.
FLOORS = (
    "errors files download registry environment config transforms postprocess pictures artifact pdparams device "
    "predictor predict results runtime timing",
    "arch ops loss metric optim data",
    "run",
    "engine",
    "cli data_arguments data_commands serve",
)
FLOOR_OF = {part: floor for floor, parts in enumerate(FLOORS) for part in parts.split()}
# Of floor 0, what predicts; `data` and the commands are without Paddle too, to start fast and stay small.
WITH_PADDLE = {"device", "predictor", "predict", "runtime"}
WITHOUT_PADDLE = {*FLOORS[0].split(), "data", "cli"} - WITH_PADDLE


def part_of(module: str) -> str:
    """Return `arch` for ppcls.arch.resnet; "" for the package itself."""
    return f"{module}.".split(".")[1]


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the module of each import from the package, wherever in the file it stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if part_of(alias.name) in FLOOR_OF)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ppcls":
            # `from ppcls import artifact` imports ppcls.artifact.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((node.lineno, name) for name in names if part_of(name) in FLOOR_OF)


def loads(code: str) -> set[str]:
    """Return the modules that are loaded after a fresh interpreter has run the code."""
    code = f"import sys; sys.path.insert(0, {str(REPO)!r})\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_every_part_has_its_floor() -> None:
    assert {part_of(name) for name in MODULES} - {"__init__"} == set(FLOOR_OF)


def test_nobody_imports_from_a_higher_floor_or_from_a_neighbour() -> None:
    faults = []
    for name, file in MODULES.items():
        part = part_of(name)
        for line, imported in imports(file):
            other = part_of(imported)
            if part in ("__init__", other) or FLOOR_OF[other] < FLOOR_OF[part]:
                continue
            if FLOOR_OF[other] > FLOOR_OF[part] or FLOOR_OF[part] not in (0, 4):
                faults.append(f"{file.relative_to(REPO)}:{line}: imports {imported}")
    assert not faults, "\n".join(faults)


def test_what_predicts_needs_floor_0_alone() -> None:
    reached: set[str] = set()
    todo = [f"ppcls.{part}" for part in WITH_PADDLE]
    while todo:
        name = todo.pop()
        if name in reached or not part_of(name):
            continue
        reached.add(name)
        files = [MODULES[module] for module in (name, f"{name}.__init__") if module in MODULES]
        # What is imported may be a module, or a name in one.
        todo += [it for file in files for _, found in imports(file) for it in (found, found.rpartition(".")[0])]
    assert {name for name in reached if FLOOR_OF[part_of(name)] > 0} == set()


def test_floor_0_the_data_and_the_commands_load_no_paddle() -> None:
    names = [name.replace(".__init__", "") for name in MODULES if part_of(name) in WITHOUT_PADDLE]
    assert len(names) > 30
    assert "paddle" not in loads("import ppcls")
    assert "paddle" not in loads("import " + ", ".join(names))


def test_help_loads_next_to_nothing() -> None:
    run = "from ppcls.cli import main\ntry: main(['--help'], command='train')\nexcept SystemExit: pass"
    assert not loads(run) & {"paddle", "numpy", "cv2", "yaml"}
