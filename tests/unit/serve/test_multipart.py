import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from starlette.exceptions import HTTPException

from ppcls.serve.multipart import MAX_HEAD_BYTES, files_of

FORM = "multipart/form-data; boundary=b"
END = b"\r\n--b--\r\n"
DISPOSITION = b'form-data; name="images"; filename="a.jpg"'


def part(content: bytes, disposition: bytes = DISPOSITION, more: bytes = b"") -> bytes:
    return b"\r\n--b\r\nContent-Disposition: " + disposition + b"\r\n" + more + b"\r\n" + content


def refusal(body: bytes, content_type: str = FORM, max_parts: int = 100) -> HTTPException:
    with pytest.raises(HTTPException) as caught:
        files_of(content_type, body, max_parts)
    return caught.value


def test_files_come_with_their_names_in_order_and_other_fields_are_ignored() -> None:
    body = part(b"1") + part(b"x", b'form-data; name="token"') + part(b"", b"form-data; filename=b.png") + END
    assert files_of(FORM, body, 100) == [(b"a.jpg", b"1"), (b"b.png", b"")]


@pytest.mark.parametrize(
    "content", [b"\r\n--", b"\r\n--c\r\n", b"--b--", b"\r\n\r\n", b"\r" * 70_000, b"\r\n--bx\r\n--b-x"]
)
def test_what_looks_like_a_boundary_stays_in_the_file(content: bytes) -> None:
    assert files_of(FORM, part(content) + part(b"2") + END, 100) == [(b"a.jpg", content), (b"a.jpg", b"2")]


@pytest.mark.parametrize("size", [65_400, 65_500, 65_536, 65_600, 131_072])
def test_a_boundary_may_lie_anywhere(size: int) -> None:
    for extra in range(80):
        content = bytes(size + extra)
        assert files_of(FORM, part(content) + part(b"2") + END, 100) == [(b"a.jpg", content), (b"a.jpg", b"2")]


def test_a_name_may_have_any_bytes_and_quotes() -> None:
    body = part(b"1", b'form-data; filename="\xff;=\\"\xe7\x8c\xab.jpg"; name=x') + END
    assert files_of(FORM, body, 100) == [(b'\xff;="\xe7\x8c\xab.jpg', b"1")]


def test_the_boundary_may_be_quoted() -> None:
    assert files_of('multipart/form-data; charset=utf-8; boundary="b"', part(b"1") + END, 100) == [(b"a.jpg", b"1")]


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; b=b"])
def test_a_form_without_a_boundary_is_refused(kind: str) -> None:
    assert refusal(part(b"1") + END, kind).status_code == 400


@pytest.mark.parametrize("body", [b"", b"x", b"--c--\r\n", part(b"1"), part(b"1") + b"\r\n--b", b"--b\r\n: x\r\n\r\n"])
def test_a_form_that_is_cut_or_none_is_refused(body: bytes) -> None:
    assert refusal(body).status_code == 400


def test_heads_and_the_number_of_parts_are_bounded() -> None:
    files_of(FORM, part(b"1", more=b"X: %s\r\n" % bytes(b"x" * 1000)) + END, 100)
    assert refusal(part(b"1", more=(b"X: " + b"x" * (MAX_HEAD_BYTES // 4) + b"\r\n") * 5) + END).status_code == 400
    assert refusal(part(b"1", more=b"X: " + b"x" * MAX_HEAD_BYTES + b"\r\n") + END).status_code == 400
    assert len(files_of(FORM, part(b"1") * 3 + END, 3)) == 3
    assert refusal(part(b"1") * 4 + END, max_parts=3).status_code == 413
