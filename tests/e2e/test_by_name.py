"""`ppcls predict IMAGES --model ResNet18`: with the official weights, of a server in this process."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ppcls
from ppcls import pdparams
from ppcls.cli import main

WEIGHTS = "dygraph/legendary_models/ResNet18_pretrained.pdparams"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[http.server.ThreadingHTTPServer]:
    """A server of random weights under the official path; PPCLS_MIRROR names it."""
    file = tmp_path / "site" / WEIGHTS
    file.parent.mkdir(parents=True)
    model = ppcls.create_model("ResNet18")
    pdparams.write(file, {name: tensor.numpy() for name, tensor in model.state_dict().items()})
    monkeypatch.setenv("PPCLS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = functools.partial(Quiet, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        monkeypatch.setenv("PPCLS_MIRROR", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_model_is_made_once_and_then_needs_no_network(
    mirror: http.server.ThreadingHTTPServer, tmp_path: Path, shapes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = str(shapes / "val/red/0.png")
    assert main(["predict", image, "--model", "resnet18"]) == 0
    first, errors = capsys.readouterr()
    assert first.startswith("0.png:\tclass id(s): [")
    assert first.count("label_name(s): ['") == 1
    assert errors.startswith("ResNet18: exported once from https://paddle-imagenet-models-name.bj.bcebos.com/dygraph/")
    mirror.socket.close()
    assert main(["predict", image, "--model", "ResNet18"]) == 0
    assert capsys.readouterr().out == first
    assert (tmp_path / "home/models/ResNet18/inference.yml").is_file()


def test_a_name_without_official_weights_and_a_typo_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "a.jpg", "--model", "VGG19Sigmoid"]) == 2
    assert "no official weights for VGG19Sigmoid" in capsys.readouterr().err
    assert main(["predict", "a.jpg", "--model", "MAE_vit_base_patch16"]) == 2
    assert "official weights of MAE_vit_base_patch16 have no classifier" in capsys.readouterr().err
    assert main(["predict", "a.jpg", "--model", "ResNet81"]) == 2
    expected = "--model: there is no folder, file or model 'ResNet81'; did you mean 'ResNe"
    assert capsys.readouterr().err.startswith(expected)
