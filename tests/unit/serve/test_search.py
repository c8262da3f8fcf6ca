"""The server of a model for retrieval: features, and the images of an index that are most alike."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from http_client import Client, serving

from ppcls.cli import main
from ppcls.inference import features
from ppcls.inference.features import Features
from ppcls.inference.predictor import Predictor
from ppcls.inference.search import Search
from ppcls.serve.app import create_app
from ppcls.serve.limits import Limits


@pytest.fixture(scope="module")
def predictor(exported_features: Path) -> Predictor:
    return Predictor(exported_features)


@pytest.fixture(scope="module")
def rows(predictor: Predictor, photos: list[bytes]) -> np.ndarray:
    return np.stack([one.features for one in predictor.embed(photos) if one.features is not None])


@pytest.fixture(scope="module")
def client(predictor: Predictor, rows: np.ndarray) -> Iterator[Client]:
    index = Features([f"{number}.jpg" for number in range(20)], [f"label {number}" for number in range(20)], rows, "")
    with serving(create_app([predictor], limits=Limits(images=3), search=Search(index))) as client:
        yield client


def test_features_and_neighbours_are_those_of_the_command_line(
    client: Client, photos: list[bytes], rows: np.ndarray
) -> None:
    sent = [("a.jpg", photos[7]), ("b.jpg", photos[3])]
    embedded = client.post_files(sent, path="/v1/embed").json()["results"]
    assert [one["name"] for one in embedded] == ["a.jpg", "b.jpg"]
    np.testing.assert_allclose([one["features"] for one in embedded], rows[[7, 3]], atol=1e-5)
    found = client.post_files(sent, "?topk=4", path="/v1/search").json()["results"]
    for one, row in zip(found, rows[[7, 3]]):
        best = np.argsort(-(rows @ row), kind="stable")[:4]
        assert [near["name"] for near in one["neighbours"]] == [f"{place}.jpg" for place in best]
        assert [near["label"] for near in one["neighbours"]] == [f"label {place}" for place in best]
        np.testing.assert_allclose([near["score"] for near in one["neighbours"]], (rows @ row)[best], atol=1e-5)


@pytest.mark.parametrize("path", ["/v1/embed", "/v1/search"])
def test_both_refuse_what_a_prediction_refuses(client: Client, photos: list[bytes], path: str) -> None:
    answer = client.post_files([("good.jpg", photos[0]), ("bad.jpg", b"no image")], path=path)
    assert answer.status == 422
    good, bad = answer.json()["results"]
    assert "error" not in good and bad["error"].startswith("no image: 8 bytes")
    assert client.post_files([("a.jpg", photos[0])] * 4, path=path).status == 413
    assert client.send("HEAD", path).status == 405
    assert client.post(b"a", "text/plain", path=path).status == 415


def test_a_route_that_is_not_there_says_why_and_is_not_in_the_schema(
    client: Client, predictor: Predictor, exported: Path, photos: list[bytes]
) -> None:
    assert client.post(photos[0], query="?topk=0", path="/v1/search").status == 422
    answer = client.post(photos[0])
    assert (answer.status, answer.json()["error"][:23]) == (404, "the model gives feature")
    assert list(client.get("/openapi.json").json()["paths"])[:2] == ["/v1/embed", "/v1/search"]
    card = client.get("/v1/model").json()
    assert (card["output"], card["class_num"], card["indexed_images"]) == ("features", 16, 20)
    with serving(create_app([predictor], limits=Limits(), token="secret")) as without:
        assert without.post(photos[0], path="/v1/search").status == 401
        answer = without.post(photos[0], path="/v1/search", headers={"Authorization": "Bearer secret"})
        assert answer.json() == {"error": "there is no index to search in; start the server with --index FILE"}
    with serving(create_app([Predictor(exported)], limits=Limits())) as scores:
        answer = scores.post(photos[0], path="/v1/embed")
        assert answer.status == 404 and "send the images to /v1/predict" in answer.json()["error"]


def test_an_index_of_another_model_is_refused_before_anything_listens(
    exported_features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.npz"
    features.write(Features(["a"], [""], np.ones((1, 16), "float32"), "another"), file, "--index")
    assert main(["serve", str(exported_features), "--port", "0", "--index", str(file)]) == 2
    assert "was made by another model" in capsys.readouterr().err
