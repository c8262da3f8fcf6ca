"""Several ranks compute what one process with the same global batch computes."""

import re
from pathlib import Path

import numpy as np
import pytest
from launches import LAUNCHER, PADDLE_LAUNCHER, REPO, SMALL, Launch, Run

RECORDED_RUN = str(REPO / "tests/ranks/recorded_run.py")
GLOBAL_BATCH = 8
STEPS = 20  # of two batches each: their gradients are added up before they are shared


def recorded(folder: Path, config: Path, ranks: int) -> tuple[str, ...]:
    """Return the arguments of a recorded run."""
    overrides = (
        "EMA.decay=0.9",
        "Global.update_freq=2",
        "Global.epochs=2",
        "Optimizer.lr.learning_rate=0.5",
        "Global.eval_during_train=False",
        f"Global.output_dir={folder}/output",
        f"DataLoader.Train.sampler.batch_size={GLOBAL_BATCH // ranks}",
    )
    return (str(folder / "record"), str(config), *overrides)


def losses(run: Run, ranks: int) -> np.ndarray:
    """Return the loss of each global batch, after checking that all ranks ended with one and the same model."""
    records = [np.load(run.folder / f"record/rank_{rank}.npz") for rank in range(ranks)]
    assert len({str(record["digest"]) for record in records}) == 1
    average: np.ndarray = np.mean([record["losses"] for record in records], axis=0)
    return average


def launched(*words: str, nodes: int = 1, node: int = 0, port: int = 0) -> tuple[str, ...]:
    """Return the arguments of paddle.distributed.launch for two ranks a node."""
    words = ("--log_level", "ERROR", "--log_dir", f"logs{node}", "--nproc_per_node", "2", RECORDED_RUN, *words)
    return ("--master", f"127.0.0.1:{port}", "--nnodes", "2", "--rank", str(node), *words) if nodes == 2 else words


def test_losses_of_two_ranks_and_of_two_nodes_are_those_of_one_process(
    launch: Launch, config: Path, tmp_path: Path, free_port: int
) -> None:
    one = launch(*recorded(tmp_path / "one", config, 1), script=RECORDED_RUN, folder=tmp_path / "one")
    assert one.wait() == 0, one.printed()
    alone = losses(one, 1)
    assert len(alone) == 2 * STEPS and np.ptp(alone) > 1

    two = launch(*launched(*recorded(tmp_path / "two", config, 2)), script=PADDLE_LAUNCHER, folder=tmp_path / "two")
    assert two.wait() == 0, two.printed()
    np.testing.assert_allclose(losses(two, 2), alone, rtol=0, atol=1e-5)

    words = recorded(tmp_path / "four", config, 4)
    nodes = [
        launch(*launched(*words, nodes=2, node=node, port=free_port), script=PADDLE_LAUNCHER, folder=tmp_path / "four")
        for node in range(2)
    ]
    assert [node.wait() for node in nodes] == [0, 0], [node.printed() for node in nodes]
    np.testing.assert_allclose(losses(nodes[0], 4), alone, rtol=0, atol=1e-5)


def eval_line(run: Run) -> tuple[float, float]:
    """Return loss and top1 of the line that an evaluation prints."""
    found = re.search(r"\[Eval\].*\[Avg\]loss: ([\d.]+), top1: ([\d.]+)", run.printed())
    assert found, run.printed()
    return float(found[1]), float(found[2])


def test_every_number_of_ranks_evaluates_the_trained_model_alike(launch: Launch, images: Path, tmp_path: Path) -> None:
    flags = "--model_name resnet18 --nproc_per_node 2 --bs 4 --lr 0.01 --device cpu --num_workers 0 --epoch 1".split()
    train = launch(*flags, "--dataset_path", str(images), *SMALL, "-o", "Global.iter_per_epoch=3", script=LAUNCHER)
    assert train.wait() == 0, train.printed()
    assert (tmp_path / "output/launch/workerlog.1").read_text() == ""  # only the first rank speaks

    resolved, weights = "output/ResNet18/config.yaml", "output/ResNet18/best_model"
    words = ("-c", resolved, "-o", f"Global.pretrained_model={weights}", "-o", "DataLoader.Eval.sampler.batch_size=8")
    alone = launch(*words, script=str(REPO / "tools/eval.py"))
    assert alone.wait() == 0, alone.printed()
    # 9 images for 4 ranks of 8: three for each but the last, which has none.
    options = ("--log_level", "ERROR", "--log_dir", "logs", "--nproc_per_node", "4")
    four = launch(*options, str(REPO / "tools/eval.py"), *words, script=PADDLE_LAUNCHER)
    assert four.wait() == 0, four.printed()

    for run in (alone, four):
        assert eval_line(run)[1] == eval_line(train)[1]
        assert eval_line(run)[0] == pytest.approx(eval_line(train)[0], abs=2e-5)
