import base64
import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from http_client import Client, serving

from ppcls.inference.postprocess import Topk
from ppcls.inference.predictor import Predictor
from ppcls.serve.app import create_app
from ppcls.serve.limits import Limits

FORM = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def predictor(exported: Path) -> Predictor:
    return Predictor(exported)


@pytest.fixture(scope="module")
def client(predictor: Predictor) -> Iterator[Client]:
    with serving(create_app([predictor], limits=Limits())) as client:
        yield client


def limited(predictor: Predictor, **limits: Any) -> AbstractContextManager[Client]:
    return serving(create_app([predictor], limits=Limits(**limits)), Limits(**limits))


def expected(predictor: Predictor, photo: bytes) -> dict[str, Any]:
    image = predictor.pipeline.sample(photo, np.random.default_rng(0))
    scores = predictor.scores(predictor.pipeline.finish(image[None]))
    return Topk(predictor.artifact.PostProcess.Topk.label_list, None)(scores)[0].to_dict()


def as_json(*photos: bytes) -> dict[str, Any]:
    return {"images": [base64.b64encode(photo).decode() for photo in photos]}


def test_the_three_forms_of_a_request_give_the_predictors_answer(
    client: Client, predictor: Predictor, photos: list[bytes]
) -> None:
    photo = photos[0]
    answers = [
        client.post_files([("a.jpg", photo)]),
        client.post(photo, "image/jpeg"),
        client.post(photo),
        client.post_json(as_json(photo)),
    ]
    wanted = expected(predictor, photo)
    for answer in answers:
        assert answer.status == 200
        (result,) = answer.json()["results"]
        assert result["class_ids"] == wanted["class_ids"]
        assert result["label_names"] == wanted["label_names"] == [f"digit {index}" for index in wanted["class_ids"]]
        np.testing.assert_allclose(result["scores"], wanted["scores"], atol=1e-6)
    assert answers[0].json()["results"][0]["name"] == "a.jpg"


@pytest.mark.parametrize(
    "encoded",
    [
        lambda data: base64.b64encode(data),
        lambda data: b"data:image/jpeg;base64," + base64.b64encode(data),
        lambda data: b"DATA:;BASE64," + base64.urlsafe_b64encode(data).rstrip(b"="),
        lambda data: base64.encodebytes(data),
        lambda data: base64.encodebytes(data).replace(b"\n", b"\r\n"),
        lambda data: base64.urlsafe_b64encode(data),
        lambda data: base64.b64encode(data).rstrip(b"="),
        lambda data: b" " + base64.b64encode(data) + b"\n",
    ],
    ids=["plain", "data URL", "data URL, URL-safe", "breaks", "MIME", "URL-safe", "no padding", "white space"],
)
def test_base64_is_read_as_clients_write_it(
    client: Client, photos: list[bytes], encoded: Callable[[bytes], bytes]
) -> None:
    # One after the other ends with no, one and two characters of padding.
    texts = [encoded(photos[0] + bytes(extra)).decode() for extra in range(3)]
    answer = client.post_json({"images": texts})
    assert answer.status == 200
    plain = client.post_json({"images": encoded(photos[0]).decode()})
    assert plain.json()["results"][0]["scores"] == pytest.approx(answer.json()["results"][0]["scores"], abs=1e-5)
    assert len(plain.json()["results"]) == 1


@pytest.mark.parametrize(
    "text", ["not base64!", "A", "AA=A", "data:image/svg+xml,AAAA", "base64,AAAA", "\u00e9", "AAAA;"]
)
def test_other_text_is_refused_as_base64(client: Client, text: str) -> None:
    answer = client.post_json({"images": [text]})
    assert answer.status == 422
    assert answer.json()["results"][0]["error"].startswith("not base64")


def test_several_images_are_answered_in_their_order(client: Client, predictor: Predictor, photos: list[bytes]) -> None:
    files = [(f"{number}.jpg", photo) for number, photo in enumerate(photos)]
    results = client.post_files(files, "?topk=10").json()["results"]
    assert [result["name"] for result in results] == [f"{number}.jpg" for number in range(20)]
    for result, photo in zip(results, photos):
        np.testing.assert_allclose(result["scores"][:5], expected(predictor, photo)["scores"], atol=1e-5)


def test_a_bad_image_is_named_and_the_others_are_answered(client: Client, photos: list[bytes]) -> None:
    answer = client.post_files([("good.jpg", photos[0]), ("bad.jpg", b"no image")])
    assert answer.status == 422
    good, bad = answer.json()["results"]
    assert len(good["class_ids"]) == 5
    assert bad["name"] == "bad.jpg" and bad["error"].startswith("no image: 8 bytes")


def test_a_truncated_image_and_wrong_base64_are_refused_by_name(client: Client, photos: list[bytes]) -> None:
    body = {"images": [base64.b64encode(photos[0][:200]).decode(), "not base64!", "\u00e9"]}
    answer = client.post_json(body)
    assert answer.status == 422
    assert [(r["name"], "error" in r) for r in answer.json()["results"]] == [
        ("image 1", True),
        ("image 2", True),
        ("image 3", True),
    ]


def files_of_many_kinds() -> dict[str, bytes]:
    """Images that are whole, and that some reader refuses all the same."""
    pixels = cv2.resize(np.random.default_rng(1).integers(0, 256, (5, 8, 3), dtype="uint8"), (96, 80))
    image, upright = Image.fromarray(pixels), Image.Exif()
    upright[0x0112] = 6
    text, profile = PngImagePlugin.PngInfo(), np.random.default_rng(2).bytes(1 << 20)
    text.add_text("comment", "x" * (2 << 20), zip=True)
    written: dict[str, tuple[str, Image.Image, dict[str, Any]]] = {
        "grey": ("png", image.convert("L"), {}),
        "alpha": ("png", image.convert("RGBA"), {}),
        "palette": ("png", image.convert("P"), {}),
        "CMYK": ("jpeg", image.convert("CMYK"), {}),
        "rotated": ("jpeg", image, {"exif": upright}),
        "motion photo": ("mpo", image, {"save_all": True, "append_images": [image]}),
        "large text": ("png", image, {"pnginfo": text}),
        "large profile": ("png", image, {"icc_profile": profile}),
    }
    files = {}
    for name, (suffix, content, options) in written.items():
        file = io.BytesIO()
        content.save(file, suffix, **options)
        files[name] = file.getvalue()
    comment = b"\0\0\0\3tEXta\0b" + b"\0\0\0\0"  # the checksum is wrong
    files["wrong checksum"] = files["grey"][:33] + comment + files["grey"][33:]
    for suffix in (".gif", ".avif", ".jp2", ".webp", ".tif", ".bmp", ".ppm"):
        if cv2.haveImageWriter(f"image{suffix}"):
            files[suffix] = cv2.imencode(suffix, pixels)[1].tobytes()
    return files


KINDS = files_of_many_kinds()


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_of_any_kind_is_answered_as_the_predictor_does(
    client: Client, predictor: Predictor, kind: str
) -> None:
    answer = client.post(KINDS[kind])
    assert answer.status == 200, answer.text
    scores = answer.json()["results"][0]["scores"]
    np.testing.assert_allclose(scores, expected(predictor, KINDS[kind])["scores"], atol=1e-6)


def test_an_image_over_the_limit_is_refused_by_its_header(predictor: Predictor, photos: list[bytes]) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + struct.pack(">I", zlib.crc32(header)) + bytes(4) + b"IDAT"
    with limited(predictor, pixels=60 * 48) as client:
        assert client.post(photos[0]).status == 200
        answer = client.post_files([("bomb.png", bomb), ("larger.bmp", KINDS[".bmp"])])
    assert answer.status == 422
    bomb_answer, larger = answer.json()["results"]
    assert bomb_answer["error"].startswith("too large: 60000 x 60000 pixels")
    assert larger["error"].startswith("too large: 96 x 80 pixels")


def test_a_name_of_any_bytes_comes_back_as_utf_8(client: Client, photos: list[bytes]) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="images"; filename="caf\xe9 \xe7\x8c\xab.jpg"\r\n\r\n'
    answer = client.post(head + photos[0] + b"\r\n--b--\r\n", FORM)
    assert answer.json()["results"][0]["name"] == "caf\\xe9 \u732b.jpg"


def test_topk_is_checked(client: Client, photos: list[bytes]) -> None:
    assert len(client.post(photos[0], query="?topk=3").json()["results"][0]["class_ids"]) == 3
    assert client.post(photos[0], query="?topk=0").json() == {
        "error": "topk: Input should be greater than or equal to 1"
    }
    assert client.post(photos[0], query="?topk=many").status == 422


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[" * 1000, "application/json", 400),
        (b"[" * 100_000, "application/json", 413),
        (b"[]", "application/json", 422),
        (b'{"images": []}', "application/json", 422),
        (b'{"images": [1]}', "application/json", 422),
        (b'{"images": ["\\ud800"]}', "application/json", 422),
        (b"x", "multipart/form-data", 400),
        (b"x", FORM, 400),
        (b"--b--\r\n", FORM, 422),
        (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n', FORM, 422),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"a", "text/plain", 415),
        (b"", "image/png", 422),
    ],
)
def test_a_malformed_body_is_refused(client: Client, body: bytes, kind: str, status: int) -> None:
    answer = client.post(body, kind)
    assert answer.status == status
    assert set(answer.json()) in ({"error"}, {"results", "milliseconds"})


@pytest.mark.parametrize("charset", ["idna", "punycode", "unicode_escape", "hex", "undefined", "nonsense", "utf-16"])
def test_a_file_name_in_an_odd_charset_does_no_harm(client: Client, photos: list[bytes], charset: str) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="images"; filename="\\ud800\xff.jpg"\r\n\r\n'
    answer = client.post(head + photos[0] + b"\r\n--b--\r\n", f"multipart/form-data; boundary=b; charset={charset}")
    assert answer.status in (200, 400, 422)


def test_a_body_over_the_limit_is_refused_whether_it_says_its_length_or_not(
    predictor: Predictor, photos: list[bytes]
) -> None:
    with limited(predictor, body_bytes=1000) as client:
        assert client.post(bytes(1001)).status == 413
        assert (
            client.post(
                iter([b"258\r\n" + bytes(600) + b"\r\n"] * 2 + [b"0\r\n\r\n"]), headers={"Transfer-Encoding": "chunked"}
            ).status
            == 413
        )
        assert client.post(bytes(1000)).status == 422


def test_more_images_than_allowed_are_refused(predictor: Predictor, photos: list[bytes]) -> None:
    with limited(predictor, images=2) as client:
        assert client.post_json(as_json(*photos[:2])).status == 200
        assert client.post_json(as_json(*photos[:3])).status == 413


def test_a_full_queue_answers_429_and_when_to_try_again(predictor: Predictor, photos: list[bytes]) -> None:
    with limited(predictor, queue=2) as client:
        answer = client.post_json(as_json(*photos[:3]))
        assert answer.status == 429
        assert answer.headers["retry-after"] == "1"
        assert client.post_json(as_json(*photos[:2])).status == 200


def test_too_slow_an_answer_is_given_up(predictor: Predictor, photos: list[bytes]) -> None:
    with limited(predictor, seconds=0.0001) as client:
        assert client.post(photos[0]).status in (408, 503)
        assert client.get("/readyz").status == 200


def test_a_token_guards_all_that_tells_or_computes_something(predictor: Predictor, photos: list[bytes]) -> None:
    with serving(create_app([predictor], limits=Limits(), token="secret")) as client:
        for token, status in (("", 401), ("wrong", 401), ("secret", 200)):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            assert client.post(photos[0], headers=headers).status == status
            assert client.get("/v1/model", headers=headers).status == status
            assert client.get("/metrics", headers=headers).status == status
        for open_path in ("/", "/docs", "/healthz", "/readyz", "/openapi.json"):
            assert client.get(open_path).status == 200


def test_an_unforeseen_error_leaks_nothing(exported: Path, photos: list[bytes]) -> None:
    class Broken(Predictor):
        def scores(self, images_NCHW: np.ndarray) -> np.ndarray:
            raise RuntimeError(f"secret of {exported}")

    with serving(create_app([Broken(exported)], limits=Limits())) as client:
        answer = client.post(photos[0])
        assert answer.status == 500
        assert answer.json() == {"error": "internal error"}
        assert client.get("/readyz").status == 200


def test_no_answer_names_a_path_of_the_server(client: Client, exported: Path, photos: list[bytes]) -> None:
    for answer in (
        client.get("/v1/model"),
        client.get("/metrics"),
        client.get("/nothing"),
        client.get("/../../etc/passwd"),
        client.post(photos[0][:300]),
        client.send("DELETE", "/v1/predict"),
    ):
        assert str(exported) not in answer.text
        assert "Traceback" not in answer.text and ".py" not in answer.text


def test_what_is_not_there_says_where_to_look(client: Client) -> None:
    answers = [client.get("/predict"), client.get("/v1/predict"), client.send("POST", "/v1")]
    assert [answer.json()["error"] for answer in answers] == [
        "GET /predict: not found; /docs lists what there is",
        "GET /v1/predict: method not allowed; /docs lists what there is",
        "POST /v1: not found; /docs lists what there is",
    ]


def test_head_is_answered_as_get_without_the_body(client: Client) -> None:
    for path in ("/", "/docs", "/healthz", "/readyz", "/metrics", "/v1/model", "/openapi.json", "/nothing"):
        got, head = client.get(path), client.send("HEAD", path)
        assert (head.status, head.body) == (got.status, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
    assert client.send("HEAD", "/v1/predict").status == 405


def test_metrics_count_requests_images_and_batches(predictor: Predictor, photos: list[bytes]) -> None:
    with limited(predictor) as client:
        client.post_json(as_json(*photos[:3]))
        client.post(b"bad")
        lines = client.get("/metrics").text.splitlines()
    for line in (
        'ppcls_requests_total{status="200"} 1.0',
        'ppcls_requests_total{status="422"} 1.0',
        'ppcls_images_total{outcome="answered"} 3.0',
        'ppcls_images_total{outcome="refused"} 1.0',
        "ppcls_batch_size_sum 3.0",
        "ppcls_request_seconds_count 2.0",
        "ppcls_queue_images 0.0",
    ):
        assert line in lines


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_asks_for_nothing_from_elsewhere(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("text/html")
    assert "http://" not in answer.text and "https://" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_server_holds_what_its_openapi_schema_says(client: Client, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    words = ["run", f"http://127.0.0.1:{client.port}/openapi.json", "--max-examples", "40", "--no-color", "--seed", "1"]
    # That valid input is accepted can't be asked for: random bytes are no image.
    words += ["--exclude-checks", "positive_data_acceptance"]
    ended = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stdout
