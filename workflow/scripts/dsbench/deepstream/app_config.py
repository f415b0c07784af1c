"""deepstream-app configuration files for one model and N copies of one clip, and paths as they name them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# DeepStream puts the configuration's folder before a relative address as it is, and GStreamer reads all of it escaped.
READ_AS_ESCAPES = frozenset("%#?")
ENDLESS = 1
FAKESINK = 1


def relative_to_config(path: Path, config: Path) -> str:
    """Return `path` as the file `config` has to name it.

    DeepStream resolves symlinks in the configuration's folder first, so ".." leads out of where that really lies.
    """
    folder, config_folder = os.path.realpath(path.parent), os.path.realpath(config.parent)
    return Path(os.path.relpath(Path(folder, path.name), config_folder)).as_posix()


def uri_in_config(clip: Path, config: Path) -> str:
    """Return the address by which a deepstream-app configuration names a clip.

    It is relative, and goes on to lead there once the working directory is moved, for a clip and a configuration that
    both lie in that directory; any other place is written out.
    """
    here, place = Path.cwd(), clip.absolute()
    if ".." in place.parts:
        place = Path(os.path.realpath(place.parent), place.name)
    folder = Path(os.path.realpath(config.parent))
    is_inside = place.is_relative_to(here) and folder.is_relative_to(here)
    if not is_inside or READ_AS_ESCAPES & set(str(folder)):
        return place.as_uri()
    return f"file://{quote(os.path.relpath(place, folder))}"


# A group's keys with their values.
Keys = dict[str, object]


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
    sources: dict[str, Keys] = {
        f"source{i}": {"enable": 1, "type": 2, "uri": uri} for i, uri in enumerate(played)
    }
    groups: dict[str, Keys] = {
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


def _application(interval_s: int | None, kitti_directory: Path | None) -> Keys:
    application: Keys = {"enable-perf-measurement": int(interval_s is not None)}
    if interval_s is not None:
        application["perf-measurement-interval-sec"] = interval_s
    if kitti_directory is not None:
        application["gie-kitti-output-dir"] = str(kitti_directory)
    return application


def _group(name: str, keys: Keys) -> str:
    lines = "".join(f"{key}={value}\n" for key, value in keys.items())
    return f"[{name}]\n{lines}"
