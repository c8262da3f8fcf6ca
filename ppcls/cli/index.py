"""The command `ppcls index`."""

import argparse
from pathlib import Path

from ppcls import environment
from ppcls.cli.arguments import add_images_and_model, deploy_config, whole
from ppcls.errors import ConfigError

PURPOSE = "find images that are alike by their features"
EXAMPLES = """examples:
  ppcls index build gallery_folder --model inference --index gallery.npz
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
        _add_index(action)
        if name == "search":
            action.add_argument("--topk", type=whole(1), default=5, help="how many (default: %(default)s)")
    purpose = "remove images by their names"
    remove = actions.add_parser("remove", help=purpose, description=purpose)
    remove.add_argument("names", nargs="+", metavar="NAME", help="as `search` prints it")
    _add_index(remove)


def _add_index(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", required=True, metavar="FILE", help="the .npz of the index")


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked for; return 1 if an image could not be read, else 0."""
    file = Path(arguments.index)
    if file.suffix != ".npz":
        raise ConfigError(f"--index: must end in .npz; received '{file}'")
    if arguments.action == "remove":
        return _remove(file, arguments.names)
    config = deploy_config(arguments, f"index {arguments.action}", arguments.model)
    environment.keep_freed_memory()
    from ppcls.inference import features

    if arguments.action == "build":
        if file.exists():
            raise ConfigError(f"--index: '{file}' already exists; add to it, remove it, or give another file")
        index, num_failed = features.embed(config)
        features.write(index, file, "--index")
    else:
        index = features.read(file)
        index.require_model(features.checksum(config.Global.inference_model_dir), file)
        found, num_failed = features.embed(config)
        if arguments.action == "search":
            for name, nearest in zip(found.names, index.nearest(found.rows, arguments.topk)):
                print(f"{name}:\t{', '.join(f'{other} {alike:.4f}' for other, alike in nearest)}")
            return 1 if num_failed else 0
        index = index.added(found)
        features.write(index, file, "--index")
    print(f"{len(index.names):,} images are in {file}")
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
