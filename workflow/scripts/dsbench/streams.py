"""How many streams: PEAK_GPU_STREAMS from trtexec, RT_STREAMS from DeepStream."""

import math


def peak_gpu_streams(queries_per_s: float, batch: int, target_fps: float) -> int:
    """Return floor(images/s / target_fps): the streams that inference alone could serve; 0 is possible."""
    return math.floor(queries_per_s * batch / target_fps)


def run1_streams(peak: int, max_batch: int) -> int:
    """Return the streams of run 1: PEAK without a discount, at most MAX_BS, at least 1."""
    return max(1, min(peak, max_batch))


def real_time_streams(total_fps: float, max_batch: int, target_fps: float) -> int:
    """Return RT_STREAMS: how many streams the total of run 1 feeds at `target_fps`; 0 is possible."""
    return min(math.floor(total_fps / target_fps), max_batch)


def run2_streams(rt_streams: int) -> int:
    """Return the streams of run 2: RT_STREAMS, at least 1."""
    return max(1, rt_streams)


def retry_streams(streams: int, slowest_fps: float, target_fps: float) -> int | None:
    """Return half the streams when a stream of run 2 was not real-time and they can be halved, else None."""
    return streams // 2 if slowest_fps < target_fps and streams > 1 else None
