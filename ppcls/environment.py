"""What must be set before Paddle and OpenCV are imported: threads, log levels, known warnings."""

import ctypes
import os
import signal
import warnings
from pathlib import Path

# Warnings that Paddle gives whatever one does: at import, at the first training step with a batch norm, and at
# the first one of a static graph.
CCACHE_WARNING = "No ccache found"
BATCH_NORM_WARNING = "When training, we now always track global mean and variance"
STATIC_TRAINING_WARNING = "Tensor do not have 'place' interface for pir graph mode"

C_LIBRARY = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1  # of Linux's sys/prctl.h


def physical_cores() -> int:
    """Return how many physical cores this process may run on (siblings of one core count once)."""
    cores = set()
    for cpu in os.sched_getaffinity(0):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings.read_text() if siblings.exists() else str(cpu))
    return len(cores)


def prepare(ranks_on_node: int = 0) -> None:
    """Set the environment of this process and its children; what the user has set is left alone.

    The physical cores are shared among the ranks of this node (0: as many as the launcher says). Paddle takes one
    thread unless told otherwise. Its matrix products are MKL's; OMP_NUM_THREADS would do as well, but Paddle
    prints two lines about it whenever it is more than 1.
    """
    ranks = ranks_on_node or int(os.environ.get("PADDLE_LOCAL_SIZE", "1"))
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("MKL_NUM_THREADS", str(max(1, physical_cores() // ranks)))
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("PYTHONWARNINGS", f"ignore:{CCACHE_WARNING}:UserWarning")
    for message in (CCACHE_WARNING, BATCH_NORM_WARNING, STATIC_TRAINING_WARNING):
        warnings.filterwarnings("ignore", message=message, category=UserWarning)


def end_with_parent() -> None:
    """Have Linux kill this process as soon as the one that started it has ended, in whatever way."""
    if hasattr(C_LIBRARY, "prctl"):
        C_LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def keep_freed_memory() -> None:
    """Have this process keep the memory that it frees, up to 1 GiB, as far as the C library is glibc.

    Else each batch gets the memory of its activations from the system anew, page by page (ResNet50, batch 8: 6 %).
    """
    if hasattr(C_LIBRARY, "mallopt"):
        trim_threshold, mmap_threshold = -1, -3  # of malloc.h
        C_LIBRARY.mallopt(mmap_threshold, 1 << 30)
        C_LIBRARY.mallopt(trim_threshold, 1 << 30)
