"""Images of several classes each, from a list file."""

from typing import Optional

import numpy as np

from ppcls.data.sources.base import ImageFiles
from ppcls.data.sources.checks import check_exist, note_absent
from ppcls.data.sources.listing import checked_list, checked_names, flags, names_of
from ppcls.errors import DataError
from ppcls.images.pipeline import Pipeline
from ppcls.text import printable


class MultiLabelDataset(ImageFiles):
    """The images of a list file of which each may be of several classes: `path<tab>0,1,0,1` on each line.

    The k-th number says whether the image is of class k; `delimiter` stands between path and numbers. The names of
    the classes are those of `class_id_map_file`, or of a `labels.txt` beside the list: lines `label name`.

    With `label_ratio` the share of the list's images that are of each class stands beside the labels of every image,
    [N, 2, C], for losses that weigh classes by it.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        class_num: int,
        *,
        image_root: str,
        cls_label_path: str,
        delimiter: str = "\t",
        class_id_map_file: Optional[str] = None,
        label_ratio: bool = False,
        skip_corrupt: bool = False,
    ) -> None:
        if not delimiter or "," in delimiter:
            raise ValueError(f"delimiter: must be without a comma, not empty; received '{delimiter}'; e.g. a tab")
        listing = checked_list(cls_label_path, delimiter, flags)
        wrong = [place for place, label in enumerate(listing.labels) if len(label) != class_num]
        if wrong:
            raise DataError(
                f"{printable(cls_label_path)}:{listing.lines[wrong[0]]}: here is the first of {len(wrong)} lines with "
                f"a different number of labels; received {len(listing.labels[wrong[0]])} for class_num {class_num}; "
                "give each class a 0 or a 1, or set class_num"
            )
        check_exist(image_root, listing.paths, listing.lines, cls_label_path)
        labels = np.frombuffer(b"".join(listing.labels), np.uint8).reshape(-1, class_num).astype(np.float32)
        note_absent(cls_label_path, labels, class_num)
        if label_ratio:
            labels = np.stack([labels, np.broadcast_to(labels.mean(axis=0), labels.shape)], axis=1)
        super().__init__(
            pipeline,
            image_root=image_root,
            paths=listing.paths,
            labels=labels,
            label_names=checked_names(names_of(cls_label_path, class_id_map_file), class_num, cls_label_path),
            skip_corrupt=skip_corrupt,
        )
