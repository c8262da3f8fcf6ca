"""Seeds of everything random that is not drawn sample by sample (that is `data/loader.py`)."""

import numpy as np
import paddle


def seed_weights(seed: int) -> None:
    """Make the initial weights a function of `seed` alone, the same on every rank."""
    np.random.seed(seed)
    paddle.seed(seed)


def seed_epoch(seed: int, epoch: int, rank: int) -> None:
    """Make what the model draws in an epoch (dropout) a function of seed, epoch and rank."""
    paddle.seed(int(np.random.SeedSequence((seed, epoch, rank)).generate_state(1)[0]))
