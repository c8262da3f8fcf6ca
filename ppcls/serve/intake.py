"""From the body of a request, in any of three forms, to the bytes of its images."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Optional

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from ppcls.serve.limits import Limits
from ppcls.serve.multipart import files_of
from ppcls.text import as_utf8

RETRY = {"Retry-After": "1"}

_URL_SAFE = bytes.maketrans(b"-_", b"+/")

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
                    "items": {"type": "string", "format": "byte", "description": "an image file in base64"},
                }
            },
        }
    },
    "image/*": {"schema": {"type": "string", "format": "binary", "description": "one image file"}},
    "application/octet-stream": {"schema": {"type": "string", "format": "binary", "description": "one image file"}},
}


@dataclass(frozen=True)
class ImageFile:
    """One image of a request, not decoded; `data` is None where its base64 could not be read."""

    name: str
    data: Optional[bytes]


class Intake:
    """Reads bodies, and counts the bytes that all of them hold at present."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held_bytes = 0

    @asynccontextmanager
    async def images(self, request: Request) -> AsyncIterator[list[ImageFile]]:
        """Hold the images of a request for as long as the `with` block takes.

        Raises HTTPException: 400 malformed, 408 too slow, 413 too large, 415 another type, 422 no image, 429 no room.
        """
        body = bytearray()
        try:
            try:
                found = await asyncio.wait_for(self._read(request, body), self.limits.seconds)
            except asyncio.TimeoutError as error:
                raise HTTPException(408, f"the body was not read within {self.limits.seconds:g} seconds") from error
            except ClientDisconnect as error:
                raise HTTPException(400, "the client went away") from error
            if len(found) > self.limits.images:
                raise HTTPException(413, f"{len(found)} images; at most {self.limits.images} per request")
            yield found
        finally:
            self.held_bytes -= len(body)

    async def _read(self, request: Request, body: bytearray) -> list[ImageFile]:
        async for chunk in request.stream():
            body += chunk
            self.held_bytes += len(chunk)
            if len(body) > self.limits.body_bytes:
                raise HTTPException(413, f"the body is too large; at most {self.limits.body_bytes:,} bytes")
            if self.held_bytes > self.limits.held_bytes:
                raise HTTPException(429, "too many requests at present; try again", RETRY)
        content_type = request.headers.get("content-type", "application/octet-stream")
        # In a thread, as a large or hostile body takes its time.
        return await asyncio.to_thread(_split, content_type, bytes(body), self.limits)


def _split(content_type: str, body: bytes, limits: Limits) -> list[ImageFile]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return _from_json(body, limits.parts)
    if kind == "multipart/form-data":
        return _from_form(content_type, body, limits.parts)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [ImageFile("image 1", body)]
    raise HTTPException(415, f"the type of the body must be one of {', '.join(BODIES)}")


def _from_json(body: bytes, max_values: int) -> list[ImageFile]:
    # Of many small values Python would make objects of a hundred times their size.
    if sum(map(body.count, (b",", b"[", b"{"))) > max_values:
        raise HTTPException(413, f"the JSON has more than {max_values} values")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the body is not JSON") from error
    images = content.get("images") if isinstance(content, dict) else None
    images = [images] if isinstance(images, str) else images
    if not isinstance(images, list) or not images or not all(isinstance(image, str) for image in images):
        raise HTTPException(422, 'the body must be {"images": ["BASE64", ...]} with one image or more')
    return [ImageFile(f"image {number}", _from_base64(image)) for number, image in enumerate(images, 1)]


def _from_base64(text: str) -> Optional[bytes]:
    """Decode what clients write: a data URL or plain base64, of either alphabet, with or without breaks and padding."""
    head, _, rest = text.partition(",")
    if head[:5].lower() == "data:" and head[-7:].lower() == ";base64":
        text = rest
    try:
        digits = text.encode("ascii").translate(_URL_SAFE, b" \t\r\n").rstrip(b"=")
        return base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except ValueError:
        return None


def _from_form(content_type: str, body: bytes, max_parts: int) -> list[ImageFile]:
    files = files_of(content_type, body, max_parts)
    if not files:
        raise HTTPException(422, "the form has no file; send each image as a file named `images`")
    return [
        ImageFile(as_utf8(name.decode("utf-8", "surrogateescape")) or f"image {number}", data)
        for number, (name, data) in enumerate(files, 1)
    ]
