"""A ready-made ONNX to one nvinfer can feed: its variant, interface, size and batch, each proven."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from dsbench.graph_facts import GraphFacts, graph_facts
from dsbench.onnx_batch import check_slots, declared_batch, make_batch_dynamic
from dsbench.onnx_compare import GraphError, largest_difference, session, tolerance_of
from dsbench.onnx_graph import check, fix_spatial_dims
from dsbench.onnx_interface import fit_interface, image_input, side_value
from dsbench.whole_file import written_beside


@dataclass(frozen=True)
class Import:
    """The clean ONNX (H and W fixed, slimmed), whether its batch is dynamic, and a sentence for each change."""

    model: onnx.ModelProto
    dynamic: bool
    notes: list[str]
    alone: list[dict[str, np.ndarray]]
    facts: GraphFacts


def load_checked(file: Path) -> onnx.ModelProto:
    """Return the ONNX at `file` with its external data; raise GraphError where onnx.checker finds a fault."""
    model = onnx.load(file)
    check(model)
    return model


def graph_size(model: onnx.ModelProto) -> tuple[int, int]:
    """Return the height and width the graph or its metadata fix, 0 for a side that neither does."""
    sides = image_input(gs.import_onnx(model)).shape[2:]
    if all(isinstance(side, int) and side > 0 for side in sides):
        return tuple(sides)
    stated = next((entry.value for entry in model.metadata_props if entry.key == "imgsz"), "")
    try:
        height, width = ast.literal_eval(stated)
    except (ValueError, SyntaxError, TypeError):
        return (0, 0)
    return (height, width) if type(height) is int and type(width) is int else (0, 0)


def source_answers(model: onnx.ModelProto, pixels: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Return what the file as it came answers for each image alone, as float32.

    A baked-in batch is filled with the one image and its first row taken.
    """
    runner = session(model)
    graph = gs.import_onnx(model)
    image = image_input(graph)
    image.shape = [image.shape[0], 3, *pixels.shape[2:]]
    batch = image.shape[0] if isinstance(image.shape[0], int) else 1
    feeds = {t.name: np.repeat(side_value(graph, t, image), batch, 0) for t in graph.inputs if t is not image}
    names = [output.name for output in runner.get_outputs()]
    found = []
    for picture in pixels:
        feeds[image.name] = np.repeat(picture[None], batch, 0).astype(image.dtype)
        try:
            values = runner.run(names, feeds)
        except Exception as error:  # ONNX Runtime's exceptions share no class but Exception
            raise GraphError(
                f"ONNX Runtime cannot run the ONNX: {str(error).splitlines()[0][:300]}"
            ) from error
        found.append({n: v[:1].astype(np.float32) for n, v in zip(names, values, strict=True) if v.ndim})
    return found


def import_onnx(
    source: onnx.ModelProto,
    pixels: np.ndarray,
    class_count: int | None = None,
    class_names: Mapping[int, str] | None = None,
) -> Import:
    """Return the clean ONNX of `source` for images of the size of `pixels` [3, 3, H, W], and its facts.

    The number of classes is that of the names where it is not given.
    Raises GraphError where it is not one image in and one row per image out, or where it would answer otherwise
    than the source.
    """
    height, width = pixels.shape[2:]
    alone = source_answers(source, pixels)
    facts = graph_facts(source, class_count, alone[0], (height, width), class_names)
    batch = declared_batch(source)
    fitted, notes = fit_interface(source, height, width)
    slimmed = fix_spatial_dims(fitted, height, width, batch)
    model, reason = _dynamic(slimmed, batch, pixels, alone)
    if model is not None:
        if isinstance(batch, int):
            notes.append(f"the batch was baked in as {batch} and is now symbolic")
        return Import(model, True, notes, alone, facts)
    if isinstance(batch, int) and batch != 1:
        raise GraphError(
            f"its batch is baked in as {batch} and cannot be changed ({reason});"
            " export the model with a dynamic batch, or with a batch of 1"
        )
    static = fix_spatial_dims(fitted, height, width, 1) if batch != 1 else slimmed
    _check_single(static, pixels, alone)
    notes.append(f"the batch cannot be made dynamic ({reason}): there is one ONNX for each batch size")
    return Import(static, False, notes, alone, facts)


def _dynamic(model: onnx.ModelProto, batch: int | str, pixels: np.ndarray, alone: list) -> tuple:
    """Return the model with a batch that is proven dynamic and "", or None and why not."""
    try:
        if isinstance(batch, int):
            model = fix_spatial_dims(make_batch_dynamic(model), *pixels.shape[2:])
        check_slots(model, pixels, alone)
    except GraphError as error:
        return None, str(error)
    return model, ""


def _check_single(model: onnx.ModelProto, pixels: np.ndarray, alone: list) -> None:
    for got, want in zip(source_answers(model, pixels), alone, strict=True):
        error = largest_difference(got, want)
        if not error <= tolerance_of(model):
            raise GraphError(f"the prepared ONNX differs from its source by {error:.3g} for one image")


def write_import_reference(imported: Import, pixels: np.ndarray, destination: Path) -> None:
    """Write the pixels and the source's answers at batch 1, and at batch 3 where the batch is dynamic."""
    arrays = {"pixels": pixels}
    for batch in (1, 3) if imported.dynamic else (1,):
        for name in imported.alone[0]:
            arrays[f"b{batch}/{name}"] = np.concatenate([one[name] for one in imported.alone[:batch]])
    with written_beside(destination) as partial, partial.open("wb") as stream:
        np.savez(stream, **arrays)
