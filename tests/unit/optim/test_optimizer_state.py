import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from ppcls.errors import CheckpointError
from ppcls.optim import OPTIMIZERS
from ppcls.optim.groups import Target
from ppcls.optim.state import load_optimizer_state, optimizer_state

NAMES = OPTIMIZERS.names()


def make_model() -> nn.Layer:
    paddle.seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.ReLU(), nn.Linear(5, 3))


def build(name: str, model: nn.Layer) -> Any:
    return OPTIMIZERS.load(name)(Target(model, 0.05), weight_decay=0.01)


def train(model: nn.Layer, optimizer: Any, steps: range) -> None:
    for step in steps:
        rng = np.random.default_rng(step)
        inputs = paddle.to_tensor(rng.standard_normal((8, 6)).astype("float32"))
        nn.functional.cross_entropy(model(inputs), paddle.to_tensor([0, 1, 2, 0] * 2)).backward()
        optimizer.step()
        optimizer.clear_grad()


def weights(model: nn.Layer) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def assert_equal(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert left.keys() == right.keys()
    assert [name for name in left if not np.array_equal(left[name], right[name])] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_before", [0, 3])
def test_a_resumed_run_equals_one_that_never_stopped(name: str, num_before: int) -> None:
    whole = make_model()
    optimizer = build(name, whole)
    train(whole, optimizer, range(num_before))
    saved, saved_weights = optimizer_state(optimizer, whole), weights(whole)
    train(whole, optimizer, range(num_before, 6))

    nn.Linear(2, 2)  # other names than those of the first model
    resumed = make_model()
    second = build(name, resumed)
    resumed.set_state_dict(saved_weights)
    load_optimizer_state(second, resumed, saved)
    train(resumed, second, range(num_before, 6))

    assert_equal(weights(resumed), weights(whole))
    assert_equal(optimizer_state(second, resumed), optimizer_state(optimizer, whole))


@pytest.mark.parametrize("name", NAMES)
def test_a_state_is_taken_back_in_the_middle_of_a_run(name: str) -> None:
    model = make_model()
    optimizer = build(name, model)
    train(model, optimizer, range(3))
    saved, saved_weights = optimizer_state(optimizer, model), weights(model)
    train(model, optimizer, range(3, 6))
    expected = weights(model)
    model.set_state_dict(saved_weights)
    load_optimizer_state(optimizer, model, saved)
    train(model, optimizer, range(3, 6))
    assert_equal(weights(model), expected)


def make_low(name: str) -> tuple[nn.Layer, Any]:
    """A bfloat16 model and an optimizer that keeps float32 master weights of it."""
    paddle.seed(0)
    model = nn.Linear(6, 5).to(dtype="bfloat16")
    return model, OPTIMIZERS.load(name)(Target(model, 0.05), multi_precision=True)


def train_low(model: nn.Layer, optimizer: Any, steps: range) -> None:
    """Train on made-up gradients: Paddle has no bfloat16 products on a CPU."""
    for step in steps:
        rng = np.random.default_rng(step)
        terms = []
        for parameter in model.parameters():
            factor = paddle.to_tensor(rng.standard_normal(parameter.shape).astype("float32"))
            terms.append((parameter.astype("float32") * factor).sum())
        sum(terms).backward()
        optimizer.step()
        optimizer.clear_grad()


@pytest.mark.parametrize("name", ["SGD", "LarsMomentum"])  # those that have bfloat16 on a CPU
def test_a_run_with_master_weights_resumes_too(name: str) -> None:
    whole, optimizer = make_low(name)
    train_low(whole, optimizer, range(3))
    saved, saved_weights = optimizer_state(optimizer, whole), weights(whole)
    train_low(whole, optimizer, range(3, 6))
    resumed, second = make_low(name)
    resumed.set_state_dict(saved_weights)
    load_optimizer_state(second, resumed, saved)
    train_low(resumed, second, range(3, 6))
    assert_equal(weights(resumed), weights(whole))
    assert_equal(optimizer_state(second, resumed), optimizer_state(optimizer, whole))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "RMSProp"])
def test_master_weights_and_their_accumulators_are_part_of_the_state(name: str) -> None:
    model, optimizer = make_low(name)
    rng = np.random.default_rng(0)
    state = {
        key: rng.standard_normal(value.shape).astype(value.dtype)
        for key, value in optimizer_state(optimizer, model).items()
    }
    assert state["weight/master_weight"].dtype == np.float32
    load_optimizer_state(optimizer, model, state)
    assert_equal(optimizer_state(optimizer, model), state)


def test_a_state_goes_to_another_process(tmp_path: Path) -> None:
    model = make_model()
    optimizer = build("Adam", model)
    train(model, optimizer, range(2))
    np.savez(tmp_path / "state.npz", **optimizer_state(optimizer, model))
    script = (
        "import sys, numpy as np\n"
        "from test_optimizer_state import build, make_model\n"
        "from ppcls.optim.state import load_optimizer_state, optimizer_state\n"
        "model = make_model(); optimizer = build('Adam', model)\n"
        "state = dict(np.load(sys.argv[1])); load_optimizer_state(optimizer, model, state)\n"
        "again = optimizer_state(optimizer, model)\n"
        "assert state.keys() == again.keys() and all((state[k] == again[k]).all() for k in state)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "state.npz")]
    root = Path(__file__).resolve().parents[3]
    environment = {"PYTHONPATH": f"{root}:{Path(__file__).parent}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    model = make_model()
    optimizer = build("Momentum", model)
    train(model, optimizer, range(2))
    before = optimizer_state(optimizer, model)
    bad = dict(before)
    bad["0.weight/velocity"] = np.zeros((2, 2), "float32")
    bad["9.weight/velocity"] = bad.pop("3.bias/velocity")
    with pytest.raises(CheckpointError) as caught:
        load_optimizer_state(optimizer, model, bad)
    assert "no '3.bias/velocity', unknown '9.weight/velocity'" in str(caught.value)
    assert "'0.weight/velocity' has shape [2, 2] instead of [6, 5]" in str(caught.value)
    assert_equal(optimizer_state(optimizer, model), before)


def test_a_state_of_another_optimizer_is_refused() -> None:
    model = make_model()
    with pytest.raises(CheckpointError, match="does not fit"):
        load_optimizer_state(build("Adam", model), model, optimizer_state(build("Momentum", model), model))
