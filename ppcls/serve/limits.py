"""What a request may take of the server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Of one request, but `queue`: images that are decoded or wait for the model, of all requests together."""

    body_bytes: int = 32 << 20
    pixels: int = 64_000_000
    images: int = 64
    queue: int = 256
    seconds: float = 30.0

    @property
    def parts(self) -> int:
        """Parts of a form, or values of a JSON document, that a request may have: its images, and a margin."""
        return 2 * self.images + 1000

    @property
    def held_bytes(self) -> int:
        """Bytes of all request bodies that may be in memory at a time."""
        return 16 * self.body_bytes
