"""What the commands `ppcls data check | list | split | pack | relabel` do."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

from ppcls.config import load_config
from ppcls.data.sources import lists as listed_images
from ppcls.doctor.check import check, find_groups, read_all
from ppcls.doctor.divide import divide, listed, write_lists
from ppcls.doctor.findings import KINDS, Findings
from ppcls.doctor.packing import pack
from ppcls.doctor.page import as_page
from ppcls.doctor.relabel import read_corrections, relabelled
from ppcls.doctor.report import as_json, as_tables
from ppcls.doctor.splits import Split, folders_at, split_of, splits_at, unify
from ppcls.doctor.tables import from_table
from ppcls.errors import ConfigError, DataError
from ppcls.files import write_text
from ppcls.text import printable


def run(arguments: argparse.Namespace) -> int:
    """Run the command that the arguments name; return its exit status."""
    commands = {"check": _check, "list": _list, "split": _split, "pack": _pack, "relabel": _relabel}
    return commands[arguments.data_command](arguments)


def _check(arguments: argparse.Namespace) -> int:
    findings = Findings()
    splits, class_num = _splits(arguments, findings)
    checkup = check(splits, class_num, findings, arguments.num_workers)
    folder = _folder(arguments.out)
    write_text(folder / "report.json", as_json(checkup))
    write_text(folder / "report.html", as_page(checkup, arguments.path or arguments.config))
    print(as_tables(checkup))
    errors, warnings = findings.count("error"), findings.count("warning")
    print(f"{errors} errors, {warnings} warnings; with images: {folder / 'report.html'}")
    return 1 if errors else 0


def _list(arguments: argparse.Namespace) -> int:
    findings = Findings()
    if os.path.isfile(arguments.path):
        return _convert(arguments, findings)
    if os.path.isdir(arguments.path) and (arguments.images or arguments.labels):
        raise ConfigError(f"--images, --labels: are of a file; received the folder '{arguments.path}'; remove them")
    splits = _sound(folders_at(arguments.path, findings), findings)
    unify(splits)  # a class that a split doesn't have must move no label
    lines = listed(splits, arguments.path)
    _report(write_lists(_folder(arguments.out or arguments.path), lines, splits[0].class_names), lines)
    return 0


def _convert(arguments: argparse.Namespace, findings: Findings) -> int:
    """Write the list of the images in a table, by paths from the list's folder."""
    (split,) = _sound([from_table(arguments.path, arguments.images, arguments.labels, findings)], findings)
    folder = _folder(arguments.out or split.root)
    below = os.path.relpath(split.root, folder)
    paths = [os.path.normpath(os.path.join(below, path)) for path in split.paths]
    several = split.labels.ndim == 2
    labels = split.labels.tolist()
    lines = {split.name: list(zip(paths, [",".join(map(str, row)) for row in labels] if several else labels))}
    _report(write_lists(folder, lines, split.class_names, "\t" if several else " "), lines)
    return 0


def _split(arguments: argparse.Namespace) -> int:
    findings = Findings()
    splits = _sound(splits_at(arguments.path, findings), findings)
    if len(splits) > 1 or splits[0].pack:
        raise DataError(f"{arguments.path}: is divided or packed already; give class folders or one list")
    records, _ = read_all(splits, arguments.num_workers)
    bad = (records["width"] == 0).nonzero()[0].tolist()
    if bad:
        raise DataError(
            f"{splits[0].where(bad[0])}: is the first of {len(bad)} images that can't be read; received a damaged "
            "file; see `ppcls data check`, and remove them"
        )
    if arguments.val + arguments.test >= 1:
        raise ConfigError(f"--val, --test: must leave a share to train on; received {arguments.val}, {arguments.test}")
    shares = {"train": 1 - arguments.val - arguments.test, "val": arguments.val, "test": arguments.test}
    groups = find_groups(splits, records, arguments.num_workers)
    divided = divide(splits[0].labels, groups, list(shares.values()), arguments.seed)
    pairs = list(zip(splits[0].paths, splits[0].labels.tolist()))
    lines = {
        name: [pairs[index] for index in (divided == place).nonzero()[0].tolist()]
        for place, (name, share) in enumerate(shares.items())
        if share
    }
    _report(write_lists(_folder(arguments.out or splits[0].root), lines, splits[0].class_names), lines)
    return 0


def _pack(arguments: argparse.Namespace) -> int:
    findings = Findings()
    splits = _sound(_splits(arguments, findings)[0], findings)
    chosen = [split for split in splits if arguments.split in (None, split.name)]
    if len(chosen) != 1:
        names = ", ".join(split.name for split in splits)
        raise ConfigError(f"--split: choose one of {names}; received {arguments.split}")
    size = pack(chosen[0], arguments.out, arguments.resize_short, arguments.num_workers)
    print(f"{len(chosen[0])} images, {size / 1e6:.1f} MB: {arguments.out}")
    return 0


def _relabel(arguments: argparse.Namespace) -> int:
    findings = Findings()
    splits = _sound(_splits(arguments, findings)[0], findings)
    unify([split for split in splits if split.from_folders])
    lines = relabelled(splits, read_corrections(arguments.corrections), arguments.corrections)
    roots = {os.path.abspath(split.root) for split in splits}
    root = arguments.path if arguments.path and os.path.isdir(arguments.path) else os.path.commonpath(roots)
    moved = {
        {"Eval": "val"}.get(split.name, split.name.lower()): [
            (os.path.relpath(os.path.join(split.root, path), root), label) for path, label in lines[split.name]
        ]
        for split in splits
    }
    _report(write_lists(_folder(arguments.out), moved, splits[0].class_names), moved)
    print(f"their images are below {printable(root)}, which is the image_root of these lists")
    return 0


def _sound(splits: list[Split], findings: Findings) -> list[Split]:
    """Return the splits. Raises: DataError if something is wrong with their lists or folders."""
    for found in findings.sorted():
        kind = KINDS[found.kind]
        if kind.severity == "error":
            raise DataError(
                f"{found.examples[0].where}: here is the first of {found.count} {kind.meaning}; "
                f"received {found.examples[0].detail or found.kind}; {kind.advice}"
            )
    return splits


def _report(files: Sequence[Path], lines: Mapping[str, Sequence[object]]) -> None:
    for name, images in lines.items():
        print(f"{name}: {len(images)} images")
    print("written: " + ", ".join(map(str, files)))


def _splits(arguments: argparse.Namespace, findings: Findings) -> tuple[list[Split], Optional[int]]:
    """Return the splits of the path or of the config, and the config's number of classes."""
    if (arguments.path is None) == (arguments.config is None):
        raise ConfigError(
            "PATH: give either a path or -c CONFIG; received " + ("both" if arguments.path else "neither")
        )
    if arguments.path is not None:
        return splits_at(arguments.path, findings), None
    config = load_config(arguments.config, arguments.override)
    sections = {"Train": config.DataLoader.Train, "Eval": config.DataLoader.Eval}
    data_sets = {name: section.dataset for name, section in sections.items() if section is not None}
    lists = listed_images.relabelled(data_sets.values())
    splits = [
        split_of(name, part.name, part.args, config.class_num, findings, lists) for name, part in data_sets.items()
    ]
    if not splits:
        raise ConfigError(f"{arguments.config}: missing key 'DataLoader'; there is nothing to check")
    return splits, config.class_num


def _folder(path: str) -> Path:
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out: can't be made; received '{folder}' ({error.strerror}); give a folder") from error
    return folder
