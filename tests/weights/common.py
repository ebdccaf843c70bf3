"""What make_tf.py and make_torch.py share: running simcc, and comparing."""
import os
import subprocess
import sys

import numpy as np

SMALL = dict(filters=2, image_size=40)
CLASSES, PER_CLASS = 5, 2
HERE = os.path.dirname(os.path.abspath(__file__))


class Simcc:
    """The program, and a folder for what it writes."""

    def __init__(self, program, work):
        self.program, self.work = program, work

    def run(self, *words):
        done = subprocess.run([self.program, *words], capture_output=True,
                              text=True)
        if done.returncode:
            sys.exit(f"simcc {' '.join(words)}\n{done.stderr}")
        return done.stderr

    def images(self, size):
        """Test images of that size, and the folder they are in."""
        data = os.path.join(self.work, f"shapes{size}")
        if not os.path.exists(data):
            self.run("data", "synth", data, "--classes", str(CLASSES),
                     "--per-class", str(PER_CLASS), "--size", str(size))
        return data

    def embed(self, net, phase, size, value, settings, weights):
        """What simcc makes of the test images; rows of float32."""
        out = os.path.join(self.work, "value.npy")
        said = self.run("embed", net, phase, "--data", self.images(size),
                        "--weights", weights, "--value", value, "--split",
                        "test", "-o", out, "--set", f"image_size={size}",
                        *settings)
        return np.load(out), said


def compare(what, got, want, tolerance):
    scale = max(1.0, float(np.abs(want).max()))
    difference = float(np.abs(got - want).max())
    print(f"{what}: largest difference {difference:.1e}, "
          f"largest value {float(np.abs(want).max()):.2f}")
    if not difference <= tolerance * scale:
        sys.exit(f"{what}: more than {tolerance}")


def write_expected(path, values):
    """Rows as text, for a test that has no Python."""
    with open(path, "w") as out:
        for row in values:
            print(",".join(f"{x:.9g}" for x in row), file=out)


def random_value(rng, name, shape):
    """Weights of a net whose every tensor matters, features of size one.

    `name` ends in kernel, gamma, last_gamma, beta, mean, variance or bias.
    """
    if name.endswith("kernel"):
        fan_in = int(np.prod(shape[:-1]))
        x = rng.normal(0, np.sqrt(1 / fan_in), shape)
    elif name.endswith("last_gamma"):
        x = rng.uniform(0.3, 0.8, shape)
    elif name.endswith(("gamma", "variance")):
        x = rng.uniform(0.5, 1.5, shape)
    else:
        x = rng.normal(0, 0.1, shape)
    return x.astype(np.float32)
