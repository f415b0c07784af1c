"""Counts frames per stream and prints deepstream-app's PERF rows."""

import time
from collections.abc import Callable

ROWS_PER_HEADER = 20


class PerfMeter:
    """Frames per second of every stream, as DeepStream 9 computes them.

    A stream's first frame only starts its clock. The window rate divides by the nominal interval.
    """

    def __init__(self, streams: int, interval_s: int, clock: Callable[[], float] = time.monotonic):
        self._interval_s = interval_s
        self._clock = clock
        self._first_frame_s: list[float | None] = [None] * streams
        self._frames = [0] * streams
        self._frames_at_last_row = [0] * streams
        self._rows = 0

    def count(self, stream: int) -> None:
        """Count one frame of `stream`."""
        if self._first_frame_s[stream] is None:
            self._first_frame_s[stream] = self._clock()
        else:
            self._frames[stream] += 1

    def row(self) -> str:
        """Return the next row, window (average) frames/s per stream, every 20th after a header."""
        header = ""
        if self._rows % ROWS_PER_HEADER == 0:
            names = "".join(f"FPS {stream} (Avg)\t" for stream in range(len(self._frames)))
            header = f"\n**PERF:  {names}\n"
        self._rows += 1
        now_s = self._clock()
        return f"{header}**PERF:  " + "".join(
            self._field(stream, now_s) for stream in range(len(self._frames))
        )

    def _field(self, stream: int, now_s: float) -> str:
        frames, first_frame_s = self._frames[stream], self._first_frame_s[stream]
        window = (frames - self._frames_at_last_row[stream]) / self._interval_s
        self._frames_at_last_row[stream] = frames
        running_s = 0.0 if first_frame_s is None else now_s - first_frame_s
        average = frames / running_s if running_s > 0 else 0.0
        return f"{window:.2f} ({average:.2f})\t"
