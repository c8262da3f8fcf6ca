"""The launcher's command lines, as users type them, on small pictures."""

import json
from pathlib import Path

from launches import SMALL, Launch

ONE_CARD = (
    "--model_name resnet18 --nproc_per_node 1 --bs 8 --lr 0.064 --device cpu --step 2 --epoch 1 "
    "--grad_scale True --autocast True"
).split()
TWO_NODES = (
    "--model_name resnet18 --nproc_per_node 1 --nnode 2 --bs 8 --lr 0.064 --device cpu --step 2 "
    "--master_addr 127.0.0.1,127.0.0.1"
).split()


def test_a_smoke_run_stops_after_its_steps_and_says_so_at_its_end(
    launch: Launch, pictures: Path, tmp_path: Path
) -> None:
    run = launch(*ONE_CARD, "--dataset_path", str(pictures), *SMALL)
    assert run.wait() == 0, run.printed()
    lines = run.printed().splitlines()
    assert " -m paddle.distributed.launch " in lines[0] and "tools/train.py" in lines[0]
    assert lines[-1] == "experiment ended" and lines.count("experiment ended") == 1
    assert "bfloat16" in run.printed()
    records = [json.loads(line) for line in (tmp_path / "output/ResNet18/metrics.jsonl").read_text().splitlines()]
    assert [(record["phase"], record["step"]) for record in records] == [("train", 1), ("train", 2)]
    # Nothing beside the logs: paddle.distributed.launch writes the environment, secrets included, beside them.
    assert {file.name for file in (tmp_path / "output/launch").iterdir()} == {"launch.log", "workerlog.0"}


def test_two_nodes_train_together(launch: Launch, pictures: Path, tmp_path: Path, free_port: int) -> None:
    flags = (*TWO_NODES, "--master_port", str(free_port), "--dataset_path", str(pictures), *SMALL)
    logged_by_both = ("-o", "Global.log_ranks=0,1")
    nodes = [
        launch(*flags, *logged_by_both, "--node_rank", str(rank), folder=tmp_path / str(rank)) for rank in range(2)
    ]
    assert [node.wait() for node in nodes] == [0, 0], [node.printed() for node in nodes]
    averages = [[line for line in node.printed().splitlines() if "[Avg]" in line] for node in nodes]
    losses = [line.split("[Avg]")[1].split(", ips")[0] for lines in averages for line in lines]
    assert len(losses) == 2 and losses[0] == losses[1]
    assert all(node.printed().endswith("experiment ended\n") for node in nodes)
    assert [(tmp_path / f"{rank}/output/ResNet18").exists() for rank in range(2)] == [True, False]
