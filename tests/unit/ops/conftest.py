"""Operators that can be compiled here, or a reason to skip."""

import pytest

from ppcls import environment
from ppcls.ops import compiled
from ppcls.ops.operators import OneDNN


@pytest.fixture(scope="session")
def onednn() -> OneDNN:
    """The operators in float32."""
    obstacle = compiled.obstacle()
    if obstacle:
        pytest.skip(obstacle)
    return OneDNN()


@pytest.fixture(scope="session")
def onednn_bfloat16(onednn: OneDNN) -> OneDNN:
    """The operators in bfloat16."""
    if environment.bfloat16_obstacle():
        pytest.skip(environment.bfloat16_obstacle())
    return OneDNN(bfloat16=True, bfloat16_evaluation=True)
