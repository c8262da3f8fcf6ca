"""The command `ppcls embed`, or deploy/python/predict_rec.py."""

import argparse
from pathlib import Path

from ppcls import environment
from ppcls.cli.arguments import add_images_and_model, deploy_config

PURPOSE = "give the features of images by an exported model for retrieval"
EXAMPLES = """examples:
  cd deploy; python3 python/predict_rec.py -c configs/inference_rec.yaml
  ppcls embed image_or_folder_or_list --model inference --out features.npz   # also an index to search in
  ppcls embed images --model inference --out features.parquet
  ppcls embed image.jpg --model inference                                    # prints them"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `ppcls embed`."""
    parser.add_argument("--out", metavar="FILE", help="write names, labels and features to a .npz or .parquet instead")
    add_images_and_model(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print or write the features of all images; return 1 if one could not be read, else 0."""
    config = deploy_config(arguments, "embed", arguments.model)
    environment.keep_freed_memory()
    # What needs Paddle is imported only now that the config was found good.
    from ppcls.inference import features

    if arguments.out:
        features.require_writable(Path(arguments.out))
    found, num_failed = features.embed(config)
    if arguments.out:
        features.write(found, Path(arguments.out), "--out")
        print(f"{len(found.names):,} images; their features, {found.rows.shape[1]} each, are in {arguments.out}")
    else:
        for name, row in zip(found.names, found.rows):
            print(f"{name}:\t{row.tolist()}")
    return 1 if num_failed else 0
