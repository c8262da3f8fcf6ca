"""Names of Paddle 3.3 that it does not promise to keep; tests/unit/test_paddle_private.py holds what they do here."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import paddle
from paddle import _C_ops, nn


def squared_norm(x: paddle.Tensor) -> paddle.Tensor:
    """Return the sum of squares as a tensor [1], by the operator with which Paddle clips; one kernel."""
    return _C_ops.squared_l2_norm(x)


def run_custom_op(name: str, *arguments: Any) -> Any:
    """Call an operator of a loaded library; return the list of its results."""
    if not paddle.is_grad_enabled():
        # Paddle would record the call all the same, and keep what its gradient needs.
        arguments = tuple(
            one.detach() if isinstance(one, paddle.Tensor) and not one.stop_gradient else one for one in arguments
        )
    return paddle._C_ops._run_custom_op(name, *arguments)


def zero_if(found: paddle.Tensor, tensors: Sequence[paddle.Tensor]) -> None:
    """Fill all tensors, which are of one type, with zeros if `found`, bool [1], is true; one kernel for most.

    What is not a number becomes 0 as well. Nothing is read, written or waited for if it is false.
    """
    whole = [tensor for tensor in tensors if tensor.is_contiguous()]
    if whole:
        scale, count = paddle.ones([1], whole[0].dtype), paddle.zeros([1], "int32")
        _C_ops.update_loss_scaling_(whole, found, scale, count, count, 1, 1, 1.0, 1.0, True)
    for tensor in tensors:
        if not tensor.is_contiguous():  # such as the gradient behind a transposition, which that kernel can't do
            paddle.assign(paddle.where(found, paddle.zeros_like(tensor), tensor), tensor)


class Optimizers:
    """Several optimizers of different parameters as one, for Paddle's GradScaler too; its rate is that of the first."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = parts
        self._parameter_list = [parameter for part in parts for parameter in part._parameter_list]

    def get_lr(self) -> float:
        """Return the learning rate of the first one."""
        return float(self.parts[0].get_lr())

    def set_lr(self, rate: float) -> None:
        """Set the learning rate of the first one."""
        self.parts[0].set_lr(rate)

    def step(self) -> None:
        """Update all parameters."""
        for part in self.parts:
            part.step()

    def clear_grad(self, set_to_zero: bool = True) -> None:
        """Clear all gradients."""
        for part in self.parts:
            part.clear_grad(set_to_zero=set_to_zero)


def parts_of(optimizer: Any) -> Sequence[Any]:
    """Return the optimizers that one consists of."""
    return optimizer.parts if isinstance(optimizer, Optimizers) else [optimizer]


def rate_of(optimizer: Any) -> paddle.Tensor:
    """Return the tensor on the device from which the next update reads the learning rate."""
    optimizer._create_global_learning_rate()
    return optimizer._global_learning_rate()


def moments_of(optimizer: Any) -> list[paddle.Tensor]:
    """Return what the optimizer remembers of earlier gradients, such as velocities."""
    kinds = [kind for part in parts_of(optimizer) for kind in part._accumulators.values()]
    return [tensor for of_parameters in kinds for tensor in of_parameters.values()]


def state_of(optimizer: Any, parameters: Mapping[str, paddle.Tensor]) -> dict[str, paddle.Tensor]:
    """Return the tensors that hold the optimizer's state of these parameters, as `name/kind`; made now if need be.

    Paddle makes them at the first update, and its public `state_dict` does not say whose each tensor is.
    """
    state: dict[str, paddle.Tensor] = {}
    for part in parts_of(optimizer):
        own = {id(parameter) for parameter in part._parameter_list}
        state.update(_state_of(part, {name: p for name, p in parameters.items() if id(p) in own}))
    return state


def _state_of(optimizer: Any, parameters: Mapping[str, paddle.Tensor]) -> dict[str, paddle.Tensor]:
    block = paddle.static.default_main_program().global_block()
    optimizer._create_accumulators(block, list(parameters.values()))
    state = {}
    for name, parameter in parameters.items():
        master = optimizer._master_weights.get(parameter.name)
        if master is not None:
            state[f"{name}/master_weight"] = master
        owner = parameter if master is None else master
        for kind, of_parameter in optimizer._accumulators.items():
            if owner.name in of_parameter:
                state[f"{name}/{kind}"] = of_parameter[owner.name]
    return state


class DecayOfEach:
    """Before paddle.optimizer.AdamW or Lamb among the bases: `decays` has each parameter's decay, by its name."""

    decays: Mapping[str, float]

    def _append_optimize_op(self, block: Any, parameter_and_gradient: tuple[paddle.Tensor, paddle.Tensor]) -> Any:
        decay = self.decays[parameter_and_gradient[0].name]
        self._weight_decay = self._lamb_weight_decay = decay  # AdamW's name and Lamb's
        return super()._append_optimize_op(block, parameter_and_gradient)  # type: ignore[misc]


class MomentumOfMoves(paddle.optimizer.Momentum):
    """Momentum whose velocity takes in what `move` returns, in place of the gradient and the decay."""

    def move(self, name: str, weight: paddle.Tensor, gradient: paddle.Tensor) -> paddle.Tensor:
        """Return the move of the parameter of that name; `weight` is its master weight where it has one."""
        raise NotImplementedError

    def _append_optimize_op(self, block: Any, parameter_and_gradient: tuple[paddle.Tensor, paddle.Tensor]) -> None:
        """Update one parameter: what Paddle's optimizers define, in place of their operator."""
        parameter, gradient = parameter_and_gradient
        weight = self._master_weights.get(parameter.name, parameter)
        move = self.move(parameter.name, weight, gradient.astype(weight.dtype))
        velocity = self._get_accumulator_master(self._velocity_acc_str, parameter)
        rate = self._create_param_lr(parameter_and_gradient)
        paddle.assign(self._momentum * velocity + rate * move, velocity)
        paddle.assign(weight - velocity, weight)
        if weight is not parameter:
            paddle.assign(weight.astype(parameter.dtype), parameter)


class GradScaler(paddle.amp.GradScaler):
    """Paddle's, whose own `update` fails at the first overflow with NumPy 2.4."""

    _scale: Any
    _incr_count: int
    _decr_count: int

    def overflow(self) -> paddle.Tensor:
        """Return on the device whether the gradients of the last update overflowed: bool [1]."""
        return self._found_inf

    def overflowed(self) -> bool:
        """Return whether the gradients of the last update overflowed, as `step` has found."""
        return bool(self._cache_found_inf)

    def _update(self) -> None:
        """Let the scale follow the overflows by Paddle's rule."""
        if self._cache_found_inf:
            self._incr_count, self._decr_count = 0, self._decr_count + 1
        else:
            self._incr_count, self._decr_count = self._incr_count + 1, 0
        if self._decr_count == self._decr_every_n_nan_or_inf:
            self._scale, self._decr_count = self._scale * self._decr_ratio, 0
        if self._incr_count == self._incr_every_n_steps:
            self._scale, self._incr_count = self._scale * self._incr_ratio, 0


def sublayer(layer: nn.Layer, name: str) -> Any:
    """Return a sublayer by its name in the state dict, even if that is the name of a property as well."""
    return layer._sub_layers[name]


class Convolving(NamedTuple):
    """How a paddle.nn.Conv2D convolves, by the names of `paddle.nn.functional.conv2d`."""

    stride: Any
    padding: Any
    dilation: Any
    groups: int
    data_format: str


def convolving(conv: nn.Conv2D) -> Convolving:
    """Return how a layer convolves."""
    return Convolving(conv._stride, conv._padding, conv._dilation, conv._groups, conv._data_format)


class Normalizing(NamedTuple):
    """What a paddle.nn.BatchNorm has besides its weight and bias."""

    mean: paddle.Tensor
    variance: paddle.Tensor
    momentum: float
    epsilon: float
    data_format: str


def normalizing(norm: nn.BatchNorm) -> Normalizing:
    """Return the running statistics of a layer, and how it normalizes."""
    return Normalizing(norm._mean, norm._variance, norm._momentum, norm._epsilon, norm._data_layout)


def sync_batch_norm(norm: nn.BatchNorm, x: paddle.Tensor) -> paddle.Tensor:
    """Return `x` normalized over the batches of all ranks, by the operator that some devices have."""
    mean, variance, momentum, epsilon, data_format = normalizing(norm)
    running, switches = (mean, variance, norm.weight, norm.bias), (not norm.training, momentum, epsilon, data_format)
    y, *_ = _C_ops.sync_batch_norm_(x, *running, *switches, False, False)
    return y
