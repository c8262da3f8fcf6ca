"""Updates whose gradients overflow are skipped and counted. On a CPU Paddle turns its scaler off."""

import json
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]

# Scaled by 2**126, gradients of 8 overflow in float32, those of 1 do not; each overflow halves the scale.
SCRIPT = """
import json
import paddle
from ppcls.engine.precision import LossScaler
from ppcls.paddle_private import Optimizers

paddle.set_device("sdaa")
start = paddle.nn.initializer.Constant(64.0)
steep, flat = (paddle.create_parameter([1], "float32", default_initializer=start) for _ in range(2))
rates = {1.0: steep, 0.5: flat}
optimizer = Optimizers([paddle.optimizer.SGD(learning_rate=rate, parameters=[rates[rate]]) for rate in rates])

def scaler():
    return LossScaler(enable=True, init_loss_scaling=2.0**126, use_dynamic_loss_scaling=True)

def update(scaler):
    with paddle.amp.auto_cast():
        scaled = scaler.scale((8 * steep + flat).sum())
    scaled.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    optimizer.clear_grad()
    scale = float(scaler.state_dict()["scale"].item()) / 2.0**126
    return [scaler.num_skipped(), float(steep.item()), float(flat.item()), scale]

first, second = scaler(), scaler()
found = [update(first)]
second.load_state_dict(first.state_dict())
found += [update(second), update(second)]
print(json.dumps(found))
"""

# A fixed scale at which every update overflows.
HOPELESS = """
import paddle
from ppcls.engine.guard import MAX_OVERFLOWS, Place, ScaledGuard
from ppcls.engine.precision import LossScaler
from ppcls.errors import TrainingError
from ppcls.optim.gradients import Gradients

paddle.set_device("sdaa")
weight = paddle.create_parameter([1], "float32", default_initializer=paddle.nn.initializer.Constant(64.0))
optimizer = paddle.optimizer.SGD(learning_rate=1.0, parameters=[weight])
scaler = LossScaler(enable=True, init_loss_scaling=2.0**126, use_dynamic_loss_scaling=False)
guard = ScaledGuard(optimizer, Gradients([weight]), scaler)
try:
    for number in range(1, 99):
        loss = (8 if number != 3 else 1e-3) * weight.sum()
        with paddle.amp.auto_cast():
            scaled = scaler.scale(loss)
        scaled.backward()
        guard.note(Place(1, number, number - 1, 0.1), {"CELoss": loss})
        scaler.unscale_(optimizer)
        guard.check(guard.gradients.norm())
        scaler.step(optimizer)
        scaler.update()
        optimizer.clear_grad()
except TrainingError as error:
    print(number - MAX_OVERFLOWS, error)
"""


def test_a_run_that_skips_every_update_ends(sdaa: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HOPELESS], cwd=REPO, env=sdaa, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # The third update is a good one, and the count begins anew.
    assert done.stdout.splitlines()[-1].startswith(
        "4 epoch 1, batch 54 (step 53): the last 50 updates overflowed in float16 and were skipped, at loss scale "
        "8.50706e+37, learning rate 0.1, CELoss 511.992; set AMP.use_dynamic_loss_scaling: True, lower AMP.scale_loss"
    )


def test_updates_that_overflow_are_skipped_by_all_optimizers_and_counted_over_a_stop(sdaa: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT], cwd=REPO, env=sdaa, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [
        [1, 64.0, 64.0, 0.5],
        [2, 64.0, 64.0, 0.25],
        [2, 56.0, 63.5, 0.25],
    ]
