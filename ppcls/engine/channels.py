"""That images, model and exported input have the same number of channels."""

from ppcls.config.schema import RunConfig
from ppcls.errors import ConfigError


def check_channels(config: RunConfig) -> None:
    """Raise ConfigError unless the model takes as many channels as the transforms and `Global.image_shape` say."""
    taken = config.Arch.args.get("input_image_channel", 3)
    sections = {"DataLoader.Train": config.DataLoader.Train, "DataLoader.Eval": config.DataLoader.Eval}
    transforms = {where: section.dataset.transform_ops for where, section in sections.items() if section}
    for where, parts in {**transforms, "Infer.transforms": config.Infer.transforms}.items():
        # All images are decoded to three channels, grey ones too; a fourth one is of zeros.
        made = next((part.args.get("channel_num", 3) for part in parts if part.name == "NormalizeImage"), 3)
        if parts and made != taken:
            raise ConfigError(
                f"{config.source}: {where}: makes images of {made} channels, and {config.Arch.name} takes {taken}; "
                f"set Arch.input_image_channel to {made}; grey images come with three equal channels"
            )
    if config.Global.image_shape[0] != taken:
        raise ConfigError(
            f"{config.source}: Global.image_shape: {config.Arch.name} takes {taken} channels; received "
            f"{list(config.Global.image_shape)}; set it to {[taken, *config.Global.image_shape[1:]]}"
        )
