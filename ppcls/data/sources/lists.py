"""Images that a list file names, each of one class."""

from collections.abc import Iterable, Sequence
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from ppcls.data.sources.base import ImageFiles
from ppcls.data.sources.checks import check_exist, check_range, note_absent
from ppcls.data.sources.folders import in_class_folders
from ppcls.data.sources.listing import checked_list, checked_names, class_id, names_of, read_list
from ppcls.errors import DataError
from ppcls.images.pipeline import Pipeline
from ppcls.registry import Part
from ppcls.text import printable


class ImageNetDataset(ImageFiles):
    """The images of a list file: a path below `image_root` and an integer label on each line.

    The label is the last field, so that paths may have spaces; `delimiter` is any white space by default. The names
    of the classes are those of `class_id_map_file`, or of a `labels.txt` beside the list: lines `label name`.
    `relabel` numbers the labels that occur 0, 1, ... in their order, together with those of `relabel_lists`, the
    lists of Train and Eval: a label is the same class in both. Without a list, the classes are the folders in
    `image_root`, as for ImageFolder. In an evaluation of retrieval labels are identities, any numbers.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: Optional[int],
        relabel_lists: Sequence[str],
        *,
        image_root: str,
        cls_label_path: Optional[str],
        delimiter: Optional[str] = None,
        relabel: bool = False,
        class_id_map_file: Optional[str] = None,
        skip_corrupt: bool = False,
    ) -> None:
        if delimiter == "":
            raise ValueError("delimiter: must not be empty; received ''; omit it for white space")
        self.identities = class_num is None
        if cls_label_path is None:
            if class_num is None:
                raise ValueError("cls_label_path: queries and a gallery need lists; received null; give one")
            found = in_class_folders(image_root, class_num, class_id_map_file)
            super().__init__(pipeline, image_root=image_root, **found._asdict(), skip_corrupt=skip_corrupt)
            return
        listing = checked_list(cls_label_path, delimiter, class_id)
        labels, names = np.array(listing.labels, np.int64), names_of(cls_label_path, class_id_map_file)
        if relabel:
            labels, known = renumbered(labels, relabel_lists, delimiter)
            if class_num is not None and len(known) < class_num and len(relabel_lists) < 2:
                raise DataError(
                    f"{printable(cls_label_path)}: relabel: there are {len(known)} labels for class_num {class_num}, "
                    "so that the list of another split may number them otherwise; give DataLoader.Train and "
                    f"DataLoader.Eval together, or set class_num to {len(known)}"
                )
            if known[-1] < len(names):  # these are names of the labels as they were
                names = [names[label] for label in known.tolist()]
        check_exist(image_root, listing.paths, listing.lines, cls_label_path)
        if class_num is not None:
            check_range(labels, class_num, lambda index: f"{cls_label_path}:{listing.lines[index]}")
            note_absent(cls_label_path, labels, class_num)
        super().__init__(
            pipeline,
            image_root=image_root,
            paths=listing.paths,
            labels=labels,
            label_names=() if class_num is None else checked_names(names, class_num, cls_label_path),
            skip_corrupt=skip_corrupt,
        )


def renumbered(
    labels: NDArray[np.int64], lists: Sequence[str], delimiter: Optional[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rank of each label among those of all `lists` and its own, and these in their order."""
    others = [np.array(read_list(path, delimiter, class_id).labels, np.int64) for path in lists]
    known = np.unique(np.concatenate([labels, *others]))
    return np.searchsorted(known, labels).astype(np.int64), known


def relabelled(data_sets: Iterable[Part]) -> list[str]:
    """Return the lists of those data sets that `relabel`: a label must be the same class in all of them."""
    given = [part.args for part in data_sets]
    return [
        arguments["cls_label_path"] for arguments in given if arguments.get("relabel") and arguments["cls_label_path"]
    ]
