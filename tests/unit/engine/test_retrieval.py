"""Training for retrieval: from queries and a gallery in the YAML to the best model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paddle
import pytest
import yaml

from ppcls import create_model, pdparams
from ppcls.config import dump_config, load_config
from ppcls.engine import build
from ppcls.engine.engine import Engine
from ppcls.errors import ConfigError
from ppcls.export.export import export
from ppcls.inference import artifact
from ppcls.inference.predictor import Predictor

RNG = np.random.default_rng(0)
OPS = [{"DecodeImage": None}, {"NormalizeImage": None}]


def section(folder: Path, name: str, sampler: dict[str, Any]) -> dict[str, Any]:
    dataset = {
        "name": "VeriWild",
        "image_root": str(folder),
        "cls_label_path": str(folder / f"{name}.txt"),
        "transform_ops": OPS,
    }
    return {"dataset": dataset, "sampler": sampler, "loader": {"num_workers": 0}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return images of individuals, each of a colour of its own: 0 to 3 to train on, 104 to 107 to find."""
    root = tmp_path_factory.mktemp("individuals")
    colours = RNG.integers(0, 256, (8, 3))
    for name, individuals, number in (("train", range(4), 8), ("query", range(4, 8), 2), ("gallery", range(4, 8), 4)):
        lines = []
        for individual in individuals:
            for index in range(number):
                file = f"{name}_{individual}_{index}.png"
                noise = RNG.integers(-40, 40, (16, 16, 3))
                cv2.imwrite(str(root / file), (colours[individual] + noise).clip(0, 255).astype("uint8"))
                lines.append(f"{file} {individual + (100 if individual > 3 else 0)}\n")
        (root / f"{name}.txt").write_text("".join(lines))
    return root


def config(folder: Path, output: Path, **changes: Any) -> dict[str, Any]:
    evaluation = {"name": "DistributedBatchSampler", "batch_size": 3}
    return {
        "Global": {
            "epochs": 3,
            "eval_interval": 3,
            "device": "cpu",
            "output_dir": str(output),
            "eval_mode": "retrieval",
        },
        "Arch": {
            "name": "RecModel",
            "infer_output_key": "features",
            "infer_add_softmax": False,
            "Backbone": {"name": "ResNet18"},
            "BackboneStopLayer": {"name": "flatten"},
            "Neck": {"name": "FC", "embedding_size": 512, "class_num": 16},
            "Head": {"name": "ArcMargin", "embedding_size": 16, "class_num": 4, "margin": 0.2, "scale": 30},
        },
        "Loss": {
            "Train": [{"CELoss": {"weight": 1.0}}, {"TripletLossV2": {"margin": 0.5}}],
            "Eval": [{"CELoss": None}],
        },
        "Optimizer": {"name": "Adam", "lr": {"name": "Constant", "learning_rate": 0.005}},
        "DataLoader": {
            "Train": section(folder, "train", {"name": "PKSampler", "batch_size": 8, "sample_per_id": 2}),
            "Eval": {
                "Query": section(folder, "query", evaluation),
                "Gallery": section(folder, "gallery", evaluation),
            },
        },
        "Metric": {"Eval": [{"Recallk": {"topk": [1, 5]}}, {"mAP": {}}]},
        **changes,
    }


def engine(content: dict[str, Any], file: Path, options: Sequence[str] = ()) -> Engine:
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump(content))
    return Engine(load_config(str(file), options))


@pytest.mark.slow
def test_individuals_that_no_training_saw_are_found(folder: Path, tmp_path: Path) -> None:
    best = engine(config(folder, tmp_path), tmp_path / "c.yaml").train()
    assert best is not None and best > 0.7


def test_the_weights_of_a_training_give_its_evaluation_again(folder: Path, tmp_path: Path) -> None:
    content = config(folder, tmp_path)
    content["Global"].update(epochs=1, eval_interval=1, iter_per_epoch=2)
    run = engine(content, tmp_path / "c.yaml")
    run.train()
    assert run.evaluators[0].crown() == ("recall1", "max")
    assert set(run.state.results) == {"recall1", "recall5", "mAP"}
    again = engine(content, tmp_path / "c.yaml", [f"Global.pretrained_model={run.folder}/latest"])
    assert again.evaluate_weights() == run.state.results


def test_two_models_learn_retrieval_from_each_other(folder: Path, tmp_path: Path) -> None:
    paddle.seed(7)
    weights = {name: entry.numpy() for name, entry in create_model("ResNet18").state_dict().items()}
    pdparams.write(tmp_path / "start.pdparams", weights)
    content = config(folder, tmp_path)
    content["Global"].update(epochs=1, eval_interval=1, iter_per_epoch=1)
    arch = content["Arch"]
    arch["Backbone"].update(pretrained=str(tmp_path / "start"), use_ssld=True)  # which PaddleClas ignores then
    content["Arch"] = {"name": "DistillationModel", "models": [{"Teacher": arch}, {"Student": arch}]}
    pair = {"key": "logits", "model_name_pairs": [["Student", "Teacher"]]}
    content["Loss"]["Train"] = [
        {"DistillationGTCELoss": {"key": "logits", "model_names": ["Student", "Teacher"]}},
        {"DistillationDMLLoss": pair},
    ]
    run = engine(content, tmp_path / "c.yaml")
    run.prepare()
    for name in ("Teacher", "Student"):
        for key, entry in run.model.model(name).backbone.state_dict().items():
            np.testing.assert_array_equal(entry.numpy(), weights[key])
    batch = next(run.train_batches())
    outputs = run.task.forward(run.parallel_model, batch)
    assert outputs["Student.logits"].abs().max() > 1.1, "the head that knows the labels scales its cosines"
    run = engine(content, tmp_path / "c.yaml")
    assert run.train() is not None and set(run.state.results) == {"recall1", "recall5", "mAP"}
    weights_of_run = f"Global.pretrained_model={run.folder}/latest"
    options = [weights_of_run, f"Global.save_inference_dir={tmp_path}/exported", "Global.image_shape=[3,16,16]"]
    student = Predictor(export(engine({**content, "Infer": {"transforms": OPS}}, tmp_path / "c.yaml", options)))
    assert student.artifact.output == "features" and student.class_num == 16


def test_the_resolved_config_has_queries_and_gallery_and_loads_again(folder: Path, tmp_path: Path) -> None:
    loaded = engine(config(folder, tmp_path), tmp_path / "c.yaml").config
    (tmp_path / "again.yaml").write_text(dump_config(loaded))
    assert load_config(str(tmp_path / "again.yaml")) == loaded
    assert loaded.DataLoader.Gallery is not None and loaded.class_num == 4


def test_what_does_not_fit_retrieval_is_refused_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    content = config(folder, tmp_path / "out")
    for changes, fault in (
        (
            {"Metric": {"Eval": [{"TopkAcc": {"topk": [1]}}]}},
            "TopkAcc takes .*; VeriWild gives identities; use Recallk",
        ),
        ({"Metric": {}}, "missing key 'Metric.Eval'; retrieval needs it"),
    ):
        with pytest.raises(ConfigError, match=fault):
            engine({**content, **changes}, tmp_path / "c.yaml").train()
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="RecModel gives features, not scores of classes; export it"):
        build.postprocess(engine(content, tmp_path / "c.yaml").config)
    content["DataLoader"]["Eval"] = content["DataLoader"]["Eval"]["Query"]
    with pytest.raises(ConfigError, match="DataLoader.Gallery makes it an evaluation of retrieval"):
        engine(content, tmp_path / "c.yaml")


@pytest.mark.parametrize("with_preprocess", [False, True])
def test_an_export_gives_the_features_that_an_evaluation_compares(
    folder: Path, tmp_path: Path, with_preprocess: bool
) -> None:
    options = [
        "Global.image_shape=[3, 16, 16]",
        f"Global.save_inference_dir={tmp_path}/exported",
        f"Global.export_with_preprocess={with_preprocess}",
        "Infer.transforms=[{DecodeImage: null}, {ResizeImage: {size: 16}}, {NormalizeImage: null}, {ToCHWImage: null}]",
    ]
    run = engine(config(folder, tmp_path), tmp_path / "c.yaml", options)
    predictor = Predictor(export(run))
    about = artifact.read(tmp_path / "exported")
    assert (about.output, about.class_num) == ("features", None)
    found = list(predictor.embed(str(folder)))
    features = np.stack([one.features for one in found if one.features is not None])
    assert features.shape == (len(list(folder.glob("*.png"))), 16)
    np.testing.assert_allclose((features**2).sum(axis=1), 1, rtol=1e-5)  # their products are cosines
    with pytest.raises(ConfigError, match="RecModel.*gives features, not scores of classes"):
        predictor.predict(str(folder))


def test_an_export_gives_scores_where_they_are_what_the_model_is_for(folder: Path, tmp_path: Path) -> None:
    content = config(folder, tmp_path)
    content["Arch"]["infer_output_key"] = "logits"
    options = ["Global.image_shape=[3, 16, 16]", f"Global.save_inference_dir={tmp_path}/exported"]
    options.append(
        "Infer={transforms: [{ResizeImage: {size: 16}}, NormalizeImage], PostProcess: {name: Topk, topk: 2}}"
    )
    found = Predictor(export(engine(content, tmp_path / "c.yaml", options))).predict(str(folder))
    assert all(len(one.class_ids) == 2 and max(one.class_ids) < 4 for one in found)
