"""Losses, metrics and evaluations of a config: which labels they take, and what becomes of them."""

import re
from pathlib import Path
from typing import Callable

import numpy as np
import paddle
import pytest
from runs import MakeEngine, numbers, records, records_in, same_arrays, trained

from ppcls.batch import Batch
from ppcls.engine import checkpoints
from ppcls.engine.tally import Tally
from ppcls.errors import ConfigError
from ppcls.metrics.confusion import ConfusionMatrix
from ppcls.metrics.topk import TopkAcc

CENTERS = "Loss.Train=[CELoss, {'own_losses:Centers': {weight: 0.1}}]"


@pytest.fixture
def several(shapes: Path, tmp_path: Path) -> list[str]:
    """Return options that give each image of `shapes` several labels."""
    options = []
    for split, section in (("train", "Train"), ("val", "Eval")):
        rows = []
        for index, name in enumerate(("blue", "green", "red")):
            label = ",".join(str(int(index == k or k == 0)) for k in range(3))
            rows += [f"{split}/{name}/{file.name}\t{label}" for file in sorted((shapes / split / name).iterdir())]
        (tmp_path / f"{split}.txt").write_text("\n".join(rows))
        path = f"DataLoader.{section}.dataset"
        options += [f"{path}.name=MultiLabelDataset", f"{path}.image_root={shapes}"]
        options += [f"{path}.cls_label_path={tmp_path}/{split}.txt"]
    return options


def test_a_loss_that_cannot_take_the_labels_is_refused_before_anything_is_written(
    make: MakeEngine, several: list[str], tmp_path: Path
) -> None:
    place = re.escape("Loss.Train.0.CELoss: CELoss takes class ids or probabilities; ")
    with pytest.raises(ConfigError, match=f"yaml:\\d+: {place}MultiLabelDataset gives multi-hot labels"):
        make("Tiny", "run", *several, "Global.eval_during_train=False").train()
    with pytest.raises(ConfigError, match="Loss.Eval.0.CELoss: CELoss takes .*; MultiLabelDataset gives multi-hot"):
        make("Tiny", "run", *several).train()
    assert not (tmp_path / "run").exists()


def test_a_metric_that_cannot_take_the_labels_is_refused_too(make: MakeEngine, several: list[str]) -> None:
    any_labels = [f"Loss.{name}=[{{'own_losses:Spoiled': {{batches: []}}}}]" for name in ("Train", "Eval")]
    with pytest.raises(ConfigError, match="Metric.Eval.0.TopkAcc: TopkAcc takes .*; MultiLabelDataset gives multi-hot"):
        make("Tiny", "run", *several, *any_labels).train()


def test_ratios_that_a_loss_needs_are_asked_for_and_have_their_effect(
    make: MakeEngine, several: list[str], tmp_path: Path
) -> None:
    weighed = [f"Loss.{name}=[{{MultiLabelLoss: {{weight_ratio: true}}}}]" for name in ("Train", "Eval")]
    options = [*several, *weighed, "Metric.Train=[HammingDistance]", "Metric.Eval=[ATTRMetric]", "Global.epochs=1"]
    with pytest.raises(
        ConfigError,
        match="MultiLabelLoss takes multi-hot labels with ratios .label_ratio: True.; MultiLabelDataset gives "
        "multi-hot labels; use MultiLabelAsymmetricLoss, BCELoss, FocalLoss",
    ):
        make("Tiny", "run", *options).train()
    assert not (tmp_path / "run").exists()
    ratios = [f"DataLoader.{section}.dataset.label_ratio=True" for section in ("Train", "Eval")]
    weighted, plain = (
        records(trained(make("Tiny", run, *options, *ratios, *more)), "train")[0]["loss"]
        for run, more in (("weighted", []), ("plain", ["Loss.Train=[MultiLabelLoss]"]))
    )
    assert weighted > 1.2 * plain
    mixing = "DataLoader.Train.dataset.batch_transform_ops=[MixupOperator]"
    with pytest.raises(ConfigError, match="mixing takes .*; MultiLabelDataset gives multi-hot labels with ratios"):
        make("Tiny", "mixed", *options, *ratios, mixing).train()


def test_a_loss_for_each_image_is_refused_where_one_number_is_minimised(make: MakeEngine) -> None:
    with pytest.raises(ConfigError, match="Loss.Train.0.CELoss: CELoss: reduction: 'none' gives no mean to minimise"):
        make("Tiny", "run", "Loss.Train=[{CELoss: {reduction: none}}]").train()


def test_mixed_labels_are_probabilities(make: MakeEngine) -> None:
    mixing = "DataLoader.Train.dataset.batch_transform_ops=[{MixupOperator: {alpha: 0.2}}]"
    message = "own_losses:Centers takes class ids; ImageFolder with MixupOperator gives probabilities; use CELoss"
    with pytest.raises(ConfigError, match=message):
        make("Tiny", "run", mixing, CENTERS).train()
    assert trained(make("Tiny", "run", mixing, "Global.epochs=1")).state.step == 4


def test_terms_are_shown_by_name_where_there_are_several(make: MakeEngine) -> None:
    losses = "Loss.Train=[CELoss, {CELoss: {weight: 0.5, epsilon: 0.1}}]"
    engine = trained(make("Tiny", "run", losses, "Global.epochs=1", "Global.print_batch_step=1"))
    for record in records(engine, "train"):
        assert record["loss"] == pytest.approx(record["CELoss"] + record["CELoss2"], rel=1e-6)
    assert re.search(
        r"\[Iter: 1/4\]loss: \S+, CELoss: \S+, CELoss2: \S+, top1", (engine.folder / "train.log").read_text()
    )
    assert list(records(engine, "eval")[0]) == ["phase", "step", "epoch", "loss", "top1", "top2"]


def test_weights_inside_a_loss_are_trained_saved_and_resumed(make: MakeEngine) -> None:
    options = [CENTERS, "Global.print_batch_step=1", "EMA.decay=0.9", "Global.epochs=4"]
    whole = trained(make("Tiny", "whole", *options))
    trained(make("Tiny", "halves", *options, "Global.early_stop=2"))
    halves = trained(make("Tiny", "halves", *options, "Global.checkpoints=auto"))
    left, right = (checkpoints.read(engine.folder / "latest") for engine in (whole, halves))
    assert same_arrays(left.weights, right.weights) and same_arrays(left.optimizer, right.optimizer)
    assert numbers(left) == numbers(right) and records_in(whole.folder) == records_in(halves.folder)
    centers = "losses.Centers.centers"
    assert left.weights[centers].shape == (3, 3) and left.optimizer["optimizer"][f"{centers}/velocity"].any()
    # The model itself neither has them nor draws other weights for them.
    weights = f"Global.pretrained_model={whole.folder}/latest"
    found = make("Tiny", "eval", weights).evaluate_weights()
    assert found == {name: records(whole, "eval")[-1][name] for name in found}
    start = make("Tiny", "again", CENTERS, weights)
    start.prepare()
    assert np.array_equal(start.model.state_dict()["conv.weight"].numpy(), left.weights["conv.weight"])


def test_a_loss_with_weights_is_refused_for_an_evaluation(make: MakeEngine) -> None:
    with pytest.raises(ConfigError, match="own_losses:Centers has weights, which only a training has; give Loss.Eval"):
        make("Tiny", "run", CENTERS, "Loss.Eval=[]").train()


@pytest.fixture
def darker(shapes: Path) -> Callable[..., str]:
    """Return what gives the option of one more evaluation, on the training images of `shapes`."""

    def option(name: str = "darker", every: int = 1) -> str:
        transforms = "transform_ops: [{ResizeImage: {size: 24}}, NormalizeImage]"
        dataset = f"dataset: {{name: ImageFolder, image_root: {shapes}/train, {transforms}}}"
        data = f"{{{dataset}, sampler: {{name: BatchSampler, batch_size: 5}}, loader: {{num_workers: 0}}}}"
        metrics = "[{TopkAcc: {topk: [2]}}]"
        return f"Evaluators=[{{name: {name}, every: {every}, DataLoader: {data}, Metric: {metrics}}}]"

    return option


def test_one_more_evaluation_has_its_images_its_metrics_its_turn_and_its_lines(
    make: MakeEngine, darker: Callable[..., str]
) -> None:
    engine = trained(make("Tiny", "run", darker(every=3)))
    assert [record["epoch"] for record in records(engine, "eval")] == [1, 2, 3, 4]
    assert [record["epoch"] for record in records(engine, "darker")] == [3, 4]
    assert list(records(engine, "darker")[0]) == ["phase", "step", "epoch", "loss", "top2"]
    assert engine.evaluators[1].tally.num_samples == 26
    log = (engine.folder / "train.log").read_text()
    assert re.findall(r"\[Eval darker\]\[Epoch (\d)\]\[Avg\]loss: \d\.\d{5}, top2", log) == ["3", "4"]
    assert engine.state.best_metric == max(record["top1"] for record in records(engine, "eval"))
    plain = trained(make("Tiny", "plain"))
    assert records(plain, "train") == records(engine, "train") and records(plain, "eval") == records(engine, "eval")
    make("Tiny", "run", darker(), f"Global.pretrained_model={engine.folder}/latest").evaluate_weights()
    lines = (engine.folder / "eval.log").read_text().splitlines()
    titles = [re.search(r"\[Eval.*?\]\[Epoch 0\]\[Avg\]", line)[0] for line in lines[-2:]]
    assert titles == ["[Eval][Epoch 0][Avg]", "[Eval darker][Epoch 0][Avg]"]


@pytest.mark.parametrize("name", ["train", "eval"])
def test_an_evaluation_needs_a_name_of_its_own(make: MakeEngine, darker: Callable[..., str], name: str) -> None:
    with pytest.raises(ConfigError, match=f"Evaluators: '{name}' is the name of another; choose another"):
        make("Tiny", "run", darker(name)).train()


def test_a_model_with_several_outputs_is_trained_evaluated_and_exported_by_its_logits(make: MakeEngine) -> None:
    from ppcls.export.export import export

    options = ["Global.image_shape=[3, 24, 24]", "Global.epochs=1"]
    plain, several = trained(make("Tiny", "plain", *options)), trained(make("Branched", "several", *options))
    assert records(plain, "train") == records(several, "train") and records(plain, "eval") == records(several, "eval")
    weights = f"Global.pretrained_model={several.folder}/latest"
    folder = export(make("Branched", "several", *options, weights))
    assert (folder / "inference.json").exists()


def test_the_report_reads_what_metrics_counted(make: MakeEngine) -> None:
    engine = trained(make("Tiny", "run", "Global.epochs=1"))
    (state,) = engine.evaluators[0].tally.last
    assert int(state["images"]) == 13
    assert state["right"].tolist() == [round(13 * records(engine, "eval")[-1][name]) for name in ("top1", "top2")]


def test_values_of_classes_have_their_names_and_a_matrix_has_none(make: MakeEngine) -> None:
    metrics = "Metric.Eval=[ConfusionMatrix, {Recall: {per_class: true}}, {TopkAcc: {topk: 1}}]"
    engine = trained(make("Tiny", "run", "Global.epochs=1", metrics))
    (found,) = records(engine, "eval")
    assert list(found)[4:] == ["macro_recall", "recall/blue", "recall/green", "recall/red", "top1"]
    matrix = engine.evaluators[0].tally.last[0]["matrix"]
    assert matrix.sum(axis=1).tolist() == [4, 4, 5]
    assert found["recall/red"] == matrix[2, 2] / 5 and found["top1"] == matrix.trace() / 13
    assert engine.state.best_metric == found["macro_recall"]


def test_counts_of_other_metrics_are_not_resumed() -> None:
    logits = paddle.to_tensor(np.eye(3, dtype="float32"))
    before = Tally(["CELoss"], [TopkAcc(3, topk=1)])
    before.add({"logits": logits}, Batch(logits, paddle.arange(3)), {"CELoss": paddle.ones([])})
    same, other = Tally(["CELoss"], [TopkAcc(3, topk=1)]), Tally(["CELoss"], [ConfusionMatrix(3), TopkAcc(3, topk=1)])
    for tally, num_samples in ((same, 3), (other, 0)):
        tally.load_state_dict(before.state_dict())
        assert tally.num_samples == num_samples
