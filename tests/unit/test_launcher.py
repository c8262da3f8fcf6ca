"""The launcher's flags, one by one, and what it makes of mistakes; tests/ranks runs it."""

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "run_scripts"))

import addresses  # noqa: E402
import launched  # noqa: E402
import run_paddle_resnet as launcher  # noqa: E402

from ppcls.config import RunConfig, load_config  # noqa: E402
from ppcls.engine.checkpoints import Checkpoint, Checkpoints  # noqa: E402
from ppcls.errors import PpclsError  # noqa: E402


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set with class folders."""
    for split in ("train", "val"):
        (tmp_path / "data" / split / "class0").mkdir(parents=True)
    return tmp_path / "data"


def words(data: Path, *more: str) -> list[str]:
    return [*shlex.split(f"--model_name resnet50 --bs 64 --lr 0.064 --device cpu --dataset_path '{data}'"), *more]


def config_of(data: Path, *more: str) -> RunConfig:
    """Return the config of the run that the flags ask for."""
    flags = launcher.parser().parse_args(words(data, *more))
    return load_config(str(REPO / "configs" / f"{flags.model_name}.yaml"), launcher.overrides_of(flags))


def value_at(config: RunConfig, path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = value.args[name] if hasattr(value, "args") and name in value.args else getattr(value, name)
    return value


AUTOCAST = ("--autocast", "True")


@pytest.mark.parametrize(
    ("flags", "path", "value"),
    [
        ((), "Arch.name", "ResNet50"),
        ((), "Global.device", "cpu"),
        ((), "Global.epochs", 1),
        (("--epoch", "50"), "Global.epochs", 50),
        (("--epoch", "50", "--step", "20"), "Global.epochs", 1),
        (("--step", "20"), "Global.prof", 20),
        (("--step", "20"), "Global.eval_during_train", False),
        ((), "DataLoader.Train.sampler.batch_size", 64),
        (("--batch_size", "7"), "DataLoader.Train.sampler.batch_size", 7),
        ((), "Optimizer.lr.learning_rate", 0.064),
        (("--learning-rate", "1e-5"), "Optimizer.lr.learning_rate", 1e-5),
        ((), "DataLoader.Train.loader.num_workers", 2),
        (("--num_workers", "0"), "DataLoader.Eval.loader.num_workers", 0),
        ((), "AMP.use_amp", False),
        (AUTOCAST, "AMP.use_amp", True),
        (AUTOCAST, "AMP.level", "O1"),
        (AUTOCAST, "AMP.scale_loss", 1.0),
        ((*AUTOCAST, "--grad_scale", "y"), "AMP.scale_loss", 1024.0),
        ((*AUTOCAST, "--grad_scaler", "1", "--scale_loss", "128"), "AMP.scale_loss", 128.0),
        ((*AUTOCAST, "--grad_scale", "t"), "AMP.use_dynamic_loss_scaling", True),
        ((*AUTOCAST, "--amp_whitelist", "softmax,add"), "AMP.custom_white_list", ("softmax", "add")),
        ((*AUTOCAST, "--amp_blacklist", "conv2d"), "AMP.custom_black_list", ("conv2d",)),
        (("--profiler", "yes"), "Global.profiler", True),
        (("--profiler", "yes", "--profiler_path", "a b"), "Global.profiler_path", "a b"),
        (("--early_stop", "3"), "Global.early_stop", 3),
        (("--resume", "output/ResNet50/latest"), "Global.checkpoints", "output/ResNet50/latest"),
        (("--resume", "auto"), "Global.checkpoints", "auto"),
        (("-o", "Global.seed=7"), "Global.seed", 7),
        (("-o", "Global.epochs=9"), "Global.epochs", 9),
    ],
)
def test_a_flag_has_its_effect(data: Path, flags: tuple[str, ...], path: str, value: Any) -> None:
    assert value_at(config_of(data, *flags), path) == value


@pytest.mark.parametrize(
    ("flags", "epochs"),
    [
        ((), 0),  # a batch of 64
        (("--epoch", "50", "--bs", "255"), 0),
        (("--epoch", "50", "--bs", "256"), 2),
        (("--epoch", "50", "--nproc_per_node", "4"), 2),
        (("--epoch", "90", "--nproc_per_node", "16", "--nnode", "2"), 16),
        (("--epoch", "5", "--nproc_per_node", "16"), 2.5),  # at most half of them
        (("--step", "20", "--epoch", "50", "--nproc_per_node", "16"), 0.5),
    ],
)
def test_the_warm_up_follows_the_global_batch(data: Path, flags: tuple[str, ...], epochs: float) -> None:
    assert value_at(config_of(data, *flags), "Optimizer.lr.warmup_epoch") == epochs


def test_class_folders_and_lists_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "with: colon, and spaces # there"
    (folder / "val").mkdir(parents=True)
    (folder / "train_list.txt").touch()
    config = config_of(folder)
    assert config.DataLoader.Train and config.DataLoader.Eval
    assert config.DataLoader.Train.dataset.args == {
        "image_root": str(folder),
        "cls_label_path": str(folder / "train_list.txt"),
    }
    assert config.DataLoader.Eval.dataset.args == {"image_root": str(folder / "val"), "cls_label_path": None}


@pytest.mark.parametrize("name", ["resnet18", "ResNet34", "RESNET101", "resnet152", "resnet50_vd"])
def test_a_model_is_known_in_any_case_and_has_a_config(name: str) -> None:
    assert (REPO / "configs" / f"{launcher.architecture(name)}.yaml").is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--model_name", "resnet7"), "unknown model 'resnet7'; known: resnet101, "),
        (("--autocast", "maybe"), "--autocast: expected yes/true/t/y/1 or no/false/f/n/0; received 'maybe'"),
        (("--bs", "0"), "--batch_size/--bs: expected an integer of at least 1; received '0'"),
        (("--step", "1.5"), "--step: expected an integer of at least -1; received '1.5'"),
        (("--grad_scale", "True"), "--grad_scale: has no effect in float32; received without --autocast True"),
        (("--amp_blacklist", "add"), "--amp_blacklist: has no effect in float32"),
        (("--dataset_path", "nowhere"), "--dataset_path: 'nowhere' has neither train_list.txt nor a folder train;"),
        (("--lr", "-1"), "--lr/--learning-rate: expected a number above 0; received '-1'"),
        (("--scale_loss", "nan"), "--scale_loss: expected a number above 0; received 'nan'"),
        (("-o", "Global.epoch=2"), "-o Global.epoch=2: unknown key 'Global.epoch'; did you mean 'epochs'?"),
        (("--device", "tpu"), "--device tpu: the device 'tpu' is not available; Paddle 3."),
        (("--device", "cuda"), "--device cuda: the device 'gpu' is not available; Paddle 3."),
        (("--nnode", "2", "--master_addr", "10.0.0.1,10.0.0.2,10.0.0.3"), "--nnode: must fit --master_addr and"),
        (("--nnode", "1", "--master_addr", "10.0.0.1,10.0.0.2"), "--nnode: must fit --master_addr and"),
        (("--nnode", "2", "--node_rank", "2"), "--nnode: must fit --master_addr and --node_rank; received 2 for 1"),
        (("--nnode", "2"), "--master_addr: 1 of 127.0.0.1 are addresses of this machine, so it can't tell which"),
        (("--nnode", "2", "--master_addr", "127.0.0.1,127.0.0.2"), "--master_addr: 2 of 127.0.0.1, 127.0.0.2 are"),
        (
            ("--nnode", "2", "--master_addr", "203.0.113.1,203.0.113.2"),
            "--master_addr: 0 of 203.0.113.1, 203.0.113.2 are",
        ),
    ],
)
def test_a_mistake_is_told_before_anything_starts(
    data: Path,
    flags: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launcher, "run", lambda *_: pytest.fail("something was started"))
    try:
        status: Any = launcher.main(words(data, *flags))
    except SystemExit as parsed:
        status = parsed.code
    printed = capsys.readouterr()
    assert status == 2
    assert message in printed.err
    assert printed.out == ""


def test_a_node_finds_its_rank_by_its_address_in_the_list(data: Path) -> None:
    def launched(*more: str) -> list[str]:
        return launcher.launch_command(launcher.parser().parse_args(words(data, "--nnode", "2", *more)))

    found = launched("--master_addr", "203.0.113.1,127.0.0.1", "--master_port", "29501")
    assert " ".join(found).endswith(
        "--log_dir output/launch/node1 --nnodes 2 --rank 1 --master 203.0.113.1:29501 --host 127.0.0.1"
    )
    given = launched("--master_addr", "127.0.0.1", "--node_rank", "1")
    assert " ".join(given).endswith("--nnodes 2 --rank 1 --master 127.0.0.1:29500")


def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(PpclsError, match=r"--master_addr: 'no\.such\.host\.invalid' has no address"):
        addresses.is_own_address("no.such.host.invalid")


@pytest.mark.parametrize(
    ("resume", "expected"),
    [
        ((), [None, None, "epoch_1"]),  # not an older run's
        (("--resume", "mine"), ["mine", "mine", "epoch_1"]),
        (("--resume", "auto"), ["auto", "auto", "auto"]),
    ],
)
def test_a_restart_goes_on_from_the_newest_good_checkpoint_of_this_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resume: tuple[str, ...], expected: list[Any]
) -> None:
    folder, taken = tmp_path / "ResNet50", []
    checkpoints = Checkpoints(folder, keep=-1, save_interval=1)
    checkpoints.make_folder()
    checkpoints.save(Checkpoint({}, {}, {}), epoch=7, best=True)

    def run(command: list[str], _: Path) -> int:
        names = [Path(word.partition("=")[2]).name for word in command if word.startswith("Global.checkpoints=")]
        taken.append(names[-1] if names else None)
        if len(taken) == 2:
            checkpoints.save(Checkpoint({}, {}, {}), epoch=1, best=False)
            (folder / "latest.pdopt").unlink()
        return 1

    monkeypatch.setattr(launcher, "run", run)
    words_of_run = words(data, "--max_restart", "2", "-o", f"Global.output_dir={tmp_path}", *resume)
    assert launcher.main(words_of_run) == 1
    assert taken == expected


def test_the_half_of_a_first_checkpoint_does_not_stop_a_restart(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def run(command: list[str], _: Path) -> int:
        taken.append("Global.overwrite=True" in command)
        folder = tmp_path / "ResNet50"
        folder.mkdir(exist_ok=True)
        (folder / "latest.pdparams").touch()
        return 1

    monkeypatch.setattr(launcher, "run", run)
    words_of_run = words(data, "--max_restart", "1", "-o", f"Global.output_dir={tmp_path}")
    assert launcher.main(words_of_run) == 1
    assert launcher.main(words_of_run) == 1  # another run, which does not know whose that is
    assert taken == [False, True, False, False]


@pytest.mark.parametrize("status", [0, 2, 75])
def test_what_is_no_failure_is_not_started_again(data: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    statuses = iter([status])
    monkeypatch.setattr(launcher, "run", lambda *_: next(statuses))
    assert launcher.main(words(data, "--max_restart", "2")) == status


def test_the_ranks_that_failed_alike_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {0: "no such file\n", 1: "no such file\n", 2: "", 3: "full\ndisk\n", 4: "no such file\n", 10: "full\ndisk\n"}
    for rank, text in said.items():
        (tmp_path / f"workerlog.{rank}").write_text(text)
    (tmp_path / "launch.log").write_text("Container failed !!!\nContainer rank 3 status failed cmd [] code 1 log 3\n")
    launched.show_failure(tmp_path)
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path}/workerlog.3: ended with status 1",
        "workerlog.1, workerlog.4:",
        "  as workerlog.0",
        "workerlog.2: without a message: killed, perhaps as memory ran out, or ended because another rank had failed",
        "workerlog.3, workerlog.10:",
        "  full",
        "  disk",
    ]
