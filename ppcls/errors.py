"""Errors that end a command with one message instead of a traceback.

Every message reads `where: what is wrong; what was received; what to do`.
"""

import difflib
from collections.abc import Iterable


class PpclsError(Exception):
    """Base of all errors that a command reports without a traceback."""

    exit_status = 1


class UserError(PpclsError):
    """Something that the user gave is wrong; nothing was written."""

    exit_status = 2


class ConfigError(UserError):
    """One or more faults in a YAML file or in `-o` options, one per line."""


class DataError(UserError):
    """A data set, a list file or an image can't be used."""


class CheckpointError(UserError):
    """A weights file, a checkpoint or an exported model can't be used, or not be written."""


class DeviceError(UserError):
    """The device that was asked for is not there or can't do what was asked."""


class TrainingError(PpclsError):
    """Training can't continue, for instance after a loss that is not a number."""


class TerminatedError(TrainingError):
    """SIGTERM ended the training after a checkpoint was written: start it again to resume."""

    exit_status = 75  # EX_TEMPFAIL of sysexits.h


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest of `choices`, or an empty string."""
    # In either spelling, so that `num_classes` is near `class_num`.
    spellings = {spelling: choice for choice in choices for spelling in (choice.lower(), _sorted_words(choice))}
    for spelling in (word.lower(), _sorted_words(word)):
        near = difflib.get_close_matches(spelling, spellings, n=1, cutoff=0.6)
        if near:
            return f"; did you mean '{spellings[near[0]]}'?"
    return ""


def _sorted_words(name: str) -> str:
    return "_".join(sorted(name.lower().split("_")))
