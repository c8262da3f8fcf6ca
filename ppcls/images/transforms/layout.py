"""The end of a pipeline, done for a whole batch at once: normalize and put the channels first."""

from collections.abc import Sequence
from typing import Any, Literal, Optional, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from ppcls.images.decode import Image

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class NormalizeImage:
    """`(image * scale - mean) / std` in float32; by default 1/255 and the statistics of ImageNet.

    `order` states the layout at this place of the list, `hwc` (or empty) before ToCHWImage and `chw` after
    it; it is optional. `channel_num: 4` adds a channel of zeros; `output_fp16` rounds to float16.
    """

    def __init__(
        self,
        *,
        scale: Optional[float] = None,
        mean: Optional[Sequence[float]] = None,
        std: Optional[Sequence[float]] = None,
        order: Optional[Literal["", "hwc", "chw"]] = None,
        output_fp16: bool = False,
        channel_num: Literal[3, 4] = 3,
    ) -> None:
        mean_std = {"mean": mean or _IMAGENET_MEAN, "std": std or _IMAGENET_STD}
        for name, values in mean_std.items():
            if len(values) != 3:
                raise ValueError(f"{name}: must be three numbers, one per channel; received {list(values)}")
        if min(mean_std["std"]) <= 0:
            raise ValueError(f"std: must be positive; received {std}; the default is {list(_IMAGENET_STD)}")
        if channel_num not in (3, 4):
            raise ValueError(f"channel_num: must be 3 or 4; received {channel_num}")
        self.order = order
        self._channels = channel_num
        self._dtype: type[np.floating[Any]] = np.float16 if output_fp16 else np.float32
        levels = np.arange(256, dtype=np.float32) * np.float32(1 / 255 if scale is None else scale)
        # One table a channel: as fast as multiply and add, and rounded exactly as the formula is.
        self._tables = [
            ((levels - np.float32(m)) / np.float32(s)).reshape(1, 256)
            for m, s in zip(mean_std["mean"], mean_std["std"])
        ]

    def batch(self, images_NHWC: Image, out: Optional[NDArray[np.floating[Any]]] = None) -> NDArray[np.floating[Any]]:
        """Return the uint8 images as contiguous float32 (or float16) NCHW, in `out` if it is given."""
        count, height, width, _ = images_NHWC.shape
        finished = np.empty((count, self._channels, height, width), self._dtype) if out is None else out
        finished[:, 3:] = 0
        channels = np.empty((3, height, width), np.uint8)
        for image, target in zip(images_NHWC, finished):
            cv2.split(image, list(channels))
            for channel, table, plane in zip(channels, self._tables, target):
                if self._dtype == np.float32:
                    cv2.LUT(channel, table, dst=plane)
                else:
                    plane[:] = cv2.LUT(channel, table)
        return finished

    def restore(self, images_NCHW: NDArray[np.floating[Any]]) -> Image:
        """Return the uint8 NHWC images that `batch` made these of; what lies between two levels is rounded."""
        planes = [
            (images_NCHW[:, channel] - table[0, 0]) * (255 / (table[0, 255] - table[0, 0]))
            for channel, table in enumerate(self._tables)
        ]
        images: Image = np.stack(planes, axis=-1).round().clip(0, 255).astype(np.uint8)
        return images


class ToCHWImage:
    """States that the channels come first; stands beside NormalizeImage at the end of the list.

    It is optional: a finished batch is always NCHW.
    """


class Normalize(NormalizeImage):
    """`(image - mean) / std` of what ToTensor gives, 0 to 1; `mean` and `std` are one number, or one per channel."""

    def __init__(self, *, mean: Union[float, Sequence[float]] = 0.0, std: Union[float, Sequence[float]] = 1.0) -> None:
        means, stds = ((value,) * 3 if isinstance(value, (int, float)) else value for value in (mean, std))
        super().__init__(mean=means, std=stds, order="chw")


class ToTensor(ToCHWImage):
    """Make levels of 0 to 255 numbers of 0 to 1, and put the channels first.

    It ends the list, alone or before Normalize. It may also stand for ToCHWImage after NormalizeImage, whose numbers
    it leaves as they are.
    """
