"""What every architecture is."""

import re
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, ClassVar, Union

import paddle
from paddle import nn

from ppcls.config.groups import Group
from ppcls.errors import ConfigError
from ppcls.models.cards import sizes
from ppcls.models.layers import STOCK, DataFormat, Head

# Normalisation that PaddleClas does not decay, where convolution and norm are `conv` and `bn`.
UNDECAYED_NORM = Group(r"\bbn\.", weight_decay=0.0)

Outputs = Union[paddle.Tensor, dict[str, paddle.Tensor]]


class Model(nn.Layer):
    """Images [N, C, H, W] -> logits [N, class_num], or a mapping that has them as "logits".

    Constructors: what is before `*` defines an architecture, and a row of the family's VARIANTS gives it; all after
    `*` may be given in a YAML. The layers, and so the names in the state dict, are PaddleClas's.
    """

    # As the registry knows it; whoever builds the model by its name sets it.
    arch_name: str
    # Width of what the head takes.
    num_features: int
    # Dots separate the names of layers inside layers.
    head_name: str = "fc"
    # Parameters that learn at rates of their own, or are not decayed, unless the config says otherwise.
    param_groups: Sequence[Group] = ()
    # Whether `forward` computes by layers of ppcls.models.layers alone, so that other operators may stand in.
    only_layers: ClassVar[bool] = False
    # Layers that also compute where a RecModel stops before them, as they are none in PaddleClas.
    stays: Sequence[str] = ()
    operators: Any = STOCK
    data_format: DataFormat = "NCHW"

    def __call__(self, images_NCHW: paddle.Tensor, *others: Any, **named: Any) -> Any:
        """Compute. Raises ConfigError for images of a size, or of channels, that the model has no weights for."""
        try:
            return super().__call__(images_NCHW, *others, **named)
        except ValueError as error:
            name = getattr(self, "arch_name", type(self).__name__)
            made_for = f"; it is made for {sizes()[name].image_px} pixels" if name in sizes() else ""
            raise ConfigError(
                f"images: {name} can't compute images of this shape, [N, C, H, W]; received "
                f"{list(images_NCHW.shape)}{made_for}; change their size, or the model"
            ) from error

    def features(self, images_NCHW: paddle.Tensor) -> paddle.Tensor:
        """Return what the head takes, [N, num_features]."""
        raise NotImplementedError

    def forward(self, images_NCHW: paddle.Tensor) -> Outputs:
        """Return the logits of images."""
        logits: paddle.Tensor = self.get_head()(self.features(images_NCHW))
        return logits

    def get_head(self) -> Head:
        """Return the classifier."""
        head: Head = reduce(getattr, self.head_name.split("."), self)
        return head

    def reset_head(self, class_num: int) -> None:
        """Put a new classifier in place of the old one; the backbone stays."""
        head = self.get_head()
        new = head.resized(class_num)
        new.operators = head.operators
        *path, name = self.head_name.split(".")
        setattr(reduce(getattr, path, self), name, new)

    def keep_places(self) -> None:
        """Let `features` be [N, num_features, H, W], without the pool at the end, where there is one."""
        if {"avg_pool", "flatten"} <= {name for name, _ in self.named_children()}:
            self.avg_pool = self.flatten = nn.Identity()
        self.only_layers = False  # type: ignore[misc]

    def deployable(self) -> "Model":
        """Return the model as it is deployed: without auxiliary heads, its branches fused; itself where equal."""
        return self


def stage_rates(stages: Iterable[tuple[str, float]]) -> tuple[Group, ...]:
    """Return parameter groups for `lr_mult_list`: pairs of a layer's name and the factor of its learning rate."""
    return tuple(Group(rf"^{re.escape(name)}\.", lr_factor=factor) for name, factor in stages if factor != 1)


def check_list(name: str, values: Sequence[Any], stages: Sequence[str], *, least: int = 0) -> None:
    """Raise ValueError unless a list such as `lr_mult_list` has a number, or a pair, for each of the stages."""
    smallest = min((min(value) if isinstance(value, Sequence) else value for value in values), default=least)
    if len(values) != len(stages) or smallest < least:
        raise ValueError(
            f"{name}: must be {len(stages)} numbers of at least {least}; received {list(values)}; "
            f"give one for each of {', '.join(stages)}"
        )


def check_image_size(images_NCHW: paddle.Tensor, height: int, width: int) -> None:
    """Raise ConfigError unless images have the size, in pixels, that a model has weights for."""
    if images_NCHW.shape[2:] != [height, width]:
        received_height, received_width = images_NCHW.shape[2:]
        raise ConfigError(
            f"images: the model has weights for positions within {height} x {width} pixels; "
            f"received {received_height} x {received_width}; resize the images"
        )
