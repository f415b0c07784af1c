"""The video with its detections as DeepStream itself draws them: nvinfer and nvdsosd in one gst-launch-1.0."""

import os
from pathlib import Path

import av

from dsbench.app_config import Clip
from dsbench.deepstream_log import check_engine_used
from dsbench.tool_run import run_tool
from dsbench.video_encoder import NVENC, SUFFIXES, THEORA
from dsbench.video_overlay import VideoError, count_frames
from dsbench.whole_file import scratch_beside

ENCODERS = {
    NVENC: (
        *("video/x-raw(memory:NVMM),format=I420", "!", "nvv4l2h264enc", "bitrate=4000000"),
        *("!", "h264parse", "!", "mp4mux"),
    ),
    THEORA: (
        *("video/x-raw,format=I420", "!", "theoraenc", "quality=48", "drop-frames=false"),
        *("!", "oggmux"),
    ),
}


def record_detections(
    clip: Clip,
    frames: int,
    nvinfer_config: Path,
    encoder: str,
    destination: Path,
    timeout_s: float,
    log: Path,
    facts: dict[str, str],
) -> None:
    """Play the clip once through nvinfer and nvdsosd into the file `destination`; `encoder` is the marker.

    The file appears only when the engine was loaded and all `frames` of the clip are in it.
    """
    if encoder not in ENCODERS:
        raise VideoError(
            f"{destination}: no usable encoder; install GStreamer's theoraenc and oggmux, or use NVENC"
        )
    destination.parent.mkdir(parents=True, exist_ok=True)
    with scratch_beside(destination) as folder:
        encoded = folder / f"video.{SUFFIXES[encoder]}"
        run_tool(video_command(clip, nvinfer_config, encoder, encoded), log, facts, nvinfer_config, timeout_s)
        check_engine_used(log.read_text(errors="replace"), log)
        try:
            found = count_frames(encoded)
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(f"{encoded.name}: {error}; gst-launch's words are in {log}") from error
        if found != frames:
            raise VideoError(
                f"{log}: {found} frames in the encoded video, expected the clip's {frames}; its words say why"
            )
        os.replace(encoded, destination)


def video_command(clip: Clip, nvinfer_config: Path, encoder: str, destination: Path) -> list[str]:
    """Return the command; gst-launch parses its arguments again, so the paths must be plain, as below models/."""
    return [
        *("gst-launch-1.0", "-q", "-e"),
        *("uridecodebin", f"uri={clip.uri}", "!", "nvvideoconvert"),
        *("!", "video/x-raw(memory:NVMM),format=NV12", "!", "mux.sink_0"),
        *("nvstreammux", "name=mux", "batch-size=1", f"width={clip.width}", f"height={clip.height}"),
        *("batched-push-timeout=-1", "!", "nvinfer", f"config-file-path={nvinfer_config}"),
        *("!", "nvvideoconvert", "!", "video/x-raw(memory:NVMM),format=RGBA", "!", "nvdsosd"),
        *("!", "nvvideoconvert", "!", *ENCODERS[encoder], "!", "filesink", f"location={destination}"),
    ]
