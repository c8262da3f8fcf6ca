"""What can be wrong with a data set, and the collection of what was found."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Optional

Severity = Literal["error", "warning", "note"]

# Errors end a training run or make it wrong; warnings are to be looked at; notes count what is merely special.
_EXAMPLES_KEPT = 1000


class Kind(NamedTuple):
    """A kind of finding: how bad it is, what it is and what to do."""

    severity: Severity
    meaning: str
    advice: str


KINDS = {
    # Lists
    "bad line": Kind("error", "lines of a list without a path and a label", "correct or remove them"),
    "empty list": Kind("error", "lists without any picture", "write a path and a label on each line"),
    "wrong label count": Kind("error", "lines with another number of labels than classes", "give each class 0 or 1"),
    "label out of range": Kind("error", "labels below 0 or above the last class", "correct them or class_num"),
    "missing": Kind("error", "listed files that are not there", "correct image_root or the list"),
    "listed twice": Kind("warning", "files listed again with the same label", "remove the repetition"),
    "two labels": Kind("error", "files listed again with another label", "keep the right one"),
    # Folders
    "empty class": Kind("error", "class folders without a picture", "add pictures or remove the folder"),
    "other classes": Kind("error", "class folders that not all splits have: labels are their ranks, and differ",
                          "give all splits the same folders, or a class_id_map_file"),
    "twin classes": Kind("warning", "class folders whose names differ only in case or in spaces", "merge them"),
    "numbers as names": Kind("warning", "folders named by numbers whose order as text is another (10 before 2)",
                             "pad them (02), or give a class_id_map_file"),
    "outside a class": Kind("warning", "pictures beside the class folders, which are not read", "move them into one"),
    "not a picture": Kind("note", "files in class folders that are passed over for their names", "nothing"),
    # Files
    "unreadable": Kind("error", "files that the system refuses to read", "check permissions and links"),
    "empty file": Kind("error", "files of zero bytes", "get them again, or remove them"),
    "undecodable": Kind("error", "files that are no picture that can be read", "replace or remove them"),
    "truncated": Kind("error", "pictures whose end is missing", "get them again, or remove them"),
    "changed": Kind("error", "packed pictures whose checksum is wrong", "write the pack again"),
    "damaged": Kind("warning", "pictures that are read, but with complaints", "look at them; part of them may be grey"),
    "wrong suffix": Kind("warning", "files whose name says another format than their content", "rename them"),
    "one colour": Kind("warning", "pictures of one colour", "look at them; remove placeholders"),
    "tiny": Kind("warning", "pictures with a side below 16 pixels", "look at them; remove icons"),
    "huge": Kind("warning", "pictures above 40 million pixels", "shrink them (data pack --resize_short)"),
    "long and thin": Kind("warning", "pictures more than 5 times longer than wide", "look at them; crops see little"),
    "animated": Kind("warning", "files of several pictures; the first one is used", "extract what is meant"),
    "grey": Kind("note", "grey pictures; their channels will be equal", "nothing"),
    "CMYK": Kind("note", "pictures in print colours; converted without a profile", "nothing, or convert them"),
    "alpha": Kind("note", "pictures with transparency, which is dropped", "nothing, or blend them"),
    "16 bits": Kind("note", "pictures of more than 8 bits a channel, which are rounded", "nothing"),
    "rotated": Kind("note", "pictures stored turned (EXIF), set upright by the cv2 backend", "nothing"),
    # Classes
    "no pictures": Kind("warning", "classes without pictures in a split", "add some, or lower class_num"),
    "never trained": Kind("error", "classes that are evaluated but not in the first split", "add training pictures"),
    "rare class": Kind("warning", "classes with fewer than 5 pictures to train on", "add some; see ClassAwareSampler"),
    "imbalance": Kind("warning", "the largest class has more than 10 times the pictures of the smallest",
                      "see ClassAwareSampler and class_weight"),
    # Copies
    "copies": Kind("warning", "pictures that are in a split already, byte for byte", "remove them"),
    "copies with two labels": Kind("error", "the same bytes with different labels", "keep the right one"),
    "leak": Kind("error", "pictures of a later split that are in the first one, byte for byte",
                 "remove them there, or split again (data split)"),
    "near copies": Kind("warning", "pictures that look like another one of their split", "look at them"),
    "near copies with two labels": Kind("warning", "pictures that look the same with different labels", "look at them"),
    "near leak": Kind("warning", "pictures of a later split that look like one of the first",
                      "look at them; split again (data split)"),
}  # fmt: skip


class Example(NamedTuple):
    """One case: where, more words, and the picture if there is one (number of the split, number in it)."""

    where: str
    detail: str
    picture: Optional[tuple[int, int]]


@dataclass
class Finding:
    """All cases of a kind in one split; `examples` are the first ones."""

    kind: str
    split: str
    count: int = 0
    examples: list[Example] = field(default_factory=list)


class Findings:
    """What was found, counted exactly and kept in bounded memory."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}

    def add(
        self, kind: str, split: str, where: str, detail: str = "", picture: Optional[tuple[int, int]] = None
    ) -> None:
        """Note one case."""
        finding = self._found.setdefault((kind, split), Finding(kind, split))
        finding.count += 1
        if len(finding.examples) < _EXAMPLES_KEPT:
            finding.examples.append(Example(where, detail, picture))

    def sorted(self) -> list[Finding]:
        """Return the findings, errors first, else in the order of the table."""
        severities, kinds = ["error", "warning", "note"], list(KINDS)
        return sorted(
            self._found.values(),
            key=lambda finding: (severities.index(KINDS[finding.kind].severity), kinds.index(finding.kind)),
        )

    def count(self, severity: Severity) -> int:
        """Return how many cases of a severity there are."""
        return sum(found.count for found in self._found.values() if KINDS[found.kind].severity == severity)
