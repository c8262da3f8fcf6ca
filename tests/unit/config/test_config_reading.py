"""What a YAML, its bases and its options come to."""

import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from ppcls.config import Part, RunConfig, dump_config, load_config, load_deploy_config
from ppcls.config.faults import Faults, Where
from ppcls.config.parse import parse
from ppcls.config.read import compose
from ppcls.errors import ConfigError

HERE = Path(__file__).parent
CONFIGS = HERE.parents[2] / "configs"

DEPLOY = """\
Global:
  infer_imgs: "./images/cat.jpeg"
  inference_model_dir: "./models"
  batch_size: 1
  use_gpu: True
  enable_mkldnn: True
  cpu_num_threads: 10
  enable_benchmark: True
  use_fp16: False
  ir_optim: True
  use_tensorrt: False
  gpu_mem: 8000
  enable_profile: False

PreProcess:
  transform_ops:
    - ResizeImage:
        resize_short: 256
    - NormalizeImage:
        scale: 0.00392157
        order: ""
        channel_num: 3
    - ToCHWImage:

PostProcess:
  main_indicator: Topk
  Topk:
    topk: 5
    class_id_map_file: "../ppcls/utils/imagenet1k_label_list.txt"
  SavePreLabel:
    save_dir: ./pre_label/
"""


def values(text: str) -> object:
    return parse(compose(text, lambda line: Where("text", line)), dict, "", Faults())


def load(folder: Path, text: str, *options: str) -> RunConfig:
    file = folder / "run.yaml"
    file.write_text(text, encoding="utf-8")
    return load_config(str(file), options)


def test_scalars_follow_yaml_1_2() -> None:
    text = "1e-3, 1.5, 1., .5, -2, on, off, yes, no, 08, 1_000, 0x10, 12:30:45, 2026-01-31, ~, true, '1', !!str 2"
    assert values(f"a: [{text}]") == {
        "a": [1e-3, 1.5, 1.0, 0.5, -2, "on", "off", "yes", "no", "08", "1_000", "0x10", "12:30:45"]
        + ["2026-01-31", None, True, "1", "2"]
    }


def test_anchors_and_merge_keys_work_and_the_nearest_value_wins() -> None:
    text = "one: &one {a: 1, b: 1}\ntwo: &two {b: 2, c: 2}\nall: {<<: [*one, *two], c: 3}\nsame: *one\n"
    read = values(text)
    assert isinstance(read, dict)
    assert read["all"] == {"a": 1, "b": 1, "c": 3}
    assert read["same"] == {"a": 1, "b": 1}


def test_bases_merge_mappings_and_replace_lists_and_renamed_parts(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text("Global: {epochs: 1, seed: 1}\nMetric: {Eval: [TopkAcc]}\n")
    (tmp_path / "second.yaml").write_text(
        "Global: {epochs: 2}\nArch: {name: ResNet18, class_num: 7}\n"
        "Optimizer: {name: SGD, lr: {name: Linear, learning_rate: 1, end_lr: 0.5}}\n"
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/base.yaml").write_text("_base_: [../first.yaml, ../second.yaml]\nGlobal: {keep: 9}\n")
    config = load(
        tmp_path,
        "_base_: sub/base.yaml\nArch: {use_sync_bn: true}\nMetric: {Eval: [TopkAcc: {topk: 3}]}\n"
        "Optimizer: {lr: {name: Cosine, learning_rate: 2}}\n",
    )
    assert (config.Global.seed, config.Global.epochs, config.Global.keep) == (1, 2, 9)
    assert config.Arch.args == {"class_num": 7} and config.Arch.use_sync_bn
    assert config.Metric.Eval == (Part("TopkAcc", {"topk": 3}),)
    assert config.Optimizer is not None
    assert config.Optimizer.lr == Part("Cosine", {"learning_rate": 2.0})


@pytest.mark.parametrize("base", ["configs/ResNet18.yaml", "./configs/ResNet18.yaml"])
def test_a_config_that_came_with_ppcls_can_be_the_base_of_one_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flowers.yaml").write_text(f"_base_: {base}\nArch: {{class_num: 5}}\n")
    config = load_config("flowers.yaml")
    assert (config.Arch.name, config.class_num) == ("ResNet18", 5)
    assert load_config("configs/ResNet18.yaml").Arch.name == "ResNet18"
    Path("configs").mkdir()
    Path("configs/ResNet18.yaml").write_text("Arch: {name: ResNet34}\n")
    assert load_config("flowers.yaml").Arch.name == "ResNet34"  # the nearer one


def test_an_empty_section_turns_off_what_a_base_turned_on(tmp_path: Path) -> None:
    (tmp_path / "amp.yaml").write_text("Arch: {name: ResNet18}\nAMP: {level: O2}\nEMA: {}\n")
    assert load(tmp_path, "_base_: amp.yaml\n").AMP.use_amp
    off = load(tmp_path, "_base_: amp.yaml\nAMP:\nEMA:\n")
    assert not off.AMP.use_amp
    assert off.EMA is None


def test_options_set_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    text = "Arch: {name: ResNet18, class_num: 7}\nLoss: {Train: [CELoss: ]}\n"
    options = [
        "Arch.name=ResNet34",
        "Loss.Train.0.CELoss.epsilon=1e-1",
        "Global.pretrained_model=a=b",
        "Global.image_shape=[1, 28, 28]",
        "Optimizer={name: SGD, lr: 0.5}",
        "EMA.decay=0.5",
        "Global.device=gpu:0",
    ]
    config = load(tmp_path, text, *options)
    assert config.Arch == load(tmp_path, text.replace("18", "34")).Arch
    assert config.Loss.Train == (Part("CELoss", {"epsilon": 0.1}),)
    assert config.Global.pretrained_model == "a=b"
    assert config.Global.image_shape == (1, 28, 28)
    assert config.Optimizer is not None
    assert config.Optimizer.lr == Part("Constant", {"learning_rate": 0.5})
    assert config.EMA is not None
    assert config.EMA.decay == 0.5
    assert config.Global.device == "gpu:0"
    assert load(tmp_path, text, "Global.epochs=2", "Global.epochs=3").Global.epochs == 3


@pytest.mark.parametrize(("old", "new", "expected"), [(None, None, 1000), (7, None, 7), (None, 8, 8), (8, 8, 8)])
def test_class_num_is_read_from_its_place_and_from_its_old_place(
    tmp_path: Path, old: object, new: object, expected: int
) -> None:
    text = "Global: {epochs: 1}\nArch: {name: ResNet18}\n"
    options = [f"{key}.class_num={n}" for key, n in (("Global", old), ("Arch", new)) if n]
    assert load(tmp_path, text, *options).class_num == expected


@pytest.mark.parametrize("class_num", [0, -1])
def test_no_classes_are_no_other_number_of_classes(class_num: int) -> None:
    config = load_config(None, [f"Arch={{name: ResNet18, class_num: {class_num}}}"])
    with pytest.raises(ConfigError, match=f"class_num: must be at least 1; received {class_num}"):
        _ = config.class_num


def test_a_part_knows_where_it_was_written(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "Arch: {name: ResNet18}\nOptimizer:\n  name: SGD\n  lr: {name: Constant, learning_rate: 1}\n",
    )
    assert config.Optimizer is not None
    assert config.Optimizer.lr.where == f"{tmp_path}/run.yaml:4: Optimizer.lr"


def test_a_yaml_in_the_form_of_paddleclas_is_read(golden: Callable[[str, str], None]) -> None:
    config = load_config(str(HERE / "paddleclas_form.yaml"))
    assert "divide the rate by 10 every 30 epochs" in config.notes[0]
    golden("paddleclas_form.txt", dump_config(config).split("\n", 2)[2])


def test_a_deploy_yaml_in_the_form_of_paddleclas_is_read(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    file = tmp_path / "deploy.yaml"
    file.write_text(DEPLOY)
    config = load_deploy_config(str(file), ["PostProcess.Topk.topk=3"])
    golden("deploy_form.txt", dump_config(config).split("\n", 1)[1])
    file.write_text(dump_config(config))
    assert load_deploy_config(str(file)) == config


@pytest.mark.parametrize("name", ["digits", "ResNet50", "ResNet50_vd", "ResNet50_amp_O2"])
def test_a_resolved_config_is_complete_and_loads_to_an_equal_one(
    tmp_path: Path, golden: Callable[[str, str], None], name: str
) -> None:
    config = load_config(str(CONFIGS / f"{name}.yaml"))
    text = dump_config(config)
    golden(f"resolved_{name}.txt", text.split("\n", 1)[1])
    assert load(tmp_path, text) == config


def test_texts_that_look_like_something_else_survive_the_round_trip(tmp_path: Path) -> None:
    for text in (
        "on",
        "1e-3",
        "08",
        "null",
        "",
        "a: b",
        "a #b",
        "'",
        "\u00e9t\u00e9",
        "x\ny",
        "*a",
        "1/2",
        "<<",
        "0x1",
    ):
        quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        config = load(tmp_path, f'Arch: {{name: ResNet18}}\nGlobal: {{output_dir: "{quoted}"}}\n')
        assert config.Global.output_dir == text
        assert load(tmp_path, dump_config(config)) == config


def test_reading_a_deploy_yaml_needs_no_paddle_and_faults_in_the_structure_neither(tmp_path: Path) -> None:
    (tmp_path / "deploy.yaml").write_text(DEPLOY)
    (tmp_path / "run.yaml").write_text("Arch: {name: ResNet81}\n")
    code = """
import sys
from ppcls.config import load_config, load_deploy_config
from ppcls.errors import ConfigError
load_deploy_config("deploy.yaml")
try:
    load_config("run.yaml")
except ConfigError as error:
    print(error)
assert "paddle" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(CONFIGS.parent)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("run.yaml:1: Arch: unknown architecture 'ResNet81'"), done.stderr
    assert done.returncode == 0, done.stderr


def test_a_file_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_bytes(b"\xef\xbb\xbfArch: {name: ResNet18}\r\n")
    assert load_config(str(tmp_path / "run.yaml")).Arch.name == "ResNet18"


def test_a_plain_number_in_quotes_as_an_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="write it without quotes"):
        load(tmp_path, "Arch: {name: ResNet18}\n", "Global.epochs='2'")


def test_an_architecture_reads_its_own_section(tmp_path: Path) -> None:
    config = load(tmp_path, "Arch: {name: TinyNet_E, override_params: {depth_trunc: round, dropout_rate: 0.1}}\n")
    overrides = config.Arch.args["override_params"]
    assert (overrides.depth_trunc, overrides.dropout_rate, overrides.drop_connect_rate) == ("round", 0.1, 0.2)
