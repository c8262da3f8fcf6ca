"""The C++ operators as a library: compiled on first use for this CPU, kept, and loaded once.

`python -m ppcls.ops.compiled` compiles it ahead.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paddle
from paddle.utils.cpp_extension.extension_utils import load_op_meta_info_and_register_op

from ppcls import environment
from ppcls.errors import DeviceError

logger = logging.getLogger("ppcls")

SOURCES = Path(__file__).parent / "onednn"
PADDLE = Path(paddle.__file__).parent
# What compiling takes on two cores.
BUILD_SECONDS = 20


def flags() -> list[str]:
    """Return the compiler's flags for the instruction sets that oneDNN uses here.

    Nobody asks for floating-point exceptions; to heed them would forbid vectors of comparisons and of rounding.
    """
    narrow = [] if "AVX512_CORE" in environment.instruction_sets() else ["-mno-avx512f"]
    return ["-std=c++17", "-O3", "-march=native", *narrow, "-fno-trapping-math", "-fopenmp", "-fPIC"]


def compiler() -> str:
    """Return the C++ compiler: $CXX, else g++. Raises DeviceError if there is none."""
    wanted = os.environ.get("CXX", "g++")
    found = shutil.which(wanted)
    if found is None:
        raise DeviceError(
            f"Global.cpu_ops: no C++ compiler; looked for {wanted}; install it, or set CXX to another one"
        )
    return found


def headers() -> Path:
    """Return the folder of oneDNN's headers, of the version inside Paddle's wheel.

    Looks in $CPLUS_INCLUDE_PATH, then where `pip install onednn-devel` puts them. Raises DeviceError.
    """
    wanted = onednn_version()
    folders = [*filter(None, os.environ.get("CPLUS_INCLUDE_PATH", "").split(":")), f"{sys.prefix}/include"]
    present = [Path(folder) for folder in folders if (Path(folder) / "oneapi/dnnl/dnnl_version.h").exists()]
    for folder in present:
        text = (folder / "oneapi/dnnl/dnnl_version.h").read_text()
        if tuple(int(n) for n in re.findall(r"define DNNL_VERSION_(?:MAJOR|MINOR) (\d+)", text)) == wanted:
            return folder
    version = ".".join(map(str, wanted))
    raise DeviceError(
        f"Global.cpu_ops: no headers of oneDNN {version}, which Paddle {paddle.__version__} carries; "
        f"looked in {', '.join(folders)}; pip install 'ppcls[onednn]'"
    )


@functools.lru_cache(maxsize=1)
def onednn_version() -> tuple[int, int]:
    """Return the version (major, minor) of the oneDNN inside Paddle. Raises DeviceError where there is none."""

    class Version(ctypes.Structure):
        _fields_ = [("major", ctypes.c_int), ("minor", ctypes.c_int)]  # the first of its fields

    path = PADDLE / "libs" / "libdnnl.so.3"
    if not path.exists():
        raise DeviceError(
            f"Global.cpu_ops: no oneDNN in Paddle {paddle.__version__}; looked for {path}; set it to stock"
        )
    library = ctypes.CDLL(str(path))
    library.dnnl_version.restype = ctypes.POINTER(Version)
    version = library.dnnl_version().contents
    return version.major, version.minor


def path() -> Path:
    """Return where the library of these sources, Paddle, compiler and CPU is kept, whether it is there or not.

    Raises DeviceError without a compiler that runs.
    """
    version, cpu = _run([compiler(), "--version"]), sorted(environment.cpu_flags())
    key = hashlib.sha256("\n".join([paddle.__version__, str(PADDLE), version, *cpu, *flags()]).encode())
    for source in sorted(SOURCES.iterdir()):
        key.update(source.read_bytes())
    return environment.cache("ops") / f"onednn-{key.hexdigest()[:16]}.so"


def build() -> Path:
    """Compile the library unless it is there, and return its path; several processes do it once.

    Raises DeviceError with what is missing, or what the compiler says.
    """
    import fcntl  # not on Windows, which has no such operators

    library = path()
    if library.exists():
        return library
    include = headers()
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with open(library.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not library.exists():
                _compile(library, include)
    except OSError as error:
        raise DeviceError(
            f"Global.cpu_ops: can't write '{library}'; {error.strerror}; set PPCLS_HOME to a folder"
        ) from error
    return library


def _compile(library: Path, include: Path) -> None:
    """Compile every source, as many at a time as there are cores, and link them."""
    started = time.perf_counter()
    # The one with Paddle's headers takes the longest.
    sources = sorted(SOURCES.glob("*.cc"), key=lambda source: source.name != "operators.cc")
    logger.info(f"compiling {len(sources)} files of oneDNN operators for this CPU; once, about {BUILD_SECONDS} s")
    includes = [f"-I{include}", f"-I{PADDLE}/include", f"-I{PADDLE}/include/third_party"]
    # OpenMP is that of Paddle, whose oneDNN takes its number of threads from there; `-fopenmp` here would bring
    # GCC's beside it, whose threads oneDNN doesn't know.
    libraries = ("libiomp5.so", "libdnnl.so.3", "libphi_core.so", "libcommon.so")
    links = [f"-L{PADDLE}/libs", *(f"-l:{name}" for name in libraries), f"-Wl,-rpath,{PADDLE}/libs"]
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:

        def compiled(source: Path) -> str:
            target = f"{folder}/{source.stem}.o"
            _run([compiler(), *flags(), *includes, "-c", str(source), "-o", target])
            return target

        with ThreadPoolExecutor(len(environment.logical_cpus())) as pool:
            objects = list(pool.map(compiled, sources))
        linked = f"{folder}/{library.name}"
        _run([compiler(), "-shared", *objects, *links, "-o", linked])
        os.replace(linked, library)
    logger.info(f"compiled in {time.perf_counter() - started:.0f} s; kept as {library}")


def _run(command: list[str]) -> str:
    """Run the compiler and return what it prints. Raises DeviceError."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise DeviceError(f"Global.cpu_ops: can't run the compiler '{command[0]}'; {error.strerror}") from error
    if done.returncode:
        said = "\n".join(line for line in done.stderr.splitlines() if "error" in line) or done.stderr
        said = said[:2000] or f"{command[0]} ended with status {done.returncode}"
        raise DeviceError(f"Global.cpu_ops: the compiler failed:\n{said}\nset it to stock, or report this")
    return done.stdout


@functools.lru_cache(maxsize=1)
def load() -> None:
    """Compile the operators if need be and make them Paddle's. Raises DeviceError."""
    library = build()
    try:
        ctypes.CDLL(str(library)).ppcls_set_threads(environment.num_threads())
    except OSError as error:
        raise DeviceError(f"Global.cpu_ops: can't load '{library}'; {error}; remove it, or set PPCLS_HOME") from error
    load_op_meta_info_and_register_op(str(library))


def obstacle() -> str:
    """Return why the operators can't be had here; empty if they can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"Global.cpu_ops: the operators are for Linux on x86-64; this is {sys.platform} on {platform.machine()}"
    too_weak = environment.cpu_obstacle("Global.cpu_ops: onednn", "AVX2")
    if too_weak:
        return f"{too_weak}; set it to stock"
    try:
        if not path().exists():
            headers()
    except DeviceError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    build()
