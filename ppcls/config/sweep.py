"""The sections of the YAML of a sweep: which settings to try, one after the other."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Optional, Union

from ppcls.config.parts import NumberList, Root, Rule, key, required


class Filled(Rule):
    """A list that is not empty."""

    def fault(self, value: Any) -> str:
        return "" if value else f"expected {self}; received none; add one"

    def __str__(self) -> str:
        return "at least one"


@dataclass(frozen=True)
class SearchStage:
    """One setting: a training for each of its values; the best one stays for all that follows."""

    search_key: str = required("its name, which the folders of its runs begin with")
    replace_config: tuple[str, ...] = required("the keys of the run that get the value")
    search_values: Annotated[tuple[Any, ...], Filled()] = required("the values")


@dataclass(frozen=True)
class TeacherSection:
    """The last stage: which architecture is the best teacher."""

    search_values: tuple[str, ...] = key((), "the architectures; none: no such stage")
    rm_keys: tuple[str, ...] = key((), "parts of the keys found before that a teacher does not get")


@dataclass(frozen=True)
class SweepConfig(Root):
    """A sweep: all that `ppcls sweep` needs to know."""

    base_config_file: str = required("the run that is searched")
    distill_config_file: Optional[str] = key(None, "the run that is made with all that was found; unset: none")
    gpus: Optional[Annotated[Union[int, str], NumberList()]] = key(
        None, "devices of each run, a rank each; unset: the device of the run"
    )
    output_dir: str = key("./output/sweep", "a folder for each run, and `sweep.json`, which has the results")
    search_dict: Annotated[tuple[SearchStage, ...], Filled()] = required("the settings, in this order")
    teacher: TeacherSection = key(TeacherSection(), "the search of a teacher")
    final_replace: Optional[dict[str, str]] = key(None, "parts of keys, and what they are in `distill_config_file`")
    source: str = field(default="", compare=False)
    # What the user should know of how it was read.
    notes: tuple[str, ...] = field(default=(), compare=False)
