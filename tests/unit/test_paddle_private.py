"""What we rely on of Paddle's private names: a Paddle that changes one of them fails here, by its name."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.nn import functional as F

from ppcls import paddle_private
from ppcls.paddle_private import (
    DecayOfEach,
    GradScaler,
    Optimizers,
    convolving,
    moments_of,
    normalizing,
    rate_of,
    run_custom_op,
    squared_norm,
    state_of,
    sync_batch_norm,
    zero_if,
)

PACKAGE = Path(paddle_private.__file__).parent
# Of the standard library.
OTHERS = {"_exit", "_asdict", "_fields", "_ArgumentGroup", "_MutuallyExclusiveGroup"}
# Of Python's own modules.
OF_OTHERS = {"_exit", "_asdict", "_fields", "_ArgumentGroup", "_MutuallyExclusiveGroup"}
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_squared_norm_is_the_sum_of_squares(dtype: str) -> None:
    x = np.random.default_rng(0).standard_normal((7, 5, 3)).astype(dtype)
    found = squared_norm(paddle.to_tensor(x))
    assert found.shape == [1] and str(found.dtype) == f"paddle.{dtype}"
    assert float(found[0]) == pytest.approx((x.astype("float64") ** 2).sum(), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_zero_if_fills_all_tensors_in_place_or_leaves_every_bit(dtype: str) -> None:
    values = [np.array([[1.5, np.nan], [-np.inf, 2.0]], dtype), np.array([3.0], dtype)]
    tensors = [paddle.to_tensor(value) for value in values]
    zero_if(paddle.to_tensor([False]), tensors)
    assert all(np.array_equal(tensor.numpy(), value, equal_nan=True) for tensor, value in zip(tensors, values))
    zero_if(paddle.to_tensor([True]), tensors)
    assert all((tensor.numpy() == 0).all() for tensor in tensors)
    zero_if(paddle.to_tensor([True]), [])


def test_zero_if_reaches_the_gradient_that_an_update_reads() -> None:
    layer = paddle.nn.Linear(2, 2)
    layer(paddle.ones([1, 2])).sum().backward()
    zero_if(paddle.to_tensor([True]), [layer.weight.grad])
    assert (layer.weight.grad.numpy() == 0).all() and (layer.bias.grad.numpy() == 1).all()


def test_zero_if_reaches_a_gradient_that_is_a_transposed_view() -> None:
    weight = paddle.create_parameter([3, 2], "float32")
    (paddle.ones([1, 2]) @ weight.t()).sum().backward()
    assert not weight.grad.is_contiguous()
    zero_if(paddle.to_tensor([False]), [weight.grad])
    assert (weight.grad.numpy() == 1).all()
    zero_if(paddle.to_tensor([True]), [weight.grad])
    assert (weight.grad.numpy() == 0).all()


def test_rate_of_is_what_the_next_update_multiplies_by() -> None:
    layer = paddle.nn.Linear(1, 1)
    optimizer = paddle.optimizer.SGD(0.5, parameters=layer.parameters())
    for _ in range(2):  # before the first update, and later
        before = layer.bias.item()
        layer(paddle.ones([1, 1])).sum().backward()
        optimizer.set_lr(0.25)
        rate = rate_of(optimizer)
        assert float(rate) == 0.25
        rate.multiply_(paddle.full(rate.shape, 2.0))
        optimizer.step()
        optimizer.clear_grad()
        assert layer.bias.item() == pytest.approx(before - 0.5)


def test_moments_of_are_the_velocities() -> None:
    layer = paddle.nn.Linear(2, 2)
    optimizer = paddle.optimizer.Momentum(0.5, parameters=layer.parameters())
    assert moments_of(optimizer) == []
    layer(paddle.ones([1, 2])).sum().backward()
    optimizer.step()
    assert sorted(moment.shape for moment in moments_of(optimizer)) == [[2], [2, 2]]
    assert all((moment.numpy() == 1).all() for moment in moments_of(optimizer))


def test_state_of_has_the_moments_of_each_parameter_before_and_after_an_update() -> None:
    layer = nn.Linear(2, 3)
    optimizer = paddle.optimizer.Adam(0.5, parameters=layer.parameters())
    kinds = ("beta1_pow_acc", "beta2_pow_acc", "moment1", "moment2")
    names = [f"{name}/{kind}" for name in ("b", "w") for kind in kinds]
    assert sorted(state_of(optimizer, {"w": layer.weight, "b": layer.bias})) == names
    layer(paddle.ones([1, 2])).sum().backward()
    optimizer.step()
    state = state_of(optimizer, {"w": layer.weight, "b": layer.bias})
    assert sorted(state) == names
    np.testing.assert_allclose(state["w/moment1"].numpy(), np.full([2, 3], 0.1), rtol=1e-6)


def test_state_of_has_the_master_weights_of_a_half_precision_model() -> None:
    layer = nn.Linear(2, 3)
    layer.to(dtype="bfloat16")
    optimizer = paddle.optimizer.Momentum(0.5, parameters=layer.parameters(), multi_precision=True)
    state = state_of(optimizer, {"w": layer.weight})
    assert {name: str(tensor.dtype) for name, tensor in state.items()} == {
        "w/master_weight": "paddle.float32",
        "w/velocity": "paddle.float32",
    }


def test_optimizers_update_each_its_own_parameters_as_one() -> None:
    one, other = nn.Linear(2, 2, bias_attr=False), nn.Linear(2, 2, bias_attr=False)
    parts = [
        paddle.optimizer.SGD(0.5, parameters=one.parameters()),
        paddle.optimizer.Momentum(0.25, parameters=other.parameters()),
    ]
    optimizer, before = Optimizers(parts), [layer.weight.numpy() for layer in (one, other)]
    optimizer.set_lr(1.0)
    assert (optimizer.get_lr(), parts[1].get_lr()) == (1.0, 0.25)
    (one(paddle.ones([1, 2])) + other(paddle.ones([1, 2]))).sum().backward()
    scaler = paddle.amp.GradScaler(enable=False)
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    moved = [old - layer.weight.numpy() for old, layer in zip(before, (one, other))]
    np.testing.assert_allclose(moved, [np.full([2, 2], rate) for rate in (1.0, 0.25)], rtol=1e-6)
    assert [moment.shape for moment in moments_of(optimizer)] == [[2, 2]]
    assert list(state_of(optimizer, {"a": one.weight, "b": other.weight})) == ["b/velocity"]
    optimizer.clear_grad(set_to_zero=False)
    assert one.weight.grad is None and other.weight.grad is None


@pytest.mark.parametrize("name", ["AdamW", "Lamb"])
def test_decay_of_each_is_the_decay_that_a_parameter_is_updated_with(name: str) -> None:
    class Optimizer(DecayOfEach, getattr(paddle.optimizer, name)):  # type: ignore[misc]
        pass

    def change(decay: float) -> Any:
        layer = nn.Linear(2, 2, bias_attr=False)
        layer.weight.set_value(np.array([[1.0, 2.0], [3.0, 4.0]], "float32"))
        optimizer = Optimizer(0.5, parameters=layer.parameters())
        optimizer.decays = {layer.weight.name: decay}
        (layer(paddle.ones([1, 2])) * paddle.to_tensor([1.0, -1.0])).sum().backward()
        optimizer.step()
        return layer.weight.numpy()

    without, decayed = change(0.0), change(0.25)
    if name == "AdamW":
        np.testing.assert_allclose(without - decayed, [[0.125, 0.25], [0.375, 0.5]], rtol=1e-6)
    else:
        assert not np.allclose(without, decayed)


def test_the_grad_scaler_follows_the_overflows(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(paddle.amp.grad_scaler, "in_dynamic_mode", lambda: False)  # or Paddle turns it off on a CPU
        scaler = GradScaler(init_loss_scaling=8.0, incr_every_n_steps=2, decr_every_n_nan_or_inf=1)
    assert not scaler.overflow() and not scaler.overflowed()
    scales = []
    for overflow in (False, False, True, False):
        scaler._found_inf, scaler._cache_found_inf = paddle.to_tensor([overflow]), overflow
        assert scaler.overflowed() == bool(scaler.overflow()) == overflow
        scaler.update()
        scales.append(scaler.state_dict()["scale"].item())
    assert scales == [8.0, 16.0, 8.0, 8.0]
    assert (scaler.state_dict()["incr_count"], scaler.state_dict()["decr_count"]) == (1, 0)


def test_run_custom_op_says_which_operator_there_is_not() -> None:
    # With operators it is in tests/unit/ops.
    with pytest.raises((RuntimeError, OSError, ValueError), match="ppcls_nothing"):
        run_custom_op("ppcls_nothing", paddle.ones([1]))


@pytest.mark.parametrize("padding", [1, "SAME", [1, 2]])
def test_convolving_has_what_conv2d_takes(padding: Any) -> None:
    conv, x = nn.Conv2D(4, 6, 3, stride=2, padding=padding, dilation=2, groups=2), paddle.randn([1, 4, 9, 9])
    assert convolving(conv)[3:] == (2, "NCHW")
    again = F.conv2d(x, conv.weight, conv.bias, **convolving(conv)._asdict())
    np.testing.assert_array_equal(again.numpy(), conv(x).numpy())


def test_normalizing_has_the_running_statistics_themselves() -> None:
    norm, x = nn.BatchNorm(3, momentum=0.75, epsilon=1e-3), 2 * paddle.randn([4, 3, 5, 5]) + 1
    norm(x)
    mean, variance, momentum, epsilon, data_format = normalizing(norm)
    assert (momentum, epsilon, data_format) == (0.75, 1e-3, "NCHW")
    np.testing.assert_allclose(mean.numpy(), 0.25 * x.mean([0, 2, 3]).numpy(), rtol=1e-5)
    norm.eval()
    mean.fill_(1.0)
    variance.fill_(4.0)
    np.testing.assert_allclose(norm(x).numpy(), (x.numpy() - 1) / np.sqrt(4 + epsilon), rtol=1e-5, atol=1e-6)


def test_sync_batch_norm_is_an_operator_that_takes_these_arguments() -> None:
    with pytest.raises(RuntimeError, match="kernel `sync_batch_norm` is not registered"):  # a CPU has none
        sync_batch_norm(nn.BatchNorm(3), paddle.ones([2, 3, 4, 4]))


def private_names(tree: ast.AST) -> dict[str, int]:
    """Return the private attributes that a module reads, with a line of each."""
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {node.attr: node.lineno for node in attributes if node.attr[0] == "_" and not node.attr.endswith("__")}


def own_names(tree: ast.AST) -> set[str]:
    """Return the names that a module gives to attributes, functions and variables."""
    nodes = list(ast.walk(tree))
    stored = {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    variables = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | variables | {node.name for node in nodes if isinstance(node, DEFINITIONS)}


def test_no_other_module_uses_a_private_name_of_paddle() -> None:
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in sorted(PACKAGE.rglob("*.py"))}
    ours = trees.pop(Path(paddle_private.__file__))
    guarded = {*private_names(ours), "_C_ops"} - {"_asdict"}
    everywhere = set().union(*(own_names(tree) for tree in trees.values())) - guarded | OTHERS
    faults = [
        f"{file.relative_to(PACKAGE)}:{line}: {name}"
        for file, tree in trees.items()
        for name, line in private_names(tree).items()
        if name not in own_names(tree) | everywhere
    ]
    imports = [
        f"{file.relative_to(PACKAGE)}:{node.lineno}: {node.module}"
        for file, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("paddle")
        and (".base" in f"{node.module}" or any(alias.name[0] == "_" for alias in node.names))
    ]
    assert not faults + imports, "only ppcls/paddle_private.py may:\n" + "\n".join(faults + imports)
