"""The command `ppcls index`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ppcls import environment
from ppcls.cli.arguments import add_images_and_model, add_index_engine, deploy_config, whole
from ppcls.errors import ConfigError

if TYPE_CHECKING:
    from ppcls.config import DeployConfig

PURPOSE = "find images that are alike by their features"
EXAMPLES = """examples:
  ppcls index build gallery_folder --model inference --index gallery.npz
  ppcls index build -c inference_general.yaml --model inference            # what its IndexProcess says
  ppcls index add more_images --model inference --index gallery.npz        # an image that is there is replaced
  ppcls index search query.jpg --model inference --index gallery.npz --topk 3
  ppcls index remove gallery_folder/old.jpg --index gallery.npz"""

ACTIONS = {
    "build": "write the features of images to a new index",
    "add": "add images; one of the same name is replaced",
    "search": "print the most similar images of the index for each image",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `ppcls index` and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, purpose in ACTIONS.items():
        action = actions.add_parser(name, help=purpose, description=purpose)
        add_images_and_model(action)
        _add_index(action, required=False)
        if name == "search":
            action.add_argument("--topk", type=whole(1), help="how many (default: IndexProcess.return_k, 5)")
            add_index_engine(action)
    purpose = "remove images by their names"
    remove = actions.add_parser("remove", help=purpose, description=purpose)
    remove.add_argument("names", nargs="+", metavar="NAME", help="as `search` prints it")
    _add_index(remove, required=True)


def _add_index(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--index", required=required, metavar="FILE", help="the .npz of the index (default: in IndexProcess.index_dir)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked for; return 1 if an image could not be read, else 0."""
    if arguments.action == "remove":
        return _remove(_file(arguments.index), arguments.names)
    config = deploy_config(arguments, f"index {arguments.action}", arguments.model)
    section = config.IndexProcess
    if arguments.index is None and section.index_dir is None:
        raise ConfigError("--index: is missing; give the .npz of the index, or -c with IndexProcess.index_dir")
    file = _file(arguments.index or str(Path(str(section.index_dir)) / "index.npz"))
    environment.keep_freed_memory()
    if arguments.action == "search":
        return _search(arguments, config, file)
    from ppcls.inference import features

    before = None
    if arguments.action == "build" and file.exists():
        raise ConfigError(f"--index: '{file}' already exists; add to it, remove it, or give another file")
    if arguments.action == "add":
        before = features.read(file)
        before.require_model(features.checksum(config.Global.inference_model_dir), file)
    gallery = arguments.images is None and section.data_file is not None
    found, num_failed = features.embed(config, gallery=gallery)
    index = found if before is None else before.added(found)
    features.write(index, file, "--index")
    print(f"{len(index.names):,} images are in {file}")
    return 1 if num_failed else 0


def _file(path: str) -> Path:
    if not path.endswith(".npz"):
        raise ConfigError(f"--index: must end in .npz; received '{path}'")
    return Path(path)


def _search(arguments: argparse.Namespace, config: "DeployConfig", file: Path) -> int:
    from ppcls.inference import features
    from ppcls.inference.search import Search

    index = features.read(file)
    index.require_model(features.checksum(config.Global.inference_model_dir), file)
    search = Search(index, arguments.index_engine)
    found, num_failed = features.embed(config)
    least = config.IndexProcess.score_thres
    for name, nearest in zip(found.names, search.nearest(found.rows, arguments.topk or config.IndexProcess.return_k)):
        print(f"{name}:\t{', '.join(str(one) for one in nearest if least is None or one.score >= least)}")
    return 1 if num_failed else 0


def _remove(file: Path, names: list[str]) -> int:
    from ppcls.inference import features

    index = features.read(file)
    missing = set(names).difference(index.names)
    if missing:
        raise ConfigError(f"NAME: '{sorted(missing)[0]}' is not in '{file}'; give names as `ppcls index search` does")
    index = index.without(set(names))
    features.write(index, file, "--index")
    print(f"{len(index.names):,} images are in {file}")
    return 0
