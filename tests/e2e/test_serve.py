"""`ppcls serve` as a process: many clients at once, stopping, wrong arguments, and the page in a browser."""

import contextlib
import http.client
import json
import random
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

import browser
from server import COMMAND, server

from ppcls.inference.predictor import Predictor


def form(photos: list[bytes]) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="images"; filename="%d"\r\n\r\n%s\r\n'
    return b"".join(head % (number, photo) for number, photo in enumerate(photos)) + b"--b--\r\n"


def ask(connection: http.client.HTTPConnection, photos: list[bytes]) -> tuple[int, Any]:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    connection.request("POST", "/v1/predict?topk=10", form(photos), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def scores_by_id(result: dict[str, Any]) -> np.ndarray:
    scores = np.zeros(10)
    scores[result["class_ids"]] = result["scores"]
    return scores


def test_thousands_of_requests_of_many_clients_each_get_their_own_answer(exported: Path, photos: list[bytes]) -> None:
    predictor = Predictor(exported)
    images = [predictor.pipeline.sample(photo, np.random.default_rng(0)) for photo in photos]
    expected = predictor.scores(predictor.pipeline.finish(np.stack(images)))
    distances = np.abs(expected[:, None] - expected[None]).max(axis=2) + np.eye(len(photos))
    assert distances.min() > 1e-4, "the images must be told apart by their scores"

    def client(seed: int, requests: int) -> int:
        draw, answered = random.Random(seed), 0
        with running.connection() as connection:
            for _ in range(requests):
                chosen = [draw.randrange(len(photos)) for _ in range(draw.choice([1, 1, 1, 2, 4]))]
                status, answer = ask(connection, [photos[index] for index in chosen])
                assert status == 200, answer
                for index, result in zip(chosen, answer["results"]):
                    np.testing.assert_allclose(scores_by_id(result), expected[index], atol=1e-5)
                answered += len(answer["results"])
        return answered

    with server(exported, "--instances", "2", "--threads", "1") as running, ThreadPoolExecutor(24) as clients:
        assert running.process.stdout
        said = running.process.stdout.readline()
        assert said.endswith(f"or curl -F images=@IMAGE http://127.0.0.1:{running.port}/v1/predict\n")
        # Paddle keeps memory for each size of a batch: until all have come, the models' processes grow.
        list(clients.map(client, range(24), [70] * 24))
        before = running.memory_mib()
        answered = sum(clients.map(client, range(100, 124), [30] * 24))
        growth_mib = running.memory_mib() - before
        assert running.number('ppcls_requests_total{status="200"}') == 24 * 100
        assert answered > 24 * 30
        assert running.number("ppcls_batch_size_sum") > 1.2 * running.number("ppcls_batch_size_count"), "no batches"
        assert running.number("ppcls_queue_images") == 0
        assert growth_mib < 30


def test_a_stop_waits_for_the_answers_that_are_under_way(exported: Path, photos: list[bytes]) -> None:
    statuses = []

    def client() -> None:
        with running.connection() as connection:
            statuses.append(ask(connection, (photos * 4)[:64])[0])

    with server(exported, "--queue", "1000") as running:
        threads = [threading.Thread(target=client) for _ in range(10)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 20
        while running.number("ppcls_queue_images") < 64 * 9:
            assert time.monotonic() < end
        running.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(60)
        assert running.process.wait(20) == 0
        assert statuses == [200] * 10
        with pytest.raises(ConnectionRefusedError):
            running.get("/healthz")


def test_a_client_that_goes_away_or_dawdles_harms_nobody(exported: Path, photos: list[bytes]) -> None:
    with server(exported, "--timeout", "1") as running, contextlib.ExitStack() as clients:

        def half_a_request() -> http.client.HTTPConnection:
            connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
            connection.putrequest("POST", "/v1/predict")
            connection.putheader("Content-Length", "1000")
            connection.endheaders(b"half")
            return connection

        for _ in range(10):
            half_a_request().close()
        dawdling = [clients.enter_context(contextlib.closing(half_a_request())) for _ in range(10)]
        with running.connection() as connection:
            assert ask(connection, photos[:1])[0] == 200
        assert [connection.getresponse().status for connection in dawdling] == [408] * 10
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(20)
        assert running.log.read_text() == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{empty}"], "has no inference.yml"),
        (["{model}", "--port", "99999999"], "choose another --port"),
        (["{model}", "--device", "sdaa"], "sdaa"),
        (["{model}", "--max-megapixels", "200"], "--max-megapixels: at most 178 are decoded; received 200"),
        (["{model}", "--precision", "float16"], "use_fp16: works on a GPU only"),
    ],
)
def test_a_wrong_argument_gives_one_clear_line(
    exported: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    words = [argument.format(empty=tmp_path, model=exported) for argument in arguments]
    ended = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert message in ended.stderr and ended.stderr.count("\n") == 1


def test_the_page_shows_the_answer_to_a_chosen_a_dropped_and_a_pasted_image(
    exported: Path, photos: list[bytes], tmp_path: Path
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(photos[0])
    cv2.imwrite(str(tmp_path / "other.png"), np.zeros((30, 30, 3), "uint8"))
    predictor = Predictor(exported)
    best = [
        int(predictor.scores(predictor.pipeline.finish(predictor.pipeline.sample(data, None)[None])).argmax())
        for data in (photos[0], (tmp_path / "other.png").read_bytes())
    ]
    bars = "[...document.querySelectorAll('#bars li span:first-of-type')].map(name => name.textContent)"
    give = """(async () => {{
        const data = new DataTransfer();
        const canvas = Object.assign(document.createElement("canvas"), {{width: 30, height: 30}});
        canvas.getContext("2d").fillRect(0, 0, 30, 30);
        const blob = await new Promise(done => canvas.toBlob(done, "image/png"));
        data.items.add(new File([blob], "black.png", {{type: "image/png"}}));
        document.querySelector("#bars").replaceChildren();
        document.dispatchEvent({event});
    }})()"""
    with server(exported) as running, browser.page(tmp_path / "profile") as page:
        origin = f"http://127.0.0.1:{running.port}/"
        page.open(origin, width=1100, height=900)
        page.wait_for("document.querySelectorAll('#card dd').length > 4")
        assert page.value("document.title") == "RegNetX_200MF"
        page.choose_file("#file", photo)
        page.wait_for(f"{bars}.length === 5")
        assert page.value(f"{bars}[0]") == f"digit {best[0]}"
        assert "ms in the server" in page.value("document.querySelector('#times').textContent")
        for event in (
            'new DragEvent("drop", {dataTransfer: data})',
            'new ClipboardEvent("paste", {clipboardData: data})',
        ):
            page.value(give.format(event=event))
            page.wait_for(f"{bars}.length === 5")
            assert page.value(f"{bars}[0]") == f"digit {best[1]}"
        photo.write_bytes(b"not a file")
        page.choose_file("#file", photo)
        page.wait_for("!document.querySelector('#problem').hidden")
        assert "no image: " in page.value("document.querySelector('#problem').textContent")
        page.open(origin + "docs", width=1100, height=900)
        page.wait_for("document.querySelectorAll('section h2').length === 5")
        assert all(address.startswith((origin, f"blob:{origin}", "data:")) for address in page.requested)
