"""Detectors as torch modules from pixels to (logits, boxes); runs inside build/.venv_optimum."""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForObjectDetection, AutoModelForZeroShotObjectDetection

PROMPTED = ("owlvit", "owlv2", "grounding-dino")


class ImageDetector(torch.nn.Module):
    """`detector` with everything but the image left out or held constant; answers (logits, boxes)."""

    def __init__(self, detector: torch.nn.Module, constants: dict[str, torch.Tensor]):
        super().__init__()
        self.detector = detector
        self.constants = constants

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits [B, Q, C] and boxes [B, Q, 4] for pixel_values [B, 3, H, W]."""
        answer = self.detector(pixel_values=pixel_values, **self.constants)
        return answer.logits, answer.pred_boxes


def load_detector(folder: Path, model_type: str) -> torch.nn.Module:
    """Return the model of a Hugging Face folder in float32 and evaluation mode, from safetensors only."""
    kind = AutoModelForZeroShotObjectDetection if model_type in PROMPTED else AutoModelForObjectDetection
    model = kind.from_pretrained(
        folder, trust_remote_code=False, use_safetensors=True, local_files_only=True, dtype=torch.float32
    )
    return model.eval()


def detector_parameters(model: torch.nn.Module) -> int:
    """Return how many parameters the model has."""
    return sum(parameter.numel() for parameter in model.parameters())


def hold_mask_constant(model: torch.nn.Module, pixels: torch.Tensor) -> None:
    """Take the pixel mask out of a DETR: one unpadded image has a mask of ones, whatever its content.

    Its sine position embedding then is one constant, and the attention masks are none. The mask's Resize and
    CumSum, sized by the batch, are what TensorRT reports as a ForeignNode without implementation.
    """
    classes = {type(m) for m in model.modules() if type(m).__name__.endswith("SinePositionEmbedding")}
    recorded: dict[type, torch.Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda module, _, answer: recorded.update({type(module): answer}))
        for module in model.modules()
        if type(module) in classes
    ]
    with torch.no_grad():
        model(pixel_values=pixels[:1])
    for hook in hooks:
        hook.remove()
    for kind in classes:
        kind.forward = _constant_embedding(recorded[kind])
    # Patched where the class is defined, so that an exporter that loads the model anew gets it too.
    sys.modules[type(model).__module__]._prepare_4d_attention_mask = lambda *_, **__: None


def _constant_embedding(value: torch.Tensor) -> Callable:
    def forward(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor) -> torch.Tensor:
        return value.expand(pixel_values.shape[0], -1, -1, -1)

    return forward
