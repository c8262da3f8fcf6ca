import logging
import math
import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest
from runs import MakeEngine, losses, numbers, records, same_arrays, trained

from ppcls.engine import checkpoints
from ppcls.engine.state import weights_of
from ppcls.errors import ConfigError, DataError, TrainingError

EVERY_BATCH = "Global.print_batch_step=1"
NO_EVAL = "Global.eval_during_train=False"


@pytest.fixture
def messages(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="ppcls")
    return caplog


def test_it_learns(make: MakeEngine) -> None:
    engine = make("Tiny", "run", "Global.epochs=12", "Optimizer.lr.learning_rate=0.2")
    best = engine.train()
    assert best == max(record["top1"] for record in records(engine, "eval"))
    assert best == 1.0
    assert losses(engine)[-1] < 0.8 * losses(engine)[0]


def test_the_seed_and_nothing_else_decides_the_losses(make: MakeEngine) -> None:
    def of(run: str, *options: str) -> list[float]:
        return losses(trained(make("Tiny", run, "Global.epochs=2", EVERY_BATCH, NO_EVAL, *options)))

    first = of("a")
    assert len(first) == 8
    assert of("b", "DataLoader.Train.loader.num_workers=3") == first
    assert of("c", "Global.seed=1") != first


@pytest.mark.parametrize(
    ("arch", "half", "ema"), [("Tiny", 2, "EMA=null"), ("Tiny", 2, "EMA.decay=0.9"), ("ResNet18", 1, "EMA=null")]
)
def test_two_and_two_epochs_are_four(make: MakeEngine, arch: str, half: int, ema: str) -> None:
    options = [EVERY_BATCH, ema, f"Global.epochs={2 * half}"]
    whole = trained(make(arch, "whole", *options))
    halves = trained(make(arch, "halves", *options, f"Global.early_stop={half}"))
    halves = trained(make(arch, "halves", *options, f"Global.checkpoints={halves.folder}/latest"))
    for name in ("latest", "best_model"):
        left, right = (checkpoints.read(engine.folder / name) for engine in (whole, halves))
        assert same_arrays(left.weights, right.weights)
        assert same_arrays(left.optimizer, right.optimizer)
        assert ("weights" in left.optimizer) == (ema != "EMA=null")
        assert numbers(left) == numbers(right)
    for phase in ("train", "eval"):
        assert records(whole, phase) == records(halves, phase)
    assert len(records(whole, "train")) == 2 * half * 4


def test_a_run_that_was_killed_in_an_epoch_repeats_it_in_the_record_as_well(make: MakeEngine) -> None:
    whole = trained(make("Tiny", "whole", EVERY_BATCH))
    killed = trained(make("Tiny", "killed", EVERY_BATCH, "Global.early_stop=2"))
    with (killed.folder / "metrics.jsonl").open("a") as file:
        file.write('{"phase": "train", "step": 9, "epoch": 3, "batch": 1, "loss": 1.0}\n{"phase": "tr')
    resumed = trained(make("Tiny", "killed", EVERY_BATCH, f"Global.checkpoints={killed.folder}/latest"))
    assert [records(whole, phase) for phase in ("train", "eval")] == [
        records(resumed, phase) for phase in ("train", "eval")
    ]


def test_a_finished_run_says_that_there_is_nothing_to_do(make: MakeEngine, messages: pytest.LogCaptureFixture) -> None:
    done = trained(make("Tiny", "run", "Global.epochs=1"))
    again = make("Tiny", "run", "Global.epochs=1", f"Global.checkpoints={done.folder}/latest")
    assert again.train() == done.state.best_metric
    assert "nothing to train: 1 of 1 epochs are done; raise Global.epochs" in messages.messages


def test_patience_ends_a_run_and_a_resumed_one_stays_ended(
    make: MakeEngine, messages: pytest.LogCaptureFixture
) -> None:
    options = ("Global.epochs=9", "Global.patience=2", "Optimizer.lr.learning_rate=0")  # it never becomes better
    ended = trained(make("Tiny", "run", *options))
    assert (ended.state.epoch, ended.state.num_worse) == (3, 2)
    assert "2 evaluations were no better: Global.patience ends the training" in messages.messages
    assert trained(make("Tiny", "run", *options, "Global.checkpoints=auto")).state.epoch == 3


@pytest.mark.parametrize("small", [2, 3])
def test_gradients_of_a_group_are_those_of_one_big_batch(make: MakeEngine, small: int) -> None:
    """26 images: groups of 4 batches of 2, of which the last has one, or of 3, of which the last batch has 2."""
    plain = ["Arch.norm=none", "Optimizer.lr={name: Constant, learning_rate: 0.5}", NO_EVAL, "Global.epochs=2"]

    def weights(run: str, batch_size: int, update_freq: int) -> dict[str, np.ndarray]:
        options = [f"DataLoader.Train.sampler.batch_size={batch_size}", f"Global.update_freq={update_freq}"]
        engine = trained(make("Tiny", run, *plain, *options))
        assert engine.state.step == 2 * math.ceil(26 / (4 * small))
        return weights_of(engine.model)

    one_by_one, at_once = weights("groups", small, 4), weights("whole", 4 * small, 1)
    for name, value in one_by_one.items():
        np.testing.assert_allclose(value, at_once[name], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("freq", [1, 2])
def test_images_that_are_skipped_weigh_nothing(make: MakeEngine, shapes: Path, tmp_path: Path, freq: int) -> None:
    """One update on all 26 images of which 5 are corrupt, in one batch or two, is one on the 21 others."""
    for name in ("corrupt", "removed"):
        shutil.copytree(shapes / "train", tmp_path / name)
        for file in [*sorted((tmp_path / name / "red").iterdir())[:4], tmp_path / name / "blue/0.png"]:
            file.write_bytes(file.read_bytes()[:60]) if name == "corrupt" else file.unlink()
    plain = ["Arch.norm=none", "Optimizer.lr=0.5", NO_EVAL, "Global.epochs=1", "Metric.Train=[]"]
    plain += ["DataLoader.Train.dataset.transform_ops=[{ResizeImage: {size: 24}}, NormalizeImage]"]

    def weights(name: str, *options: str) -> dict[str, np.ndarray]:
        data = [f"DataLoader.Train.dataset.image_root={tmp_path}/{name}", "DataLoader.Train.dataset.skip_corrupt=True"]
        engine = trained(make("Tiny", name, *plain, *data, *options))
        assert engine.state.step == 1
        return weights_of(engine.model)

    batches = [f"DataLoader.Train.sampler.batch_size={26 // freq}", f"Global.update_freq={freq}"]
    left, right = weights("corrupt", *batches), weights("removed", "DataLoader.Train.sampler.batch_size=21")
    for name, value in left.items():
        np.testing.assert_allclose(value, right[name], rtol=1e-5, atol=1e-6)


def test_averaged_weights_are_evaluated_and_kept_as_the_best(make: MakeEngine) -> None:
    options = ["EMA.decay=0.9", "Global.epochs=3"]
    engine = trained(make("Tiny", "run", *options))
    latest = checkpoints.read(engine.folder / "latest")
    assert same_arrays(latest.weights, engine.state.ema.state_dict())
    assert same_arrays(latest.optimizer["weights"], weights_of(engine.model))
    assert not np.array_equal(latest.weights["fc.weight"], latest.optimizer["weights"]["fc.weight"])
    of_file = make("Tiny", "eval", f"Global.pretrained_model={engine.folder}/latest").evaluate_weights()
    assert of_file == {name: records(engine, "eval")[-1][name] for name in ("loss", "top1", "top2")}
    best = checkpoints.read(engine.folder / "best_model")
    assert best.states["best_metric"] == max(record["top1"] for record in records(engine, "eval"))


@pytest.mark.parametrize(
    ("option", "steps"),
    [
        ("Global.prof=2", 2),
        ("Global.iter_per_epoch=3", 3),
        ("Global.iter_per_epoch=99", 4),
        ("Global.update_freq=3", 2),
    ],
)
def test_an_epoch_has_so_many_steps(make: MakeEngine, option: str, steps: int) -> None:
    engine = trained(make("Tiny", "run", option, "Global.epochs=2", NO_EVAL))
    assert engine.state.step == 2 * steps
    assert engine.state.schedule.decay_ticks == steps  # of one epoch, after a warm-up of one


def test_an_early_stop_leaves_the_schedule_as_it_was(make: MakeEngine) -> None:
    engine = trained(make("Tiny", "run", "Global.early_stop=1"))
    assert (engine.state.epoch, engine.state.schedule.decay_ticks) == (1, 3 * 4)


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ((), [1, 2, 3, 4]),
        (("Global.eval_interval=3",), [3, 4]),
        (("Global.start_eval_epoch=3",), [3, 4]),
        (("Global.eval_interval=3", "Global.early_stop=2"), []),
        ((NO_EVAL,), []),
    ],
)
def test_evaluations_come_when_they_are_due(make: MakeEngine, options: tuple[str, ...], epochs: list[int]) -> None:
    engine = trained(make("Tiny", "run", *options))
    assert [record["epoch"] for record in records(engine, "eval")] == epochs
    assert (engine.folder / "best_model.pdparams").exists() == bool(epochs)
    assert (engine.folder / "latest.pdparams").exists()


def test_without_a_metric_the_lowest_loss_is_the_best(make: MakeEngine) -> None:
    engine = trained(make("Tiny", "run", "Metric.Eval=[]", "Metric.Train=[]"))
    assert engine.state.best_metric == min(record["loss"] for record in records(engine, "eval"))


def test_a_rate_that_follows_the_evaluations(make: MakeEngine) -> None:
    plateau = "Optimizer.lr={name: ReduceOnPlateau, learning_rate: 1.0e-30, patience: 0, epsilon: 0.0, threshold: 9.0}"
    engine = trained(make("Tiny", "run", plateau, EVERY_BATCH))
    rates = [record["lr"] for record in records(engine, "train")]
    np.testing.assert_allclose(rates[::4], [1e-30, 1e-30, 1e-31, 1e-32])


def test_a_rate_that_follows_evaluations_which_there_are_not_is_refused(make: MakeEngine, tmp_path: Path) -> None:
    plateau = "Optimizer.lr={name: ReduceOnPlateau, learning_rate: 0.1}"
    with pytest.raises(ConfigError, match="ReduceOnPlateau follows the evaluations; .*eval_during_train: False"):
        make("Tiny", "run", plateau, NO_EVAL).train()
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_ends_the_run_before_anything_is_saved(make: MakeEngine) -> None:
    engine = make("Tiny", "run", "Optimizer.lr={name: Constant, learning_rate: 1.0e+30}", "Global.print_batch_step=100")
    with pytest.raises(TrainingError) as caught:
        engine.train()
    message = str(caught.value)
    assert message.startswith("epoch 1, batch ")
    assert "the loss is not finite at learning rate 1e+30; lower Optimizer.lr.learning_rate" in message
    assert not list(engine.folder.glob("*.pd*"))


def test_weights_that_diverge_in_the_last_step_of_an_epoch_are_not_saved(make: MakeEngine) -> None:
    one_step = ["Global.iter_per_epoch=1", "Optimizer.lr={name: Constant, learning_rate: 1.0e+39}"]
    engine = make("Tiny", "run", *one_step, NO_EVAL)
    with pytest.raises(TrainingError, match=r"^epoch 1 \(step 1\): the weights are not finite at learning rate 1e\+39"):
        engine.train()
    assert not list(engine.folder.glob("*.pd*"))


def test_an_evaluation_whose_loss_is_not_finite_ends_the_run(make: MakeEngine) -> None:
    one_step = ["Global.iter_per_epoch=1", "Optimizer.lr={name: Constant, learning_rate: 1.0e+39}"]
    with pytest.raises(TrainingError, match=r"^epoch 1 \(step 1\): the loss of the evaluation is not finite"):
        make("Tiny", "run", *one_step).train()


def test_other_class_folders_for_evaluation_are_refused(make: MakeEngine, shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    for name in ("blue", "red"):
        (tmp_path / "val" / name).symlink_to(shapes / "val" / name)
    other = f"DataLoader.Eval.dataset.image_root={tmp_path}/val"
    message = (
        "has other classes than the training set; received 2 names for 3, of which label 1 is 'red' instead of 'gr"
    )
    with pytest.raises(DataError, match=message):
        make("Tiny", "run", other).train()
    assert not (tmp_path / "run").exists()
    engine = trained(make("Tiny", "run", "Global.epochs=1"))
    with pytest.raises(DataError, match="has other classes than the weights; .* label 1 is 'red' instead of 'green'"):
        make("Tiny", "eval", other, f"Global.pretrained_model={engine.folder}/latest").evaluate_weights()


def test_a_static_graph_gives_the_same_losses(make: MakeEngine) -> None:
    options = ["Global.epochs=1", EVERY_BATCH]
    eager = trained(make("Tiny", "eager", *options))
    static = trained(make("Tiny", "static", *options, "Global.to_static=True"))
    np.testing.assert_allclose(losses(static), losses(eager), rtol=1e-3)
    assert records(static, "eval")[0]["loss"] == pytest.approx(records(eager, "eval")[0]["loss"], rel=1e-2)
    assert list(checkpoints.read(static.folder / "latest").weights) == list(weights_of(eager.model))


def test_mixed_precision_on_the_cpu_changes_the_losses_a_little(make: MakeEngine) -> None:
    options = ["Global.epochs=2", EVERY_BATCH]
    plain = losses(trained(make("Tiny", "plain", *options)))
    engine = trained(make("Tiny", "mixed", *options, "AMP.level=O1"))
    assert engine.summary(training=True) == (
        "Tiny, 3 classes, on cpu, bfloat16 rounding, float32 arithmetic (Paddle has no bfloat16 operators on the CPU)"
    )
    assert engine.summary(training=False) == "Tiny, 3 classes, on cpu, float32"  # as it is without use_fp16_test
    assert losses(engine) != plain
    np.testing.assert_allclose(losses(engine), plain, rtol=0.02)
    static = trained(make("Tiny", "static", *options, "AMP.level=O1", "Global.to_static=True"))
    np.testing.assert_allclose(losses(static), losses(engine), rtol=1e-2)


@pytest.mark.parametrize(
    ("option", "kept"),
    [
        (
            r"Optimizer.param_groups=[{pattern: '^norm\.', frozen: true}]",
            "norm.weight norm.bias norm._mean norm._variance",
        ),
        ("Optimizer.param_groups=[{pattern: ^conv, frozen: true}]", "conv.weight conv.bias"),
        ("Global.freeze_norms=True", "norm._mean norm._variance"),
    ],
)
def test_a_frozen_batch_norm_keeps_its_statistics(make: MakeEngine, option: str, kept: str) -> None:
    engine = make("Tiny", "run", "Global.epochs=1", option)
    before = {key: value.numpy().copy() for key, value in engine.model.state_dict().items()}
    engine.train()
    found = {key for key, value in engine.model.state_dict().items() if np.array_equal(value.numpy(), before[key])}
    assert found == set(kept.split())


def test_frozen_batch_norms_teach_the_same_by_all_operators(make: MakeEngine) -> None:
    options = ("Global.epochs=1", "Global.freeze_norms=True", "Optimizer.lr.learning_rate=0.001")
    stock, onednn = (
        trained(make("ResNet18", kind, f"Global.cpu_ops={kind}", *options)) for kind in ("stock", "onednn")
    )
    np.testing.assert_allclose(losses(onednn), losses(stock), rtol=1e-4)
    weights = [engine.model.state_dict() for engine in (stock, onednn)]
    for key in (key for key in weights[0] if key.endswith((".bn.weight", ".bn.bias", ".bn._mean"))):
        np.testing.assert_allclose(weights[1][key].numpy(), weights[0][key].numpy(), atol=1e-5)


def test_a_run_does_not_depend_on_others_in_its_process(make: MakeEngine) -> None:
    first, second = make("Tiny", "first"), make("Tiny", "second")
    trained(second)
    paddle.seed(7)
    assert losses(trained(first)) == losses(second)
