"""The demonstration detector: its configuration, its running average, its folder."""

import json
from pathlib import Path

import torch
from streetscene.actors import LABELS
from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrImageProcessor, RTDetrResNetConfig

from .samples import INPUT_PX


def new_detector() -> RTDetrForObjectDetection:
    """Return an untrained RT-DETR of 5.0 M parameters for the four labels."""
    backbone = RTDetrResNetConfig(
        embedding_size=32,
        hidden_sizes=[32, 64, 128, 256],
        depths=[2, 2, 2, 2],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    names = dict(enumerate(LABELS))
    config = RTDetrConfig(
        backbone_config=backbone,
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        freeze_backbone_batch_norms=False,
        encoder_in_channels=[64, 128, 256],
        encoder_hidden_dim=128,
        encoder_ffn_dim=384,
        d_model=128,
        decoder_in_channels=[128, 128, 128],
        decoder_ffn_dim=384,
        decoder_layers=3,
        num_queries=100,
        num_denoising=60,
        hidden_expansion=0.5,
        id2label=names,
        label2id={name: index for index, name in names.items()},
    )
    return RTDetrForObjectDetection(config)


class RunningAverage:
    """An exponential average of a model's weights and statistics."""

    def __init__(self, model: torch.nn.Module, decay: float):
        self.decay, self.updates = decay, 0
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: torch.nn.Module) -> None:
        """Take in the present weights; the decay grows from 0 at the start."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (20 + self.updates))
        now = model.state_dict()
        floating = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.state[n] for n in floating], [now[n] for n in floating], 1 - decay)
        for name in now.keys() - set(floating):
            self.state[name].copy_(now[name])


def save_detector(state: dict, folder: Path) -> None:
    """Write config.json, preprocessor_config.json and fp16 model.safetensors into `folder`."""
    model = new_detector()
    model.load_state_dict(state)
    model.half().save_pretrained(folder, safe_serialization=True)
    size = {"height": INPUT_PX, "width": INPUT_PX}
    RTDetrImageProcessor(size=size, do_normalize=False, do_pad=False).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config.pop("_name_or_path", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
