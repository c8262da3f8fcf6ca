"""Training in stages, with larger images and more augmentation in each."""

from typing import Any

import pytest
from runs import MakeEngine, same_arrays, trained

from ppcls.engine import checkpoints
from ppcls.errors import ConfigError

NORMALIZE = "{NormalizeImage: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}"


@pytest.fixture
def progressive(make: MakeEngine) -> Any:
    """Return what makes the engine of a run of four stages."""

    def engine(run: str, *options: str, magnitudes: str = "[0, 5, 10, 15]") -> Any:
        transforms = (
            "[{RandCropImage: {size: 12, progress_size: [12, 16, 20, 24]}},"
            f" {{RandAugmentV2: {{magnitude: 0, progress_magnitude: {magnitudes}}}}}, {NORMALIZE}]"
        )
        return make(
            "Tiny",
            run,
            "Global.train_mode=progressive",
            "Global.epochs=6",
            "Global.eval_during_train=False",
            "Arch.dropout=[0.0, 0.1, 0.2, 0.3]",
            f"DataLoader.Train.dataset.transform_ops={transforms}",
            *options,
        )

    return engine


def test_images_and_dropout_grow_in_four_equal_parts_of_the_epochs(progressive: Any) -> None:
    engine = progressive("run")
    loader = engine.train_loader
    batches = [next(loader.epoch(epoch)) for epoch in range(6)]
    # PaddleClas: the stages end with epochs 1, 3, 4 and 6 of 6.
    assert [batch.images.shape[2:] for batch in batches] == [(12, 12), (16, 16), (16, 16), (20, 20), (24, 24), (24, 24)]
    assert loader.sample(3, 0).images.shape == (1, 3, 20, 20)
    engine.prepare()
    rates = []
    for epoch in range(6):
        engine.state.epoch = epoch
        next(engine.train_batches())
        rates.append(engine.model.dropout.p)
    assert rates == [0.0, 0.1, 0.1, 0.2, 0.3, 0.3]


def test_a_resumed_run_equals_one_that_never_stopped(progressive: Any) -> None:
    whole = trained(progressive("whole", "Global.epochs=4"))
    trained(progressive("parts", "Global.epochs=4", "Global.early_stop=2"))
    parts = trained(progressive("parts", "Global.epochs=4", "Global.checkpoints=auto"))
    left, right = (checkpoints.read(engine.folder / "latest").weights for engine in (whole, parts))
    assert same_arrays(left, right)
    log = (whole.folder / "train.log").read_text()
    assert [f"stage {number} of 4" in log for number in (1, 2, 3, 4)] == [True] * 4


def test_stages_that_do_not_fit_are_refused(progressive: Any) -> None:
    with pytest.raises(ConfigError, match="of one length; received 3 and 4; give a value for each stage"):
        progressive("run", magnitudes="[0, 5, 10]").train()
    with pytest.raises(ConfigError, match="progress_size and the like: need Global.train_mode: progressive"):
        progressive("run", "Global.train_mode=default").train()
    with pytest.raises(ConfigError, match="Arch.dropout_rate: must have a rate for each of the 4 stages of the train"):
        progressive("run", "Arch.dropout=[0.1, 0.2]").train()
