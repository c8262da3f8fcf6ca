"""The files of a form (multipart/form-data, RFC 7578) that is in memory as a whole."""

import logging

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException

# Of the headers of one part.
MAX_HEAD_BYTES = 8 << 10

# No more is given to the parser at once, as a single search through all could keep Python's lock for too long.
_STEP_BYTES = 64 << 10

# A warning for each malformed form would let its clients fill the disk.
logging.getLogger("python_multipart").setLevel(logging.ERROR)


def files_of(content_type: str, body: bytes, max_parts: int) -> list[tuple[bytes, bytes]]:
    """Return the name and the content of each file; fields that are no files are ignored.

    Raises HTTPException: 400 malformed, 413 more parts than `max_parts`.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise HTTPException(400, "the Content-Type of a form must name its boundary")
    form = _Form(max_parts)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": form.begin_part,
                "on_header_field": form.add_header_name,
                "on_header_value": form.add_header_value,
                "on_header_end": form.end_header,
                "on_part_data": form.add_content,
                "on_part_end": form.end_part,
                "on_end": form.end,
            },
        )
        for start in range(0, len(body), _STEP_BYTES):
            parser.write(body[start : start + _STEP_BYTES])
    except FormParserError as error:
        raise HTTPException(400, "the body is not a multipart form") from error
    if not form.has_ended:
        raise HTTPException(400, "the multipart form has no end")
    return form.files


class _Form:
    """What the parser tells of a form, piece by piece."""

    def __init__(self, max_parts: int) -> None:
        self.files: list[tuple[bytes, bytes]] = []
        self.has_ended = False
        self._max_parts = max_parts
        self._num_parts = 0

    def begin_part(self) -> None:
        self._num_parts += 1
        if self._num_parts > self._max_parts:
            raise HTTPException(413, f"the form has more than {self._max_parts} parts")
        self._head_bytes = 0
        self._name, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._content = bytearray()

    def add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += self._counted(data[start:end])

    def add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._counted(data[start:end])

    def end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def add_content(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def end_part(self) -> None:
        file_name = parse_options_header(self._disposition)[1].get(b"filename")
        if file_name is not None:
            self.files.append((file_name, bytes(self._content)))

    def end(self) -> None:
        self.has_ended = True

    def _counted(self, piece: bytes) -> bytes:
        self._head_bytes += len(piece)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HTTPException(400, f"the head of a part is larger than {MAX_HEAD_BYTES:,} bytes")
        return piece
