"""ONNX nets as PyTorch's two exporters and others write them, for
make_torch.py. Needs onnx, and onnxscript for the newer exporter."""
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, external_data_helper, numpy_helper


def export(net, images, path, newer, folded=False):
    """`newer`: the exporter by torch.export, which has the weights in a file
    beside the net; it and the older one fold norms unless told not to."""
    options = {"optimize": folded} if newer else {
        "do_constant_folding": folded,
        "training": (torch.onnx.TrainingMode.EVAL
                     if folded else torch.onnx.TrainingMode.PRESERVE)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net.eval(), images[:2], path, dynamo=newer,
                          verbose=False, **options)
    # Where in which code each operation was is long, and this machine's.
    model = onnx.load(path, load_external_data=False)
    for what in (*model.graph.node, *model.graph.value_info,
                 *model.graph.input, *model.graph.output):
        what.doc_string = ""
        del what.metadata_props[:]
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def settle(net):
    """Numbers that half precision and bfloat16 have, so that nothing is lost
    when a tensor is written as those."""
    with torch.no_grad():
        for x in (*net.parameters(), *net.buffers()):
            if x.is_floating_point():
                x.copy_(x.bfloat16().half().float())
    return net


def varied(path):
    """Stores the net's tensors in every way that the schema knows, in turn."""
    model = onnx.load(path)
    floats = [t for t in model.graph.initializer
              if t.data_type == TensorProto.FLOAT]
    for i, old in enumerate(floats):
        values = numpy_helper.to_array(old)
        kind, raw = [(TensorProto.FLOAT, False), (TensorProto.DOUBLE, False),
                     (TensorProto.FLOAT16, False),
                     (TensorProto.BFLOAT16, False), (TensorProto.FLOAT16, True),
                     (TensorProto.DOUBLE, True)][i % 6]
        new = TensorProto(name=old.name, dims=old.dims, data_type=kind)
        if kind == TensorProto.BFLOAT16:
            bits = values.ravel().view(np.uint32) >> 16
            new.int32_data.extend(bits.tolist())
        elif kind == TensorProto.FLOAT16:
            half = values.ravel().astype(np.float16)
            if raw:
                new.raw_data = half.tobytes()
            else:
                new.int32_data.extend(half.view(np.uint16).tolist())
        elif raw:
            new.raw_data = values.astype(np.float64).tobytes()
        elif kind == TensorProto.DOUBLE:
            new.double_data.extend(values.ravel().astype(np.float64).tolist())
        else:
            new.float_data.extend(values.ravel().tolist())
        old.CopyFrom(new)
    numbers = {"counter": np.array(7, np.int64), "shift": np.array([-1, 300],
                                                                   np.int32)}
    for name, value in numbers.items():
        kind = (TensorProto.INT64 if value.dtype == np.int64
                else TensorProto.INT32)
        model.graph.initializer.append(onnx.helper.make_tensor(
            name, kind, value.shape, value.ravel().tolist()))
    # Nothing computes this net, whose types do not go together.
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def corpus(folder):
    """What the fuzzer of ONNX nets begins with (fuzz_onnx): a net behind its
    length as two bytes, and then a file that it may name as `d`."""
    make = onnx.helper.make_tensor
    ways = [make("conv1.weight", TensorProto.FLOAT, [1, 1, 2, 2],
                 np.arange(4, dtype=np.float32).tobytes(), raw=True),
            make("bn1.weight", TensorProto.FLOAT, [2], [1.0, -2.0]),
            make("bn1.bias", TensorProto.DOUBLE, [], [0.5]),
            make("fc.weight", TensorProto.FLOAT16, [1, 2], [1.0, 2.0]),
            make("fc.bias", TensorProto.BFLOAT16, [1], [3.0]),
            make("shape", TensorProto.INT64, [3], [-1, 64, 1 << 40]),
            make("axes", TensorProto.INT32, [2], [-1, 2]),
            make("mask", TensorProto.BOOL, [2], [True, False]),
            make("sizes", TensorProto.UINT64, [1], [7])]
    beside = []
    for i, name in enumerate(("layer1.0.conv1.weight", "fc.weight")):
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT,
                             dims=[2, 2],
                             data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "d"), ("offset", str(16 * i)),
                           ("length", "16")):
            tensor.external_data.add(key=key, value=value)
        beside.append(tensor)
    same = [onnx.helper.make_node("Identity", [old], [new]) for old, new in (
        ("bn1.weight", "bn2.weight"), ("conv1.weight", "x"), ("none", "y"),
        ("bn1.weight", "z"), ("bn2.weight", "zz"))]
    folded = make("onnx::Conv_1", TensorProto.FLOAT, [1], [1.0])
    for name, producer, tensors, nodes in (
            ("ways", "pytorch", ways, same), ("beside", "", beside, []),
            ("folded", "pytorch", [folded], []),
            ("ours", "simcc", ways[:2] + [make(
                "constant/3", TensorProto.INT64, [1], [2])], same)):
        graph = onnx.helper.make_graph(nodes, "g", [], [], tensors)
        model = onnx.helper.make_model(graph, producer_name=producer,
                                       ir_version=7)
        if producer == "simcc":
            onnx.helper.set_model_props(model, {
                "program": "p", "phase": "q", "step": "3",
                "parameters": "depth = 18", "classes": "a\nb"})
        net = model.SerializeToString()
        with open(f"{folder}/{name}", "wb") as file:
            file.write(len(net).to_bytes(2, "little") + net)
            file.write(np.arange(8, dtype=np.float32).tobytes()
                       if name == "beside" else b"")


def apart(path, data):
    """Weights in a file of their own, in a folder."""
    model = onnx.load(path)
    external_data_helper.convert_model_to_external_data(
        model, location=data, size_threshold=0, convert_attribute=False)
    onnx.save_model(model, path)
