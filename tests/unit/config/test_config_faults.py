"""What users read when a config is wrong: every message is in tests/golden/faults.txt."""

from pathlib import Path
from typing import Callable, NamedTuple, Union

import pytest

from ppcls.config import load_config
from ppcls.errors import ConfigError

GOOD = """\
Global:
  epochs: 2
Arch:
  name: ResNet18
  class_num: 10
Loss:
  Train:
    - CELoss: {epsilon: 0.1}
Optimizer:
  name: Momentum
  momentum: 0.9
  lr: {name: Cosine, learning_rate: 0.1}
  regularizer: {name: L2, coeff: 0.0001}
DataLoader:
  Train:
    dataset:
      name: ImageNetDataset
      image_root: data
      cls_label_path: data/train_list.txt
      transform_ops:
        - DecodeImage:
        - RandCropImage: {size: 224}
        - NormalizeImage: {scale: 1.0/255.0, order: ''}
        - ToCHWImage
    sampler: {name: BatchSampler, batch_size: 8}
"""


class Case(NamedTuple):
    """A file's text (or bytes) and options, given as `-c configs/my.yaml -o ...`."""

    name: str
    text: Union[str, bytes]
    options: tuple[str, ...] = ()


def good_but(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


FAULTY = (
    # What is not YAML, or not the YAML of a config.
    Case("empty file", ""),
    Case("only a comment", "# nothing\n"),
    Case("a list", "- Arch\n"),
    Case("a sentence", "hello\n"),
    Case("binary", b"\x89PNG\r\n\x1a\n\x00\x00\xff"),
    Case("control character", "Arch:\n  name: 'a\x07'\n"),
    Case("tab", "Arch:\n\tname: ResNet18\n"),
    Case("bracket not closed", "Arch: {name: ResNet18\nGlobal:\n"),
    Case("two documents", "Arch: {name: ResNet18}\n---\nArch: {name: ResNet18}\n"),
    Case("duplicate key", GOOD + "Global:\n  epochs: 3\n"),
    Case("duplicate key deep inside", good_but("  epochs: 2\n", "  epochs: 2\n  epochs: 3\n")),
    Case("key that is a list", GOOD + "? [1, 2]\n: 3\n"),
    Case("python object", GOOD.replace("epochs: 2", "epochs: !!python/object/apply:os.getcwd []")),
    Case("tag that does not fit", good_but("epochs: 2", "epochs: !!int two")),
    Case("unknown alias", good_but("epochs: 2", "epochs: *two")),
    Case("alias of itself", "Arch: &a [*a]\n"),
    Case(
        "alias bomb",
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdef", "bcdefg")),
    ),
    Case("nested without end", "Arch: " + "[" * 3000),
    Case("merge of a scalar", GOOD + "Metric: {<<: 3}\n"),
    # Bases.
    Case("base that is not there", "_base_: _base_/imagenot.yaml\n" + GOOD),
    Case("base of itself", "_base_: my.yaml\n" + GOOD),
    Case("base that is a number", "_base_: [3]\n" + GOOD),
    Case("base that is a folder", "_base_: _base_\n" + GOOD),
    # Keys.
    Case("typo in a section", good_but("Optimizer:", "Optimzer:")),
    Case("typo in a key", good_but("epochs", "epoch")),
    Case("key that is nothing like any", good_but("epochs: 2", "zzz: 2")),
    Case("keys of PaddleClas 2.2", good_but("    dataset:\n", "    batch_size: 8\n    dataset:\n")),
    Case("no Arch", "Global: {epochs: 2}\n"),
    Case("empty Arch", "Arch:\n"),
    Case("empty lr", good_but("  lr: {name: Cosine, learning_rate: 0.1}\n", "  lr:\n")),
    Case("no sampler", good_but("    sampler: {name: BatchSampler, batch_size: 8}\n", "")),
    Case("section that is a number", GOOD + "AMP: 3\n"),
    Case("section that is a list", GOOD + "AMP: [use_amp]\n"),
    # Types and values.
    Case("text for an integer", good_but("epochs: 2", "epochs: ten")),
    Case("quoted integer", good_but("epochs: 2", "epochs: '2'")),
    Case("1.5 for an integer", good_but("epochs: 2", "epochs: 1.5")),
    Case("true for an integer", good_but("epochs: 2", "epochs: true")),
    Case("null for an integer", good_but("epochs: 2", "epochs:")),
    Case("list for an integer", good_but("epochs: 2", "epochs: [2]")),
    Case("integer with a leading zero", good_but("epochs: 2", "epochs: 08")),
    Case("yes for a boolean", good_but("epochs: 2", "use_visualdl: yes")),
    Case("number for a text", good_but("epochs: 2", "output_dir: 3")),
    Case("text for a number", good_but("momentum: 0.9", "momentum: fast")),
    Case("quoted number", good_but("momentum: 0.9", "momentum: '0.9'")),
    Case("infinite number", good_but("momentum: 0.9", "momentum: .inf")),
    Case("division by zero", good_but("1.0/255.0", "1.0/0")),
    Case("expression", good_but("1.0/255.0", "2*3")),
    Case("below the bound", good_but("epochs: 2", "epochs: 0")),
    Case("below the bound, with an off value", good_but("epochs: 2", "early_stop: 0")),
    Case("out of the range", GOOD + "EMA: {decay: 1.5}\n"),
    Case("at the end of the range", GOOD + "EMA: {decay: 1.0}\n"),
    Case("unknown choice", GOOD + "AMP: {level: o1}\n"),
    Case("wrong length", good_but("epochs: 2", "image_shape: [224, 224]")),
    Case("wrong item", good_but("epochs: 2", "image_shape: [3, 224, x]")),
    Case("bad ranks", good_but("epochs: 2", "log_ranks: all")),
    Case("retrieval", good_but("epochs: 2", "eval_mode: retrieval")),
    Case("other training loop", good_but("epochs: 2", "train_mode: efficientnet")),
    Case("train: False of the old launcher", good_but("epochs: 2", "train: False")),
    Case("two class numbers", good_but("epochs: 2", "class_num: 1000")),
    # Parts.
    Case("unknown architecture", good_but("ResNet18", "ResNet81")),
    Case("unknown loss", good_but("CELoss", "CELos")),
    Case("unknown transform", good_but("ToCHWImage", "ToHWCImage")),
    Case("transform of PaddleClas that is not here", good_but("ToCHWImage", "RandAugmentMC: {n: 2, m: 10}")),
    Case("unknown schedule", good_but("Cosine", "Cosinus")),
    Case("schedule without a name", good_but("{name: Cosine, ", "{")),
    Case("schedule that is only a name", good_but("{name: Cosine, learning_rate: 0.1}", "Cosine")),
    Case("optimizer without lr", good_but("  lr: {name: Cosine, learning_rate: 0.1}\n", "")),
    Case("name that is a list", good_but("name: ResNet18", "name: [ResNet18]")),
    Case("part that is text", good_but("  regularizer: {name: L2, coeff: 0.0001}", "  regularizer: L2")),
    Case("typo in an argument", good_but("class_num", "class_nun")),
    Case("argument that is nothing like any", good_but("momentum: 0.9", "zzz: 1")),
    Case("argument of a part without any", good_but("ToCHWImage", "ToCHWImage: {size: 3}")),
    Case("argument of another type", good_but("{size: 224}", "{size: {width: 3}}")),
    Case("missing argument", good_but("{name: Cosine, learning_rate: 0.1}", "{name: Cosine}")),
    Case("missing argument of a listed part", good_but("{size: 224}", "")),
    Case("listed part whose arguments are a number", good_but("{size: 224}", "224")),
    Case("two parts in one item", good_but("- DecodeImage:", "- {DecodeImage: null, ToCHWImage: null}")),
    Case("parts that are no list", good_but("    - CELoss: {epsilon: 0.1}", "    CELoss: {epsilon: 0.1}")),
    # Options.
    Case("option without =", GOOD, ("Global.epochs",)),
    Case("option without a key", GOOD, ("=3",)),
    Case("option with an empty key", GOOD, ("Global..epochs=3",)),
    Case("option with a typo in the section", GOOD, ("Optimzer.name=AdamW",)),
    Case("option with a typo in the key", GOOD, ("Global.epoch=3",)),
    Case("option with a typo in an argument", GOOD, ("Loss.Train.0.CELoss.epsilom=0.1",)),
    Case("option of another type", GOOD, ("Global.epochs=ten",)),
    Case("option that is not YAML", GOOD, ("Global.image_shape=[3, 224",)),
    Case("option with an alias sign", GOOD, ("Infer.infer_imgs=*.jpg",)),
    Case("option past the end of a list", GOOD, ("Loss.Train.1.CELoss.epsilon=0.1",)),
    Case("option with a name for an index", GOOD, ("Loss.Train.CELoss.epsilon=0.1",)),
    Case("option below a number", GOOD, ("Global.epochs.max=3",)),
    Case("optimizer changed, arguments left", GOOD, ("Optimizer.name=AdamW",)),
    # All at once, in the order of the file.
    Case(
        "many",
        good_but("epochs", "epoch").replace("class_num: 10", "class_num: ten").replace("CELoss", "CELos"),
        ("Optimzer.name=AdamW", "nothing", "Global.seed=-1"),
    ),
)


def message_of(case: Case) -> str:
    text = case.text if isinstance(case.text, bytes) else case.text.encode()
    Path("configs/my.yaml").write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        load_config("configs/my.yaml", case.options)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs/_base_").mkdir(parents=True)
    (tmp_path / "configs/_base_/imagenet.yaml").write_text("Global: {epochs: 1}\n")


def test_the_good_file_is_good(folder: None) -> None:
    Path("configs/my.yaml").write_text(GOOD)
    assert load_config("configs/my.yaml").Global.epochs == 2


def test_every_mistake_gets_its_message(folder: None, golden: Callable[[str, str], None]) -> None:
    messages = [f"[{case.name}]\n{message_of(case)}\n" for case in FAULTY]
    golden("faults.txt", "\n".join(messages))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("configs/mi.yaml", "configs/mi.yaml: no such file; did you mean 'my.yaml'?"),
        ("config/my.yaml", "config/my.yaml: no such file"),
        ("configs", "configs: is a folder; give a YAML file"),
        ("configs/my.yaml/x", "configs/my.yaml/x: can't be read: Not a directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_as_typed(folder: None, path: str, message: str) -> None:
    Path("configs/my.yaml").write_text(GOOD)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == message


def test_a_fault_in_a_base_is_placed_in_the_base(folder: None) -> None:
    Path("configs/_base_/imagenet.yaml").write_text("\nGlobal: {epochs: none}\n")
    Path("configs/my.yaml").write_text("_base_: _base_/imagenet.yaml\nArch: {name: ResNet18}\n")
    with pytest.raises(ConfigError, match=r"^configs/_base_/imagenet.yaml:2: Global.epochs: expected an integer"):
        load_config("configs/my.yaml")


def test_what_a_command_needs_is_named(folder: None) -> None:
    Path("configs/my.yaml").write_text(GOOD)
    config = load_config("configs/my.yaml")
    assert config.require("Optimizer.lr", "train").name == "Cosine"
    with pytest.raises(ConfigError, match="^configs/my.yaml: missing key 'DataLoader.Eval'; `eval` needs it$"):
        config.require("DataLoader.Eval", "eval")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"a\0b", r"'a\\x00b' has a NUL character, which no name or path can hold"),
        (r"\ud83d", r"'\\ud83d' has half a character; write it whole"),
    ],
)
@pytest.mark.parametrize("key", ["_base_", "Global.output_dir"])
def test_text_that_no_path_can_hold_is_one_clear_error(folder: None, key: str, text: str, message: str) -> None:
    section, _, name = key.partition(".")
    Path("my.yaml").write_text(f'{section}: {{{name}: "{text}"}}' if name else f'{section}: "{text}"')
    with pytest.raises(ConfigError, match=rf"^my.yaml:1: {message}"):
        load_config("my.yaml")


def test_an_emoji_as_json_escapes_it_is_one_character() -> None:
    config = load_config(None, ["Arch={name: ResNet18}", r'Global.output_dir="\ud83d\ude00"'])
    assert config.Global.output_dir == "\N{GRINNING FACE}"
