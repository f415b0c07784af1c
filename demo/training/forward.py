"""RT-DETR's forward pass in training, with static shapes and no word from the GPU to the CPU.

transformers' own passes wait for the GPU several times a step; this one goes through the same
modules and can be recorded as a CUDA graph.
"""

from dataclasses import dataclass

import torch
from transformers import RTDetrForObjectDetection

from .samples import INPUT_PX

LABEL_NOISE, GROUPS = 0.5, 3


@dataclass(frozen=True)
class Predictions:
    """Class logits [S, B, Q, classes] and boxes [S, B, Q, 4] (cx, cy, w, h): sets, images, queries.

    `found_*` hold the decoder's layers and last the encoder's choice; `noisy_*` the denoising queries,
    GROUPS times T positive and then T negative copies of the true boxes.
    """

    found_logits: torch.Tensor
    found_boxes: torch.Tensor
    noisy_logits: torch.Tensor
    noisy_boxes: torch.Tensor


class TrainingForward:
    """Calls the modules of `detector`; bf16 in the backbone and the encoder where `half_width`."""

    def __init__(self, detector: RTDetrForObjectDetection, device: str, half_width: bool):
        self.model, self.half_width, self.device = detector.model, half_width, device
        # In training mode this layer looks at its values on the CPU; it has no dropout, so no other effect.
        self.model.encoder.encoder.eval()
        self.shapes = [(INPUT_PX // stride,) * 2 for stride in detector.config.feat_strides]
        self.anchors, self.valid = self.model.generate_anchors(tuple(self.shapes), device=device)
        self.sizes = torch.tensor(self.shapes, device=device)
        self.starts = torch.cat([self.sizes.new_zeros(1), self.sizes.prod(1).cumsum(0)[:-1]])

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, truth: torch.Tensor, real: torch.Tensor):
        """Return Predictions for images [B, 3, 320, 320] and true labels [B, T], boxes [B, T, 4], `real` [B, T]."""
        memory = self._memory(images)
        content, references, enc_logits = self._queries(memory)
        noisy_content, noisy_references = self._noisy_queries(labels, truth, real)
        noisy = noisy_content.shape[1]
        decoded = self.model.decoder(
            inputs_embeds=torch.cat([noisy_content, content], 1),
            encoder_hidden_states=memory,
            encoder_attention_mask=self._attention_mask(labels.shape[1], content.shape[1]),
            reference_points=torch.cat([noisy_references, references.detach()], 1),
            spatial_shapes=self.sizes,
            spatial_shapes_list=self.shapes,
            level_start_index=self.starts,
            return_dict=True,
        )
        logits = decoded.intermediate_logits.transpose(0, 1)
        boxes = decoded.intermediate_reference_points.transpose(0, 1)
        return Predictions(
            torch.cat([logits[:, :, noisy:], enc_logits[None]]),
            torch.cat([boxes[:, :, noisy:], references.sigmoid()[None]]),
            logits[:, :, :noisy],
            boxes[:, :, :noisy],
        )

    def _memory(self, images: torch.Tensor) -> torch.Tensor:
        kind = torch.device(self.device).type
        with torch.autocast(kind, torch.bfloat16, enabled=self.half_width, cache_enabled=False):
            maps = self.model.backbone.model(images).feature_maps
            maps = [
                project(level) for project, level in zip(self.model.encoder_input_proj, maps, strict=True)
            ]
            maps = self.model.encoder(maps, return_dict=True).last_hidden_state
            maps = [
                project(level) for project, level in zip(self.model.decoder_input_proj, maps, strict=True)
            ]
        return torch.cat([level.float().flatten(2).transpose(1, 2) for level in maps], 1)

    def _queries(self, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        encoded = self.model.enc_output(self.valid * memory)
        logits = self.model.enc_score_head(encoded)
        best = logits.max(-1).values.topk(self.model.config.num_queries, 1).indices[..., None]
        boxes = self.model.enc_bbox_head(encoded) + self.anchors

        def chosen(field: torch.Tensor) -> torch.Tensor:
            return field.gather(1, best.expand(-1, -1, field.shape[-1]))

        return chosen(encoded).detach(), chosen(boxes), chosen(logits)

    def _noisy_queries(self, labels, truth, real) -> tuple[torch.Tensor, torch.Tensor]:
        """Return contents and box logits of true boxes with noise (DINO, arXiv:2203.03605)."""
        batch, most = labels.shape
        copies = (batch, GROUPS, 2, most)
        classes = torch.where(real, labels, self.model.config.num_labels)[:, None, None].expand(copies)
        other = torch.randint(self.model.config.num_labels, copies, device=labels.device)
        swapped = (torch.rand(copies, device=labels.device) < LABEL_NOISE / 2) & real[:, None, None]
        classes = torch.where(swapped, other, classes).flatten(1)
        centre, half = truth[..., :2], truth[..., 2:] / 2
        edges = torch.cat([centre - half, centre + half], -1)[:, None, None]
        reach = torch.cat([half, half], -1)[:, None, None]
        amount = torch.rand(*copies, 4, device=labels.device)
        amount = amount + torch.arange(2, device=labels.device)[:, None, None]
        sign = torch.randint(2, amount.shape, device=labels.device) * 2 - 1
        edges = (edges + amount * sign * reach).clamp(0, 1).flatten(1, 3)
        boxes = torch.cat([(edges[..., :2] + edges[..., 2:]) / 2, edges[..., 2:] - edges[..., :2]], -1)
        kinds = torch.arange(self.model.config.num_labels + 1, device=labels.device)
        content = (classes[..., None] == kinds).float() @ self.model.denoising_class_embed.weight
        return content, torch.logit(boxes, eps=1e-5)

    def _attention_mask(self, most: int, queries: int) -> torch.Tensor:
        """Return 0 or -inf [all, all]: groups see themselves and the queries, queries see queries."""
        noisy = 2 * most * GROUPS
        group = torch.arange(noisy + queries, device=self.device) // (2 * most)
        group = group.clamp(max=GROUPS)
        hidden = (group[:, None] != group[None]) & (group[None] != GROUPS)
        return torch.zeros(hidden.shape, device=self.device).masked_fill(hidden, -torch.inf)
