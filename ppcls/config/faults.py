"""Places in what the user gave, and the list of faults found there."""

from dataclasses import dataclass, field

from ppcls.errors import ConfigError


@dataclass(frozen=True)
class Where:
    """A line of a file, or (line 0) a whole file or option."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass
class Faults:
    """All that is wrong with a config, so that one message can say it all."""

    found: list[tuple[Where, str]] = field(default_factory=list)

    def add(self, where: Where, text: str) -> None:
        self.found.append((where, text))

    def raise_if_any(self) -> None:
        """Raise one ConfigError: a line per fault, file by file from top to bottom, options last."""
        if not self.found:
            return
        sources = list(dict.fromkeys(where.source for where, _ in self.found))
        in_order = sorted(self.found, key=lambda f: (f[0].line == 0, sources.index(f[0].source), f[0].line))
        raise ConfigError("\n".join(f"{where}: {text}" for where, text in in_order))
