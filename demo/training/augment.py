"""Random changes to a batch on the GPU: light, colour, noise, mirror."""

import torch


def augment(images: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return changed images [B, 3, H, W] in 0..1 and boxes [B, T, 4] (cx, cy, w, h)."""
    batch, device = len(images), images.device

    def uniform(low: float, high: float, channels: int = 1) -> torch.Tensor:
        return torch.rand(batch, channels, 1, 1, device=device) * (high - low) + low

    images = images * uniform(0.75, 1.2) * uniform(0.93, 1.07, 3) + uniform(-0.06, 0.06)
    images = images + torch.randn_like(images) * uniform(0.0, 0.025)
    mirrored = torch.rand(batch, device=device) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(-1), images).clamp(0, 1)
    flipped = torch.cat([1 - boxes[..., :1], boxes[..., 1:]], -1)
    return images, torch.where(mirrored[:, None, None], flipped, boxes)
