"""RT-DETR's training loss (Zhao et al., 2023, arXiv:2304.08069), all decoder layers in one batch.

Bipartite matching after DETR with focal class cost; varifocal loss (arXiv:2008.13367) for classes,
L1 and generalised IoU (arXiv:1902.09630) for boxes. The costs of all layers and images cross to the
CPU once a step; the matching per layer in transformers made training wait for the CPU.
"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

from .forward import GROUPS, Predictions

CLASS_COST, BOX_COST, GIOU_COST = 2.0, 5.0, 2.0
CLASS_WEIGHT, BOX_WEIGHT, GIOU_WEIGHT = 1.0, 5.0, 2.0
ALPHA, GAMMA = 0.75, 2.0


def corners(boxes: torch.Tensor) -> torch.Tensor:
    """Return (cx, cy, w, h) boxes as (l, t, r, b)."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


def _area(sides: torch.Tensor) -> torch.Tensor:
    # Not prod(-1): its gradient asks the CPU whether a factor is 0, which a CUDA graph cannot.
    return sides[..., 0] * sides[..., 1]


def iou_and_giou(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return IoU and generalised IoU of (l, t, r, b) boxes, broadcast over leading dimensions."""
    inner = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    outer = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    shared = _area(inner.clamp(min=0))
    union = _area(a[..., 2:] - a[..., :2]) + _area(b[..., 2:] - b[..., :2]) - shared
    hull = _area(outer.clamp(min=0)).clamp(min=1e-9)
    iou = shared / union.clamp(min=1e-9)
    return iou, iou - (hull - union) / hull


@torch.no_grad()
def match_cost(
    logits: torch.Tensor, boxes: torch.Tensor, labels: torch.Tensor, truth: torch.Tensor
) -> torch.Tensor:
    """Return what it costs to give true box t to query q, [S, B, T, Q], for S sets of predictions [S, B, Q, …]."""
    p = logits.sigmoid()
    hit = 0.25 * (1 - p) ** 2 * -(p + 1e-8).log() - 0.75 * p**2 * -(1 - p + 1e-8).log()
    sets, batch, queries = logits.shape[:3]
    wanted = labels[None, :, None].expand(sets, batch, queries, -1)
    cost = CLASS_COST * hit.gather(-1, wanted)
    cost += BOX_COST * (boxes[..., :, None, :] - truth[None, :, None]).abs().sum(-1)
    cost -= GIOU_COST * iou_and_giou(corners(boxes)[..., :, None, :], corners(truth)[None, :, None])[1]
    return cost.transpose(-1, -2).contiguous()


def match(cost: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the query of each true box, int64 [S, B, T], at least total cost; 0 for filling."""
    query = np.zeros(cost.shape[:3], np.int64)
    for image, count in enumerate(counts):
        for layer in range(len(cost)):
            query[layer, image, :count] = linear_sum_assignment(cost[layer, image, :count])[1]
    return query


def varifocal(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the summed varifocal loss; `target` holds the IoU at the true class, 0 elsewhere."""
    p = logits.sigmoid().detach()
    weight = torch.where(target > 0, target, ALPHA * p**GAMMA)
    return F.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum")


def paired_loss(logits, boxes, query, labels, truth, real) -> torch.Tensor:
    """Return the loss of predictions [S, B, Q, …] with true box t of image b at `query[s, b, t]`.

    `real` [B, T] tells true boxes from filling. Summed over sets, divided by the count of true boxes.
    """
    total = real.sum().clamp(min=1)
    chosen = boxes.gather(2, query[..., None].expand(*query.shape, 4))
    iou, giou = iou_and_giou(corners(chosen), corners(truth)[None])
    quality = (iou.detach() * real).clamp(min=0)
    cell = query * logits.shape[-1] + labels[None]
    # Filling points at query 0 with value 0, so adding leaves what a true box put there.
    target = torch.zeros_like(logits).flatten(2).scatter_add_(2, cell, quality).view_as(logits)
    box_loss = ((chosen - truth[None]).abs().sum(-1) * real).sum()
    giou_loss = ((1 - giou) * real).sum()
    return (
        CLASS_WEIGHT * varifocal(logits, target) + BOX_WEIGHT * box_loss + GIOU_WEIGHT * giou_loss
    ) / total


def detection_loss(predictions: Predictions, query, labels, truth, real) -> torch.Tensor:
    """Return the loss of decoder layers, encoder and denoising; `query` [S, B, T] comes from `match`."""
    found = paired_loss(predictions.found_logits, predictions.found_boxes, query, labels, truth, real)
    most = labels.shape[1]
    start = torch.arange(GROUPS, device=labels.device)[:, None] * 2 * most
    positive = (start + torch.arange(most, device=labels.device)).flatten()
    positive = positive.expand(*predictions.noisy_logits.shape[:2], -1)
    repeated = labels.repeat(1, GROUPS), truth.repeat(1, GROUPS, 1), real.repeat(1, GROUPS)
    return found + paired_loss(predictions.noisy_logits, predictions.noisy_boxes, positive, *repeated)
