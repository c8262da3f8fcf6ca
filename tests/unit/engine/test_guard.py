"""Numbers that are not finite never reach the weights, and end the run with what there is to know."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn
from runs import MakeEngine, records, same_arrays, trained

from ppcls.engine.engine import Engine
from ppcls.engine.guard import Guard, Place
from ppcls.engine.state import weights_of
from ppcls.errors import ConfigError, TrainingError
from ppcls.optim import OPTIMIZERS
from ppcls.optim.gradients import Gradients
from ppcls.optim.groups import Target

PLACE = Place(epoch=2, batch=3, step=10, lr=0.1)
NO_EVAL = "Global.eval_during_train=False"


def spoiled(*batches: int, value: str = "nan") -> str:
    return f"Loss.Train=[{{'own_losses:Spoiled': {{batches: {list(batches)}, value: '{value}'}}}}]"


def stepped(model: nn.Layer, optimizer: Any, guard: Guard, loss: paddle.Tensor) -> None:
    """Do what an update does."""
    loss.backward()
    optimizer.set_lr(0.1)
    guard.note(PLACE, {"loss": loss})
    guard.check(guard.gradients.norm())
    optimizer.step()
    optimizer.clear_grad(set_to_zero=False)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_optimizer_moves_a_weight_after_a_bad_gradient_though_nobody_waits_for_the_device(
    name: str, value: float
) -> None:
    paddle.seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    momentum = {"momentum": 0.9} if name in ("RMSProp", "Momentum", "LarsMomentum") else {}
    optimizer = OPTIMIZERS.load(name)(Target(model, 0.1), weight_decay=0.01, **momentum)
    guard = Guard(optimizer, Gradients(model.parameters()), free_reads=False)
    x = paddle.randn([5, 3])
    for _ in range(2):
        before = weights_of(model)
        stepped(model, optimizer, guard, (model(x) ** 2).mean())
        guard.look()
        assert not same_arrays(weights_of(model), before)
    good = weights_of(model)
    for factor in (value, 1.0, 1.0):
        stepped(model, optimizer, guard, (model(x) ** 2).mean() * factor)
        assert same_arrays(weights_of(model), good)
    with pytest.raises(TrainingError, match=r"^epoch 2, batch 3 \(step 10\): the loss is not finite at learning rate"):
        guard.look()


def test_a_gradient_that_is_not_finite_for_a_finite_loss_is_told_apart() -> None:
    model = nn.Linear(3, 1)
    optimizer = OPTIMIZERS.load("SGD")(Target(model, 0.1))
    guard = Guard(optimizer, Gradients(model.parameters()), free_reads=True)
    zero = model.weight.sum() - model.weight.sum()
    with pytest.raises(TrainingError, match=r"^epoch 2, batch 3 \(step 10\): the gradient is not finite"):
        stepped(model, optimizer, guard, paddle.sqrt(zero))


def test_the_batch_and_the_step_of_the_first_bad_loss_are_named(make: MakeEngine) -> None:
    options = ["Global.update_freq=2", "Optimizer.lr=0.25", "DataLoader.Train.sampler.batch_size=2"]
    engine = make("Tiny", "run", "Global.print_batch_step=100", *options, spoiled(9, 11))
    with pytest.raises(TrainingError, match=r"^epoch 1, batch 9 \(step 4\): the loss is not finite at .* rate 0.25;"):
        engine.train()


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_of_several_terms_the_one_that_is_not_finite_is_named(make: MakeEngine, value: str) -> None:
    terms = spoiled(3, value=value).replace("[{", "[CELoss, {", 1)
    with pytest.raises(TrainingError, match=r"^epoch 1, batch 3 \(step 2\): the loss term Spoiled is not finite"):
        make("Tiny", "run", terms).train()


def kept(engine: Engine, updates: int) -> dict[str, np.ndarray]:
    """Train so many updates; return the weights and not the statistics of batch norms, which a forward pass moves."""
    engine.prepare()
    coming = engine.train_batches()
    for _ in range(updates):
        batch = next(coming)
        outputs = engine.task.forward(engine.parallel_model, batch)
        engine.updates.accumulate(batch, engine.task.losses(outputs, batch))
    names = {name for name, parameter in engine.model.named_parameters() if not parameter.stop_gradient}
    return {name: value for name, value in weights_of(engine.model).items() if name in names}


@pytest.mark.parametrize("free_reads", [True, False])
def test_a_run_stops_with_the_weights_of_the_last_good_step_and_saves_nothing_after_it(
    make: MakeEngine, free_reads: bool
) -> None:
    options = ["EMA.decay=0.9", NO_EVAL, "Global.save_steps=1", "Global.print_batch_step=100", spoiled(3)]
    expected = kept(make("Tiny", "whole", *options), 2)
    engine = make("Tiny", "run", *options)
    engine.prepare()
    engine.guard.free_reads = free_reads  # False: as on an accelerator, where only who prints or saves looks
    with pytest.raises(TrainingError, match=r"^epoch 1, batch 3 \(step 2\): the loss is not finite"):
        engine.train()
    weights = weights_of(engine.model)
    assert same_arrays({name: weights[name] for name in expected}, expected)
    resumed = make("Tiny", "run", *options, "Global.checkpoints=auto")
    resumed.prepare()
    assert resumed.state.step == 2
    assert all(np.isfinite(value).all() for value in weights_of(resumed.model).values())


def test_the_norm_of_the_gradients_is_recorded_and_clipped_ones_have_it_from_before(make: MakeEngine) -> None:
    every = ["Global.epochs=1", "Global.print_batch_step=1", NO_EVAL]
    plain = trained(make("Tiny", "plain", *every))
    clipped = trained(make("Tiny", "clipped", *every, "Optimizer.clip_norm=0.01"))
    norms = [[record["grad_norm"] for record in records(engine, "train")] for engine in (plain, clipped)]
    assert norms[0][:2] == norms[1][:2]  # the first update has a rate of 0
    assert min(norms[1]) > 0.01
    line = next(line for line in (plain.folder / "train.log").read_text().splitlines() if "[Iter: 2/4]" in line)
    assert re.search(rf", grad_norm: {norms[0][1]:.4g}, ips:", line)


def test_a_clip_norm_of_zero_is_refused_with_its_place(make: MakeEngine, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Optimizer: clip_norm: not positive; received 0.0; omit it"):
        make("Tiny", "run", "Optimizer.clip_norm=0").train()
    assert not (tmp_path / "run").exists()
