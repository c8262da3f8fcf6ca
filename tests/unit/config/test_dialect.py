"""What PaddleClas's YAMLs write is taken for what PaddleClas does with it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ppcls.cli import main
from ppcls.config import ArchPart, Part, RunConfig, dump_config, load_config, load_deploy_config
from ppcls.config.dialect import profiler_options
from ppcls.errors import ConfigError

REPO = Path(__file__).resolve().parents[3]
THEIRS = REPO.parent / "shared/paddleclas"

RUN = """\
Global: {epochs: 120}
Arch: {name: ResNet18}
Optimizer:
  name: Momentum
  lr: {name: Piecewise, learning_rate: 0.1, decay_epochs: [30, 60, 90], values: [0.1, 0.01, 0.001, 0.0001]}
DataLoader:
  Train:
    dataset:
      name: ImageNetDataset
      image_root: data
      cls_label_path: data/list.txt
      transform_ops: [DecodeImage, Cutout: {length: 8}]
    sampler: {name: BatchSampler, batch_size: 8}
"""


@pytest.fixture
def load(tmp_path: Path) -> Any:
    file = tmp_path / "run.yaml"
    file.write_text(RUN)

    def load_with(*options: str) -> RunConfig:
        return load_config(str(file), options)

    return load_with


def schedule(config: RunConfig) -> dict[str, Any]:
    assert config.Optimizer is not None
    return dict(config.Optimizer.lr.args)


def data(config: RunConfig) -> Any:
    assert config.DataLoader.Train is not None
    return config.DataLoader.Train


def test_keys_that_paddleclas_ignores_are_ignored_and_listed_in_one_line(load: Any) -> None:
    config = load(
        "Global.infer_imgs=a.jpg",
        "Global.image_channel=3",
        "DataLoader.Train.mean=[0.5]",
        "DataLoader.std=[0.5]",
        "IndexProcess={image_root: gallery}",
        "Optimizer={name: AdamW, clip_grad: 5.0, lr: {name: Cosine, learning_rate: 1}}",
        "Optimizer.lr.verbose=False",
        "Optimizer.lr.step_each_epoch=9",
    )
    assert config.Optimizer.args == {}
    assert schedule(config) == {"learning_rate": 1.0}
    (note,) = config.notes
    assert note.startswith("ignored, as PaddleClas ignores them: Optimizer.clip_grad (-o Optimizer=")
    assert note.count(" (-o ") == 8


def test_ssld_weights_are_only_meant_where_official_ones_are(load: Any) -> None:
    assert load("Arch.pretrained=True", "Arch.use_ssld=True").Arch.use_ssld
    config = load("Arch.pretrained=output/best_model", "Arch.use_ssld=True")
    assert (config.Arch.pretrained, config.Arch.use_ssld) == ("output/best_model", False)
    assert config.notes == ("ignored, as PaddleClas ignores them: Arch.use_ssld (-o Arch.use_ssld=True)",)


def test_a_quoted_boolean_of_paddleclas_is_what_it_says(load: Any) -> None:
    config = load("Arch.infer_add_softmax='false'")
    assert config.Arch.infer_add_softmax is False
    assert "PaddleClas takes any text for true" in config.notes[0]


def test_what_paddleclas_would_not_ignore_stays_a_mistake(load: Any) -> None:
    for option in ("Optimizer.clip_grad=1", "Optimizer.lr.verboes=False", "Global.use_dali=yes", "Global.mean=[1]"):
        with pytest.raises(ConfigError, match=option.split("=")[0].rpartition(".")[2]):
            load(option)


def test_pruning_and_quantization_are_refused_by_name_with_the_way_out(load: Any) -> None:
    with pytest.raises(
        ConfigError, match="^-o Slim=.*: Slim: .* need PaddleSlim.*remove the section, or add -o Slim=None"
    ):
        load("Slim={prune: {name: fpgm, pruned_ratio: 0.3}}")
    assert load("Slim={quant: {name: pact}}", "Slim=None") == load()


def test_dali_is_replaced_by_our_loader_and_says_so(load: Any) -> None:
    assert load("Global.use_dali=False").notes == ()
    (note,) = load("Global.use_dali=True").notes
    assert note.startswith("-o Global.use_dali=True: Global.use_dali: the images are read by ppcls's own loader")


def test_none_and_tuples_are_read_as_paddleclas_reads_them(load: Any) -> None:
    config = load("Global.pretrained_model=None", "Metric.Eval=[TopkAcc: {topk: '(1, 5)'}]")
    assert config.Global.pretrained_model is None
    assert config.Metric.Eval == (Part("TopkAcc", {"topk": (1, 5)}),)
    assert load("Global.image_shape=(3,32,32)").Global.image_shape == (3, 32, 32)
    assert load("Global.output_dir='None'").Global.output_dir == "None"
    assert "output_dir: 'None'" in dump_config(load("Global.output_dir='None'"))


def test_a_learning_rate_scales_the_values_of_piecewise(load: Any) -> None:
    config = load("Optimizer.lr.learning_rate=0.01")
    assert schedule(config)["values"] == pytest.approx((0.01, 0.001, 0.0001, 0.00001))
    assert "learning_rate" not in schedule(config)
    assert config.notes == ()
    assert schedule(load())["values"] == (0.1, 0.01, 0.001, 0.0001)


def test_a_piecewise_schedule_that_paddleclas_would_replace_is_kept_and_told(load: Any) -> None:
    config = load("Optimizer.lr.decay_epochs=[30, 60, 80]")
    assert schedule(config)["decay_epochs"] == (30, 60, 80)
    (note,) = config.notes
    assert "PaddleClas would drop both" in note
    assert ":5: Optimizer.lr.learning_rate" in note
    # Not where the run ends before there is a difference.
    assert load("Optimizer.lr.decay_epochs=[30, 60, 80]", "Global.epochs=40").notes == ()


def test_as_many_epochs_as_values_leave_the_last_value_to_the_end(load: Any) -> None:
    config = load("Optimizer.lr={name: Piecewise, decay_epochs: [12, 18, 24, 28], values: [4, 3, 2, 1]}")
    assert schedule(config)["decay_epochs"] == (12, 18, 24)
    assert "the last value stays to the end" in config.notes[0]


def test_a_warmup_that_is_longer_than_the_run_is_cut(load: Any) -> None:
    lr = "Optimizer.lr={name: Cosine, learning_rate: 1, warmup_epoch: 5}"
    assert schedule(load(lr))["warmup_epoch"] == 5
    config = load(lr, "Global.epochs=1")
    assert schedule(config)["warmup_epoch"] == 1
    (note,) = config.notes
    assert note.startswith("-o Global.epochs=1: Global.epochs: 1; the warm-up of 5 epochs (-o Optimizer.lr=")


def test_names_of_paddleclas_and_paddlex_are_known(load: Any) -> None:
    train = "DataLoader.Train"
    assert data(load(f"{train}.dataset.name=ClsDataset")).dataset.name == "ImageNetDataset"
    assert data(load(f"{train}.dataset.name=ShiTuRecDataset")).dataset.name == "ImageNetDataset"
    assert data(load(f"{train}.dataset.name=MLClsDataset")).dataset.name == "MultiLabelDataset"
    assert data(load(f"{train}.sampler.name=RASampler")).sampler.name == "RepeatedAugSampler"
    assert data(load(f"{train}.sampler={{batch_size: 4}}")).sampler.name == "BatchSampler"
    padded = load(f"{train}.dataset.transform_ops=[Pad_paddle_vision: {{padding: 4, padding_mode: reflect}}]")
    assert data(padded).dataset.transform_ops == (Part("Pad", {"padding": 4, "padding_mode": "reflect"}),)


def test_options_for_eval_are_not_lost_beside_those_for_its_queries(load: Any) -> None:
    parts = [f"DataLoader.Eval.{name}={{dataset: {{name: VeriWild}}}}" for name in ("Query", "Gallery")]
    with pytest.raises(ConfigError, match=r"unknown key 'DataLoader\.Eval\.Query'"):
        load(*parts, "DataLoader.Eval.sampler={batch_size: 4}")


def test_a_cutout_of_none_has_a_random_colour(load: Any) -> None:
    config = load("DataLoader.Train.dataset.transform_ops.1.Cutout.fill_value=none")
    assert data(config).dataset.transform_ops[1].args["fill_value"] is None


def test_a_redundant_key_has_no_effect(load: Any) -> None:
    assert load("Global.use_multilabel=True").notes == ()


def test_clip_norm_is_paddleclas_and_clip_global_norm_is_ours(load: Any) -> None:
    config = load("Optimizer.clip_norm=10")
    assert config.Optimizer is not None
    assert (config.Optimizer.clip_norm, config.Optimizer.clip_global_norm) == (10.0, None)
    assert load("Optimizer.clip_global_norm=1").Optimizer.clip_global_norm == 1.0


def test_deploy_yamls_may_ask_for_onnx_and_a_benchmark() -> None:
    config = load_deploy_config(None, ["Global.use_onnx=True", "Global.benchmark=True"])
    assert (config.Global.engine, config.Global.enable_benchmark) == ("onnxruntime", True)
    off = load_deploy_config(None, ["Global.use_onnx=False", "Global.benchmark=False", "Global.enable_benchmark=True"])
    assert (off.Global.engine, off.Global.enable_benchmark) == (None, True)


def test_the_options_of_the_profiler_are_those_of_paddleclas(load: Any) -> None:
    options = profiler_options("batch_range=[12, 20]; state=GPU; profile_path=a b")
    config = load(*options)
    assert (config.Global.profiler, config.Global.profiler_batches) == (True, (12, 20))
    assert config.Global.profiler_path == "a b"
    with pytest.raises(ConfigError, match="-p: unknown option 'batches'; known: batch_range, profile_path, state"):
        profiler_options("batches=3")


def test_the_keys_that_paddlex_adds_are_known(load: Any) -> None:
    config = load(
        "Global.uniform_output_enabled=True",
        "Global.pdx_model_name=PP-LCNet_x1_0",
        "Global.export_with_pir=True",
        "Global.export_for_fd=True",
        "Global.checkpoints=None",
        'Global.log_ranks="0"',
        "DataLoader.Train.loader.shuffle=False",
        "Infer.infer_list=list.txt",
        "Infer.save_dir=None",
    )
    assert (config.model_name, config.Global.uniform_output_enabled) == ("PP-LCNet_x1_0", True)
    assert (config.Infer.infer_list, config.Infer.save_dir, load().model_name) == ("list.txt", None, "ResNet18")
    (note,) = config.notes
    assert note.startswith("ignored, as PaddleClas ignores them: DataLoader.*.loader.shuffle (-o ")


def test_notes_stand_in_the_resolved_config_and_it_loads_without_them(load: Any, tmp_path: Path) -> None:
    config = load("Global.use_dali=True", "Optimizer.lr.learning_rate=0.01")
    text = dump_config(config)
    assert "\n# -o Global.use_dali=True: Global.use_dali: the images are read" in text
    (tmp_path / "resolved.yaml").write_text(text)
    again = load_config(str(tmp_path / "resolved.yaml"))
    assert again == config
    assert again.notes == ()


def test_a_path_of_paddleclas_takes_our_config_of_that_name_and_says_which() -> None:
    config = load_config("./ppcls/configs/ImageNet/ResNet/ResNet50.yaml")
    assert config.Arch.name == "ResNet50"
    (note,) = config.notes
    assert note.startswith("./ppcls/configs/ImageNet/ResNet/ResNet50.yaml: no such file; took ")
    assert note.endswith("configs/ResNet50.yaml")
    with pytest.raises(ConfigError, match="no such file"):
        load_config("./ppcls/configs/ImageNet/ResNet/ResNet51.yaml")


def test_a_copy_of_paddleclas_configs_is_taken_before_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ppcls/configs/ImageNet").mkdir(parents=True)
    (tmp_path / "ppcls/configs/ImageNet/ResNet50.yaml").write_text("Arch: {name: ResNet34}\n")
    config = load_config("ppcls/configs/ImageNet/ResNet50.yaml")
    assert (config.Arch.name, config.notes) == ("ResNet34", ())


@pytest.mark.skipif(not THEIRS.is_dir(), reason="needs ../shared/paddleclas, PaddleClas's YAMLs")
def test_the_resnets_of_paddleclas_load_unchanged() -> None:
    files = sorted((THEIRS / "train/ImageNet/ResNet").glob("*.yaml"))
    assert len(files) == 17
    for file in files:
        if file.name != "ResNet18_dbb.yaml":  # its blocks are others
            load_config(str(file))


def test_the_meter_counts_what_loads_and_names_what_stops_the_others(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/good.yaml").write_text(RUN)
    (tmp_path / "deploy.yaml").write_text("Global: {use_onnx: True}\n")
    (tmp_path / "typo.yaml").write_text(RUN.replace("{epochs", "{epoch"))
    (tmp_path / "two.yaml").write_text(RUN.replace("{epochs", "{epoch").replace("ResNet18", "NoNet"))
    meter = [sys.executable, str(REPO / "benchmarks/paddleclas_coverage.py"), str(tmp_path)]
    lines = subprocess.run(meter, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "2 of 4 YAMLs load"
    assert [line.replace(" ", "") for line in lines[4:6]] == [
        "|unknownkey'Global.epoch'|2|1|",
        "|unknownarchitecture|1|0|",
    ]


def test_the_command_takes_the_options_of_the_profiler(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-c", str(REPO / "configs/digits.yaml"), "-p", "batch_range=[3,5]", "--print-config"]
    assert main(words, command="train") == 0
    assert "profiler: true" in (printed := capsys.readouterr().out)
    assert "profiler_batches: [3, 5]" in printed


def test_models_inside_a_model_are_read_as_models(load: Any) -> None:
    config = load(
        "Arch={name: DistillationModel, class_num: 5, freeze_params_list: [true, false], models: ["
        "{Teacher: {name: ResNet18, class_num: 4, use_ssld: true}}, "
        "{Student: {name: PPLCNet_x0_25, class_num: 4, return_stages: true, return_patterns: [blocks3]}}]}",
        "Loss.Train=[{DistillationPairLoss: {base_loss_name: PEFDLoss, name: loss_pefd, s_key: a, t_key: b,"
        " student_channel: 1, teacher_channel: 2}}]",
        "Infer.PostProcess={name: DistillationPostProcess, func: Topk, topk: 2}",
    )
    assert config.class_num == 4
    assert [part.name for part in config.Loss.Train] == ["PEFDLoss"]
    assert config.Infer.PostProcess == Part("Topk", {"topk": 2})
    student = config.Arch.members["Student"]
    assert student.return_patterns == ("blocks3",) and student.args == {"class_num": 4}
    assert not config.Arch.members["Teacher"].use_ssld
    (note,) = config.notes
    assert "Arch.class_num" in note and "Arch.use_ssld" in note
    assert load_again(config) == config


def test_the_number_of_classes_has_an_old_name(load: Any) -> None:
    assert load("Arch={name: WideResNet, num_classes: 10}").class_num == 10


def load_again(config: RunConfig) -> RunConfig:
    """Return the config that its dump loads to."""
    file = Path(config.source).with_name("again.yaml")
    file.write_text(dump_config(config))
    return load_config(str(file))


def test_the_model_that_is_deployed_has_a_config_of_its_own(load: Any) -> None:
    arch = "{name: DistillationModel, models: [{Teacher: {name: ResNet18}}, {Student: {name: PPLCNet_x0_25}}]}"
    config = load(f"Arch={arch}", "Arch.class_num=7")
    assert config.deployed().Arch == ArchPart("PPLCNet_x0_25", {"class_num": 7})
    assert load(f"Arch={arch}", "Arch.infer_model_name=Teacher").deployed().Arch.name == "ResNet18"
    with pytest.raises(ConfigError, match="infer_model_name: no model 'Studnet'; choose from Teacher, Student"):
        load(f"Arch={arch}", "Arch.infer_model_name=Studnet").deployed()
    plain = load()
    assert plain.deployed() is plain
