"""Learning from images without labels beside few with labels."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn
from runs import MakeEngine, records, same_arrays

from ppcls import pdparams
from ppcls.batch import Batch
from ppcls.engine.engine import Engine
from ppcls.errors import ConfigError
from ppcls.losses import LOSSES
from ppcls.registry import Facts, Part
from ppcls.tasks.fixmatch import FixMatch

NORMALIZE = "{NormalizeImage: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}"


@pytest.fixture
def fixmatch(make: MakeEngine, shapes: Path) -> Any:
    """Return what makes the engine of a run with 7 images without labels beside each batch of 8."""

    def engine(run: str, *options: str) -> Engine:
        unlabelled = (
            f"{{dataset: {{name: ImageFolder, image_root: {shapes}/train,"
            f" transform_ops_weak: [{{ResizeImage: {{size: 24}}}}, {NORMALIZE}],"
            f" transform_ops_strong: [{{RandCropImage: {{size: 24}}}}, {NORMALIZE}]}},"
            " sampler: {name: BatchSampler, batch_size: 7, shuffle: true, drop_last: true}, loader: {num_workers: 0}}"
        )
        return make(
            "Tiny",
            run,
            "Global.train_mode=fixmatch",
            "Global.epochs=2",
            "SSL={tempture: 1, threshold: 0.3}",
            f"DataLoader.UnLabelTrain={unlabelled}",
            "UnLabelLoss.Train=[{CELoss: {weight: 1.0, reduction: none}}]",
            *options,
        )

    return engine


def task(threshold: float, temperature: float = 1.0) -> FixMatch:
    facts = Facts(class_counts=np.ones(3, np.int64))
    losses = [{"CELoss": LOSSES.build(Part("CELoss", {"weight": weight}), facts)} for weight in (1.0, 2.0)]
    return FixMatch(nn.Linear(1, 1), *losses, temperature=temperature, threshold=threshold)


def test_only_what_the_weak_view_is_sure_of_is_learned() -> None:
    weak = paddle.to_tensor([[4.0, 0.0, 0.0], [1.0, 0.9, 0.8], [0.0, 0.0, 5.0]], stop_gradient=False)
    strong = paddle.to_tensor([[0.1, 0.2, 0.3], [0.3, 0.1, 0.2], [0.5, 0.1, 0.7]], stop_gradient=False)
    logits, labels = paddle.to_tensor([[1.0, 2.0, 3.0]]), paddle.to_tensor([1])
    batch = Batch(paddle.zeros([1, 3, 8, 8]), labels, {"weak": weak, "strong": strong})
    terms = task(0.9).losses({"logits": logits, "weak": weak, "strong": strong}, batch)
    logs = nn.functional.log_softmax(strong).numpy()
    assert float(terms["CELoss"]) == pytest.approx(float(nn.functional.cross_entropy(logits, labels)))
    assert float(terms["UnLabelCELoss"]) == pytest.approx(-2 * (logs[0, 0] + logs[2, 2]) / 3, rel=1e-5)
    terms["UnLabelCELoss"].backward()
    assert weak.grad is None and not strong.grad[1].any() and strong.grad[0].abs().sum() > 0
    assert (
        float(task(0.9, 100.0).losses({"logits": logits, "weak": weak, "strong": strong}, batch)["UnLabelCELoss"]) == 0
    )


def test_ccssl_draws_strong_views_together_by_class_and_certainty() -> None:
    rng = np.random.default_rng(0)
    weak, strong = rng.normal(0, 2, (4, 3)).astype("float32"), rng.normal(0, 1, (4, 3)).astype("float32")
    weak[0], weak[1] = (4, 0, 0), (3, 0, 0)  # of one class
    features = rng.normal(0, 1, (8, 5)).astype("float32")
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    outputs = {name: paddle.to_tensor(v) for name, v in {"weak": weak, "strong": strong, "features": features}.items()}
    outputs["logits"] = paddle.to_tensor([[1.0, 2.0, 3.0]])
    batch = Batch(paddle.zeros([1, 3, 8, 8]), paddle.to_tensor([1]), {"strong": paddle.zeros([4, 3, 8, 8])})
    facts = Facts(class_counts=np.ones(3, np.int64))
    built = [
        {part.name: LOSSES.build(part, facts)}
        for part in (Part("CELoss"), Part("SoftSupConLoss", {"weight": 0.5, "temperature": 0.1}))
    ]
    terms = FixMatch(nn.Linear(1, 1), *built, temperature=1.0, threshold=0.9).losses(outputs, batch)

    guesses = np.exp(weak) / np.exp(weak).sum(axis=1, keepdims=True)
    labels, certainty = np.tile(guesses.argmax(axis=1), 2), np.tile(guesses.max(axis=1), 2)
    expected = 0.0
    for i in range(8):
        others = [j for j in range(8) if j != i]
        all_of_them = np.log(sum(np.exp(features[i] @ features[j] / 0.1) for j in others))
        weights = {j: certainty[i] * certainty[j] for j in others if labels[i] == labels[j]}
        logs = {j: features[i] @ features[j] / 0.1 - all_of_them for j in weights}
        expected -= sum(weights[j] * logs[j] for j in weights) / sum(weights.values()) / 8
    assert float(terms["UnLabelSoftSupConLoss"]) == pytest.approx(0.5 * expected * 0.1 / 0.07, rel=1e-5)


def test_ccssl_trains_on_three_views(fixmatch: Any, tmp_path: Path) -> None:
    strong2 = f"DataLoader.UnLabelTrain.dataset.transform_ops_strong2=[{{RandCropImage: {{size: 24}}}}, {NORMALIZE}]"
    losses = "UnLabelLoss.Train=[CCSSLCELoss, {SoftSupConLoss: {temperature: 0.1}}]"
    options = ["Arch.name=Branched", "Global.train_mode=fixmatch_ccssl", "SSL={T: 1, threshold: 0.3}", strong2, losses]
    engine = fixmatch("run", *options, "Global.epochs=1")
    (batch,) = itertools.islice(engine.train_loader.epoch(0), 1)
    assert [len(batch.extra[view]) for view in ("weak", "strong", "strong2")] == [7, 7, 7]
    assert all(not np.array_equal(batch.extra["strong2"], batch.extra[view]) for view in ("weak", "strong"))
    engine.train()
    assert {"CELoss", "UnLabelCELoss", "UnLabelSoftSupConLoss"} <= set(records(engine, "train")[0])
    with pytest.raises(ConfigError, match="the model gives no 'features' but logits"):
        fixmatch("other", *options, "Arch.name=Tiny").train()
    with pytest.raises(ConfigError, match="SoftSupConLoss: is for UnLabelLoss.Train with"):
        fixmatch("third", *options, "Loss.Train=[SoftSupConLoss]").train()


def first(batches: Iterator[Batch], count: int) -> list[dict[str, np.ndarray]]:
    return [
        {"labelled": b.images.copy(), **{k: v.copy() for k, v in b.extra.items()}}
        for b in itertools.islice(batches, count)
    ]


def test_both_views_are_of_the_same_images_and_a_place_in_the_run_has_its_own(fixmatch: Any) -> None:
    loader = fixmatch("run").train_loader
    whole = first(loader.epoch(0), 4) + first(loader.epoch(1), 4)
    again = first(loader.epoch(0, skip=2), 2) + first(loader.epoch(1, skip=1), 3)
    assert [len(one["weak"]) for one in whole] == [7] * 8
    for one, other in zip([*whole[2:4], *whole[5:]], again):
        assert same_arrays(one, other)
    # 26 images make 3 batches of 7: the fourth begins the next order of them.
    seen = {array.tobytes() for one in whole[:3] for array in one["weak"]}
    assert len(seen) == 21
    assert not same_arrays(whole[0], whole[3])
    # Of the same images: they differ by their crops alone.
    assert all(abs(w.mean() - s.mean()) < 0.3 for w, s in zip(whole[0]["weak"], whole[0]["strong"]))


def test_a_resumed_run_equals_one_that_never_stopped(fixmatch: Any, tmp_path: Path) -> None:
    fixmatch("whole").train()
    fixmatch("parts", "Global.early_stop=1").train()
    engine = fixmatch("parts", "Global.checkpoints=auto")
    engine.train()
    whole, parts = (pdparams.read(tmp_path / run / "Tiny/latest.pdparams") for run in ("whole", "parts"))
    assert same_arrays(whole, parts)
    assert {"CELoss", "UnLabelCELoss"} <= set(records(engine, "train")[0])


def test_images_without_labels_that_would_not_be_used_are_refused(fixmatch: Any) -> None:
    with pytest.raises(ConfigError, match="DataLoader.UnLabelTrain: is not used; set Global.train_mode to fixmatch"):
        fixmatch("run", "Global.train_mode=default").train()
    with pytest.raises(ConfigError, match="missing key 'UnLabelLoss.Train'; `train_mode: fixmatch` needs it"):
        fixmatch("run", "UnLabelLoss=null").train()
