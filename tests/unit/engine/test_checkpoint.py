import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppcls import pdparams
from ppcls.engine import checkpoints
from ppcls.engine.checkpoints import Checkpoint, Checkpoints
from ppcls.errors import CheckpointError

REPO = Path(__file__).resolve().parents[3]


def content(number: int, size: int = 3) -> Checkpoint:
    return Checkpoint(
        {"w": np.full(size, number, "float32")}, {"w/moment": np.full(size, number, "float32")}, {"epoch": number}
    )


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def files_of(*prefixes: str) -> list[str]:
    return sorted(prefix + suffix for prefix in prefixes for suffix in checkpoints.SUFFIXES)


def damage(file: Path) -> None:
    """Cut a file short, under this one name: others are links to the same content."""
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-9])


def test_what_was_written_is_read(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "latest", content(7))
    for name in ("latest", "latest.pdparams", "latest.pdstates"):
        found = checkpoints.read(tmp_path / name)
        assert found.weights["w"].tolist() == [7, 7, 7]
        assert found.optimizer["w/moment"].tolist() == [7, 7, 7]
        assert found.states["epoch"] == 7
    assert names(tmp_path) == files_of("latest")


def test_paddle_reads_the_weights(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "latest", content(7))
    assert paddle.load(str(tmp_path / "latest.pdparams"))["w"].numpy().tolist() == [7, 7, 7]


def test_the_names_of_a_run(tmp_path: Path) -> None:
    run = Checkpoints(tmp_path, keep=2, save_interval=2)
    (tmp_path / "epoch_1_mine.pdstates").touch()  # a user's copy is left alone
    for epoch in range(1, 8):
        run.save(content(epoch), epoch=epoch, best=epoch in (1, 5))
    assert names(tmp_path) == sorted([*files_of("latest", "best_model", "epoch_4", "epoch_6"), "epoch_1_mine.pdstates"])
    found = {name: checkpoints.read(tmp_path / name).states["epoch"] for name in ("latest", "best_model", "epoch_4")}
    assert found == {"latest": 7, "best_model": 5, "epoch_4": 4}


def test_all_epochs_can_be_kept_and_those_of_a_longer_run_stay(tmp_path: Path) -> None:
    for epoch in range(1, 6):
        Checkpoints(tmp_path, keep=-1, save_interval=1).save(content(epoch), epoch=epoch, best=False)
    Checkpoints(tmp_path, keep=1, save_interval=1).save(content(3), epoch=3, best=False)
    assert names(tmp_path) == files_of("latest", "epoch_3", "epoch_4", "epoch_5")


def test_a_save_interval_of_minus_1_keeps_no_epochs(tmp_path: Path) -> None:
    Checkpoints(tmp_path, keep=1, save_interval=-1).save(content(1), epoch=1, best=True)
    assert names(tmp_path) == files_of("latest", "best_model")


def test_a_kill_at_any_file_operation_leaves_a_complete_checkpoint(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killed_writes.py")
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    assert len(found) > 40
    # In this order: both are old, `best_model` is new, both are new.
    assert found == sorted(found)
    assert set(found) == {"1 1", "1 2", "2 2"}


def test_a_start_removes_the_temporary_files_of_a_killed_run_and_no_others(tmp_path: Path) -> None:
    code = f"""
import os
from ppcls.files import replacing
with replacing({str(tmp_path / "latest.new.pdparams")!r}):
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(REPO)}, check=True)
    assert len(names(tmp_path)) == 1
    for name in (".hidden", ".0a1b2c3d-notes.txt"):
        (tmp_path / name).touch()
    Checkpoints(tmp_path, keep=1, save_interval=1).make_room(content(1))
    assert names(tmp_path) == [".0a1b2c3d-notes.txt", ".hidden"]


@pytest.mark.parametrize("suffix", checkpoints.SUFFIXES)
def test_a_damaged_file_is_refused_by_its_name(tmp_path: Path, suffix: str) -> None:
    checkpoints.write(tmp_path / "latest", content(1))
    damaged = tmp_path / f"latest{suffix}"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 255
    damaged.write_bytes(data)
    with pytest.raises(CheckpointError, match=f"latest{suffix} is damaged"):
        checkpoints.read(tmp_path / "latest")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (checkpoints.SUFFIXES, "latest.pdparams, latest.pdopt, latest.pdstates not found"),
        ((".pdopt",), "latest.pdopt not found.*Global.pretrained_model to start from weights alone"),
    ],
)
def test_an_incomplete_checkpoint_is_refused(tmp_path: Path, missing: tuple[str, ...], message: str) -> None:
    checkpoints.write(tmp_path / "latest", content(1))
    for suffix in missing:
        (tmp_path / f"latest{suffix}").unlink()
    with pytest.raises(CheckpointError, match=message):
        checkpoints.read(tmp_path / "latest")


def test_a_checkpoint_of_another_program_is_refused(tmp_path: Path) -> None:
    for suffix in checkpoints.SUFFIXES:
        pdparams.write(tmp_path / f"latest{suffix}", {"epoch": 3, "metric": 0.5})
    with pytest.raises(CheckpointError, match="latest.pdstates was not written by ppcls"):
        checkpoints.read(tmp_path / "latest")


def test_a_full_disk_is_one_clear_error_and_the_old_checkpoint_stays(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "latest", content(1))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(CheckpointError) as caught:
            checkpoints.write(tmp_path / "latest", content(2, size=1_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value) == (
        f"{tmp_path}/latest.new.pdparams: can't be written; File too large; free or choose another disk or folder"
    )
    assert checkpoints.read(tmp_path / "latest").states["epoch"] == 1
    assert names(tmp_path) == files_of("latest")


def test_a_disk_without_room_for_two_checkpoints_is_refused_at_the_start(tmp_path: Path) -> None:
    huge = np.broadcast_to(np.float32(0), (1 << 40,))
    with pytest.raises(CheckpointError, match=r"MiB left; checkpoints need at least \d+ MiB; free some space"):
        Checkpoints(tmp_path, keep=1, save_interval=1).make_room(Checkpoint({"w": huge}, {}, {}))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="Global.output_dir: can't make the folder '.*/run'; Not a directory"):
        Checkpoints(tmp_path / "file" / "run", keep=1, save_interval=1).make_folder()


def test_the_newest_is_sought_among_those_of_this_run_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Checkpoints(tmp_path, keep=-1, save_interval=1)
    for epoch in (1, 2, 3):
        run.save(content(epoch), epoch=epoch, best=epoch == 3)
    older = checkpoints.stamps(tmp_path)
    assert checkpoints.newest(tmp_path, but=older) is None
    run.save(content(10), epoch=1, best=False)
    damage(tmp_path / "latest.pdopt")
    found = checkpoints.newest(tmp_path, but=older)
    assert found and (found[0].name, found[1].states["epoch"]) == ("epoch_1", 10)
    assert caplog.messages == [
        f"skipped: checkpoint '{tmp_path}/latest': latest.pdopt is damaged (its checksum does not fit)"
    ]
    damage(tmp_path / "epoch_1.pdopt")
    assert checkpoints.newest(tmp_path, but=older) is None
    found = checkpoints.newest(tmp_path)
    assert found and found[1].states["epoch"] == 3
