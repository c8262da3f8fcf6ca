from collections.abc import Iterator

import pytest

from ppcls.models import ARCHITECTURES


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Let configs name the architecture of small.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES.module_of, "Small", "small")
        yield
