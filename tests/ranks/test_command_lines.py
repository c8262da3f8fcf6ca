"""The launcher's command lines, as users type them, on small images."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from launches import SMALL, Launch, Run

ONE_CARD = (
    "--model_name resnet18 --nproc_per_node 1 --bs 8 --lr 0.064 --device cpu --step 2 --epoch 1 "
    "--grad_scale True --autocast True"
).split()
TWO_NODES = "--model_name resnet18 --nproc_per_node 1 --nnode 2 --bs 8 --lr 0.064 --device cpu --step 2".split()


def test_a_smoke_run_stops_after_its_steps_and_says_so_at_its_end(launch: Launch, images: Path, tmp_path: Path) -> None:
    run = launch(*ONE_CARD, "--dataset_path", str(images), *SMALL)
    assert run.wait() == 0, run.printed()
    lines = run.printed().splitlines()
    assert " -m paddle.distributed.launch " in lines[0] and "tools/train.py" in lines[0]
    assert lines[-1] == "experiment ended" and lines.count("experiment ended") == 1
    assert "bfloat16" in run.printed()
    records = [json.loads(line) for line in (tmp_path / "output/ResNet18/metrics.jsonl").read_text().splitlines()]
    assert [(record["phase"], record["step"]) for record in records] == [("train", 1), ("train", 2)]
    # Nothing beside the logs: paddle.distributed.launch writes the environment, secrets included, beside them.
    assert {file.name for file in (tmp_path / "output/launch").iterdir()} == {"launch.log", "workerlog.0"}


def check_nodes(nodes: list[Run]) -> None:
    """Check that two nodes that log both have trained together."""
    assert [node.wait() for node in nodes] == [0, 0], [node.printed() for node in nodes]
    averages = [[line for line in node.printed().splitlines() if "[Train][Epoch 1/1][Avg]" in line] for node in nodes]
    losses = [line.split("[Avg]")[1].split(", ips")[0] for lines in averages for line in lines]
    assert len(losses) == 2 and losses[0] == losses[1]
    assert all(node.printed().endswith("experiment ended\n") for node in nodes)
    assert [(node.folder / "output/ResNet18").exists() for node in nodes] == [True, False]


def test_two_nodes_on_one_machine_train_together(launch: Launch, images: Path, tmp_path: Path, free_port: int) -> None:
    addresses = ("--master_addr", "127.0.0.1,127.0.0.1", "--master_port", str(free_port))
    flags = (*TWO_NODES, *addresses, "--dataset_path", str(images), *SMALL, "-o", "Global.log_ranks=0,1")
    check_nodes([launch(*flags, "--node_rank", str(rank), folder=tmp_path / str(rank)) for rank in range(2)])


@pytest.fixture
def machines() -> Iterator[tuple[str, str]]:
    """Two network namespaces, 10.200.0.1 and 10.200.0.2: to their processes, two machines with a cable between."""
    if shutil.which("ip") is None:
        pytest.skip("no `ip` here to make network namespaces with")
    names = (f"ppcls{os.getpid()}a", f"ppcls{os.getpid()}b")

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1])
        for number, name in enumerate(names, 1):
            ip("-n", name, "addr", "add", f"10.200.0.{number}/24", "dev", "cable")
            for interface in ("lo", "cable"):
                ip("-n", name, "link", "set", interface, "up")
        yield names
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode()}")
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def test_two_machines_find_their_ranks_by_their_addresses_and_train_together(
    launch: Launch, images: Path, tmp_path: Path, machines: tuple[str, str]
) -> None:
    flags = (*TWO_NODES, "--master_addr", "10.200.0.1,10.200.0.2", "--master_port", "29500")
    flags = (*flags, "--dataset_path", str(images), *SMALL, "-o", "Global.log_ranks=0,1")
    check_nodes([launch(*flags, machine=machine, folder=tmp_path / machine) for machine in machines])
