"""The resize of a model's own preprocessing at the head of its ONNX: two matrix products and maybe a constant."""

from dataclasses import replace

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx.utils import Extractor

from dsbench.onnx.graph import check
from dsbench.pixels.graph_resize import ResizeMatrices
from dsbench.pixels.preprocessing import Preprocessing

RESIZED = "deepstream_import_resized"


def with_resize(
    model: onnx.ModelProto, matrices: ResizeMatrices, preprocessing: Preprocessing
) -> tuple[onnx.ModelProto, Preprocessing]:
    """Return the model that takes whole frames, and what nvinfer then does to them.

    nvinfer scales and subtracts before the resize. That is exact, since the weights of each of its pixels sum to 1.
    Where the frame is not shown they sum to 0, and a constant gives the padding.
    """
    graph = gs.import_onnx(model)
    image = graph.inputs[0]
    frame_height, frame_width = matrices.rows.shape[1], matrices.columns.shape[0]
    resized = gs.Variable(RESIZED, image.dtype, list(image.shape))
    for node in list(image.outputs):
        node.inputs = [resized if tensor is image else tensor for tensor in node.inputs]
    image.shape = [*image.shape[:2], frame_height, frame_width]
    graph.nodes.extend(_resize_nodes(image, resized, matrices, preprocessing))
    made = gs.export_onnx(graph.cleanup().toposort())
    made.metadata_props.extend(model.metadata_props)
    check(made)
    facts = matrices.facts
    note = (
        f"The ONNX resizes frames of {frame_width}x{frame_height} to {facts.width}x{facts.height} itself, as the"
        " model's own preprocessing does."
    )
    return made, replace(
        preprocessing,
        height=frame_height,
        width=frame_width,
        maintain_aspect_ratio=False,
        symmetric_padding=False,
        in_graph=facts,
        notes=(*(each for each in preprocessing.notes if each not in preprocessing.resize_notes), note),
        resize_notes=(),
    )


def _resize_nodes(
    image: gs.Variable, resized: gs.Variable, matrices: ResizeMatrices, preprocessing: Preprocessing
) -> list[gs.Node]:
    """Return the nodes that make `resized` of `image`."""
    *parts, height, width = resized.shape
    columns = gs.Variable("deepstream_import_columns", image.dtype, [*parts, image.shape[2], width])
    rows = gs.Variable("deepstream_import_rows", image.dtype, [*parts, height, width])
    nodes = [
        # Columns first: the frame is wider than high, and what is left for the second product is smaller.
        gs.Node(
            "MatMul",
            "resize_columns",
            inputs=[image, _constant("columns", matrices.columns)],
            outputs=[columns],
        ),
        gs.Node("MatMul", "resize_rows", inputs=[_constant("rows", matrices.rows), columns], outputs=[rows]),
    ]
    for op, values in matrices.corrections(preprocessing):
        corrected = gs.Variable(f"{nodes[-1].outputs[0].name}_{op.lower()}", image.dtype, list(resized.shape))
        inputs = [nodes[-1].outputs[0], _constant(op.lower(), values)]
        nodes.append(gs.Node(op, f"resize_{op.lower()}", inputs=inputs, outputs=[corrected]))
    nodes[-1].outputs = [resized]
    return nodes


def _constant(name: str, values: np.ndarray) -> gs.Constant:
    return gs.Constant(f"deepstream_import_{name}_weights", values.astype(np.float32))


def split_resize(model: onnx.ModelProto) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Return the resize at the head of an ONNX, and the model behind it."""
    parts = Extractor(model)
    outputs = [output.name for output in model.graph.output]
    return (
        parts.extract_model([model.graph.input[0].name], [RESIZED]),
        parts.extract_model([RESIZED], outputs),
    )
