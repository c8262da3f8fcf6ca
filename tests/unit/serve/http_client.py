"""A real server in a thread, and a client that speaks plain HTTP to it."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union

from ppcls.serve.limits import Limits


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    port: int

    def send(
        self,
        method: str,
        path: str,
        body: Union[bytes, Iterable[bytes], None] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers or {}), encode_chunked=False)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def get(self, path: str, headers: Optional[Mapping[str, str]] = None) -> Answer:
        return self.send("GET", path, headers=headers)

    def post(self, body: Union[bytes, Iterable[bytes]], kind: str = "application/octet-stream", **more: Any) -> Answer:
        headers = {"Content-Type": kind, **more.get("headers", {})}
        return self.send("POST", more.get("path", "/v1/predict") + more.get("query", ""), body, headers)

    def post_json(self, content: Any) -> Answer:
        return self.post(json.dumps(content).encode(), "application/json")

    def post_files(self, files: Iterable[tuple[str, bytes]], query: str = "", **more: Any) -> Answer:
        parts = [
            b'--b\r\nContent-Disposition: form-data; name="images"; filename="%s"\r\n\r\n%s\r\n' % (name.encode(), data)
            for name, data in files
        ]
        return self.post(b"".join(parts) + b"--b--\r\n", "multipart/form-data; boundary=b", query=query, **more)


@contextlib.contextmanager
def serving(app: Any, limits: Optional[Limits] = None) -> Iterator[Client]:
    """Serve `app` on a free port of the loopback interface while the `with` block runs."""
    from ppcls.serve.connections import make_server

    listening = socket.create_server(("127.0.0.1", 0))
    server = make_server(app, limits or Limits())
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield Client(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(20)
