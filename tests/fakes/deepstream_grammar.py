"""The key files of deepstream-app and nvinfer, read as strictly and as leniently as the real parsers do."""

import re

ENABLE = {"enable": int}
APP = {
    "application": {
        "enable-perf-measurement": int,
        "perf-measurement-interval-sec": int,
        "gie-kitti-output-dir": str,
        "kitti-track-output-dir": str,
        "global-gpu-id": int,
    },
    "source": {
        **ENABLE,
        "type": int,
        "uri": str,
        "num-sources": int,
        "gpu-id": int,
        "cudadec-memtype": int,
        "nvbuf-memory-type": int,
        "drop-frame-interval": int,
        "num-decode-surfaces": int,
        "num-extra-surfaces": int,
        "latency": int,
        "intra-decode-enable": int,
    },
    "streammux": {
        "gpu-id": int,
        "live-source": int,
        "batch-size": int,
        "batched-push-timeout": int,
        "width": int,
        "height": int,
        "enable-padding": int,
        "nvbuf-memory-type": int,
        "buffer-pool-size": int,
        "attach-sys-ts-as-ntp": int,
        "sync-inputs": int,
        "config-file-path": str,
    },
    "sink": {
        **ENABLE,
        "type": int,
        "sync": int,
        "qos": int,
        "source-id": int,
        "gpu-id": int,
        "output-file": str,
    },
    "tiled-display": {**ENABLE, "rows": int, "columns": int, "width": int, "height": int, "gpu-id": int},
    "osd": {**ENABLE, "process-mode": int, "border-width": int, "text-size": int, "display-text": int},
    "primary-gie": {
        **ENABLE,
        "config-file": str,
        "batch-size": int,
        "interval": int,
        "gie-unique-id": int,
        "gpu-id": int,
        "model-engine-file": str,
        "labelfile-path": str,
        "plugin-type": int,
        "nvbuf-memory-type": int,
    },
    "tests": {"file-loop": int, "pipeline-recreate-sec": int},
}
# Keys that came with a major version.
APP_SINCE = {9: {"sink": {"link-to-demux": int, "nvdslogger": int, "show-fps": int, "show-latency": int}}}
NUMBERED = ("source", "sink")
PROPERTY = {
    **dict.fromkeys(
        ("gie-unique-id", "gpu-id", "batch-size", "process-mode", "interval", "network-mode", "network-type"),
        int,
    ),
    **dict.fromkeys(("num-detected-classes", "model-color-format", "maintain-aspect-ratio"), int),
    **dict.fromkeys(("symmetric-padding", "scaling-filter", "scaling-compute-hw", "cluster-mode"), int),
    **dict.fromkeys(("network-input-order", "output-tensor-meta", "workspace-size"), int),
    **dict.fromkeys(("onnx-file", "model-engine-file", "labelfile-path", "custom-lib-path"), str),
    **dict.fromkeys(("parse-bbox-func-name", "infer-dims", "offsets", "output-blob-names"), str),
    "net-scale-factor": float,
}
PROPERTY_SINCE = {9: {"strongly-typed": int, "warmup-engine": int, "stabilize-buffer-count": int}}
CLASS_ATTRS = {
    **dict.fromkeys(
        ("pre-cluster-threshold", "threshold", "post-cluster-threshold", "nms-iou-threshold"), float
    ),
    **dict.fromkeys(("topk", "minBoxes", "roi-top-offset", "roi-bottom-offset"), int),
    "eps": float,
}
FORMS = {
    int: re.compile(r"[+-]?\d+(?:\s.*)?"),
    float: re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"),
}


class GrammarError(Exception):
    """A file that the real parser gives up on; the text is its message."""


def read_key_file(path):
    """Return the groups of a GKeyFile with their raw values; of a key given twice the last holds."""
    groups, group = {}, None
    for line in path.read_text().splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("[") and text.endswith("]"):
            group = groups.setdefault(text[1:-1], {})
        elif "=" in text and group is not None:
            key, _, value = text.partition("=")
            group[key.strip()] = value.strip()
        else:
            raise GrammarError(
                f"Key file contains line “{text}” which is not a key-value pair, group, or comment"
            )
    return groups


def typed(kind, value):
    """Return `value` as GLib converts it: an integer may have text after white space, a double may not."""
    if kind is str:
        return value
    if not FORMS[kind].fullmatch(value):
        raise GrammarError(f"Value “{value}” cannot be interpreted as a number")
    return kind(value.split()[0]) if kind is int else kind(value)


def is_enabled(group):
    """Return whether a group has `enable` with a number other than 0; anything else switches it off in silence."""
    found = FORMS[int].fullmatch(group.get("enable", ""))
    return bool(found) and int(found[0].split()[0]) != 0
