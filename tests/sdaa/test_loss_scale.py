"""Updates whose gradients overflow are left out and counted. On a CPU Paddle turns its scaler off."""

import json
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]

# Scaled by 2**126, gradients of 8 overflow in float32; each overflow halves the scale.
SCRIPT = """
import json
import paddle
from ppcls.engine.precision import LossScaler

paddle.set_device("sdaa")
weight = paddle.create_parameter([1], "float32", default_initializer=paddle.nn.initializer.Constant(64.0))
optimizer = paddle.optimizer.SGD(learning_rate=1.0, parameters=[weight])

def scaler():
    return LossScaler(enable=True, init_loss_scaling=2.0**126, use_dynamic_loss_scaling=True)

def update(scaler):
    with paddle.amp.auto_cast():
        scaled = scaler.scale(8 * weight.sum())
    scaled.backward()
    scaler.step(optimizer)
    scaler.update()
    optimizer.clear_grad()
    return [scaler.num_skipped(), float(weight.item()), float(scaler.state_dict()["scale"].item()) / 2.0**126]

first, second = scaler(), scaler()
found = [update(first)]
second.load_state_dict(first.state_dict())
found += [update(second), update(second)]
print(json.dumps(found))
"""


def test_updates_that_overflow_are_left_out_and_counted_over_a_stop(sdaa: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT], cwd=REPO, env=sdaa, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[1, 64.0, 0.5], [2, 64.0, 0.25], [2, 56.0, 0.25]]
