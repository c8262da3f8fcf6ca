"""How sure an answer is, fitted to the images that a run holds out."""

import logging
from pathlib import Path

from ppcls.config.schema import RunConfig
from ppcls.errors import ConfigError
from ppcls.inference import honesty
from ppcls.inference.honesty import Honesty
from ppcls.registry import Part
from ppcls.report.sources import of_config

logger = logging.getLogger("ppcls")


def fitted(config: RunConfig) -> Honesty:
    """Return what makes the scores of the config's weights honest. Raises ConfigError, DataError."""
    part = config.Infer.PostProcess or Part("Topk")
    source = of_config(config, Path(config.Global.output_dir))
    data_set = source.data(None)
    if part.name != "Topk" or not config.Arch.infer_add_softmax or data_set.labels.ndim > 1:
        raise ConfigError(
            f"--calibrate: needs one class an image, Infer.PostProcess: Topk and Arch.infer_add_softmax: True; "
            f"received {part.name} for {data_set.label_kind.value}; leave it out"
        )
    measured = source.evaluate(data_set)
    found = honesty.fit(measured.scores, measured.labels)
    logger.info(
        f"calibrated on {found.images} images: temperature {found.temperature:.4f}, none of these below "
        f"{found.reject_below:.4f}, 90 % sets from {found.set_above:.4f}"
    )
    return found
