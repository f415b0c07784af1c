"""deepstream-app configuration files for one model and N copies of one clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ENDLESS = 1
FAKESINK = 1


@dataclass(frozen=True)
class Clip:
    """The video every run uses, by its address in the configuration; size in pixels."""

    uri: str
    width: int
    height: int


def render_app_config(
    clip: Clip,
    streams: int,
    nvinfer_config: str,
    interval_s: int | None = None,
    kitti_directory: Path | None = None,
    loop: bool = False,
    uris: Sequence[str] = (),
) -> str:
    """Return a deepstream-app configuration: N file sources, batch-size N, fakesink, as fast as it can.

    `interval_s` switches the PERF rows on; `kitti_directory` the dump. `uris` has one video for each stream
    where they are not all the clip; the muxer scales them to the clip's size. Each source has a group of its own,
    since the shorthand for copies (type 3) reads a % in the path as a printf directive; each has a sink of its own,
    since without tiling a stream that no sink asks for is dropped and its end not waited for.
    """
    played = uris or [clip.uri] * streams
    sources = {f"source{i}": {"enable": 1, "type": 2, "uri": uri} for i, uri in enumerate(played)}
    groups = {
        "application": _application(interval_s, kitti_directory),
        "tiled-display": {"enable": 0},
        **sources,
        "streammux": {
            "batch-size": streams,
            "batched-push-timeout": -1,
            "width": clip.width,
            "height": clip.height,
            "live-source": 0,
        },
        **{f"sink{i}": {"enable": 1, "type": FAKESINK, "sync": 0, "source-id": i} for i in range(streams)},
        "osd": {"enable": 0},
        "primary-gie": {
            "enable": 1,
            "gie-unique-id": 1,
            "batch-size": streams,
            "config-file": nvinfer_config,
        },
        "tests": {"file-loop": ENDLESS if loop else 0},
    }
    return "\n".join(_group(name, keys) for name, keys in groups.items())


def _application(interval_s: int | None, kitti_directory: Path | None) -> dict[str, object]:
    application = {"enable-perf-measurement": int(interval_s is not None)}
    if interval_s is not None:
        application["perf-measurement-interval-sec"] = interval_s
    if kitti_directory is not None:
        application["gie-kitti-output-dir"] = str(kitti_directory)
    return application


def _group(name: str, keys: dict[str, object]) -> str:
    lines = "".join(f"{key}={value}\n" for key, value in keys.items())
    return f"[{name}]\n{lines}"
