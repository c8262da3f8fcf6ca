"""What mixes the samples of a finished batch."""

from typing import Optional, Protocol

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.floating]
# Class ids, int64 [N], or soft labels, float32 [N, classes].
Labels = NDArray[np.generic]


class BatchTransform(Protocol):
    """One step on a finished batch: float NCHW images and their labels."""

    def __call__(self, images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]: ...


class MixupOperator:
    """Mix each image with another of the batch, all by one share drawn from Beta(alpha, alpha).

    Labels become soft: float32 [N, num_classes]. `class_num` may repeat the model's number of classes.

    Source: Zhang et al. 2017 (arXiv:1710.09412).
    """

    def __init__(self, num_classes: int, /, *, alpha: float = 1.0, class_num: Optional[int] = None) -> None:
        if alpha <= 0:
            raise ValueError(f"alpha: must be positive; received {alpha}; leave the operator out to mix nothing")
        if class_num not in (None, num_classes):
            raise ValueError(f"class_num: the model has {num_classes}; received {class_num}; leave it out")
        self._alpha = alpha
        self._num_classes = num_classes

    def __call__(self, images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
        share = np.float32(rng.beta(self._alpha, self._alpha))
        other = rng.permutation(len(images))
        soft = labels if labels.ndim == 2 else np.eye(self._num_classes, dtype=np.float32)[labels]
        return _mix(images, other, share), _mix(soft, other, share)


def _mix(values: NDArray[np.generic], other: NDArray[np.int64], share: np.float32) -> NDArray[np.floating]:
    mixed: NDArray[np.floating] = np.multiply(values, share, dtype=values.dtype)
    # Row by row: a temporary of one image stays in the cache, one of the batch would not.
    for row, partner in zip(mixed, other):
        row += values[partner] * (1 - share)
    return mixed
