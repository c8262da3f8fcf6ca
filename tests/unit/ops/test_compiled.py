"""Where the library comes from, and what is said where it can't be had."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ppcls import environment
from ppcls.errors import DeviceError
from ppcls.ops import compiled
from ppcls.ops.operators import OneDNN


def test_the_headers_must_be_of_the_onednn_inside_paddle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("CPLUS_INCLUDE_PATH", str(tmp_path / "other"))
    version = tmp_path / "other/oneapi/dnnl/dnnl_version.h"
    version.parent.mkdir(parents=True)
    version.write_text("#define DNNL_VERSION_MAJOR 2\n#define DNNL_VERSION_MINOR 7\n")
    with pytest.raises(DeviceError, match=r"no headers of oneDNN 3\.\d+, .* looked in .*other.*; pip install 'ppcls"):
        compiled.headers()
    major, minor = compiled.onednn_version()
    version.write_text(f"#define DNNL_VERSION_MAJOR {major}\n#define DNNL_VERSION_MINOR {minor}\n")
    assert compiled.headers() == tmp_path / "other"


def test_a_missing_compiler_is_an_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert compiled.obstacle() == (
        "Global.cpu_ops: no C++ compiler; looked for no-such-compiler; install it, or set CXX to another one"
    )


def test_a_compiler_that_fails_is_quoted(onednn: OneDNN, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "sources"
    source.mkdir()
    (source / "broken.cc").write_text("#error not today\n")
    monkeypatch.setattr(compiled, "SOURCES", source)
    monkeypatch.setenv("PPCLS_HOME", str(tmp_path / "home"))
    with pytest.raises(DeviceError, match="the compiler failed:\n.*not today"):
        compiled.build()
    assert not compiled.path().exists()


def test_what_is_compiled_is_kept_by_sources_compiler_paddle_and_instruction_set(
    onednn: OneDNN, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert compiled.build().exists()
    before = compiled.path()
    monkeypatch.setattr(compiled.paddle, "__version__", "3.3.2")
    assert compiled.path() != before
    monkeypatch.undo()
    monkeypatch.setattr(compiled, "SOURCES", tmp_path)
    assert compiled.path() != before
    monkeypatch.undo()
    monkeypatch.setattr(environment, "cpu_flags", lambda: {"avx2"})
    assert compiled.path() != before


def test_where_onednn_is_limited_the_operators_are_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert "-mno-avx512f" in compiled.flags()


def test_two_processes_compile_once(onednn: OneDNN, tmp_path: Path) -> None:
    """On sources that take no time."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "small.cc").write_text("int small() { return 1; }\n")
    code = (
        "import logging; logging.basicConfig(level=logging.INFO)\n"
        "from pathlib import Path; from ppcls.ops import compiled\n"
        f"compiled.SOURCES = Path({str(sources)!r}); compiled.build()"
    )
    variables = {**os.environ, "PPCLS_HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parents[3])}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=variables, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = "".join(process.communicate()[1] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert said.count("compiling 1 files") == 1
