"""Students with teachers: what is trained, saved, resumed, loaded and exported."""

from pathlib import Path
from typing import Callable

import numpy as np
import paddle
import pytest
from runs import losses as losses_of
from runs import records, same_arrays

from ppcls import pdparams
from ppcls.config import load_config
from ppcls.engine import build
from ppcls.engine.engine import Engine
from ppcls.errors import CheckpointError, ConfigError
from ppcls.export.export import export
from ppcls.inference import artifact

MODELS = "[{Teacher: {name: ResNet18, class_num: 3, pretrained: %s}}, {Student: {name: Tiny, class_num: 3}}]"
LOSSES = "[{DistillationGTCELoss: {}}, {DistillationKLDivLoss: {temperature: 2}}]"
METRICS = "[{DistillationTopkAcc: {model_key: Student, topk: [1]}}]"


def options(models: str, losses: str = LOSSES) -> list[str]:
    return [
        f"Arch={{name: DistillationModel, freeze_params_list: [true, false], models: {models}}}",
        f"Loss.Train={losses}",
        f"Metric={{Train: {METRICS}, Eval: {METRICS}}}",
    ]


@pytest.fixture
def teacher(tmp_path: Path) -> str:
    """Return the file of a teacher's weights."""
    from ppcls import create_model

    paddle.seed(1)
    weights = {name: entry.numpy() for name, entry in create_model("ResNet18", class_num=3).state_dict().items()}
    pdparams.write(tmp_path / "teacher.pdparams", weights)
    return str(tmp_path / "teacher.pdparams")


@pytest.fixture
def distil(shapes_yaml: str, tmp_path: Path, teacher: str) -> Callable[..., Engine]:
    """Return what makes the engine of a student with a teacher, writing to `tmp_path/run`."""

    def engine(run: str, *others: str, models: str = MODELS % teacher, losses: str = LOSSES) -> Engine:
        return Engine(
            load_config(
                shapes_yaml,
                [*options(models, losses), f"Global.output_dir={tmp_path / run}", "Global.epochs=2", *others],
            )
        )

    return engine


def weights(folder: Path) -> dict[str, np.ndarray]:
    return pdparams.read(folder / "DistillationModel/latest.pdparams")


def test_a_frozen_teacher_stays_as_it_is_and_costs_no_gradient_state_or_checkpoint(
    distil: Callable[..., Engine], tmp_path: Path, teacher: str
) -> None:
    engine = distil("run")
    engine.train()
    frozen = engine.task.frozen["Teacher"]
    for name, array in pdparams.read(Path(teacher)).items():
        np.testing.assert_array_equal(frozen.state_dict()[name].numpy(), array)
    assert all(parameter.grad is None for parameter in frozen.parameters())
    assert all(name.startswith("Student.") for name in weights(tmp_path / "run"))
    optimizer = pdparams.read(tmp_path / "run/DistillationModel/latest.pdopt")["optimizer"]
    assert optimizer and all(name.startswith("Student.") for name in optimizer)


def test_a_resumed_student_equals_one_that_never_stopped_and_needs_the_same_teacher(
    distil: Callable[..., Engine], tmp_path: Path, teacher: str
) -> None:
    distil("whole").train()
    distil("parts", "Global.early_stop=1").train()
    distil("parts", "Global.checkpoints=auto").train()
    assert same_arrays(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    other = {name: array + 1 for name, array in pdparams.read(Path(teacher)).items()}
    pdparams.write(Path(teacher), other)
    with pytest.raises(CheckpointError, match="was trained with another Teacher; give it the weights of then"):
        distil("parts", "Global.checkpoints=auto", "Global.epochs=3").train()


def test_models_that_learn_from_each_other_are_all_trained_and_saved(
    distil: Callable[..., Engine], tmp_path: Path
) -> None:
    models = "[{Teacher: {name: Tiny, return_patterns: [conv]}}, {Student: {name: Tiny, return_patterns: [conv]}}]"
    losses = (
        "[{DistillationGTCELoss: {model_names: [Student, Teacher]}}, {DistillationDMLLoss: {}},"
        " {DistillationDistanceLoss: {key: conv}}]"
    )
    engine = distil("run", "Arch.freeze_params_list=null", "Arch.class_num=3", models=models, losses=losses)
    engine.train()
    saved = weights(tmp_path / "run")
    assert {name.partition(".")[0] for name in saved} == {"Student", "Teacher"}
    record = records(engine, "train")[0]
    assert {"DistillationGTCELoss", "DistillationDMLLoss", "DistillationDistanceLoss"} <= set(record)


def test_the_student_is_evaluated_exported_and_started_from_alone(
    distil: Callable[..., Engine], shapes_yaml: str, tmp_path: Path
) -> None:
    best = distil("run").train()
    checkpoint = tmp_path / "run/DistillationModel/best_model"
    pretrained = f"Global.pretrained_model={checkpoint}"
    results = distil("run", pretrained).evaluate_weights()
    assert results["top1"] == best
    alone = load_config(shapes_yaml, ["Arch.name=Tiny", f"{pretrained}_student"])
    assert Engine(alone).evaluate_weights()["top1"] == best
    folder = export(distil("run", pretrained))
    assert artifact.read(folder).Global.model_name == "Tiny"
    assert (folder / artifact.WEIGHTS).stat().st_size < 20_000  # a ResNet18 has 45 MB


@pytest.mark.slow
def test_a_student_trains_as_a_static_graph_beside_its_teacher(distil: Callable[..., Engine]) -> None:
    models = MODELS.replace("name: Tiny,", "name: Tiny, return_patterns: [conv],")
    found = []
    for run in ("dynamic", "static"):
        engine = distil(run, f"Global.to_static={run == 'static'}", "Global.epochs=1", models=models % "false")
        engine.train()
        found.append(losses_of(engine))
    assert found[0] == pytest.approx(found[1], rel=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        "{MGDLoss: {s_key: avg_pool, t_key: avg_pool, student_channels: 512, teacher_channels: 512}}",
        "{PEFDLoss: {s_key: avg_pool, t_key: avg_pool, student_channel: 512, teacher_channel: 512}}",
        "{DistillationPairLoss: {base_loss_name: PEFDLoss, name: loss_pefd, s_key: avg_pool, t_key: avg_pool,"
        " student_channel: 512, teacher_channel: 512}}",
        "{DistillationRKDLoss: {student_keepkeys: [avg_pool], teacher_keepkeys: ['blocks[7]'], target_size: 1}}",
    ],
)
def test_features_are_compared_without_touching_the_models(distil: Callable[..., Engine], loss: str) -> None:
    models = (
        "[{Teacher: {name: ResNet18, return_patterns: [avg_pool, 'blocks[7]']}},"
        " {Student: {name: ResNet18, return_patterns: [avg_pool]}}]"
    )
    engine = distil("run", "Arch.class_num=3", "Global.epochs=1", models=models, losses=f"[{loss}]")
    engine.prepare()
    batch = next(engine.train_batches())
    outputs = engine.task.forward(engine.parallel_model, batch)
    (value,) = engine.task.losses(outputs, batch).values()
    value.backward()
    assert float(value) > 0
    assert np.abs(engine.task.trained.model("Student").blocks[0].conv0.conv.weight.grad.numpy()).sum() > 0


def test_a_misspelt_layer_or_output_is_named(distil: Callable[..., Engine], teacher: str) -> None:
    models = MODELS.replace("name: Tiny,", "name: Tiny, return_patterns: [blocks9],")
    with pytest.raises(ConfigError, match="return_patterns: no layer 'blocks9'; the outer ones are conv, norm"):
        distil("run", models=models % teacher).train()
    losses = "[{DistillationDistanceLoss: {key: conv}}]"
    with pytest.raises(ConfigError, match="Loss: there is no output 'Student.conv' but logits, "):
        distil("run", losses=losses).train()


def test_a_chain_with_a_frozen_start_is_trained_behind_it(distil: Callable[..., Engine], tmp_path: Path) -> None:
    shapes = "[[64, 6, 6], [64, 6, 6]]"
    chain = (
        "{{name: AttentionModel, freeze_params_list: [{frozen}, false], models: [{{{arch}: {{name: {arch},"
        " class_num: 3, return_patterns: ['blocks[0]', 'blocks[1]']}}}}, {{Linear: {{name: LinearTransform{role},"
        " qk_dim: 8, keys: ['blocks[0]', 'blocks[1]'], {shapes}}}}}]}}"
    )
    taught = chain.format(frozen="true", arch="ResNet34", role="Teacher", shapes=f"t_shapes: {shapes}")
    learning = chain.format(
        frozen="false", arch="ResNet18", role="Student", shapes=f"t_shapes: {shapes}, s_shapes: {shapes}"
    )
    losses = f"[{{DistillationGTCELoss: {{}}}}, {{AFDLoss: {{s_shapes: {shapes}, t_shapes: {shapes}, qk_dim: 8}}}}]"
    engine = distil(
        "run",
        "Arch.freeze_params_list=null",
        "Global.epochs=1",
        models=f"[{{Teacher: {taught}}}, {{Student: {learning}}}]",
        losses=losses,
    )
    engine.train()
    saved = weights(tmp_path / "run")
    assert {".".join(name.split(".")[:2]) for name in saved} == {
        *("Student.ResNet18", "Student.Linear", "Teacher.Linear", "losses.AFDLoss")
    }
    deployed = distil(
        "run",
        f"Global.pretrained_model={tmp_path}/run/DistillationModel/latest",
        models=f"[{{Teacher: {taught}}}, {{Student: {learning}}}]",
    ).deployed()
    assert deployed.config.Arch.name == "ResNet18"
    build.load_start_weights(deployed.config, deployed.model, new_head=False)
    name = "blocks.0.conv0.conv.weight"
    np.testing.assert_array_equal(deployed.model.state_dict()[name].numpy(), saved[f"Student.ResNet18.{name}"])
