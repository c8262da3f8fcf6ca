"""First values of weights, for those that a YAML gives."""

from typing import Literal, Optional

from paddle import nn


class Constant(nn.initializer.Constant):
    """All the same."""

    def __init__(self, *, value: float = 0.0) -> None:
        super().__init__(value)


class Normal(nn.initializer.Normal):
    """Drawn from a normal distribution."""

    def __init__(self, *, mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__(mean, std)


class KaimingNormal(nn.initializer.KaimingNormal):
    """Normal, with the deviation of arXiv 1502.01852; `fan_in` unset: the layer's."""

    def __init__(
        self,
        *,
        fan_in: Optional[float] = None,
        negative_slope: float = 0.0,
        nonlinearity: Literal["relu", "leaky_relu", "linear", "tanh", "sigmoid"] = "relu",
    ) -> None:
        super().__init__(fan_in, negative_slope, nonlinearity)


class KaimingUniform(nn.initializer.KaimingUniform):
    """Uniform, within the limits of arXiv 1502.01852; `fan_in` unset: the layer's."""

    def __init__(
        self,
        *,
        fan_in: Optional[float] = None,
        negative_slope: float = 0.0,
        nonlinearity: Literal["relu", "leaky_relu", "linear", "tanh", "sigmoid"] = "relu",
    ) -> None:
        super().__init__(fan_in, negative_slope, nonlinearity)
