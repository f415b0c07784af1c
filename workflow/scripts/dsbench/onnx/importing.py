"""A ready-made ONNX to one nvinfer can feed: its variant, interface, size and batch, each proven."""

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from dsbench.core.files import written_beside
from dsbench.families.graph_facts import GraphFacts, graph_facts
from dsbench.onnx.batch import (
    LARGEST_BATCH_TRIED,
    batches_to_try,
    check_slots,
    declared_batch,
    make_batch_dynamic,
    single_answers,
    standard_opset,
    state_batch,
)
from dsbench.onnx.compare import GraphError, largest_difference, run_graph, session, tolerance_of
from dsbench.onnx.graph import fix_spatial_dims
from dsbench.onnx.interface import (
    as_image,
    fit_interface,
    fix_image_size,
    image_input,
    image_size,
    side_value,
)
from dsbench.onnx.source_graph import upgraded

RUN_ALONE = "Run the file with ONNX Runtime alone, and export the model again"
STATE_SIZE = (
    "If the model is for another size, state it with preprocessing: {size: {height: H, width: W}} in its entry;"
    " else export the model again"
)

LONGEST_SIZE = 40

# Pictures [B, 3, H, W] to the answers for them, by output.
AskBatch = Callable[[np.ndarray], dict[str, np.ndarray]]
# Of answers to a picture that is asked for again in a batch.
SAME = 1e-3


@dataclass(frozen=True)
class Import:
    """The clean ONNX (H and W fixed, slimmed), whether its batch is dynamic, and a sentence for each change."""

    model: onnx.ModelProto
    dynamic: bool
    notes: list[str]
    alone: list[dict[str, np.ndarray]]
    facts: GraphFacts


def graph_size(model: onnx.ModelProto, in_metadata: bool = True) -> tuple[int, int]:
    """Return the height and width the graph or, where `in_metadata`, its metadata fix; 0 for a side that none does."""
    height, width = image_size(image_input(gs.import_onnx(model)))
    if isinstance(height, int) and isinstance(width, int) and min(height, width) > 0:
        return height, width
    if not in_metadata:
        return (0, 0)
    stated = next((entry.value for entry in model.metadata_props if entry.key == "imgsz"), "")
    try:
        height, width = ast.literal_eval(stated[:LONGEST_SIZE])
    except (ValueError, SyntaxError, TypeError):
        return (0, 0)
    return (height, width) if type(height) is int and type(width) is int else (0, 0)


def source_answers(model: onnx.ModelProto, pixels: np.ndarray) -> tuple[list[dict[str, np.ndarray]], int]:
    """Return what the file as it came answers for each image alone, as float32, and the batch that it was run at.

    A batch above 1 is filled with the one image and its first row taken; rows that have no batch axis are all the one
    image's. Of several batches that a model may be for, the one is taken at which every output has a row for each
    image; where there is none, the first that runs.
    """
    ask = _asker(model, pixels.shape[2:])
    batch = _batch_that_runs(ask, pixels, batches_to_try(model))
    found = [ask(np.repeat(pixels[index : index + 1], batch, 0)) for index in range(len(pixels))]
    return [
        {name: value[: len(value) // batch or 1].astype(np.float32) for name, value in one.items()}
        for one in found
    ], batch


def _batch_that_runs(ask: AskBatch, pixels: np.ndarray, batches: list[int]) -> int:
    """Return a batch at which every output has a row for each image, else the first that runs.

    Where the first that runs has not, one of the numbers of rows that it gave may be the batch.
    """
    faults: list[GraphError] = []
    for batch in batches:
        try:
            found = ask(np.repeat(pixels[:1], batch, 0))
        except GraphError as error:
            faults.append(error)
            continue
        odd = {name: len(value) for name, value in found.items() if len(value) != batch}
        others = [each for each in sorted(set(odd.values())) if 1 < each <= LARGEST_BATCH_TRIED]
        return next((each for each in others if _is_for(ask, pixels, each, odd)), batch)
    raise faults[0]


def _is_for(ask: AskBatch, pixels: np.ndarray, batch: int, changing: Iterable[str]) -> bool:
    """Tell whether each output has a row for each of so many images.

    Another last image then changes no row but the last, and that one in an output of `changing`: a count, or the class
    of a net with one, may be the same for both images.
    """
    pictures = np.repeat(pixels[:1], batch, 0)
    others = np.concatenate([pictures[:-1], pixels[1:2]])
    try:
        alike, different = ask(pictures), ask(others)
    except GraphError:
        return False
    pairs = {name: (one, different[name]) for name, one in alike.items()}
    if any(len(one) != batch or one.shape != other.shape for one, other in pairs.values()):
        return False
    same = {
        name: [
            np.allclose(before, after, SAME, SAME, equal_nan=True)
            for before, after in zip(*pair, strict=True)
        ]
        for name, pair in pairs.items()
    }
    return any(not same[name][-1] for name in changing) and all(all(rows[:-1]) for rows in same.values())


def _asker(model: onnx.ModelProto, size: tuple[int, int]) -> AskBatch:
    """Return the function that runs a batch [B, 3, H, W] and gives each output that is no single number."""
    runner = session(model)
    graph = gs.import_onnx(model)
    image = image_input(graph)
    says_size = all(isinstance(side, int) and side > 0 for side in image.shape[1:])
    fix_image_size(image, *size)
    sides = {tensor.name: side_value(graph, tensor, size) for tensor in graph.inputs if tensor is not image}

    def ask(pictures: np.ndarray) -> dict[str, np.ndarray]:
        feeds = {name: np.repeat(value, len(pictures), 0) for name, value in sides.items()}
        try:
            found = run_graph(runner, {image.name: as_image(image, pictures)} | feeds)
        except GraphError as error:
            raise GraphError(
                f"ONNX Runtime cannot run the ONNX on a picture of {size[1]}x{size[0]}: {error}."
                f" {RUN_ALONE if says_size else STATE_SIZE}."
            ) from error
        return {name: value for name, value in found.items() if value.ndim}

    return ask


def import_onnx(
    source: onnx.ModelProto,
    pixels: np.ndarray,
    class_count: int | None = None,
    class_names: Mapping[int, str] | None = None,
) -> Import:
    """Return the clean ONNX of `source` for images of the size of `pixels` [3, 3, H, W], and its facts.

    The number of classes is that of the names where it is not given.
    `pixels` are those that the type of the source's image holds exactly. Raises GraphError where it is not one image
    in and one row per image out, or where it would answer otherwise than the source.
    """
    height, width = pixels.shape[2:]
    alone, runs = source_answers(source, pixels)
    facts = graph_facts(source, class_count, alone[0], (height, width), class_names)
    fitted, notes = fit_interface(upgraded(source), height, width)
    if standard_opset(fitted) != standard_opset(source):
        notes.append(
            f"opset {standard_opset(source)} is now {standard_opset(fitted)}, since TensorRT reads no older"
        )
    kept = {value.name for value in fitted.graph.output}
    alone = [{name: value for name, value in one.items() if name in kept} for one in alone]
    if runs != 1 and isinstance(declared_batch(source), str):
        state_batch(fitted, runs)
        notes.append(f"the batch has a name, but the graph is for {runs} images: that was found by trying")
    batch = declared_batch(fitted)
    slimmed = fix_spatial_dims(fitted, height, width, batch)
    model, reason = _dynamic(slimmed, batch, pixels, alone)
    if model is None and isinstance(batch, str):
        # A batch may have a name and be baked in all the same.
        batch, slimmed = 1, fix_spatial_dims(fitted, height, width, 1)
        model, _ = _dynamic(slimmed, batch, pixels, alone)
    if model is not None:
        if isinstance(batch, int):
            notes.append(f"the batch was baked in as {batch} and is now symbolic")
        return Import(model, True, notes, alone, facts)
    if batch != 1:
        raise GraphError(
            f"its batch is baked in as {batch} and cannot be changed ({reason});"
            " export the model with a dynamic batch, or with a batch of 1"
        )
    _check_single(slimmed, pixels, alone)
    notes.append(f"the batch cannot be made dynamic ({reason}): there is one ONNX for each batch size")
    return Import(slimmed, False, notes, alone, facts)


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
    for got, want in zip(single_answers(model, pixels), alone, strict=True):
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
        np.savez(stream, allow_pickle=False, **arrays)
