"""Checks nets that simcc exports as ONNX against simcc's own numbers.

    onnx_check.py weights GRAPH OUT.safetensors    random weights for a net, by
                                                   the params of its graph's text
    onnx_check.py images SIZE COUNT FOLDER         random grey pictures, as IDX
    onnx_check.py compare NET.onnx ROWS.npy IMAGES.npy [TOLERANCE]

`compare` has onnx's checker look at the net and onnxruntime compute it, in
batches of 1 and of 7, on images as the phase's pipeline prepares them (`simcc
embed --value images`; of a net that takes bytes, times 255), and compares each
number with ROWS (`simcc embed` of the same value). The error is relative to the
largest of its row.
Needs numpy, onnx and onnxruntime. tests/e2e/onnx_test.sh runs it.
"""
import json
import os
import re
import struct
import sys

import numpy as np


def params(path):
    """(name, role, shape) of each param of a graph in text form."""
    found = {}
    pattern = r'param \{name="([^"]*)", role="([^"]*)".*?\} : f32\[([0-9,]*)\]'
    for name, role, dims in re.findall(pattern, open(path).read()):
        shape = tuple(int(d) for d in dims.split(",") if d)
        if role in ("weight", "state"):
            found[name] = shape
    return found


def weights(graph, out):
    """Such that no layer dies or grows: the norms' numbers are near 1."""
    random = np.random.default_rng(1)
    header, offset, tensors = {}, 0, params(graph)
    for name, shape in tensors.items():
        size = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    with open(out, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors.items():
            if len(shape) > 1:
                fan = int(np.prod(shape[1:]))
                values = random.standard_normal(shape, np.float32)
                values *= np.float32(np.sqrt(2 / fan))
            elif name.endswith("running_var"):
                values = random.uniform(0.5, 1.5, shape)
            elif name.endswith(("running_mean", "bias")):
                values = 0.2 * random.standard_normal(shape)
            else:
                values = random.uniform(0.3, 0.8, shape)
            file.write(np.asarray(values, np.float32).tobytes())


def images(size, count, folder):
    random = np.random.default_rng(2)
    os.makedirs(folder, exist_ok=True)
    pixels = random.integers(0, 256, (count, size, size), np.uint8)
    labels = (np.arange(count) % 2).astype(np.uint8)
    for part in ("train", "t10k"):
        with open(f"{folder}/{part}-images-idx3-ubyte", "wb") as file:
            file.write(struct.pack(">IIII", 0x803, count, size, size))
            file.write(pixels.tobytes())
        with open(f"{folder}/{part}-labels-idx1-ubyte", "wb") as file:
            file.write(struct.pack(">II", 0x801, count) + labels.tobytes())


def compare(net, rows, images, tolerance):
    import onnx
    import onnxruntime

    onnx.checker.check_model(net, full_check=True)
    header = onnx.load(net, load_external_data=False)
    assert header.ir_version == 7 and header.opset_import[0].version == 13
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(
        net, options, providers=["CPUExecutionProvider"])
    wanted, inputs = np.load(rows), np.load(images)
    if "uint8" in session.get_inputs()[0].type:
        pixels = np.rint(inputs * 255)
        assert np.abs(pixels / 255 - inputs).max() < 1e-6
        inputs = pixels.astype(np.uint8).transpose(0, 2, 3, 1)
    worst = 0
    for batch in (1, 7):
        got = np.concatenate([
            session.run(None, {"images": np.ascontiguousarray(inputs[i:i + batch])})[0]
            for i in range(0, len(inputs), batch)])
        assert got.shape == wanted.shape, (got.shape, wanted.shape)
        scale = np.abs(wanted).reshape(len(wanted), -1).max(axis=1)
        error = np.abs(got - wanted).reshape(len(wanted), -1).max(axis=1) / scale
        worst = max(worst, float(error.max()))
    print(f"{os.path.basename(net)}: {len(header.graph.node)} nodes, "
          f"error {worst:.2g} of {float(np.abs(wanted).max()):.3g}")
    return worst <= tolerance


if sys.argv[1] == "weights":
    weights(sys.argv[2], sys.argv[3])
elif sys.argv[1] == "images":
    images(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
else:
    tolerance = float(sys.argv[5]) if len(sys.argv) > 5 else 1e-5
    sys.exit(0 if compare(*sys.argv[2:5], tolerance) else 1)
