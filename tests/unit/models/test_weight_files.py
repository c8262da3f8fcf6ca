"""Files of weights: found, read, downloaded, and held against what is said beside them."""

import functools
import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import ppcls
from ppcls import pdparams
from ppcls.engine import checkpoints
from ppcls.errors import CheckpointError
from ppcls.files import sha256_of
from ppcls.models.weight_files import about, download, find_weights, read_weights, saved_names


@pytest.mark.parametrize("names", [None, 5, ["cat", 7], {"cat": 0}])
def test_names_of_classes_that_are_none_are_not_taken(tmp_path: Path, names: Any) -> None:
    checkpoints.write(tmp_path / "a", checkpoints.Checkpoint({"w": np.ones(3)}, {}, {"label_names": names}))
    assert saved_names(tmp_path / "a") == []


@pytest.mark.parametrize("content", [{"state_dict": {1: np.ones(2)}}, {"w": np.ones(2, "complex64")}, {"model": {}}])
def test_what_no_model_has_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    pdparams.write(tmp_path / "a.pdparams", content)
    with pytest.raises(CheckpointError, match="not a file of weights; "):
        read_weights(tmp_path / "a.pdparams")


def test_a_training_may_replace_the_weights_while_they_are_read(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "best_model", checkpoints.Checkpoint({"w": np.ones(3)}, {}, {"epoch": 1}))
    weights_file = tmp_path / "best_model.pdparams"
    before = weights_file.read_bytes()
    pdparams.write(weights_file, {"w": np.zeros(3)})
    threading.Timer(0.1, lambda: weights_file.write_bytes(before)).start()
    assert about(weights_file)["epoch"] == 1


def test_a_weights_file_tells_what_was_saved_beside_it(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "best_model", checkpoints.Checkpoint({"w": np.ones(3)}, {}, {"epoch": 4}))
    for name in ("best_model", "best_model.pdparams"):
        assert about(tmp_path / name)["epoch"] == 4
    assert about(tmp_path / "other.safetensors") == {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "best_model",
            "no weights there; tried the suffixes .pdparams, .safetensors, .pth, .pt; give a file or its prefix",
        ),
        ("a.pth", "no weights there; give a file or its prefix"),
        ("a.tar", "not a file of weights by its suffix; give one of .pdparams, .safetensors, .pth, .pt"),
    ],
)
def test_a_missing_file_says_what_was_tried(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "a.tar").touch()
    with pytest.raises(CheckpointError) as caught:
        find_weights(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: {message}"


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.safetensors", "not a safetensors file or damaged"), ("a.pdparams", "not a weights file or damaged")],
)
def test_garbage_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"garbage, and more than a little of it")
    with pytest.raises(CheckpointError, match=f"{name}: {message}"):
        read_weights(tmp_path / name)


def test_a_training_state_is_not_taken_for_weights(tmp_path: Path) -> None:
    pdparams.write(tmp_path / "a.pdparams", {"epoch": 3})
    with pytest.raises(CheckpointError, match="not a file of weights; epoch: no arrays; give"):
        read_weights(tmp_path / "a.pdparams")


class Quiet(http.server.SimpleHTTPRequestHandler):
    requests: list[str] = []

    def log_message(self, *_: Any) -> None:
        self.requests.append(self.path)

    def send_header(self, keyword: str, value: str) -> None:
        if keyword == "Content-Length" and "short" in self.path:
            value = str(int(value) + 100)
        super().send_header(keyword, value)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder and the address that serves it; PPCLS_HOME is beside it."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("PPCLS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(Quiet, "requests", [])
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def kept(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_a_url_is_downloaded_once_and_loaded(site: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = site
    saved = {name: value.numpy() for name, value in ppcls.create_model("ResNet18", class_num=5).state_dict().items()}
    pdparams.write(folder / "a.pdparams", saved)
    for _ in range(2):
        model = ppcls.create_model("ResNet18", class_num=5, pretrained=f"{address}/a.pdparams")
        for name, value in model.state_dict().items():
            np.testing.assert_array_equal(value.numpy(), saved[name])
    assert Quiet.requests == ["/a.pdparams"]
    assert [name.split("-", 1)[1] for name in kept(tmp_path)] == ["a.pdparams"]


def test_a_checksum_in_the_url_is_verified(site: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = site
    pdparams.write(folder / "a.pdparams", {"w": np.ones(3)})
    digest = hashlib.sha256((folder / "a.pdparams").read_bytes()).hexdigest()
    with pytest.raises(CheckpointError, match=f"its SHA-256 is {digest}, not {'0' * 64}; check"):
        download(f"{address}/a.pdparams#sha256={'0' * 64}")
    assert kept(tmp_path) == []
    assert download(f"{address}/a.pdparams#sha256={digest}").is_file()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.pdparams", "HTTP Error 404: File not found"),
        ("short.pdparams", r"\d+ of \d+ bytes came"),
    ],
)
def test_a_failed_download_says_why_and_what_to_do(
    site: tuple[Path, str], tmp_path: Path, name: str, message: str
) -> None:
    folder, address = site
    pdparams.write(folder / "short.pdparams", {"w": np.ones(3)})
    with pytest.raises(CheckpointError) as caught:
        download(f"{address}/{name}")
    what_to_do = "download it by hand and give its path, or set PPCLS_MIRROR"
    expected = f"{address}/{name}: can't be downloaded; {message}; {what_to_do}"
    assert re.fullmatch(expected, str(caught.value))
    assert kept(tmp_path) == []


def test_a_mirror_is_asked_first_and_the_site_if_it_fails(
    site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder, address = site
    (folder / "mirror/sub").mkdir(parents=True)
    pdparams.write(folder / "mirror/sub/a.pdparams", {"w": np.ones(3)})
    pdparams.write(folder / "b.pdparams", {"w": np.ones(3)})
    monkeypatch.setenv("PPCLS_MIRROR", f"http://127.0.0.1:9 {address}/mirror/")
    assert download("http://127.0.0.1:9/sub/a.pdparams").is_file()
    assert download(f"{address}/b.pdparams").is_file()
    assert list(dict.fromkeys(Quiet.requests)) == ["/mirror/sub/a.pdparams", "/mirror/b.pdparams", "/b.pdparams"]
    failed = [message for message in caplog.messages if "can't be downloaded" in message]
    assert [message.split(":")[0] for message in failed] == 3 * ["PPCLS_MIRROR"]


def test_a_model_of_the_hub_is_loaded_from_a_mirror_verified_and_kept(
    site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = site
    file = folder / "someone/tiny.a_b/resolve/v1/model.safetensors"
    file.parent.mkdir(parents=True)
    model = ppcls.create_model("PPLCNet_x0_25", class_num=3)
    safetensors.numpy.save_file({name: entry.numpy() for name, entry in model.state_dict().items()}, str(file))
    monkeypatch.setenv("PPCLS_MIRROR", address)
    source = f"hf-hub:someone/tiny.a_b@v1#sha256={sha256_of(file)}"
    loaded = ppcls.create_model("PPLCNet_x0_25", class_num=3, pretrained=source)
    np.testing.assert_array_equal(loaded.fc.weight, model.fc.weight)
    file.unlink()
    assert kept(tmp_path) == [Path(download(source)).name]
    assert kept(tmp_path)[0].endswith("-model.safetensors")


def test_a_name_that_the_hub_cannot_have_is_told() -> None:
    with pytest.raises(CheckpointError, match="hf-hub:resnet50: not a model on the hub; write hf-hub:OWNER/NAME"):
        download("hf-hub:resnet50")


def test_a_page_instead_of_weights_is_not_kept(site: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = site
    (folder / "a.pdparams").write_text("<html>log in first</html>")
    with pytest.raises(CheckpointError, match="not a weights file or damaged"):
        download(f"{address}/a.pdparams")
    assert kept(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://[::1/a.pdparams", "Invalid IPv6 URL"),
        ("http://127.0.0.1:9/a.pdparams#sha256=", "may only end with a checksum"),
        ("http://127.0.0.1:9/a.pdparams#sha1=00", "may only end with a checksum"),
        ("http://" + "a" * 70 + "/a.pdparams", "can't be downloaded"),
    ],
)
def test_what_is_no_url_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, message: str) -> None:
    monkeypatch.setenv("PPCLS_HOME", str(tmp_path / "home"))
    with pytest.raises(CheckpointError, match=message):
        download(url)


def test_without_a_network_the_url_and_the_reason_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPCLS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(CheckpointError, match=r"^http://127\.0\.0\.1:9/a\.pdparams: can't be .*refused.*; download"):
        download("http://127.0.0.1:9/a.pdparams")


def test_a_url_of_something_else_is_refused() -> None:
    with pytest.raises(CheckpointError, match="its name is 'a.tar'; give one of .pdparams, .safetensors, .pth, .pt"):
        download("http://127.0.0.1:9/a.tar")
