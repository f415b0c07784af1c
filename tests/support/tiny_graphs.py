"""Small ONNX detectors of other exporters' signatures, made with onnx.helper alone."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HEIGHT, WIDTH = 64, 96


def constant(name, values, kind=np.int64):
    return numpy_helper.from_array(np.asarray(values, kind), name)


def model_of(nodes, inputs, outputs, weights, opset=17, metadata=None, domains=()):
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=imports, producer_name="tests")
    model.ir_version = 8
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    return model


def info(name, dims, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, dims)


def queries(
    batch="batch",
    baked=None,
    leak=False,
    classes=4,
    kind=np.float32,
    mask=False,
    size=(HEIGHT, WIDTH),
    seed=3,
    background=False,
):
    """Return images -> logits [B, 24, classes], pred_boxes [B, 24, 4]: 24 = the cells of stride 16.

    `baked` is the constant first dim of its Reshapes, `leak` gives every slot the batch's mean (right for one
    image alone), `kind` is the type of everything, `mask` adds a pixel_mask input. With `background` each
    query is sure to be the last column.
    """
    tensor = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    rng = np.random.default_rng(seed)
    channels = classes + 4
    weights = [
        constant("kernel", rng.normal(size=(channels, 3, 16, 16)) / 28, kind),
        constant("rows", [0 if baked is None else baked, channels, -1]),
        constant("cut", [classes, 4]),
    ]
    nodes = [helper.make_node("Conv", ["pixel_values", "kernel"], ["map"], strides=[16, 16])]
    source = "map"
    if background:
        weights.append(constant("last", 99.0 * (np.arange(channels) == classes - 1)[:, None, None], kind))
        nodes.append(helper.make_node("Add", ["map", "last"], ["sure"]))
        source = "sure"
    inputs = [info("pixel_values", [batch, 3, *size], tensor)]
    if leak:
        nodes += [
            helper.make_node("ReduceMean", [source], ["mean"], axes=[0], keepdims=1),
            helper.make_node("Sub", ["mean", source], ["others"]),
            helper.make_node("Add", [source, "others"], ["leaky"]),
        ]
        source = "leaky"
    if mask:
        inputs.append(info("pixel_mask", [batch, "mask_height", "mask_width"], TensorProto.INT64))
        nodes += [
            helper.make_node("Cast", ["pixel_mask"], ["mask_cast"], to=tensor),
            helper.make_node("ReduceMean", ["mask_cast"], ["mask_mean"], axes=[1, 2], keepdims=1),
            helper.make_node("Unsqueeze", ["mask_mean", "axis"], ["mask_factor"]),
            helper.make_node("Mul", [source, "mask_factor"], ["masked"]),
        ]
        weights.append(constant("axis", [1]))
        source = "masked"
    nodes += [
        helper.make_node("Reshape", [source, "rows"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["table"], perm=[0, 2, 1]),
        helper.make_node("Split", ["table", "cut"], ["logits", "raw_boxes"], axis=2),
        helper.make_node("Sigmoid", ["raw_boxes"], ["pred_boxes"]),
    ]
    outputs = [info("logits", [batch, "q", classes], tensor), info("pred_boxes", [batch, "q", 4], tensor)]
    return model_of(nodes, inputs, outputs, weights)


def original_rt_detr():
    """Return images, orig_target_sizes -> labels int64, boxes, scores, as the original repositories export."""
    base = queries()
    nodes = list(base.graph.node)
    nodes += [
        helper.make_node("ArgMax", ["logits"], ["labels"], axis=2, keepdims=0),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
        helper.make_node("ReduceMax", ["probabilities"], ["scores"], axes=[2], keepdims=0),
        helper.make_node("Cast", ["orig_target_sizes"], ["sizes"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["sizes", "sizes"], ["scale"], axis=1),
        helper.make_node("Unsqueeze", ["scale", "axis"], ["scale3"]),
        helper.make_node("Mul", ["pred_boxes", "scale3"], ["boxes"]),
    ]
    inputs = [base.graph.input[0], info("orig_target_sizes", ["batch", 2], TensorProto.INT64)]
    outputs = [
        info("labels", ["batch", 24], TensorProto.INT64),
        info("boxes", ["batch", 24, 4]),
        info("scores", ["batch", 24]),
    ]
    return model_of(nodes, inputs, outputs, [*base.graph.initializer, constant("axis", [1])])


def areas(batch=1):
    """Return a baked-in batch whose attention keeps batch x areas in axis 0, as YOLO12's does."""
    base = queries(batch=batch, baked=batch)
    nodes = list(base.graph.node)[:-2]
    nodes += [
        helper.make_node("Reshape", ["table", "in_areas"], ["areas"]),
        helper.make_node("Softmax", ["areas"], ["attended"], axis=1),
        helper.make_node("Reshape", ["attended", "out_areas"], ["joined"]),
        helper.make_node("Split", ["joined", "cut"], ["logits", "pred_boxes"], axis=2),
    ]
    weights = [
        *base.graph.initializer,
        constant("in_areas", [4 * batch, 6, 8]),
        constant("out_areas", [batch, 24, 8]),
    ]
    return model_of(nodes, base.graph.input, base.graph.output, weights)


def batch_in_axis_1():
    """Return a graph of batch 1 whose Reshape mixes batch and rows, so that no renaming makes it dynamic."""
    base = queries(batch=1, baked=1)
    nodes = list(base.graph.node)[:-2]
    nodes += [
        helper.make_node("Transpose", ["table"], ["turned"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["turned", "mixed"], ["rows_first"]),
        helper.make_node("ReduceMean", ["rows_first"], ["mean_of_row"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["rows_first", "mean_of_row"], ["centred"]),
        helper.make_node("Reshape", ["centred", "back"], ["again"]),
        helper.make_node("Split", ["again", "cut"], ["logits", "pred_boxes"], axis=2),
    ]
    weights = [*base.graph.initializer, constant("mixed", [12, 16]), constant("back", [1, 24, 8])]
    return model_of(nodes, base.graph.input, base.graph.output, weights)


def other_image(layout="NHWC", kind=np.float32, size=(HEIGHT, WIDTH), batch="batch", cast_first=True):
    """Return the detector behind an image of another layout or type, which its first nodes turn into its own."""
    model = queries(batch=batch)
    dims = [batch, *size, 3] if layout == "NHWC" else [batch, 3, *size]
    cast = helper.make_node("Cast", ["a"], ["b"], to=TensorProto.FLOAT)
    turn = helper.make_node("Transpose", ["a"], ["b"], perm=[0, 3, 1, 2])
    first = [cast] * (kind != np.float32) + [turn] * (layout == "NHWC")
    names = ["pixel_values", *(f"turned_{place}" for place in range(len(first)))]
    model.graph.node[0].input[0] = names[-1]
    nodes = []
    for place, node in enumerate(first if cast_first else first[::-1]):
        nodes.append(onnx.NodeProto())
        nodes[-1].CopyFrom(node)
        nodes[-1].input[:], nodes[-1].output[:] = [names[place]], [names[place + 1]]
    inputs = [info("pixel_values", dims, helper.np_dtype_to_tensor_dtype(np.dtype(kind)))]
    return model_of([*nodes, *model.graph.node], inputs, model.graph.output, model.graph.initializer)


def quantised(kind=np.int8, zero_point=0, weights=np.int8):
    """Return the detector with QuantizeLinear and DequantizeLinear at its image and its kernel."""
    model = queries()
    kernel = numpy_helper.to_array(model.graph.initializer[0])
    scale = np.float32(np.abs(kernel).max() / 127)
    levels = np.clip(np.round(kernel / scale), -127, 127) + (128 if weights == np.uint8 else 0)
    constants = [
        constant("levels", levels, weights),
        constant("level_scale", scale, np.float32),
        constant("level_zero", 128 if weights == np.uint8 else 0, weights),
        constant("pixel_scale", 1 / 127, np.float32),
        constant("pixel_zero", zero_point, kind),
        *list(model.graph.initializer)[1:],
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["pixel_values", "pixel_scale", "pixel_zero"], ["q"], "quantise"),
        helper.make_node("DequantizeLinear", ["q", "pixel_scale", "pixel_zero"], ["dq"], "dequantise"),
        helper.make_node("DequantizeLinear", ["levels", "level_scale", "level_zero"], ["kernel"], "kernel"),
        *model.graph.node,
    ]
    nodes[3].input[0] = "dq"
    return model_of(nodes, model.graph.input, model.graph.output, constants)


def with_op(op, domain=""):
    """Return a detector with one operator more, which TensorRT cannot parse."""
    model = queries()
    node = helper.make_node(op, ["pred_boxes"], ["unused", "unused_scale", "unused_zero"], domain=domain)
    model.graph.node.append(node)
    return model


def write(model, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path
