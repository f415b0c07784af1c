"""Which clip every run uses, and the truth that belongs to it."""

from pathlib import Path

import av

from dsbench.errors import BuildError

DEEPSTREAM_SAMPLE = "samples/streams/sample_720p.mp4"
DEMO_CLIP = "demo/sample_720p.mp4"
DEMO_TRUTH = "demo/sample_720p_kitti"


def choose_video(named: str | None, deepstream_dir: Path, project: Path) -> Path:
    """Return the clip the user named, else DeepStream's own sample, else the demonstration clip."""
    if named:
        video = Path(named).expanduser()
        if not video.is_file():
            raise BuildError(f"{named}: no such video; correct DS_VIDEO or the config's `video`")
        return video
    sample = deepstream_dir / DEEPSTREAM_SAMPLE
    return sample if sample.is_file() else project / DEMO_CLIP


def frame_rate(video: Path) -> float:
    """Return the frames/s of `video` as its container states them, to a thousandth."""
    try:
        with av.open(str(video)) as container:
            rate = container.streams.video[0].average_rate if container.streams.video else None
    except av.error.FFmpegError as error:
        raise BuildError(f"{video}: not a video that can be read ({error.strerror}); name another") from None
    if not rate:
        raise BuildError(
            f"{video}: does not state its frame rate; set target_fps in the config, or name another"
        )
    return round(float(rate), 3)


def truth_directory(video: Path, project: Path) -> Path | None:
    """Return the KITTI ground truth of `video`: the demonstration clip has one, other clips have none."""
    demo = project / DEMO_CLIP
    return project / DEMO_TRUTH if demo.is_file() and video.samefile(demo) else None


def shown_path(file: Path, project: Path) -> str:
    """Return `file` as a report names it: from the project's folder when it belongs to the project."""
    return file.relative_to(project).as_posix() if file.is_relative_to(project) else file.as_posix()
