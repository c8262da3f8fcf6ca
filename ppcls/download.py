"""Files from the network, kept for the next time."""

import hashlib
import http.client
import logging
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

from ppcls import environment
from ppcls.errors import UserError
from ppcls.files import replacing

logger = logging.getLogger("ppcls")

_CHECKSUMS = {"sha256": "SHA-256", "md5": "MD5"}


def fetch(url: str, kind: str, accept: Callable[[Path], object], error: type[UserError]) -> Path:
    """Return a copy of the file at `url`, kept in `environment.cache(kind)`.

    `$PPCLS_MIRROR` names addresses, separated by spaces, that are tried before the site of `url`. A new file takes
    its name there once its length is right, `accept` didn't raise and its checksum is that of a `#sha256=...` or
    `#md5=...` at the end of `url`, if any.
    Raises: `error`, or what `accept` raises.
    """
    address, _, fragment = url.partition("#")
    key, _, checksum = fragment.partition("=")
    if fragment and (key not in _CHECKSUMS or not checksum):
        raise error(f"{url}: a URL may only end with a checksum; received '#{fragment}'; write #sha256=... or #md5=...")
    # The digest keeps equal names from different places apart.
    path = folder(kind, error) / f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name_of(url)}"
    if path.is_file():
        return path
    for mirror in _mirrors(address):
        try:
            _copy(mirror, path, key, checksum, accept, error)
            return path
        except UserError as reason:
            logger.warning(f"PPCLS_MIRROR: {reason}")
    _copy(address, path, key, checksum, accept, error)
    return path


def _mirrors(address: str) -> list[str]:
    """Return what stands for an address on each mirror."""
    place = address.partition("://")[2].partition("/")[2]
    return [f"{mirror.rstrip('/')}/{place}" for mirror in os.environ.get("PPCLS_MIRROR", "").split()]


def _copy(
    address: str, path: Path, key: str, checksum: str, accept: Callable[[Path], object], error: type[UserError]
) -> None:
    digest = hashlib.new(key or "sha256")
    with replacing(path) as file:
        for chunk in _chunks(address, error):
            digest.update(chunk)
            file.write(chunk)
        if checksum and digest.hexdigest() != checksum.lower():
            raise error(
                f"{address}: not the expected file; its {_CHECKSUMS[key]} is {digest.hexdigest()}, not {checksum}; "
                "check address and checksum"
            )
        file.flush()
        accept(Path(file.name))


def name_of(url: str) -> str:
    """Return the name of the file at `url`."""
    return Path(url.partition("#")[0].partition("?")[0]).name


def folder(kind: str, error: type[UserError]) -> Path:
    """Return the folder `environment.cache(kind)`, made if it isn't there. Raises: `error`."""
    path = environment.cache(kind)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise error(f"{path}: can't be made; {reason.strerror}; set PPCLS_HOME to a folder") from reason
    return path


def _chunks(url: str, error: type[UserError]) -> Iterator[bytes]:
    """Yield what is at `url`, MiB by MiB, and log how far it is."""
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            size = response.length or 0
            logger.info("downloading %s (%.1f MB)", url, size / 1e6)
            received = 0
            while chunk := response.read(2**20):
                done_before = 10 * received // max(size, 1)
                received += len(chunk)
                if 10 * received // max(size, 1) > done_before:
                    logger.info("downloaded %.1f of %.1f MB", received / 1e6, size / 1e6)
                yield chunk
        reason = f"{received} of {size} bytes came" if size and received != size else None
    except (OSError, ValueError, http.client.HTTPException) as failure:  # ValueError: not a URL after all
        reason = str(failure) or type(failure).__name__
    if reason is not None:
        raise error(f"{url}: can't be downloaded; {reason}; download it by hand and give its path, or set PPCLS_MIRROR")
