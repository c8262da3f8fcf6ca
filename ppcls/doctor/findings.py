"""What can be wrong with a data set, and the collection of what was found."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Optional

from ppcls.text import as_utf8

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
    "empty list": Kind("error", "lists without any image", "write a path and a label on each line"),
    "wrong label count": Kind("error", "lines whose number of labels is not that of classes", "give each class 0 or 1"),
    "label out of range": Kind("error", "labels below 0 or above the last class", "correct them or class_num"),
    "missing": Kind("error", "listed files that are not there", "correct image_root or the list"),
    "listed twice": Kind("warning", "files listed again with the same label", "remove the repetition"),
    "two labels": Kind("error", "files listed again with another label", "keep the right one"),
    # Folders
    "empty class": Kind("error", "class folders without an image", "add images or remove the folder"),
    "other classes": Kind("error", "class folders that not all splits have: labels are their ranks, and differ",
                          "give all splits the same folders, or a class_id_map_file"),
    "twin classes": Kind("warning", "class folders whose names differ only in case or in spaces", "merge them"),
    "numbers as names": Kind("warning", "folders named by numbers whose order as text is another (10 before 2)",
                             "pad them (02), or give a class_id_map_file"),
    "splits as classes": Kind("error", "folders named as splits, where class folders are expected",
                              "give one of them, or the folder that has train/ and val/"),
    "one class": Kind("warning", "splits of a single class folder: every answer will be right",
                      "add the folders of the other classes"),
    "one folder too deep": Kind("error", "splits of a single class folder that has the folders of the classes in it",
                                "move these one folder up"),
    "outside a class": Kind("warning", "images beside the class folders, which are not read", "move them into one"),
    "not an image": Kind("note", "files in class folders that are ignored for their suffix", "nothing"),
    "hidden": Kind("note", "files and folders that are skipped for their names (.x, @eaDir, __MACOSX)", "nothing"),
    "link to itself": Kind("warning", "links to folders that are searched anyway, which are skipped", "remove them"),
    "unreadable folder": Kind("error", "folders that the system refuses to list", "check permissions and links"),
    # Files
    "unreadable": Kind("error", "files that the system refuses to read", "check permissions and links"),
    "empty file": Kind("error", "files of zero bytes", "download them again, or remove them"),
    "undecodable": Kind("error", "files that can't be read as an image", "replace or remove them"),
    "truncated": Kind("error", "images whose end is missing", "download them again, or remove them"),
    "too large": Kind("error", "images of too many pixels, bytes or scans, or too narrow, to be decoded",
                      "shrink, crop or remove them"),
    "unsupported": Kind("error", "whole files of kinds that are not decoded", "save them as JPEG or PNG"),
    "changed": Kind("error", "packed images whose checksum is wrong", "write the pack again"),
    "damaged": Kind("warning", "images that decode with warnings", "look at them; part of them may be grey"),
    "wrong suffix": Kind("warning", "files whose name says another format than their content", "rename them"),
    "one colour": Kind("warning", "images of one colour", "look at them; remove placeholders"),
    "tiny": Kind("warning", "images with a side below 16 pixels", "look at them; remove icons"),
    "huge": Kind("warning", "images above 40 million pixels", "shrink them (data pack --resize_short)"),
    "long and thin": Kind("warning", "images more than 5 times longer than wide", "look at them; crops see little"),
    "animated": Kind("warning", "files of several images; the first one is used", "extract what is meant"),
    "grey": Kind("note", "grey images; their channels will be equal", "nothing"),
    "CMYK": Kind("note", "images in CMYK colours; converted without a profile", "nothing, or convert them"),
    "alpha": Kind("note", "images with transparency, which is dropped", "nothing, or blend them"),
    "16 bits": Kind("note", "images of more than 8 bits per channel, which are rounded", "nothing"),
    "rotated": Kind("note", "images stored turned (EXIF), set upright by the cv2 backend", "nothing"),
    # Classes
    "no images": Kind("warning", "classes without images in a split", "add some, or lower class_num"),
    "never trained": Kind("error", "classes that are evaluated but not in the first split", "add training images"),
    "rare class": Kind("warning", "classes with fewer than 5 images to train on", "add some; see ClassAwareSampler"),
    "imbalance": Kind("warning", "the largest class has more than 10 times the images of the smallest",
                      "see ClassAwareSampler and class_weight"),
    # Copies
    "copies": Kind("warning", "images that are in a split already, byte for byte", "remove them"),
    "copies with two labels": Kind("error", "the same bytes with different labels", "keep the right one"),
    "leak": Kind("error", "images of a later split that are in the first one, byte for byte",
                 "remove them there, or split again (data split)"),
    "near copies": Kind("warning", "images that look like another one of their split", "look at them"),
    "near copies with two labels": Kind("warning", "images that look the same with different labels", "look at them"),
    "near leak": Kind("warning", "images of a later split that look like one of the first",
                      "look at them; split again (data split)"),
}  # fmt: skip


class Example(NamedTuple):
    """One case: where, more words, and the image if there is one (number of the split, number in it)."""

    where: str
    detail: str
    image: Optional[tuple[int, int]]


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

    def add(self, kind: str, split: str, where: str, detail: str = "", image: Optional[tuple[int, int]] = None) -> None:
        """Note one case."""
        finding = self._found.setdefault((kind, split), Finding(kind, split))
        finding.count += 1
        if len(finding.examples) < _EXAMPLES_KEPT:
            finding.examples.append(Example(as_utf8(where), as_utf8(detail), image))

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
