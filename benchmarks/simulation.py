"""What sharing the gradients of thousands of ranks would cost, from the constants of their links (docs/scaling.md)."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prettytable import PrettyTable


@dataclass(frozen=True)
class Link:
    """What one message takes: a latency, and its bytes at a bandwidth."""

    latency_seconds: float
    bytes_per_second: float

    def ring(self, members: int, num_bytes: float) -> float:
        """Return the seconds of an all-reduce: each member sends a part of the bytes in each of 2 (members - 1) stages.

        Source: Patarasuk, Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations".
        """
        return 2 * (members - 1) * (self.latency_seconds + num_bytes / members / self.bytes_per_second)


def simulate(arguments: argparse.Namespace) -> None:
    node = Link(arguments.node_latency_us * 1e-6, arguments.node_gb_s * 1e9)
    net = Link(arguments.net_latency_us * 1e-6, arguments.net_gb_s * 1e9)
    slower = Link(max(node.latency_seconds, net.latency_seconds), min(node.bytes_per_second, net.bytes_per_second))
    per_node, buckets = arguments.node_ranks, [1e6 * size for size in arguments.buckets_mb]
    compute, packing = arguments.compute_ms / 1000, arguments.packing_ms / 1000

    def ring(num_ranks: int, num_bytes: float) -> float:
        """One ring through all ranks, node by node: it is as slow as its slowest link."""
        return (node if num_ranks <= per_node else slower).ring(num_ranks, num_bytes)

    def hierarchical(num_ranks: int, num_bytes: float) -> float:
        """Sums within each node, then as many rings through all nodes, each with its part, then copies."""
        return node.ring(min(num_ranks, per_node), num_bytes) + net.ring(max(num_ranks // per_node, 1), num_bytes)

    def overlapped(each: Sequence[float]) -> float:
        """The seconds of a step whose buckets fill evenly in the backward pass and go out one after the other."""
        done = 0.0
        for index, seconds in enumerate(each, 1):
            ready = compute * (1 - arguments.backward_share * (1 - index / len(each)))
            done = max(done, ready) + seconds
        return done

    table = PrettyTable(["ranks", "global batch", "ring ms", "after", "during", "hierarchical ms", "after ", "during "])
    table.align = "r"
    for num_ranks in arguments.ranks:
        row = []
        for way in (ring, hierarchical):
            each = [way(num_ranks, size) for size in buckets]
            row.append(f"{1000 * sum(each):.1f}")
            row += [f"{compute / (packing + step):.1%}" for step in (compute + sum(each), overlapped(each))]
        table.add_row([num_ranks, num_ranks * arguments.batch, *row])
    print(f"{arguments.batch} images per rank in {arguments.compute_ms:g} ms, {sum(arguments.buckets_mb):.1f} MB of "
          f"gradients, packed in {arguments.packing_ms:g} ms; {per_node} ranks a node, {arguments.node_gb_s:g} GB/s "
          f"and {arguments.node_latency_us:g} us inside, {arguments.net_gb_s:g} GB/s and {arguments.net_latency_us:g} "
          "us between nodes\nmilliseconds of the all-reduces, and the efficiency with them after, or during, the "
          f"backward pass\n{table}")  # fmt: skip


def report_constants(found: dict[str, Any], batch: int, medians: dict[str, dict[str, float]]) -> None:
    """Print how long all-reduces take, and the simulation of more machines like this one."""
    table = PrettyTable(["all-reduce of", "ms", "MB/s"], align="r")
    for size, seconds in found["all_reduce"].items():
        table.add_row([f"{int(size):,} bytes", f"{1000 * seconds:.3f}", f"{int(size) / seconds / 1e6:.1f}"])
    # The ring of 2 ranks has 2 stages, each with half of the bytes.
    first, *_, last = found["all_reduce"].items()
    link = Link(first[1] / 2, int(last[0]) / last[1])
    cost = medians["one bucket"]["shared"] - medians["one bucket"]["alone"]
    packing = cost - link.ring(2, sum(found["bucket_bytes"]))
    latency, bandwidth = f"{1e6 * link.latency_seconds:.0f}", f"{link.bytes_per_second / 1e9:.2f}"
    print(f"{table}\npython benchmarks/scaling.py simulate --ranks 2 8 64 512 4096 --batch {batch} "
          f"--compute_ms {1000 * medians['lone']['shared']:.0f} --packing_ms {1000 * packing:.0f} "
          f"--buckets_mb {megabytes(found['bucket_bytes'])} --node_ranks 2 --node_latency_us {latency} "
          f"--node_gb_s {bandwidth} --net_latency_us {latency} --net_gb_s {bandwidth}")  # fmt: skip


def megabytes(sizes: Sequence[int]) -> str:
    return " ".join(f"{size / 1e6:.1f}" for size in sizes)


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("simulate", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    command.add_argument("--ranks", nargs="+", type=int, default=[8, 64, 512, 4096], help="multiples of a node's")
    command.add_argument("--batch", type=int, default=64, help="images per rank")
    command.add_argument("--compute_ms", type=float, default=80, help="a step of one rank alone")
    command.add_argument("--backward_share", type=float, default=2 / 3, help="of those")
    command.add_argument("--packing_ms", type=float, default=0, help="of gradients into buckets and back")
    buckets = "of gradients, in the order in which they fill; ResNet50's are the default"
    command.add_argument("--buckets_mb", nargs="+", type=float, default=[25.6, 25.6, 25.6, 25.4], help=buckets)
    command.add_argument("--node_ranks", type=int, default=8)
    command.add_argument("--node_latency_us", type=float, default=10)
    command.add_argument("--node_gb_s", type=float, default=10, help="from each rank of a node to the next")
    command.add_argument("--net_latency_us", type=float, default=20)
    command.add_argument("--net_gb_s", type=float, default=12.5, help="of a node, all its ranks together")
    command.set_defaults(run=simulate)
