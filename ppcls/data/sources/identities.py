"""Images of individuals, such as persons, vehicles or products, in the forms that their data sets come in."""

import os
import re
from typing import Optional

import numpy as np

from ppcls.data.sources.base import ImageFiles
from ppcls.data.sources.checks import check_exist, check_range
from ppcls.data.sources.listing import class_id
from ppcls.errors import DataError
from ppcls.images.pipeline import Pipeline
from ppcls.text import lines, printable

# At the beginning of a file's name: the identity and the camera.
_NAME = re.compile(r"(-?\d+)_c(\d+)", re.ASCII)


class VeriWild(ImageFiles):
    """The images of a list: `path identity`, or `path identity camera`, on each line.

    The training numbers identities from 0 to class_num - 1; queries and gallery have any.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: Optional[int],
        *,
        image_root: str,
        cls_label_path: str,
        skip_corrupt: bool = False,
    ) -> None:
        self.identities = class_num is None
        paths, ids, cameras, numbers = _columns(cls_label_path)
        labels = np.array(ids, np.int64)
        check_exist(image_root, paths, numbers, cls_label_path)
        if class_num is not None:
            check_range(labels, class_num, lambda index: f"{cls_label_path}:{numbers[index]}")
        super().__init__(pipeline, image_root=image_root, paths=paths, labels=labels, skip_corrupt=skip_corrupt)
        self.cameras = np.array(cameras, np.int64) if cameras else None


def _columns(path: str) -> tuple[list[str], list[int], list[int], list[int]]:
    """Return paths, identities, cameras (none where the lines have none) and the numbers of the lines."""
    paths: list[str] = []
    ids: list[int] = []
    cameras: list[int] = []
    numbers: list[int] = []
    for number, text in lines(path, "cls_label_path"):
        fields = text.split()
        try:
            paths.append(fields[0])
            ids.append(class_id(fields[1]))
            cameras += [class_id(fields[2])] if len(fields) > 2 else []
        except (ValueError, IndexError) as error:
            raise DataError(
                f"{printable(path)}:{number}: no `path identity` or `path identity camera`; received "
                f"'{printable(text)}'; correct the line"
            ) from error
        numbers.append(number)
    if not paths or len(cameras) not in (0, len(paths)):
        raise DataError(
            f"{printable(path)}: {len(cameras)} of {len(paths)} lines have a camera; give all of them one, or none"
        )
    return paths, ids, cameras, numbers


class Market1501(ImageFiles):
    """The images of the folder `cls_label_path` in `image_root`, named `0002_c1s1_000451_03.jpg`: identity, camera.

    Those of identity -1 are no evaluation's. Training numbers its identities 0, 1, ... in their order.
    """

    folder = "market1501/Market-1501-v15.09.15"

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: Optional[int],
        *,
        image_root: str,
        cls_label_path: str,
        skip_corrupt: bool = False,
    ) -> None:
        self.identities = class_num is None
        root = os.path.join(image_root, self.folder, cls_label_path)
        if not os.path.isdir(root):
            raise DataError(f"image_root, cls_label_path: no folder '{printable(root)}'; check both")
        found = [(name, match) for name in sorted(os.listdir(root)) if (match := _NAME.match(name))]
        kept = [(name, int(match[1]), int(match[2])) for name, match in found if int(match[1]) >= 0]
        if not kept:
            raise DataError(f"{printable(root)}: has no images named such as 0002_c1s1_000451_03.jpg; check the folder")
        labels = np.array([identity for _, identity, _ in kept], np.int64)
        if class_num is not None:
            known, labels = np.unique(labels, return_inverse=True)
            if len(known) != class_num:
                raise DataError(f"{printable(root)}: {len(known)} identities for class_num {class_num}; correct that")
        super().__init__(
            pipeline, image_root=root, paths=[name for name, _, _ in kept], labels=labels, skip_corrupt=skip_corrupt
        )
        self.cameras = np.array([camera for _, _, camera in kept], np.int64)


class MSMT17(Market1501):
    """As Market1501."""

    folder = "msmt17/MSMT17_V1"


class DukeMTMC(Market1501):
    """As Market1501."""

    folder = "dukemtmc/DukeMTMC-reID"
