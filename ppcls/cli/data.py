"""The command `ppcls data check | show | list | split | pack | relabel`."""

import argparse
from pathlib import Path

from ppcls import environment
from ppcls.cli.arguments import add_config, number, whole

PURPOSE = "check, show, list, split, pack and relabel images"
EXAMPLES = """examples:
  ppcls data check dataset/flowers                    # a table, and a page with thumbnails
  ppcls data list instances_train2017.json --images dataset/coco/train2017 --out dataset/coco
  ppcls data split dataset/flowers --val 0.1          # writes train_list.txt and val_list.txt
  ppcls data pack dataset/flowers --split train --resize_short 256 --out train.pack
  ppcls data relabel dataset/flowers corrections.csv --out dataset/flowers-2
  ppcls data show -c configs/ResNet50.yaml --epoch 3 --index 17 --out x.png"""

_CPUS = len(environment.logical_cpus())
_PATH = "a folder with train_list.txt and val_list.txt, with train/ and val/, or with class folders; a list; a pack"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands and their arguments."""
    commands = parser.add_subparsers(dest="data_command", required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="find faults in images, lists, labels and splits")
    _add_source(check)
    check.add_argument(
        "--out", metavar="FOLDER", default="output/data_check", help="folder for report.html and report.json"
    )
    _add_workers(check)

    show = commands.add_parser("show", help="write images of an epoch as the model gets them, with their labels")
    add_config(show, required=True)
    show.add_argument("--split", choices=["Train", "Eval"], default="Train", help="section of DataLoader")
    show.add_argument("--epoch", type=_number, default=0, help="from 0")
    which = show.add_mutually_exclusive_group(required=True)
    which.add_argument("--index", type=_number, help="number of the sample in the data set, from 0")
    which.add_argument("--batch", type=_number, help="number of the batch in the epoch, from 0, with batch transforms")
    show.add_argument("--out", required=True, metavar="FILE", help="the .png to write")

    listing = commands.add_parser("list", help="write list files and the names of the classes")
    listing.add_argument(
        "path",
        metavar="PATH",
        help="a folder with class folders, or with train/ and val/ that have them; a .csv; COCO's instances .json; "
        "NUS-WIDE's list of images",
    )
    listing.add_argument("--images", metavar="FOLDER", help="of a file: where its images are; by default beside it")
    listing.add_argument("--labels", metavar="FOLDER", help="of NUS-WIDE's list: the folder of its Labels_*.txt")
    listing.add_argument("--out", metavar="FOLDER", help="where the lists go; by default the folder of the images")

    split = commands.add_parser("split", help="divide class folders or a list into train, val and test lists")
    split.add_argument("path", metavar="PATH", help="a folder with class folders, or a list beside its images")
    split.add_argument("--val", type=_share, default=0.2, help="share of each class for validation (default: 0.2)")
    split.add_argument("--test", type=_share, default=0.0, help="share of each class for a test (default: 0)")
    split.add_argument("--seed", type=_number, default=0, help="of what is drawn")
    split.add_argument("--out", metavar="FOLDER", help="where the lists go; by default beside the images")
    _add_workers(split)

    pack = commands.add_parser("pack", help="pack images into one file, for PackedDataset")
    _add_source(pack)
    pack.add_argument("--split", metavar="NAME", help="which one, if there are several: train, val, Train, Eval ...")
    pack.add_argument("--resize_short", type=_pixels, metavar="PIXELS", help="shrink the shorter side to this")
    pack.add_argument("--out", required=True, metavar="FILE", help="the file to write")
    _add_workers(pack)

    relabel = commands.add_parser("relabel", help="write lists with labels corrected, as the page of a report saved")
    _add_source(relabel)
    relabel.add_argument("corrections", metavar="CORRECTIONS", help="a .csv with the columns path, label, new_label")
    relabel.add_argument("--out", required=True, metavar="FOLDER", help="where the lists and the names of classes go")


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", metavar="PATH", help=_PATH)
    add_config(parser, required=False)


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--num_workers", type=_number, default=_CPUS, help="reading processes; 0: none beside this one")


_number = whole(0)
_pixels = whole(1)
_share = number("of at least 0 and below 1", lambda value: 0 <= value < 1)


def run(arguments: argparse.Namespace) -> int:
    """Run the command that the arguments name; return its exit status."""
    if arguments.data_command == "show":
        return _show(arguments)
    from ppcls.doctor import commands

    return commands.run(arguments)


def _show(arguments: argparse.Namespace) -> int:
    import cv2

    from ppcls.config import load_config
    from ppcls.doctor.sheet import caption, sheet
    from ppcls.engine import build  # loads paddle, which the other commands do without
    from ppcls.errors import DataError
    from ppcls.text import printable

    config = load_config(arguments.config, [*arguments.override, f"DataLoader.{arguments.split}.loader.num_workers=0"])
    section = config.require(f"DataLoader.{arguments.split}", "data show")
    loader = build.loader(config, section, training=arguments.split == "Train")
    dataset = loader.dataset
    if arguments.index is None:
        _require("--batch", arguments.batch, len(loader), "batches per epoch")
        batch = next(loader.epoch(arguments.epoch, skip=arguments.batch))
        what = f"batch {arguments.batch}"
    else:
        _require("--index", arguments.index, len(dataset), "samples")
        batch = loader.sample(arguments.epoch, arguments.index)
        what = dataset.where(arguments.index)
    captions = [caption(label, dataset.label_names) for label in batch.labels]
    page = sheet(dataset.pipeline.restore(batch.images), captions)
    try:
        Path(arguments.out).write_bytes(cv2.imencode(".png", page[..., ::-1])[1].tobytes())
    except OSError as error:
        raise DataError(f"--out: can't be written; received '{arguments.out}' ({error.strerror})") from error
    print(f"{printable(what)} of epoch {arguments.epoch}: {'; '.join(captions)}")
    return 0


def _require(argument: str, value: int, count: int, what: str) -> None:
    if value >= count:
        from ppcls.errors import ConfigError

        raise ConfigError(f"{argument}: there are {count} {what}; received {value}; use 0 to {count - 1}")
