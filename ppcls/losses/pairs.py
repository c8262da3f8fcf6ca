"""What losses on pairs of images share: features, and which images belong together."""

from typing import Optional

import paddle
from paddle.nn import functional as F

from ppcls.batch import LabelKind, Outputs
from ppcls.errors import ConfigError

# A loss on pairs asks only whether two labels are the same.
OF_PAIRS = frozenset({LabelKind.CLASS_IDS, LabelKind.IDENTITIES})


def features_of(outputs: Outputs, name: str, *, normalize: bool = False) -> paddle.Tensor:
    """Return an output [N, K] in float32, if wanted each row of length 1. Raises ConfigError if there is none."""
    if name not in outputs:
        raise ConfigError(f"feature_from: the model gives no '{name}' but {', '.join(outputs)}; choose another")
    features = outputs[name].astype("float32")
    return F.normalize(features, axis=1) if normalize else features


def squared_distances(features: paddle.Tensor) -> paddle.Tensor:
    """Return the squared Euclidean distance of each pair of rows, [N, N]."""
    squares = (features**2).sum(axis=1, keepdim=True)
    return squares + squares.t() - 2 * features @ features.t()


def same(labels: paddle.Tensor, others: Optional[paddle.Tensor] = None) -> paddle.Tensor:
    """Return which images [N] have the same label as which others [M], bool [N, M]; of each other without `others`."""
    return labels.unsqueeze(1) == (labels if others is None else others).unsqueeze(0)


def differ(labels: paddle.Tensor, others: Optional[paddle.Tensor] = None) -> paddle.Tensor:
    """Return which of them have another label, bool [N, M]; the label -1 stands for no image."""
    others = labels if others is None else others
    return ~same(labels, others) & (others >= 0).unsqueeze(0)


def hardest(
    distances: paddle.Tensor, labels: paddle.Tensor, others: Optional[paddle.Tensor] = None
) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Return for each image the largest distance to one of the same label, and the smallest to one of another."""
    beyond = paddle.full_like(distances, float("inf"))
    farthest = paddle.where(same(labels, others), distances, -beyond).max(axis=1)
    return farthest, paddle.where(differ(labels, others), distances, beyond).min(axis=1)
