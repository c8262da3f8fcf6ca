"""The border around all that is done to one image: whatever fails in there is that image's failure, by one error."""

from typing import Any, Callable, Optional

from ppcls.errors import DataError


class UndecodableError(DataError):
    """One image can't be used: it is damaged, or no image at all."""


class TooLargeError(UndecodableError):
    """One image would take too much memory or time."""


class UnsupportedError(UndecodableError):
    """One image is whole, and of a kind that isn't decoded."""


def unforeseen(error: Exception) -> DataError:
    """Return the error for what was raised over one image; what the system refuses to read may be all of them."""
    if isinstance(error, OSError):
        what = "path" if isinstance(error, FileNotFoundError) else "disk"
        return DataError(f"can't be read; {error.strerror or error}; check the {what}")
    return UndecodableError(f"can't be used; {in_words(error)}; replace or remove the image")


class OneImage:
    """The border: raises what fails in its `with` block as the error that `failure` makes of it.

    A DataError passes, as it says all already. Decoders in C raise what they like over bytes that nobody foresaw:
    RuntimeError, IndexError, struct.error, SyntaxError, cv2.error. No list of these has an end, and none may end the
    work on all other images, so that here, and nowhere else, all exceptions are taken.
    """

    __slots__ = ("_failure",)

    def __init__(self, failure: Callable[[Exception], DataError] = unforeseen) -> None:
        self._failure = failure

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: Any, error: Optional[BaseException], __: Any) -> None:
        if not isinstance(error, Exception) or isinstance(error, DataError):
            return
        if isinstance(error, MemoryError) or getattr(error, "code", None) == -4:  # of OpenCV: StsNoMem
            raise out_of_memory() from error
        raise self._failure(error) from error


def out_of_memory() -> TooLargeError:
    """Return the error for an image that the memory has no room for."""
    return TooLargeError("too large for the memory that is free; shrink or remove the image, or free memory")


def in_words(error: Exception) -> str:
    """Return an exception as one line."""
    first, *_ = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {first}"
