"""The commands `ppcls train | eval | infer | export | predict | serve` and their scripts in tools/ and deploy/.

Nothing heavy is imported before the arguments are parsed: `--help` answers at once.
"""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Sequence
from typing import Optional

from ppcls import data_arguments, environment
from ppcls.errors import PpclsError

EXAMPLES = {
    "train": (
        "train the model of a config",
        """examples:
  python tools/train.py -c configs/ResNet50.yaml -o Global.device=gpu
  python tools/train.py -c configs/ResNet18.yaml -o Global.epochs=2 -o Optimizer.lr.learning_rate=0.1
  python tools/train.py -c configs/ResNet50.yaml -o Global.checkpoints=output/ResNet50/latest   # go on
  python tools/train.py -c configs/ResNet50.yaml --check          # build everything, then stop""",
    ),
    "eval": (
        "measure a trained model on the whole evaluation set",
        """examples:
  python tools/eval.py -c configs/ResNet50.yaml -o Global.pretrained_model=output/ResNet50/best_model""",
    ),
    "infer": (
        "predict pictures with the training-time model",
        """examples:
  python tools/infer.py -c configs/ResNet50.yaml -o Global.pretrained_model=output/ResNet50/best_model \\
      -o Infer.infer_imgs=picture_or_folder""",
    ),
    "export": (
        "write the model, its preprocessing and its labels for Paddle Inference",
        """examples:
  python tools/export_model.py -c configs/ResNet50.yaml \\
      -o Global.pretrained_model=output/ResNet50/best_model -o Global.save_inference_dir=inference
  python tools/export_model.py -c configs/ResNet50.yaml --format onnx --verify dataset/val_list.txt""",
    ),
    "predict": (
        "predict pictures with an exported model",
        """examples:
  cd deploy; python3 python/predict_cls.py -c configs/inference_cls.yaml
  python deploy/python/predict_cls.py -c deploy/configs/inference_cls.yaml \\
      -o Global.inference_model_dir=inference -o Global.infer_imgs=picture_or_folder
  ppcls predict picture_or_folder_or_list --model inference --out results.csv   # or .jsonl; resumable""",
    ),
    "serve": (
        "answer pictures over HTTP with an exported model, and show a page to try it",
        """examples:
  ppcls serve inference --port 8866
  PPCLS_SERVE_TOKEN=secret ppcls serve inference --host 0.0.0.0""",
    ),
    "data": (
        "check, show, list, split and pack pictures",
        """examples:
  ppcls data check dataset/flowers                    # a table, and a page with thumbnails
  ppcls data split dataset/flowers --val 0.1          # writes train_list.txt and val_list.txt
  ppcls data pack dataset/flowers --split train --resize_short 256 --out train.pack
  ppcls data show -c configs/ResNet50.yaml --epoch 3 --index 17 --out x.png""",
    ),
}


def _add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    if command == "serve":
        from ppcls.serve import command as serve

        serve.add_arguments(parser)
        return
    if command == "data":
        data_arguments.add_arguments(parser)
        return
    if command == "predict":
        parser.add_argument("pictures", nargs="?", metavar="PICTURES", help="a picture, a folder or a .txt list")
        parser.add_argument("--model", metavar="FOLDER", help="the exported folder, or an .onnx file")
        parser.add_argument("--out", metavar="FILE", help="write a .csv or .jsonl instead; complete it if it is there")
    needs_config = command != "predict"
    parser.add_argument("-c", "--config", required=needs_config, metavar="FILE", help="the YAML file of the run")
    parser.add_argument(
        "-o",
        "--override",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set one key, e.g. Global.epochs=2 or Metric.Eval.0.TopkAcc.topk=[1]; repeatable; VALUE is YAML",
    )
    if command == "export":
        parser.add_argument(
            "--format", choices=("paddle", "onnx"), default="paddle", help="onnx: that too (%(default)s)"
        )
        parser.add_argument("--opset", type=int, default=17, help="of the ONNX file, 7 to 21 (%(default)s)")
        parser.add_argument("--verify", metavar="DATA", help="compare with the trained model on a folder or list")
    if command == "train":
        parser.add_argument("--print-config", action="store_true", help="print the resolved config and stop")
        parser.add_argument("--check", action="store_true", help="build everything, try one batch, and stop")


def _parser(command: Optional[str]) -> argparse.ArgumentParser:
    """Return the parser of one command, or, for None, of `ppcls` with all of them."""
    layout = argparse.RawDescriptionHelpFormatter
    if command is not None:
        purpose, examples = EXAMPLES[command]
        parser = argparse.ArgumentParser(description=purpose, epilog=examples, formatter_class=layout)
        _add_arguments(parser, command)
        parser.set_defaults(command=command)
        return parser
    parser = argparse.ArgumentParser(prog="ppcls", description="Image classification on PaddlePaddle.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (purpose, examples) in EXAMPLES.items():
        sub = commands.add_parser(name, help=purpose, description=purpose, epilog=examples, formatter_class=layout)
        _add_arguments(sub, name)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    if "PADDLE_LOCAL_SIZE" in os.environ:  # started by paddle.distributed.launch
        environment.end_with_parent()
    environment.prepare()
    if arguments.command == "serve":
        from ppcls.serve import command

        return command.run(arguments)
    if arguments.command == "data":
        from ppcls import data_commands

        return data_commands.run(arguments)
    if arguments.command == "predict":
        from ppcls import predict

        return predict.run(arguments)
    from ppcls.engine import commands

    return commands.run(arguments)


def main(argv: Optional[Sequence[str]] = None, *, command: Optional[str] = None) -> int:
    """Run a command and return its exit status: 0, 1 for a failed run, 2 for a mistake of the user.

    `command` is fixed by the scripts in tools/; without it, it is the first argument.
    """
    arguments = _parser(command).parse_args(argv)
    try:
        return _run(arguments)
    except PpclsError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain at its end
        return 128 + signal.SIGPIPE  # the reader, such as `head`, had enough
    except ImportError as error:
        if "libGL" not in str(error) and "libgthread" not in str(error):
            raise
        print(
            f"OpenCV can't be imported: {error}; install the system libraries (Debian, Ubuntu: "
            "apt-get install libgl1 libglib2.0-0), or replace the package by opencv-python-headless",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"the disk is full: {error}; free some space, then run the command again", file=sys.stderr)
        return 1
