"""One peer of steps.c: JAX on the CPU. Builds the same net as bench/nets.net
(NHWC, one jitted step with donated state) and waits; speaks the protocol of
steps.c.

    step_jax.py MODE PHASE NET DEPTH SK_RATIO IMAGE_SIZE IMAGES THREADS

NET is resnet: the other nets of bench/nets.net are not written down here.
XLA takes as many threads as the process has cores: THREADS of them."""
import os
import resource
import sys
import time

THREADS = int(sys.argv[8])
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:THREADS]))
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

CLASSES = 1000
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


class Net:
    """Walks the net twice: first to make weights, then to use them. They are
    in one list, in the order of the walk; so are the running statistics."""

    def __init__(self, weights=None, state=None):
        self.making = weights is None
        self.random = np.random.default_rng(0)
        self.weights, self.state = weights or [], state or []
        self.new_state, self.w, self.s = [], 0, 0

    def weight(self, shape, value=None):
        if self.making:
            fan_in = int(np.prod(shape[:-1]))
            made = (self.random.normal(size=shape) / np.sqrt(fan_in)
                    if value is None else np.full(shape, value))
            self.weights.append(jnp.asarray(made, jnp.float32))
        self.w += 1
        return self.weights[self.w - 1]

    def running(self, shape, value):
        if self.making:
            self.state.append(jnp.full(shape, value, jnp.float32))
        self.s += 1
        return self.state[self.s - 1]

    def conv(self, x, filters, kernel, stride=1):
        w = self.weight((kernel, kernel, x.shape[-1], filters))
        pad = (kernel // 2, kernel // 2)
        return jax.lax.conv_general_dilated(
            x, w, (stride, stride), (pad, pad),
            dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def norm(self, x, center=True):
        c = x.shape[-1]
        axes = tuple(range(x.ndim - 1))
        mean = x.mean(axes)
        var = jnp.square(x - mean).mean(axes)
        for value, start in ((mean, 0), (var, 1)):
            old = self.running((c,), start)
            self.new_state.append(0.9 * old + 0.1 * value)
        y = (x - mean) * (jax.lax.rsqrt(var + 1e-5) * self.weight((c,), 1.0))
        return y + self.weight((c,), 0.0) if center else y

    def conv_norm(self, x, filters, kernel, stride=1, act=True):
        y = self.norm(self.conv(x, filters, kernel, stride))
        return jax.nn.relu(y) if act else y

    def dense(self, x, units, bias=True):
        y = x @ self.weight((x.shape[-1], units))
        return y + self.weight((units,), 0.0) if bias else y


def average(x, stride):
    """2x2; at stride 1 TF's SAME, which does not count the padding."""
    pad = ((0, 0), (0, 2 - stride), (0, 2 - stride), (0, 0))

    def total(v):
        return jax.lax.reduce_window(v, 0.0, jax.lax.add, (1, 2, 2, 1),
                                     (1, stride, stride, 1), pad)
    return total(x) / total(jnp.ones((1,) + x.shape[1:3] + (1,)))


def max_pool(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1),
                                 (1, 2, 2, 1), "SAME")


def selective_kernel(net, x, f, stride, ratio):
    streams = net.conv_norm(x, 2 * f, 3, stride)
    first, second = streams[..., :f], streams[..., f:]
    pooled = (first + second).mean((1, 2), keepdims=True)
    mixing = net.conv_norm(pooled, max(int(f * ratio), 32), 1)
    mixing = net.conv(mixing, 2 * f, 1)
    share = jax.nn.sigmoid(mixing[..., :f] - mixing[..., f:])
    return share * first + (1 - share) * second


def block(net, x, f, stride, project, bottleneck, sk):
    o = 4 * f if bottleneck else f
    shortcut = x
    if project:
        at = average(x, stride) if sk else x
        shortcut = net.conv_norm(at, o, 1, 1 if sk else stride, act=False)
    if not bottleneck:
        y = net.conv_norm(x, f, 3, stride)
        return jax.nn.relu(net.conv_norm(y, o, 3, act=False) + shortcut)
    y = net.conv_norm(x, f, 1)
    y = (selective_kernel(net, y, f, stride, sk) if sk
         else net.conv_norm(y, f, 3, stride))
    return jax.nn.relu(net.conv_norm(y, o, 1, act=False) + shortcut)


def encoder(net, x, depth, sk, size):
    if size <= 32:
        x = net.conv_norm(x, 64, 3)
    elif sk:
        x = net.conv_norm(net.conv_norm(x, 32, 3, 2), 32, 3)
        x = max_pool(net.conv_norm(x, 64, 3))
    else:
        x = max_pool(net.conv_norm(x, 64, 7, 2))
    for group, count in enumerate(BLOCKS[depth]):
        for i in range(count):
            stride = 2 if i == 0 and group > 0 else 1
            x = block(net, x, 64 << group, stride, i == 0, depth >= 50, sk)
    return x.mean((1, 2))


def head(net, h, layers=3, out=128):
    width = h.shape[-1]
    for i in range(layers - 1):
        h = jax.nn.relu(net.norm(net.dense(h, width, bias=False)))
    return net.norm(net.dense(h, out, bias=False), center=False)


def cross_entropy(logits, y):
    rows = jnp.take_along_axis(logits, y[:, None], 1)[:, 0]
    return (jax.nn.logsumexp(logits, 1) - rows).mean()


def nt_xent(z, temperature=0.1):
    z = z / jnp.sqrt(jnp.maximum(jnp.square(z).sum(1, keepdims=True), 1e-12))
    a, b = jnp.split(z, 2)
    own = jnp.eye(len(a), dtype=bool)

    def one_direction(u, v):
        others = jnp.where(own, -1e9, u @ u.T / temperature)
        both = jnp.concatenate([u @ v.T / temperature, others], 1)
        return cross_entropy(both, jnp.arange(len(a)))
    return one_direction(a, b) + one_direction(b, a)


def sgd(w, v, g, rate=0.1):
    d = g + 1e-4 * w if w.ndim > 1 else g
    v = 0.9 * v + d
    return w - rate * (0.9 * v + d), v


def lars(w, v, g, rate=0.1):
    d = g + 1e-4 * w if w.ndim > 1 else g
    if w.ndim > 1:
        wn, dn = jnp.linalg.norm(w), jnp.linalg.norm(d)
        rate *= jnp.where((wn > 0) & (dn > 0), 1e-3 * wn / dn, 1.0)
    v = 0.9 * v + rate * d
    return w - v, v


def main():
    _, phase, net, depth, sk, size, images, _ = sys.argv[1:]
    if net != "resnet":
        sys.exit(f"step_jax.py has no {net}")
    depth, sk, size, images = int(depth), float(sk), int(size), int(images)
    contrast = phase == "contrast"
    rows = images * (2 if contrast else 1)
    x = jnp.asarray(np.random.default_rng(1).random((rows, size, size, 3)),
                    jnp.float32)
    y = jnp.arange(images) % 10

    def forward(net, x):
        h = encoder(net, x, depth, sk, size)
        return head(net, h) if contrast else net.dense(h, CLASSES)

    def loss_of(weights, state, x, y):
        net = Net(weights, state)
        out = forward(net, x)
        loss = nt_xent(out) if contrast else cross_entropy(out, y)
        return loss, net.new_state

    def step(weights, velocity, state, x, y):
        (loss, state), grads = jax.value_and_grad(loss_of, has_aux=True)(
            weights, state, x, y)
        rule = lars if contrast else sgd
        pairs = [rule(*each) for each in zip(weights, velocity, grads)]
        return [p[0] for p in pairs], [p[1] for p in pairs], state, loss

    made = Net()
    forward(made, jnp.zeros((2, size, size, 3)))
    weights, state = made.weights, made.state
    velocity = [jnp.zeros_like(w) for w in weights]
    step = jax.jit(step, donate_argnums=(0, 1, 2))

    def run():
        nonlocal weights, velocity, state
        weights, velocity, state, loss = step(weights, velocity, state, x, y)
        return float(loss)

    begun = time.perf_counter()
    loss = run()  # compiles
    first = time.perf_counter() - begun
    # As bench_work_seconds of bench.h.
    clock = time.process_time if THREADS == 1 else time.perf_counter
    print(f"ready {1e3 * first:.1f}", flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = clock()
            loss = run()
            times.append(f"{1e3 * (clock() - start):.4f}")
        print(*times, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak, 0, loss)


main()
