"""benchmarks/scaling.py runs, and its simulation computes what one computes by hand. Nothing is timed here."""

import os
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]


def scaling(*words: str) -> str:
    """Return what the script prints."""
    command = [sys.executable, str(REPO / "benchmarks/scaling.py"), *words]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(REPO)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(printed: str) -> list[list[str]]:
    return [line.strip("| ").replace(" ", "").split("|") for line in printed.splitlines() if line.startswith("|")][1:]


def test_the_simulation_adds_up_stages_of_the_rings() -> None:
    machines = "--node_ranks 2 --node_latency_us 0 --node_gb_s 2 --net_latency_us 1000 --net_gb_s 1".split()
    training = "--batch 10 --compute_ms 60 --backward_share 0.5 --packing_ms 4 --buckets_mb 8 8".split()
    two, four = rows(scaling("simulate", "--ranks", "2", "4", *machines, *training))
    # A node: 2 stages of 4 MB at 2 GB/s for each bucket, 8 ms in all. The first is ready after 45 ms and out by then.
    assert two == ["2", "20", "8.0", "83.3%", "88.2%", "8.0", "83.3%", "88.2%"]
    # One ring: 6 stages of 2 MB at 1 GB/s, each 1 ms late: 18 ms a bucket, the first from 45 to 63 ms.
    # Hierarchical: 4 ms in the node, and 2 stages of 4 MB, each 1 ms late, between two nodes: 14 ms a bucket.
    assert four == ["4", "40", "36.0", "60.0%", "70.6%", "28.0", "65.2%", "76.9%"]


def test_the_engine_is_compared_with_a_bare_loop() -> None:
    sizes = "--batch 2 --side_px 32 --turns 1 --steps 2 --cpu_ops stock".split()
    printed = scaling("overhead", *sizes)
    assert "1 turns of 2 steps each" in printed
    assert all(word in printed for word in ("bare loop", "engine", "overhead"))
