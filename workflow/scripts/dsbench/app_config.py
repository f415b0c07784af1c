"""deepstream-app configuration files for one model and N copies of one clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dsbench.errors import BuildError

ENDLESS = 1


@dataclass(frozen=True)
class Clip:
    """The video every run uses; frame rate in frames/s."""

    path: Path
    width: int
    height: int
    frames_per_s: float


def render_app_config(
    clip: Clip,
    streams: int,
    nvinfer_config: str,
    interval_s: int | None = None,
    kitti_directory: Path | None = None,
    loop: bool = False,
    files: Sequence[Path] = (),
) -> str:
    """Return a deepstream-app configuration: N file sources, batch-size N, fakesink, as fast as it can.

    `interval_s` switches the PERF rows on; `kitti_directory` the dump. `files` has one video for each stream
    where they are not all the clip; the muxer scales them to the clip's size. Each source has a group of its own,
    since the shorthand for copies (type 3) reads a % in the path as a printf directive.
    """
    application = {"enable-perf-measurement": int(interval_s is not None)}
    if interval_s is not None:
        application["perf-measurement-interval-sec"] = interval_s
    if kitti_directory is not None:
        application["gie-kitti-output-dir"] = str(kitti_directory)
    played = files or [clip.path] * streams
    sources = {
        f"source{i}": {"enable": 1, "type": 2, "uri": _file_uri(file)} for i, file in enumerate(played)
    }
    groups = {
        "application": application,
        "tiled-display": {"enable": 0},
        **sources,
        "streammux": {
            "batch-size": streams,
            "batched-push-timeout": -1,
            "width": clip.width,
            "height": clip.height,
            "live-source": 0,
        },
        "sink0": {"enable": 1, "type": 1, "sync": 0},
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


def _group(name: str, keys: dict[str, object]) -> str:
    lines = "".join(f"{key}={value}\n" for key, value in keys.items())
    return f"[{name}]\n{lines}"


def _file_uri(path: Path) -> str:
    """Return a file:// URI; characters a key file cannot carry are percent-encoded by as_uri."""
    if not path.is_absolute():
        raise BuildError(f"{path}: the clip's path must be absolute in a deepstream-app configuration")
    return path.as_uri()
