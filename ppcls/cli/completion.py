"""The command `ppcls completion`."""

import argparse

from ppcls.errors import ConfigError

PURPOSE = "print what makes a shell complete the commands and options of ppcls"
EXAMPLES = """examples:
  eval "$(ppcls completion bash)"                       # in ~/.bashrc
  ppcls completion zsh > ~/.zsh/completions/_ppcls"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument of `ppcls completion`."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def run(arguments: argparse.Namespace) -> int:
    """Print the completion; return the exit status. Raises ConfigError without shtab."""
    try:
        import shtab
    except ImportError as error:
        raise ConfigError(
            "completion: needs the package shtab; install it by `pip install ppcls[completion]`"
        ) from error
    from ppcls.cli.entry import make_parser

    print(shtab.complete(make_parser(), shell=arguments.shell))
    return 0
