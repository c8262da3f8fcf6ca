"""From the body of a request, in any of three forms, to the bytes of its pictures."""

import asyncio
import base64
import binascii
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Optional

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from ppcls.serve.limits import Limits

# Of a form; a body of ever so many empty parts is cut short.
MAX_PARTS = 1000

RETRY = {"Retry-After": "1"}

_BOUNDARY = re.compile(r'boundary="?([^\s";,]{1,70})', re.IGNORECASE)
_FILE_NAME = re.compile(rb"""content-disposition:[^\r\n]*;\s*filename="?([^"\r\n]*)""", re.IGNORECASE)

# For the OpenAPI page.
BODIES: dict[str, Any] = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["images"],
            "properties": {"images": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}},
        }
    },
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["images"],
            "properties": {
                "images": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "string", "format": "byte", "description": "a picture file in base64"},
                }
            },
        }
    },
    "image/*": {"schema": {"type": "string", "format": "binary", "description": "one picture file"}},
    "application/octet-stream": {"schema": {"type": "string", "format": "binary", "description": "one picture file"}},
}


@dataclass(frozen=True)
class Picture:
    """One picture of a request; `data` is None where its base64 could not be read."""

    name: str
    data: Optional[bytes]


class Intake:
    """Reads bodies, and counts the bytes that all of them hold at present."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held_bytes = 0

    @asynccontextmanager
    async def pictures(self, request: Request) -> AsyncIterator[list[Picture]]:
        """Hold the pictures of a request for as long as the `with` block takes.

        Raises HTTPException: 400 malformed, 408 too slow, 413 too large, 415 another type, 429 no room now.
        """
        body = bytearray()
        try:
            try:
                await asyncio.wait_for(self._read(request, body), self.limits.seconds)
            except asyncio.TimeoutError as error:
                raise HTTPException(408, f"the body did not arrive within {self.limits.seconds:g} seconds") from error
            except ClientDisconnect as error:
                raise HTTPException(400, "the client went away") from error
            kind = request.headers.get("content-type", "application/octet-stream")
            found = await asyncio.to_thread(_split, kind, bytes(body))
            if len(found) > self.limits.pictures:
                raise HTTPException(413, f"{len(found)} pictures; at most {self.limits.pictures} a request")
            yield found
        finally:
            self.held_bytes -= len(body)

    async def _read(self, request: Request, body: bytearray) -> None:
        async for chunk in request.stream():
            body += chunk
            self.held_bytes += len(chunk)
            if len(body) > self.limits.body_bytes:
                raise HTTPException(413, f"the body is too large; at most {self.limits.body_bytes:,} bytes")
            if self.held_bytes > self.limits.held_bytes:
                raise HTTPException(429, "too many requests at present; try again", RETRY)


def _split(content_type: str, body: bytes) -> list[Picture]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return _from_json(body)
    if kind == "multipart/form-data":
        return _from_multipart(content_type, body)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [Picture("picture 1", body)]
    raise HTTPException(415, f"the type of the body must be one of {', '.join(BODIES)}")


def _from_json(body: bytes) -> list[Picture]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the body is no JSON") from error
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list) or not images or not all(isinstance(image, str) for image in images):
        raise HTTPException(422, 'the body must be {"images": ["BASE64", ...]} with one picture or more')
    return [Picture(f"picture {number}", _from_base64(image)) for number, image in enumerate(images, 1)]


def _from_base64(text: str) -> Optional[bytes]:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _from_multipart(kind: str, body: bytes) -> list[Picture]:
    """Split a form that is in memory as a whole (RFC 7578); fields that are no files are passed over."""
    boundary = _BOUNDARY.search(kind)
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1"), MAX_PARTS) if boundary else [b""]
    if not parts or not parts.pop().startswith(b"--"):
        raise HTTPException(400, "the body is no multipart form")
    pictures: list[Picture] = []
    for part in parts:
        head, _, data = part.partition(b"\r\n\r\n")
        file_name = _FILE_NAME.search(head)
        if file_name:
            name = file_name[1].decode("utf-8", "replace")[:200]
            pictures.append(Picture(name or f"picture {len(pictures) + 1}", data))
    if not pictures:
        raise HTTPException(422, "the form has no file; send each picture as a file named `images`")
    return pictures
