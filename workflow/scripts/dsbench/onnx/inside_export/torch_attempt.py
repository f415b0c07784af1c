"""Load a detector, write its answers, and export it to ONNX in one way; runs inside build/.venv_optimum."""

import sys
from pathlib import Path

import numpy as np
import torch

from dsbench.onnx.inside_export.torch_models import (
    PROMPTED,
    FrozenGroundingDino,
    FrozenOwl,
    ImageDetector,
    detector_parameters,
    hold_mask_constant,
    load_detector,
    phrase_columns,
    phrase_logits,
    repeated,
    tokenize,
)

NOT_REGISTERED = 3
OUTPUTS = ["logits", "pred_boxes"]
EXAMPLE_BATCH = 2


def run(job: dict) -> int:
    """Write the reference if it is missing and the ONNX; return 0, or NOT_REGISTERED for optimum."""
    folder = Path(job["folder"])
    pixels = torch.from_numpy(np.load(job["pixels"]))
    say(f"loading {job['model_type']} from {folder.name}")
    model = load_detector(folder, job["model_type"])
    if not Path(job["reference"]).exists():
        say(f"{detector_parameters(model)} parameters; computing torch's answers at batch 1 and 3")
        write_reference(truth_of(model, folder, job), pixels, Path(job["reference"]))
    if job["method"] == "optimum":
        return _with_optimum(model, pixels, job)
    # The exporter restores this flag afterwards; on a wrapper in training mode dropout would come back.
    detector = detector_of(model, folder, pixels, job).eval()
    _with_torch(detector, pixels, job)
    return 0


def say(text: str) -> None:
    """Print one line of progress."""
    print(text, file=sys.stderr, flush=True)


def truth_of(model, folder: Path, job: dict):
    """Return the function from pixels to (logits, boxes) that asks the untouched model."""
    if job["model_type"] not in PROMPTED:
        return ImageDetector(model, {})
    tokens = tokenize(folder, job["model_type"], job["phrases"])

    def prompted(pixels):
        answer = model(pixel_values=pixels, **repeated(tokens, len(pixels)))
        if job["model_type"] == "grounding-dino":
            columns = phrase_columns(folder, tokens, job["phrases"])
            return phrase_logits(answer.logits, columns), answer.pred_boxes
        return answer.logits, answer.pred_boxes

    return prompted


def detector_of(model, folder: Path, pixels: torch.Tensor, job: dict) -> torch.nn.Module:
    """Return the module to export: the image its only input, the recipe's constants in place."""
    if job["model_type"] in PROMPTED:
        tokens = tokenize(folder, job["model_type"], job["phrases"])
        if job["model_type"] != "grounding-dino":
            return FrozenOwl(model, tokens)
        return FrozenGroundingDino(model, tokens, phrase_columns(folder, tokens, job["phrases"]))
    constants = {}
    if job["mask"] == "constant":
        hold_mask_constant(model, pixels)
    elif job["mask"] == "broadcast":
        constants["pixel_mask"] = torch.ones((1, *pixels.shape[2:]), dtype=torch.long)
    return ImageDetector(model, constants)


def write_reference(truth, pixels: torch.Tensor, destination: Path) -> None:
    """Write `pixels`, and what the untouched model answers at batch 1 and 3, as an npz."""
    arrays = {"pixels": pixels.numpy()}
    for batch in (1, 3):
        with torch.no_grad():
            answers = truth(pixels[:batch])
        arrays |= {f"b{batch}/{name}": a.numpy() for name, a in zip(OUTPUTS, answers, strict=True)}
    np.savez(destination, **arrays)


def _with_optimum(model, pixels: torch.Tensor, job: dict) -> int:
    from optimum.exporters.onnx import main_export
    from optimum.exporters.tasks import TasksManager

    supported = TasksManager.get_supported_model_type_for_task("object-detection", exporter="onnx")
    if job["model_type"] not in supported:
        say(f"optimum-onnx has no export configuration for {job['model_type']}")
        return NOT_REGISTERED
    sizes = {}
    if job["mask"] == "constant":
        hold_mask_constant(model, pixels)
        sizes = {"height": pixels.shape[2], "width": pixels.shape[3]}
    say(f"exporting with optimum, opset {job['opset']}")
    scratch = Path(job["onnx"]).parent / "optimum"
    main_export(
        job["folder"],
        output=scratch,
        task="object-detection",
        opset=job["opset"],
        do_validation=False,
        trust_remote_code=False,
        local_files_only=True,
        **sizes,
    )
    (scratch / "model.onnx").rename(job["onnx"])
    return 0


def _with_torch(detector: torch.nn.Module, pixels: torch.Tensor, job: dict) -> None:
    if job["method"] == "dynamo":
        exporter = "dynamo"
        batch = torch.export.Dim("batch")
        how = {"dynamo": True, "external_data": False, "dynamic_shapes": {"pixel_values": {0: batch}}}
    else:
        exporter = "TorchScript"
        how = {"dynamo": False, "dynamic_axes": {name: {0: "batch"} for name in ("pixel_values", *OUTPUTS)}}
    say(f"exporting with torch.onnx.export ({exporter}), opset {job['opset']}")
    torch.onnx.export(
        detector,
        (pixels[:EXAMPLE_BATCH],),
        job["onnx"],
        opset_version=job["opset"],
        input_names=["pixel_values"],
        output_names=OUTPUTS,
        **how,
    )
