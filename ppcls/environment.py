"""What this machine has, and what must be set before Paddle and OpenCV are imported."""

import atexit
import contextlib
import ctypes
import logging
import os
import re
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ppcls.errors import UserError

logger = logging.getLogger("ppcls")

# Warnings that Paddle gives whatever one does: at import, at the first training step with a batch norm, and at
# the first one of a static graph.
CCACHE_WARNING = "No ccache found"
BATCH_NORM_WARNING = "When training, we now always track global mean and variance"
STATIC_TRAINING_WARNING = "Tensor do not have 'place' interface for pir graph mode"

PR_SET_PDEATHSIG = 1  # of Linux's sys/prctl.h

# oneDNN's names of instruction sets, and the flags by which Linux tells that the CPU has them.
# Source: oneDNN, "CPU Dispatcher Control".
INSTRUCTION_SETS = {
    "SSE41": "sse4_1",
    "AVX": "avx",
    "AVX2": "avx2",
    "AVX2_VNNI": "avx_vnni",
    "AVX2_VNNI_2": "avx_vnni_int8 avx_ne_convert",
    "AVX512_CORE": "avx512f avx512bw avx512vl avx512dq",
    "AVX512_CORE_VNNI": "avx512_vnni",
    "AVX512_CORE_BF16": "avx512_bf16",
    "AVX512_CORE_FP16": "avx512_fp16",
    "AVX512_CORE_AMX": "amx_int8 amx_bf16",
    "AVX512_CORE_AMX_FP16": "amx_fp16",
}


def _c_library() -> Any:
    """Return the C library of this process; None where it has no such handle, as on Windows."""
    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):
        return None


C_LIBRARY = _c_library()


def cpu_flags() -> frozenset[str]:
    """Return what Linux calls the abilities of an x86-64 CPU; nothing on other systems and CPUs."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return frozenset(found[1].split()) if found else frozenset()


def instruction_sets() -> list[str]:
    """Return oneDNN's names of the instruction sets that it uses on this CPU, the strongest last.

    ONEDNN_MAX_CPU_ISA limits it, and so these: a CPU can stand in for a weaker one.
    """
    names, limit, flags = list(INSTRUCTION_SETS), os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper(), cpu_flags()
    allowed = names[: names.index(limit) + 1] if limit in names else names
    return [name for name in allowed if flags.issuperset(INSTRUCTION_SETS[name].split())]


def instruction_set() -> str:
    """Return the strongest of them, or `unknown`, as on other systems and CPUs than Linux on x86-64."""
    return instruction_sets()[-1] if instruction_sets() else "unknown"


def cpu_obstacle(what: str, needed: str) -> str:
    """Return why the CPU can't do something (`what`) that needs an instruction set; empty if it can."""
    if needed in instruction_sets():
        return ""
    return f"{what} needs {needed}; the best that oneDNN has on this CPU is {instruction_set()}"


def bfloat16_obstacle() -> str:
    """Return why the CPU can't compute in bfloat16; empty if it can. What oneDNN emulates is slower than float32."""
    return cpu_obstacle("bfloat16", "AVX512_CORE_BF16")


def logical_cpus() -> set[int]:
    """Return the numbers of the CPUs that this process may run on; of all, where the system doesn't tell."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def physical_cores() -> int:
    """Return how many physical cores this process may run on (siblings of one core count once)."""
    cores = set()
    for cpu in logical_cpus():
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings.read_text() if siblings.exists() else str(cpu))
    return len(cores)


def peak_memory_mib() -> float:
    """Return the most memory that this process has had, in MiB; 0 where the system doesn't say."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else 0.0


@contextlib.contextmanager
def stdout_as_stderr() -> Iterator[None]:
    """Let what libraries print meanwhile go to standard error, so that it is not among results."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def cache(kind: str) -> Path:
    """Return the folder of what is kept from run to run: `$PPCLS_HOME/{kind}` (~/.cache/ppcls/{kind})."""
    return Path(os.path.expanduser(os.environ.get("PPCLS_HOME", "~/.cache/ppcls")), kind)


def _provide_home() -> None:
    """Set HOME to a temporary folder if Paddle can't write below it, as it does at import and for static graphs.

    `cache` stays where it was. Raises UserError where there is no temporary folder either.
    """
    home = os.path.expanduser("~")
    if _is_writable(Path(home, ".cache/paddle")):
        return
    try:
        os.environ["HOME"] = tempfile.mkdtemp(prefix="ppcls-home-")
    except OSError as error:
        raise UserError(
            f"HOME: '{home}' can't be written, as Paddle must, and neither can a temporary folder; set HOME or TMPDIR "
            "to a folder that can"
        ) from error
    atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)
    os.environ.setdefault("PPCLS_HOME", f"{home}/.cache/ppcls")
    logger.warning(f"HOME: '{home}' can't be written, as Paddle must; it is {os.environ['HOME']} for this run")


def _is_writable(folder: Path) -> bool:
    """Return whether a folder is there, or could be made, and may be written; not one below a `~` without a HOME."""
    try:
        if folder.is_absolute():
            folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return folder.is_absolute() and os.access(folder, os.W_OK)


def prepare(ranks_on_node: int = 0) -> None:
    """Set the environment of this process and its children; what the user has set is left alone.

    The physical cores are shared among the ranks of this node (0: as many as the launcher says). Paddle takes one
    thread unless told otherwise. Its matrix products are MKL's; OMP_NUM_THREADS would do as well, but Paddle
    prints two lines about it whenever it is more than 1.
    """
    ranks = ranks_on_node or int(os.environ.get("PADDLE_LOCAL_SIZE", "1"))
    if "MKL_NUM_THREADS" not in os.environ and not _threads_are_given():
        threads = max(1, physical_cores() // ranks)
        os.environ["MKL_NUM_THREADS"] = str(threads)
        if (library := mkl()) is not None:  # it may have read its variable before
            library.MKL_Set_Num_Threads(threads)
    _provide_home()
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("PYTHONWARNINGS", f"ignore:{CCACHE_WARNING}:UserWarning")
    for message in (CCACHE_WARNING, BATCH_NORM_WARNING, STATIC_TRAINING_WARNING):
        warnings.filterwarnings("ignore", message=message, category=UserWarning)


def num_threads() -> int:
    """Return how many threads compute on the CPU: those of MKL's matrix products, and the operators take as many."""
    return int(os.environ.get("MKL_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or 1)


def _threads_are_given() -> bool:
    """Return whether the user has set OMP_NUM_THREADS, which Paddle sets to 1 when it is imported without."""
    value, launched = os.environ.get("OMP_NUM_THREADS"), "PADDLE_LOCAL_SIZE" in os.environ
    if value != "1" or not (launched or "paddle" in sys.modules):
        return value is not None
    # Ranks have it of Paddle's launcher, which imported it; what a process was started with doesn't change.
    try:
        at_start = Path(f"/proc/{os.getppid() if launched else os.getpid()}/environ").read_bytes()
    except OSError:  # of another system than Linux
        return False
    return b"OMP_NUM_THREADS=1" in at_start.split(b"\0")


def mkl() -> Any:
    """Return the library of Paddle's matrix products; None before Paddle is imported, and where it has another one."""
    if "paddle" not in sys.modules:
        return None
    folder = Path(str(sys.modules["paddle"].__file__)).parent / "libs"
    there = [folder / name for name in ("libmklml_intel.so", "mklml.dll") if (folder / name).exists()]
    return ctypes.CDLL(str(there[0])) if there else None


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
