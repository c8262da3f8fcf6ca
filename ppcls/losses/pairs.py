"""What losses on pairs of images share: features, and which images belong together."""

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


def same(labels: paddle.Tensor) -> paddle.Tensor:
    """Return which pairs of images have the same label, bool [N, N]."""
    return labels.unsqueeze(1) == labels.unsqueeze(0)


def hardest(values: paddle.Tensor, labels: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Return for each image the largest value with one of the same label, and the smallest with one of another."""
    together, beyond = same(labels), paddle.full_like(values, float("inf"))
    return paddle.where(together, values, -beyond).max(axis=1), paddle.where(together, beyond, values).min(axis=1)
