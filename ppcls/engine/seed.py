"""Seeds of everything random that is not drawn sample by sample (that is `data/loader.py`)."""

import numpy as np
import paddle


def seed_weights(seed: int) -> None:
    """Make the initial weights a function of `seed` alone, the same on every rank."""
    np.random.seed(seed)
    paddle.seed(seed)


def seed_batch(seed: int, epoch: int, batch: int, rank: int) -> None:
    """Make what the model draws for a batch (dropout) a function of seed, epoch, batch and rank; takes 30 us."""
    paddle.seed(int(np.random.SeedSequence((seed, epoch, batch, rank)).generate_state(1)[0]))
