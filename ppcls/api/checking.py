"""What is wrong with a folder of images."""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Union

from ppcls import environment
from ppcls.doctor.check import Checkup
from ppcls.doctor.report import as_tables
from ppcls.recipes.data import checked


@dataclass(frozen=True, repr=False)
class Check:
    """What the doctor has found; `print` shows its tables. Errors keep a training from starting."""

    checkup: Checkup

    @property
    def num_errors(self) -> int:
        return self.checkup.findings.count("error")

    @property
    def num_warnings(self) -> int:
        return self.checkup.findings.count("warning")

    def __repr__(self) -> str:
        return f"{as_tables(self.checkup)}\n{self.num_errors} errors, {self.num_warnings} warnings"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def check(source: Union[str, Path]) -> Check:
    """Look at a folder of images, a .zip, a .csv or a list, as `ppcls data check` does. Raises DataError."""
    return Check(checked(str(source), num_workers=environment.physical_cores()))
