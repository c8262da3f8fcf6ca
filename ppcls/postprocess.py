"""What a model's scores become: predictions, and one line of text for each picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from ppcls.errors import DataError

BUNDLED_LABELS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Prediction:
    """The best classes of one picture, best first; `label_names` is empty where no names are known."""

    class_ids: list[int]
    scores: list[float]
    label_names: list[str]

    def line(self, name: str) -> str:
        """Return the prediction as printed for the picture `name`, scores with 2 decimals."""
        scores = ", ".join(f"{score:.2f}" for score in self.scores)
        return f"{name}:\tclass id(s): {self.class_ids}, score(s): [{scores}], label_name(s): {self.label_names}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, ready for JSON."""
        return {"class_ids": self.class_ids, "scores": self.scores, "label_names": self.label_names}


def read_label_map(path: str, delimiter: Optional[str] = None) -> list[str]:
    """Read `id<space>name` lines into a list of names by id.

    A map that comes with ppcls (`imagenet1k_label_list.txt`) is found by its file name when `path` itself
    does not exist, so that the paths of PaddleClas's YAMLs work from any folder. Raises DataError.
    """
    file = Path(path)
    if not file.exists() and (BUNDLED_LABELS / file.name).is_file():
        file = BUNDLED_LABELS / file.name
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"label map '{path}': can't be read ({error}); give a text file of `id name` lines") from error
    names: dict[int, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        key, _, name = line.strip().partition(delimiter or " ")
        if not key.isdecimal() or int(key) in names:
            problem = "a class id that was given before" if key.isdecimal() else "no class id"
            raise DataError(f"{path}:{number}: {problem}; received '{line}'; write `id name`, each id once")
        names[int(key)] = name.strip()
    if sorted(names) != list(range(len(names))):
        raise DataError(f"label map '{path}': ids must be 0 to {len(names) - 1} without a gap")
    return [names[index] for index in range(len(names))]


class Topk:
    """The `topk` classes of highest score; fewer where the model has fewer. Equal scores: lower id first.

    `class_id_map_file`: lines of `id<delimiter>name`; unstated, the names travel with the weights.
    """

    def __init__(
        self,
        label_names: Sequence[str] = (),
        class_num: Optional[int] = None,
        /,
        *,
        topk: int = 5,
        class_id_map_file: Optional[str] = None,
        delimiter: Optional[str] = None,
    ) -> None:
        if topk < 1:
            raise ValueError(f"topk: must be at least 1; received {topk}")
        self.topk = topk
        self.label_names = read_label_map(class_id_map_file, delimiter) if class_id_map_file else list(label_names)
        if self.label_names and class_num not in (None, len(self.label_names)):
            raise ValueError(
                f"class_id_map_file: the model has {class_num} classes; received {len(self.label_names)} names "
                f"({class_id_map_file}); give the map of this model, or null for the names that came with it"
            )

    def __call__(self, scores: np.ndarray) -> list[Prediction]:
        """Turn scores [N, class_num] into N predictions."""
        best = np.argsort(-scores, axis=1, kind="stable")[:, : self.topk]
        return [
            Prediction(
                class_ids=ids.tolist(),
                scores=row[ids].astype(float).tolist(),
                label_names=[self.label_names[i] for i in ids] if self.label_names else [],
            )
            for ids, row in zip(best, scores)
        ]
