import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from runs import MakeEngine, same_arrays

from ppcls import pdparams
from ppcls.engine import batches
from ppcls.engine.averages import Averages
from ppcls.engine.engine import Engine
from ppcls.engine.state import weights_of
from ppcls.errors import CheckpointError
from ppcls.metrics.base import MAX_PENDING


def by_numpy(engine: Engine) -> dict[str, float]:
    """Return the loss and the accuracies over all samples, from the logits of each image by itself."""
    engine.model.eval()
    dataset = engine.eval_loader.dataset
    images = [dataset.pipeline.finish(dataset.sample(i, np.random.default_rng(0))[None]) for i in range(len(dataset))]
    with paddle.no_grad():
        logits = np.concatenate([engine.model(paddle.to_tensor(image)).numpy() for image in images]).astype("float64")
    labels = np.asarray(dataset.labels)
    of_label = logits[np.arange(len(labels)), labels]
    rank = (logits > of_label[:, None]).sum(axis=1)
    losses = np.log(np.exp(logits).sum(axis=1)) - of_label
    return {"loss": losses.mean(), "top1": (rank < 1).mean(), "top2": (rank < 2).mean()}


def test_an_evaluation_counts_every_sample_once_for_any_batch_size(make: MakeEngine) -> None:
    trained = make("Tiny", "run", "Global.epochs=2")
    trained.train()
    weights = f"Global.pretrained_model={trained.folder}/latest"
    expected = by_numpy(trained)
    for batch_size in (1, 4, 5, 13, 64):  # of 13 images
        engine = make("Tiny", "eval", weights, f"DataLoader.Eval.sampler.batch_size={batch_size}")
        found = engine.evaluate_weights()
        assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)
        assert [found["top1"], found["top2"]] == [expected["top1"], expected["top2"]]


def test_what_an_evaluation_found_is_in_its_log(make: MakeEngine) -> None:
    trained = make("Tiny", "run", "Global.epochs=1")
    trained.train()
    found = make("Tiny", "run", f"Global.pretrained_model={trained.folder}/latest").evaluate_weights()
    line = (trained.folder / "eval.log").read_text().splitlines()[-1]
    assert line.endswith(
        f"[Eval][Epoch 0][Avg]loss: {found['loss']:.5f}, top1: {found['top1']:.5f}, top2: {found['top2']:.5f}"
    )


def test_weights_of_other_classes_are_refused_but_for_training(make: MakeEngine) -> None:
    trained = make("Tiny", "run", "Global.epochs=1")
    trained.train()
    other = make("Tiny", "eval", f"Global.pretrained_model={trained.folder}/latest", "Arch.class_num=4")
    with pytest.raises(CheckpointError, match=r"fc.weight \[8, 3\] instead of \[8, 4\]"):
        other.evaluate_weights()
    assert not other.folder.exists()


def test_weights_of_16_bits_are_kept_in_16_bits(make: MakeEngine) -> None:
    saved, resumed = make("Tiny", "run"), make("Tiny", "other", "Global.seed=1")
    for engine in (saved, resumed):
        engine.prepare()
        engine.model.to(dtype="bfloat16")
    kept = saved.state.checkpoint()
    assert kept.weights["conv.weight"].dtype == np.float32
    resumed.state.restore(kept)
    assert resumed.model.conv.weight.dtype == paddle.bfloat16
    assert same_arrays(weights_of(resumed.model), kept.weights)
    assert same_arrays(resumed.state.checkpoint().optimizer, kept.optimizer)


def test_a_resumed_run_does_not_load_start_weights(make: MakeEngine) -> None:
    trained = make("Tiny", "run", "Global.epochs=1")
    trained.train()
    pdparams.write(trained.folder / "start.pdparams", {"other": np.zeros(3, "float32")})
    start = f"Global.pretrained_model={trained.folder}/start"
    make("Tiny", "run", "Global.epochs=2", start, f"Global.checkpoints={trained.folder}/latest").train()
    with pytest.raises(CheckpointError, match="unexpected: other"):
        make("Tiny", "new", start).train()


def test_averages_are_over_samples_not_over_batches() -> None:
    averages = Averages(["loss"])
    rng = np.random.default_rng(0)
    batches = [(int(size), rng.random()) for size in rng.integers(1, 9, MAX_PENDING + 5)]
    for size, loss in batches:
        averages.add(size, [paddle.to_tensor(loss)])
    assert len(averages.pending) < MAX_PENDING
    expected = sum(size * loss for size, loss in batches) / sum(size for size, _ in batches)
    assert averages.compute(averages.state()) == {"loss": pytest.approx(expected, rel=1e-6)}


def test_an_evaluation_with_mirror_images_takes_the_mean_of_the_scores(make: MakeEngine) -> None:
    engine = make("Tiny", "run", "Global.tta=True", "DataLoader.Eval.sampler.batch_size=13")
    (evaluator,) = engine.evaluators
    (batch,) = batches.on_device(evaluator.loader.epoch(0))
    engine.model.eval()
    scores = [F.softmax(engine.model(images)) for images in (batch.images, batch.images.flip([3]))]
    found = engine.evaluate(evaluator)
    labels = batch.labels.numpy()
    mean = ((scores[0] + scores[1]) / 2).numpy()
    assert found["loss"] == pytest.approx(-np.log(mean[np.arange(13), labels]).mean(), rel=1e-5)
    assert found["top1"] == (mean.argmax(axis=1) == labels).mean()
