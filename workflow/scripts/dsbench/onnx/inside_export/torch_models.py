"""Detectors as torch modules from pixels to (logits, boxes), prompts held constant; runs inside build/.venv_optimum."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForObjectDetection, AutoModelForZeroShotObjectDetection, AutoTokenizer

PROMPTED = ("owlvit", "owlv2", "grounding-dino")
LOWEST_LOGIT = -1e4


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
    module: Any = sys.modules[type(model).__module__]
    module._prepare_4d_attention_mask = lambda *_, **__: None


def _constant_embedding(value: torch.Tensor) -> Callable:
    def forward(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor) -> torch.Tensor:
        return value.expand(pixel_values.shape[0], -1, -1, -1)

    return forward


def tokenize(folder: Path, model_type: str, phrases: list[str]) -> dict[str, torch.Tensor]:
    """Return the token tensors of the prompt as the model's own processor makes them, for one image."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if model_type == "grounding-dino":
        return dict(tokenizer(". ".join(phrases) + ".", return_tensors="pt"))
    tokens = tokenizer(phrases, padding="max_length", max_length=16, truncation=True, return_tensors="pt")
    return {name: tokens[name] for name in ("input_ids", "attention_mask")}


def phrase_columns(folder: Path, tokens: dict[str, torch.Tensor], phrases: list[str]) -> list[list[int]]:
    """Return which text tokens belong to which phrase; raises ValueError when a phrase has none."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    separator = tokenizer.convert_tokens_to_ids(".")
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    columns: list[list[int]] = [[]]
    for position, token in enumerate(tokens["input_ids"][0].tolist()):
        if token == separator:
            columns.append([])
        elif token not in special:
            columns[-1].append(position)
    columns = [group for group in columns if group]
    if len(columns) != len(phrases):
        raise ValueError(
            f"the tokenizer makes {len(columns)} phrases of the prompt's {len(phrases)}: {phrases}"
        )
    return columns


def repeated(tokens: dict[str, torch.Tensor], batch: int) -> dict[str, torch.Tensor]:
    """Return the token tensors for `batch` images that are all asked the same."""
    return {name: tensor.repeat(batch, 1) for name, tensor in tokens.items()}


class FrozenOwl(torch.nn.Module):
    """OWL-ViT or OWLv2 from the image alone: one class per phrase of the prompt."""

    def __init__(self, model: torch.nn.Module, tokens: dict[str, torch.Tensor]):
        super().__init__()
        self.model = model
        tower = getattr(model, "owlvit", None) or model.owlv2
        with torch.no_grad():
            embeds = tower.get_text_features(**tokens)
        self.register_buffer("queries", (embeds / embeds.norm(dim=-1, keepdim=True))[None])

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits [B, patches, phrases] and boxes [B, patches, 4]."""
        features, _ = self.model.image_embedder(pixel_values)
        flat = features.flatten(1, 2)
        queries = self.queries.expand(pixel_values.shape[0], -1, -1)
        logits, _ = self.model.class_predictor(flat, queries)
        return logits, self.model.box_predictor(flat, features)


class FrozenGroundingDino(torch.nn.Module):
    """Grounding DINO from the image alone; a class's logit is the largest of its phrase's tokens."""

    def __init__(self, model: torch.nn.Module, tokens: dict[str, torch.Tensor], columns: list[list[int]]):
        super().__init__()
        self.model = model
        self.columns = columns
        self.names = list(tokens)
        for name, tensor in tokens.items():
            self.register_buffer(name, tensor)
        self._hold_text_mask_constant(tokens["input_ids"])

    def _hold_text_mask_constant(self, input_ids: torch.Tensor) -> None:
        # The original loops over nonzero() in Python: a trace keeps the example's batch in it, unnoticed.
        module: Any = sys.modules[type(self.model).__module__]
        mask, positions = module.generate_masks_with_special_tokens_and_transfer_map(input_ids)
        module.generate_masks_with_special_tokens_and_transfer_map = lambda ids: (
            mask.expand(ids.shape[0], -1, -1),
            positions.expand(ids.shape[0], -1),
        )

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits [B, Q, phrases] and boxes [B, Q, 4]."""
        batch = pixel_values.shape[0]
        text = {name: getattr(self, name).expand(batch, -1) for name in self.names}
        answer = self.model(pixel_values=pixel_values, **text)
        return phrase_logits(answer.logits, self.columns), answer.pred_boxes


def phrase_logits(logits: torch.Tensor, columns: list[list[int]]) -> torch.Tensor:
    """Return [B, Q, phrases] from logits [B, Q, tokens]; padding tokens are -inf there, never here."""
    per_phrase = [logits[:, :, group].amax(dim=2, keepdim=True) for group in columns]
    return torch.cat(per_phrase, dim=2).clamp(min=LOWEST_LOGIT)
