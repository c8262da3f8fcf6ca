"""Hostile pickles, written by hand opcode by opcode: refused soon, in little memory, and nothing of them is run."""

import io
import pickle
import random
import resource
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppcls import pdparams, pickles
from ppcls.errors import CheckpointError

START = b"\x80\x02"
NDARRAY = b"cnumpy\nndarray\n"
FLOATS = b"cnumpy\ndtype\nU\x02f4\x85R"
EMPTY_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n" + NDARRAY + b"K\x00\x85U\x01b\x87R"


def array(raw: bytes, shape: bytes = b"K\x02\x85") -> bytes:
    """An array of two floats, whose bytes the opcodes `raw` give."""
    return EMPTY_ARRAY + b"(K\x01" + shape + FLOATS + b"\x89" + raw + b"tb"


def doubled(empty: bytes, join: bytes, times: int) -> bytes:
    """A value that holds the one before it twice, and so on."""
    levels = [join.replace(b"?", b"h%c" % level) + b"q%c" % (level + 1) for level in range(times)]
    return empty + b"q\x00" + b"".join(levels)


LISTS = doubled(b"]", b"](??e", 60)
TUPLES = doubled(b")", b"??\x86", 60)
BYTES_8 = b"\x8e" + struct.pack("<Q", 2**40) + b"abc"
# A kilobyte, and a list of as many arrays of it as there are opcodes for.
SHARED_BYTES = b"T\x00\x04\x00\x00" + 1024 * b"x" + b"q\x00](" + 20_000 * array(b"h\x00", b"M\x00\x01\x85") + b"e"
PAIRS = b"](" + 50_000 * b"U\x01aK\x00\x86" + b"e\x85q\x00ccollections\nOrderedDict\nq\x01](" + 20_000 * b"h\x01h\x00R"

HOSTILE = {
    "a state for a name": NDARRAY + b"(NNNNtb",
    "a state for a function": b"c_codecs\nencode\n}U\x0c__defaults__U\x03abc\x85sb",
    "a state for a list": b"]}b",
    "an array without bytes": array(b"N"),
    "an array of more than its bytes": array(b"U\x01x", b"J\xff\xff\xff\x7f\x85"),
    "an array of a negative length": array(b"U\x01x", b"J\xff\xff\xff\xff\x85"),
    "an array of lists": array(b"U\x01x", LISTS + b"\x85"),
    "an array of objects": array(b"U\x08abcdefgh").replace(b"U\x02f4", b"U\x02O8"),
    "an array of a byte order that is a list": array(b"U\x08abcdefgh").replace(
        b"\x85R", b"\x85R(" + LISTS + LISTS + b"tb"
    ),
    "lists that double": LISTS,
    "tuples that double": TUPLES,
    "tuples that double as a key": b"}" + TUPLES + b"K\x01s",
    "tuples within tuples as a key": b"})" + 100_000 * b"\x85" + b"K\x01s",
    "lists within lists": b"]" + 100_000 * b"]" + 100_000 * b"a",
    "a list in itself": b"]q\x00h\x00a",
    "lists as a name": LISTS + LISTS + b"\x93",
    "more bytes than there are": BYTES_8,
    "a text of more bytes than there are": b"\x8d" + struct.pack("<Q", 2**63 - 1),
    "the same bytes again and again": SHARED_BYTES,
    "the same pairs again and again": PAIRS,
    "more opcodes than weights have": pickles.MAX_OPCODES * b"N",
    "a mark that is not there": b"K\x01e",
    "nothing on the stack": b"\x85R",
    "a memo that is not there": b"h\x07",
    "a call of a text": b"U\x05printU\x01a\x85R",
    "a call without arguments": b"cnumpy\ndtype\n]R",
    "half a pair": b"}(K\x01u",
    "a persistent id": b"U\x01aQ",
    "a name that rings": b"cos\n\x1b[2Jsystem\n",
    "a name without an end": b"c" + 100_000 * b"x",
}
OPCODES_REFUSED = b"SVFLPgpiol\x8f\x90\x91\x81\x82\x83\x84\x92\x97\x98012d"


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Half a GiB more for this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**29, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def read(content: bytes) -> Any:
    return pdparams.read_from(io.BytesIO(content), "a.pdparams")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_soon_in_one_short_line(name: str) -> None:
    began = time.process_time()
    with pytest.raises(CheckpointError) as caught:
        read(START + b"}U\x01w" + HOSTILE[name] + b"s.")
    assert time.process_time() - began < 10
    message = str(caught.value)
    assert message.isprintable() and len(message) < 500


@pytest.mark.parametrize("opcode", [bytes([code]) for code in OPCODES_REFUSED])
def test_opcodes_that_no_weights_need_are_refused(opcode: bytes) -> None:
    with pytest.raises(CheckpointError, match="it has the opcode .*, which no weights need"):
        read(START + b"}U\x01w(K\x01K\x02" + opcode + b"I1\ns.")


def test_a_memo_of_any_place_takes_no_memory_for_the_places_before_it() -> None:
    assert read(START + b"}U\x01wK\x07r\xff\xff\xff\x7fs.") == {"w": 7}


def test_a_value_that_stands_at_two_places_is_read_as_two() -> None:
    found = read(START + b"}(U\x01a](K\x01K\x02eq\x00U\x01bh\x00u.")
    assert found == {"a": [1, 2], "b": [1, 2]}
    assert found["a"] is not found["b"]


@pytest.mark.parametrize("protocol", range(6))
def test_what_python_writes_by_itself_is_read_from_protocol_2_on(protocol: int) -> None:
    values = {"w": np.arange(3, dtype="float32"), "n": [1, 2**40, -(2**70), 0.5, None, True, "\u00e9", (1, b"\0", {})]}
    content = pickle.dumps(values, protocol)
    if protocol < 2:
        with pytest.raises(CheckpointError, match="opcode"):
            read(content)
        return
    found = read(content)
    np.testing.assert_array_equal(found.pop("w"), values.pop("w"))
    assert found == values


LITERALS = b"N \x88 \x89 K\x01 M\x01\x02 J\xff\xff\xff\xff \x8a\x02ab U\x02f4 U\x01w C\x02ab ) ] } 0 .".split()
FUNCTIONS = (
    NDARRAY,
    FLOATS[: FLOATS.index(b"U")],
    EMPTY_ARRAY[: EMPTY_ARRAY.index(b"c", 1)],
    b"cnumpy.core.multiarray\nscalar\n",
    b"cnumpy._core.numeric\n_frombuffer\n",
    b"ccollections\nOrderedDict\n",
    b"c_codecs\nencode\n",
    b"cbuiltins\ntuple\n",
)


def value(rng: random.Random, depth: int = 0) -> bytes:
    """Return the opcodes of a value: plain ones, and arrays, calls and states of what comes."""
    if depth > 4 or rng.random() < 0.2:
        return rng.choice([*LITERALS, *FUNCTIONS, FLOATS, array(b"U\x08abcdefgh")])
    inner = [value(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    keyed = b"".join(rng.choice([b"K%c" % rng.randrange(9), *inner]) + item for item in inner)
    pair = value(rng, depth + 1), value(rng, depth + 1)
    return rng.choice(
        [
            b"](" + b"".join(inner) + b"e",
            b"(" + b"".join(inner) + b"t",
            b"}(" + keyed + b"u",
            rng.choice(FUNCTIONS) + b"(" + b"".join(inner) + b"tR",
            array(*pair),
            array(b"U\x08abcdefgh", pair[0] + b"\x85"),
            pair[0] + pair[1] + b"b",
            pair[0] + b"q%c" % rng.randrange(4),
            b"h%c" % rng.randrange(4),
        ]
    )


def hand_made(rng: random.Random) -> bytes:
    content = bytearray(START + b"}U\x01w" + value(rng) + b"s.")
    if rng.random() < 0.2:
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def read_many(count: int, seed: int) -> tuple[int, float]:
    """Read hand-made pickles; return how many were taken, and the longest time of one."""
    rng, taken, longest = random.Random(seed), 0, 0.0
    for _ in range(count):
        content, began = hand_made(rng), time.process_time()
        try:
            read(content)
            taken += 1
        except CheckpointError as error:
            assert len(str(error)) < 500, content
        longest = max(longest, time.process_time() - began)
    return taken, longest


def test_hand_made_pickles_are_read_or_refused() -> None:
    assert read_many(500, seed=1)[1] < 5


@pytest.mark.slow
def test_many_hand_made_pickles_are_read_or_refused_in_constant_memory() -> None:
    read_many(500, seed=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken, longest = read_many(5000, seed=3)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"5000 pickles: {taken} taken, longest {longest:.3f} s, {grown_kib} KiB more at most")
    assert longest < 5 and grown_kib < 64 * 1024
