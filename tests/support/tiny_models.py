"""Tiny detectors with random weights in Hugging Face layout; runs in the export environment.

PYTHONPATH=workflow/scripts python tests/support/tiny_models.py DESTINATION FAMILY[:shards]...
"""

import json
import math
import sys
from pathlib import Path

import torch
import transformers as hf

from dsbench.onnx.inside_export.torch_export import import_torchvision

import_torchvision()

LABELS = {0: "car", 1: "person", 2: "bicycle", 3: "road_sign"}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "do_normalize": True}
CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "do_normalize": True,
}
CLASS_HEADS = ("class_embed", "enc_score_head", "class_labels_classifier")
BOX_HEADS = ("bbox_embed", "enc_bbox_head", "bbox_predictor")
QUERIES = ("query_position_embeddings", "query_refpoint_embeddings", "detection_tokens")
RT_DETR = {
    "id2label": LABELS,
    "use_timm_backbone": False,
    "use_pretrained_backbone": False,
    "encoder_in_channels": [32, 48, 64],
    "encoder_hidden_dim": 32,
    "feat_strides": [8, 16, 32],
    "encoder_layers": 1,
    "encoder_ffn_dim": 64,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "d_model": 32,
    "decoder_in_channels": [32, 32, 32],
    "decoder_ffn_dim": 64,
    "decoder_layers": 2,
    "num_queries": 30,
    "hidden_expansion": 0.5,
    "num_denoising": 10,
    "anchor_image_size": None,
}
DETR = {
    "id2label": LABELS,
    "use_timm_backbone": False,
    "backbone": None,
    "use_pretrained_backbone": False,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "num_queries": 30,
}
TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
EDGES = {"shortest_edge": 256, "longest_edge": 320}


def resnet(stages=("stage4",)):
    return hf.ResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 24, 32, 48],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=list(stages),
    )


def rt_detr(config, model):
    backbone = hf.RTDetrResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 32, 48, 64],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
        downsample_in_bottleneck=False,
    )
    return model(config(backbone_config=backbone, **RT_DETR)), processor(
        "RTDetr", {"height": 320, "width": 320}
    )


def d_fine():
    backbone = hf.HGNetV2Config(
        embedding_size=16,
        depths=[1, 1, 1, 1],
        hidden_sizes=[32, 32, 48, 64],
        out_features=["stage2", "stage3", "stage4"],
        stem_channels=[3, 8, 16],
        stage_in_channels=[16, 32, 32, 48],
        stage_mid_channels=[8, 8, 16, 16],
        stage_out_channels=[32, 32, 48, 64],
        stage_num_blocks=[1, 1, 1, 1],
        stage_downsample=[False, True, True, True],
        stage_light_block=[False, False, True, True],
        stage_kernel_size=[3, 3, 5, 5],
        stage_numb_of_layers=[2, 2, 2, 2],
    )
    config = hf.DFineConfig(
        backbone_config=backbone,
        decoder_n_points=4,
        depth_mult=0.34,
        lqe_hidden_dim=16,
        max_num_bins=32,
        **RT_DETR,
    )
    return hf.DFineForObjectDetection(config), processor("RTDetr", {"height": 320, "width": 320})


def detr(config, model, kind="Detr", stages=("stage4",), **more):
    settings = DETR | {"d_model": 32} | more
    return model(config(backbone_config=resnet(stages), **settings)), processor(kind, EDGES, **IMAGENET)


def detr_timm():
    settings = DETR | {"backbone": "resnet18", "use_timm_backbone": True, "d_model": 32}
    config = hf.DetrConfig(backbone_kwargs={"out_indices": [1, 2, 3, 4], "in_chans": 3}, **settings)
    return hf.DetrForObjectDetection(config), processor("Detr", EDGES, **IMAGENET)


def dab_detr():
    config = hf.DabDetrConfig(backbone_config=resnet(), hidden_size=32, **DETR)
    return hf.DabDetrForObjectDetection(config), processor("ConditionalDetr", EDGES, **IMAGENET)


def yolos():
    config = hf.YolosConfig(
        **TEXT,
        id2label=LABELS,
        image_size=[256, 320],
        patch_size=16,
        num_detection_tokens=20,
        use_mid_position_embeddings=True,
    )
    return hf.YolosForObjectDetection(config), processor("Yolos", EDGES, **IMAGENET)


def owl(config, model, image_processor):
    text = TEXT | {
        "vocab_size": 99,
        "max_position_embeddings": 16,
        "bos_token_id": 97,
        "eos_token_id": 98,
        "pad_token_id": 0,
    }
    settings = config(
        text_config=text, vision_config=TEXT | {"image_size": 192, "patch_size": 32}, projection_dim=32
    )
    return model(settings), processor(image_processor, {"height": 192, "width": 192}, **CLIP)


def grounding_dino():
    swin = hf.SwinConfig(
        image_size=64,
        patch_size=4,
        embed_dim=16,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 4, 4],
        window_size=4,
        out_features=["stage2", "stage3", "stage4"],
    )
    config = hf.GroundingDinoConfig(
        backbone_config=swin,
        text_config=hf.BertConfig(vocab_size=1100, max_position_embeddings=64, **TEXT),
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        num_queries=20,
        max_text_len=64,
        fusion_dropout=0.0,
        fusion_droppath=0.0,
    )
    return hf.GroundingDinoForObjectDetection(config), processor("GroundingDino", EDGES, **IMAGENET)


def processor(kind, size, **settings):
    return {
        "image_processor_type": f"{kind}ImageProcessor",
        "do_resize": True,
        "size": size,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
    } | settings


FAMILIES = {
    "rt_detr": lambda: rt_detr(hf.RTDetrConfig, hf.RTDetrForObjectDetection),
    "rt_detr_v2": lambda: rt_detr(hf.RTDetrV2Config, hf.RTDetrV2ForObjectDetection),
    "d_fine": d_fine,
    "detr": lambda: detr(hf.DetrConfig, hf.DetrForObjectDetection),
    "detr_timm": detr_timm,
    "table-transformer": lambda: detr(hf.TableTransformerConfig, hf.TableTransformerForObjectDetection),
    "conditional_detr": lambda: detr(
        hf.ConditionalDetrConfig, hf.ConditionalDetrForObjectDetection, "ConditionalDetr"
    ),
    "deformable_detr": lambda: detr(
        hf.DeformableDetrConfig,
        hf.DeformableDetrForObjectDetection,
        "DeformableDetr",
        ("stage2", "stage3", "stage4"),
        num_feature_levels=4,
        encoder_n_points=4,
        decoder_n_points=4,
    ),
    "dab-detr": dab_detr,
    "yolos": yolos,
    "owlvit": lambda: owl(hf.OwlViTConfig, hf.OwlViTForObjectDetection, "OwlViT"),
    "owlv2": lambda: owl(hf.Owlv2Config, hf.Owlv2ForObjectDetection, "Owlv2"),
    "grounding-dino": grounding_dino,
}


def spread_weights(model):
    """Give every layer weights that let differences through; the library's defaults collapse to ties."""
    seen = set()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(query in name for query in QUERIES):
                parameter.normal_(0, 1)
        for name, module in model.named_modules():
            if id(module) in seen:
                continue
            seen.add(id(module))
            if isinstance(module, torch.nn.BatchNorm2d | torch.nn.LayerNorm):
                module.weight.fill_(1)
                module.bias.normal_(0, 0.05)
            elif isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                fan_in = module.weight[0].numel()
                gain = math.sqrt(2) if isinstance(module, torch.nn.Conv2d) else 1
                # Three layers in a row would saturate every score.
                gain *= 3 if any(head in name for head in CLASS_HEADS) and ".layers." not in name else 1
                gain *= 0.7 if any(head in name for head in BOX_HEADS) else 1
                module.weight.normal_(0, gain / math.sqrt(fan_in))
                if module.bias is not None:
                    module.bias.normal_(0, 0.1)


def write_tokenizer(family, folder):
    if family == "grounding-dino":
        words = [f"[unused{number}]" for number in range(1100)]
        for number, word in {
            0: "[PAD]",
            100: "[UNK]",
            101: "[CLS]",
            102: "[SEP]",
            103: "[MASK]",
            1012: ".",
            1029: "?",
            1040: "person",
            1041: "car",
            1042: "road",
            1043: "sign",
        }.items():
            words[number] = word
        (folder / "vocab.txt").write_text("\n".join(words) + "\n")
        hf.BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    elif family.startswith("owl"):
        words = ["!", *"abcdefghijklmnopqrstuvwxyz", *(f"{c}</w>" for c in "abcdefghijklmnopqrstuvwxyz")]
        vocabulary = {word: number for number, word in enumerate(words)}
        vocabulary |= {"<|startoftext|>": 97, "<|endoftext|>": 98}
        (folder / "vocab.json").write_text(json.dumps(vocabulary))
        (folder / "merges.txt").write_text("#version: 0.2\n")
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "CLIPTokenizer", "pad_token": "!", "model_max_length": 16})
        )


def write_model(family, folder, shards=False):
    torch.manual_seed(0)
    model, image_processor = FAMILIES[family]()
    spread_weights(model)
    model.save_pretrained(folder, safe_serialization=True, **({"max_shard_size": "100KB"} if shards else {}))
    (folder / "preprocessor_config.json").write_text(json.dumps(image_processor))
    write_tokenizer(family, folder)


if __name__ == "__main__":
    for argument in sys.argv[2:]:
        family, _, shards = argument.partition(":")
        destination = Path(sys.argv[1], argument.replace(":", "_"))
        destination.mkdir(parents=True)
        write_model(family, destination, shards=bool(shards))
