"""How many of PaddleClas's YAMLs load here unchanged, and what stops the others.

    python benchmarks/paddleclas_coverage.py PaddleClas/ppcls/configs --check

A YAML with a section Arch is read as one of a run, one with search_dict as one of a sweep, any other as one of
deployment. `--check` also builds all of each run that loads, on the CPU and eight images made for it, and computes the
loss of a batch of two.
"""

import argparse
import json
import multiprocessing
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
from prettytable import PrettyTable

from ppcls.config import ArchPart, RunConfig, load_config, load_deploy_config, load_sweep_config
from ppcls.errors import ConfigError, PpclsError

NUM_IMAGES, BATCH_SIZE = 8, 2


def has(file: Path, section: str) -> bool:
    return re.search(f"^{section}:", file.read_text(encoding="utf-8"), re.MULTILINE) is not None


def faults(file: Path) -> list[str]:
    """Return what is wrong with a YAML, without the places."""
    load = load_config if has(file, "Arch") else load_sweep_config if has(file, "search_dict") else load_deploy_config
    try:
        load(str(file))
    except ConfigError as error:
        return [line.removeprefix(str(file)).split(": ", 1)[1] for line in str(error).splitlines()]
    return []


def kind_of(fault: str) -> str:
    """Return the fault as one row of the table names it."""
    fault = re.sub(r"\.\d+\.", ".*.", fault).split("; ")[0]
    return re.sub(r"^(?:.*: )?(unknown (?!key|argument)[\w -]+) '.*", r"\1", fault)


def stand_in(folder: Path, config: RunConfig) -> Iterator[str]:
    """Write eight images and a list; yield the options that let a config run on them."""
    rng = np.random.default_rng(0)
    for number in range(NUM_IMAGES):
        cv2.imwrite(str(folder / f"{number}.jpg"), rng.integers(0, 256, (256, 256, 3), dtype=np.uint8))
    multi = ",".join("01"[number % 2] for number in range(config.class_num))
    yield from ("Global.device=cpu", "Global.pretrained_model=null", *without_weights("Arch", config.Arch))
    if config.AMP.use_amp:
        yield "AMP.level=O1"  # the only one of the CPU
    for name in ("Train", "Eval"):
        data = getattr(config.DataLoader, name)
        if data is None:
            continue
        several = data.dataset.name == "MultiLabelDataset"
        lines = [f"{number}.jpg\t{multi if several else 0}\n" for number in range(NUM_IMAGES)]
        (folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
        for key, value in {
            "dataset.image_root": str(folder),
            "dataset.cls_label_path": str(folder / f"{name}.txt"),
            "dataset.delimiter": "\t",
            "sampler.batch_size": BATCH_SIZE,
            "loader.num_workers": 0,
        }.items():
            yield f"DataLoader.{name}.{key}={json.dumps(value)}"


def without_weights(path: str, part: ArchPart) -> Iterator[str]:
    """Yield the options that let a model, and those inside it, start without weights."""
    yield f"{path}.pretrained=False"
    for number, (name, inner) in enumerate(part.members.items()):
        yield from without_weights(f"{path}.models.{number}.{name}", inner)


def check(file: Path) -> None:
    """Build a run on stand-in data; print what stops it, and exit with 1."""
    from ppcls.engine.check import report
    from ppcls.engine.engine import Engine

    with tempfile.TemporaryDirectory() as folder:
        options = list(stand_in(Path(folder), load_config(str(file))))
        try:
            report(Engine(load_config(str(file), options)))
        except PpclsError as error:
            print(f"{file}: {error}", file=sys.stderr)
            sys.exit(1)


def builds(file: Path) -> bool:
    """Return whether `check` succeeds; in a process of its own, as a run may crash or keep its memory."""
    process = multiprocessing.get_context("fork").Process(target=check, args=(file,))
    process.start()
    process.join()
    return process.exitcode == 0


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--check", action="store_true", help="also build what loads")
    options = parser.parse_args(arguments)
    files = sorted(options.folder.rglob("*.y*ml"))
    found = {file: set(map(kind_of, faults(file))) for file in files}
    good = [file for file in files if not found[file]]
    print(f"{len(good)} of {len(files)} YAMLs load")
    if options.check:
        runs = [file for file in good if has(file, "Arch")]
        print(f"{sum(map(builds, runs))} of the {len(runs)} runs among them build")
    table = PrettyTable(["what stops the others", "YAMLs", "by itself"], align="l")
    for kind, count in Counter(kind for kinds in found.values() for kind in kinds).most_common():
        table.add_row([kind, count, sum(kinds == {kind} for kinds in found.values())])
    print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
