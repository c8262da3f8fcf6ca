"""The entry of all commands: `ppcls COMMAND`, and the scripts in tools/ and deploy/, which fix the command.

Nothing heavy is imported before the arguments are parsed: `--help` answers at once.
"""

import argparse
import errno
import importlib
import io
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, Optional

from ppcls import environment
from ppcls.errors import PpclsError
from ppcls.text import as_utf8

# When the command began, before what it needs is imported.
STARTED = time.monotonic()

COMMANDS = tuple(
    "train eval infer export predict embed index add remove serve data models lr sweep report compare replay "
    "doctor completion".split()
)


def _command(name: str) -> Any:
    """Return the module of a command: its PURPOSE, EXAMPLES, `add_arguments` and `run`."""
    return importlib.import_module(f"ppcls.cli.{name}")


def make_parser(command: Optional[str] = None) -> argparse.ArgumentParser:
    """Return the parser of one command, or, for None, of `ppcls` with all of them."""
    if command is not None:
        parser = argparse.ArgumentParser(**_texts(command))
        _command(command).add_arguments(parser)
        parser.set_defaults(command=command)
        return parser
    parser = argparse.ArgumentParser(prog="ppcls", description="Image classification on PaddlePaddle.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        texts = _texts(name)
        _command(name).add_arguments(commands.add_parser(name, help=texts["description"], **texts))
    return parser


def _texts(command: str) -> dict[str, Any]:
    module = _command(command)
    layout = argparse.RawDescriptionHelpFormatter
    return {"description": module.PURPOSE, "epilog": module.EXAMPLES, "formatter_class": layout}


def _arguments(words: Sequence[str], command: Optional[str]) -> argparse.Namespace:
    parser = make_parser(command)
    if command is None and not words:
        parser.exit(2, parser.format_help())
    return parser.parse_args(words)


def _run(arguments: argparse.Namespace) -> int:
    if "PADDLE_LOCAL_SIZE" in os.environ:  # started by paddle.distributed.launch
        environment.end_with_parent()
    environment.prepare()
    status: int = _command(arguments.command).run(arguments)
    return status


def main(argv: Optional[Sequence[str]] = None, *, command: Optional[str] = None) -> int:
    """Run a command and return its exit status: 0, 1 for a failed run, 2 for a mistake of the user.

    `command` is fixed by the scripts in tools/; without it, it is the first argument.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # no name ends a command because a terminal lacks its letters
    # What a decoder says of a damaged image is said with the image's name.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    arguments = _arguments(sys.argv[1:] if argv is None else argv, command)
    try:
        return _run(arguments)
    except PpclsError as error:
        print(as_utf8(str(error)), file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain at its end
        return 128 + 13  # SIGPIPE, which Windows has not: the reader, such as `head`, had enough
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
