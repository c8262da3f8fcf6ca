"""Several optimizers, each of its own part of the model and the losses."""

from pathlib import Path

import numpy as np
import pytest
from runs import MakeEngine, same_arrays

from ppcls.config import load_config
from ppcls.engine import checkpoints
from ppcls.engine.checkpoints import Checkpoint
from ppcls.errors import ConfigError

LOSSES = "Loss.Train=[CELoss, {CenterLoss: {weight: 0.5, num_classes: 3, feat_dim: 3}}]"
ADAM = "lr: {name: Cosine, learning_rate: 0.01, warmup_epoch: 1}, regularizer: {name: L2, coeff: 0.001}"
SGD = "lr: {name: Piecewise, decay_epochs: [1], values: [0.5, 0.05]}"
CENTERS = "losses.CenterLoss.centers"


def result(engine: object) -> Checkpoint:
    engine.train()
    return checkpoints.read(engine.folder / "latest")


def test_each_optimizer_moves_its_part_as_if_it_were_alone(make: MakeEngine) -> None:
    # The features of this model have no weights: neither part changes the gradients of the other.
    def run(name: str, *options: str) -> Checkpoint:
        return result(make("Branched", name, "Global.epochs=2", LOSSES, *options))

    both = run("both", f"Optimizer=[{{Adam: {{scope: Branched, {ADAM}}}}}, {{SGD: {{scope: CenterLoss, {SGD}}}}}]")
    model = run("model", f"Optimizer={{name: Adam, {ADAM}}}", "Loss.Train=[CELoss]")
    centers = run("centers", f"Optimizer={{name: SGD, scope: CenterLoss, {SGD}}}")
    of_centers = {CENTERS: centers.weights[CENTERS]}
    assert same_arrays(both.weights, {**model.weights, **of_centers})
    assert same_arrays(both.optimizer["optimizer"], model.optimizer["optimizer"])
    started = make("Branched", "started", LOSSES)
    started.prepare()
    assert np.array_equal(centers.weights["fc.weight"], started.model.state_dict()["fc.weight"].numpy())
    assert not np.array_equal(centers.weights[CENTERS], started.model.state_dict()[CENTERS].numpy())


def test_a_resumed_run_equals_one_that_never_stopped(make: MakeEngine) -> None:
    lists = f"Optimizer=[{{Adam: {{scope: Branched, {ADAM}}}}}, {{Momentum: {{scope: CenterLoss, {SGD}}}}}]"
    options = ["Global.epochs=3", "EMA.decay=0.9", LOSSES, lists]
    whole = result(make("Branched", "whole", *options))
    result(make("Branched", "parts", *options, "Global.early_stop=1"))
    parts = result(make("Branched", "parts", *options, "Global.checkpoints=auto"))
    assert same_arrays(whole.weights, parts.weights) and same_arrays(
        whole.optimizer["weights"], parts.optimizer["weights"]
    )
    assert same_arrays(whole.optimizer["optimizer"], parts.optimizer["optimizer"])
    assert {"fc.weight/moment1", f"{CENTERS}/velocity"} <= set(whole.optimizer["optimizer"])


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (
            "[{SGD: {scope: body, lr: 1}}]",
            "scope: no parameters; received body; choose all, Branched, conv, norm, fc or",
        ),
        ("[{SGD: {scope: fc, lr: 1}}]", "scope: fc.bias is in fc and in another one; let each have its own"),
        ("[{SGD: {scope: CenterLoss, lr: 1}}], clip_norm: 1", "clip_norm: is for a single optimizer; use clip_global"),
    ],
)
def test_scopes_that_are_of_no_use_are_refused(make: MakeEngine, others: str, message: str) -> None:
    optimizer = f"Optimizer={{name: Adam, scope: Branched, {ADAM}, others: {others}}}"
    with pytest.raises(ConfigError, match=message):
        make("Branched", "run", LOSSES, optimizer).train()


def test_paddleclas_list_of_optimizers_loads(shared: Path) -> None:
    (file,) = (shared / "paddleclas/train").rglob("softmax_triplet_with_center.yaml")
    optimizer = load_config(str(file)).Optimizer
    assert optimizer is not None
    assert [(part.name, part.scope) for part in (optimizer, *optimizer.others)] == [
        ("Adam", "RecModel"),
        ("SGD", "CenterLoss"),
    ]
