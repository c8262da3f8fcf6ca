"""What goes from the loader through the model to losses and metrics: batches, outputs, and kinds of labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

# What a model says of a batch, by name: always `logits` [N, class_num]; `features`, `aux_0`, ... where it has them.
Outputs = Mapping[str, Any]


class LabelKind(Enum):
    """What the labels of a batch of N images and C classes mean; the value is the name for messages."""

    CLASS_IDS = "class ids"  # int64 [N]
    PROBABILITIES = "probabilities"  # float32 [N, C], each row adds up to 1
    MULTI_HOT = "multi-hot labels"  # float32 [N, C], each from 0 (the class is not there) to 1 (it is)
    MULTI_HOT_WITH_RATIOS = "multi-hot labels with ratios (label_ratio: True)"  # float32 [N, 2, C]: and class shares
    IDENTITIES = "identities"  # int64 [N], of individuals; an evaluation may have others than the training


# What a loss or a metric takes that is about one class an image, and one that is about any number of them.
ONE_CLASS = frozenset({LabelKind.CLASS_IDS, LabelKind.PROBABILITIES})
SEVERAL_CLASSES = frozenset({LabelKind.MULTI_HOT, LabelKind.MULTI_HOT_WITH_RATIOS})


@dataclass(frozen=True)
class Batch:
    """What a loader yields: arrays, and on the device tensors. `extra` holds, by name, what else a task needs."""

    images: Any  # float [N, channels, height, width]
    labels: Any
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)


def outputs_of(result: Any) -> Outputs:
    """Return what the forward pass of a model gave as outputs; a lone tensor is its logits."""
    return result if isinstance(result, Mapping) else {"logits": result}


def class_ids_of(labels: Any) -> Any:
    """Return labels of one class an image as ids [N]; of probabilities, the highest."""
    return labels.argmax(axis=1) if labels.ndim == 2 else labels


def multi_hot_of(labels: Any) -> Any:
    """Return labels of several classes an image as [N, C], without the ratios that may stand beside them."""
    return labels[:, 0] if labels.ndim == 3 else labels
