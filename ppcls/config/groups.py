"""Parameter groups: which parameters learn at another rate, decay otherwise, or not at all."""

import re
from dataclasses import dataclass
from typing import Annotated, Optional

from ppcls.config.parts import AtLeast, key, required


@dataclass(frozen=True)
class Group:
    """Parameters whose name in the state dict has a match of `pattern`; what is null is as without the group."""

    pattern: str = required("regular expression, searched in names such as `blocks.0.conv0.conv.weight`")
    lr_factor: Annotated[Optional[float], AtLeast(0)] = key(None, "multiplies the learning rate")
    weight_decay: Annotated[Optional[float], AtLeast(0)] = key(None, "replaces the optimizer's; 0: none")
    frozen: Optional[bool] = key(None, "true: never updated, nor are a batch norm's statistics")

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern: not a regular expression; received '{self.pattern}' ({error})") from error

    def has(self, name: str) -> bool:
        """Return whether a parameter of this name is in the group."""
        return re.search(self.pattern, name) is not None
