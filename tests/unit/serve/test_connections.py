import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from http_client import serving
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ppcls.serve.limits import Limits

GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE_BYTES = 32 << 20


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    async def quick(_: Any) -> PlainTextResponse:
        return PlainTextResponse("ok")

    async def slow(_: Any) -> PlainTextResponse:
        await asyncio.sleep(1.5)
        return PlainTextResponse("ok")

    async def large(_: Any) -> PlainTextResponse:
        return PlainTextResponse(bytes(LARGE_BYTES))

    routes = [Route(f"/{route.__name__}", route) for route in (quick, slow, large)]
    with serving(Starlette(routes=routes), Limits(seconds=1)) as client:
        yield client.port


def read_answer(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"ok"):
        piece = connection.recv(1 << 20)
        assert piece, "closed"
        received += piece
    return bytes(received)


@contextlib.contextmanager
def connected(port: int, *sent: bytes) -> Iterator[socket.socket]:
    """Send each piece once the one before it is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for number, piece in enumerate(sent):
            connection.sendall(piece)
            if number < len(sent) - 1:
                read_answer(connection)
        yield connection


@pytest.mark.parametrize(
    "sent",
    [
        (b"",),
        (b"GET /quick HTT",),
        (GET % b"quick", b""),
        (GET % b"quick", b"GET /quick HTTP/1.1\r\n"),
        (b"GET /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", b""),
    ],
    ids=["nothing", "half a head", "no second request", "half a second head", "half a body that nobody needs"],
)
def test_a_connection_that_lets_the_server_wait_is_closed(port: int, sent: tuple[bytes, ...]) -> None:
    with connected(port, *sent) as connection:
        started = time.monotonic()
        assert connection.recv(1000) == b""
        assert 0.8 < time.monotonic() - started < 3


@pytest.mark.parametrize("first", [b"GET /quick HTTP/1.1\r\n", b"GET /quick HTTP/1.1\r\nContent-Length: 99\r\n\r\n"])
def test_a_byte_now_and_then_does_not_keep_a_connection_open(port: int, first: bytes) -> None:
    started = time.monotonic()
    with connected(port, first) as connection, pytest.raises(ConnectionError):
        while time.monotonic() < started + 5:
            connection.sendall(b"x")
            time.sleep(0.1)


def test_an_answer_that_takes_long_is_waited_for(port: int) -> None:
    with connected(port, GET % b"slow") as connection:
        read_answer(connection)


def test_a_client_that_does_not_take_its_answer_is_dropped(port: int) -> None:
    with connected(port, GET % b"large") as connection:
        time.sleep(2.5)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(1 << 20):
                received += len(piece)
    assert 0 < received < LARGE_BYTES


def test_a_large_answer_reaches_a_client_that_takes_it(port: int) -> None:
    with connected(port, GET % b"large" + GET % b"quick") as connection:
        assert len(read_answer(connection)) > LARGE_BYTES
