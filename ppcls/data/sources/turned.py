"""Images that are their own labels: which way they have been turned."""

from collections.abc import Iterable
from typing import Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from ppcls.data.sources.base import ImageFiles, Labels
from ppcls.data.sources.checks import check_exist
from ppcls.errors import DataError
from ppcls.images.decode import Image
from ppcls.images.pipeline import Pipeline
from ppcls.images.transforms.placing import QUARTER_TURNS
from ppcls.text import lines, printable


class TurnedImages(ImageFiles):
    """The images of a list, a path on each line, turned by 0 to 3 quarters counter-clockwise: that is the label.

    The turn comes last, and is drawn anew in each epoch; what follows a path on its line does not count.
    Source: CustomLabelDataset and RandomRot90 of PaddleClas 2.6.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: Optional[int],
        *,
        image_root: str,
        sample_list_path: str,
        delimiter: Optional[str] = None,
        skip_corrupt: bool = False,
    ) -> None:
        if class_num != len(QUARTER_TURNS):
            raise ValueError(f"class_num: quarter turns are 4 classes; received {class_num}; set Arch.class_num to 4")
        listed = {number: text.split(delimiter)[0] for number, text in lines(sample_list_path, "sample_list_path")}
        if not listed:
            raise DataError(f"{printable(sample_list_path)}: the list is empty; write a path on each line")
        check_exist(image_root, [*listed.values()], [*listed], sample_list_path)
        # For what asks how many there are of each class; those that come are drawn.
        labels = np.arange(len(listed), dtype=np.int64) % class_num
        super().__init__(
            pipeline, image_root=image_root, paths=[*listed.values()], labels=labels, skip_corrupt=skip_corrupt
        )

    def sample(self, index: int, rng: np.random.Generator, size: Optional[tuple[int, int]] = None) -> Image:
        turn = QUARTER_TURNS[_turns(rng)]
        image = super().sample(index, rng, size)
        turned: Image = image if turn is None else cv2.rotate(image, turn)
        return turned

    def drawn_labels(self, index: NDArray[np.int64], rngs: Iterable[np.random.Generator]) -> Labels:
        return np.array([_turns(rng) for rng in rngs], np.int64)


def _turns(rng: np.random.Generator) -> int:
    """Return the first that is drawn for a sample."""
    return int(rng.integers(len(QUARTER_TURNS)))
