"""The main thread's loop: PERF rows by the clock, keys from stdin, messages from the other threads."""

import os
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Eos:
    """All frames of all sources are through."""


@dataclass(frozen=True)
class Interrupted:
    """SIGINT has come."""


@dataclass(frozen=True)
class Failed:
    """An element reports an error, as on GStreamer's bus."""

    element: str
    message: str
    debug: str


Message = Eos | Interrupted | Failed


class MainLoop:
    """Waits for the first message or the key q, without polling.

    Unlike deepstream-app, a closed stdin is left alone instead of printing blank lines.
    """

    def __init__(self):
        self._messages: deque[Message] = deque()
        self._wake_reader, self._wake_writer = socket.socketpair()

    def post(self, message: Message) -> None:
        """Pass on a message from any thread or signal handler."""
        self._messages.append(message)
        self._wake_writer.send(b"!")

    def run(
        self, interval_s: float | None, on_row: Callable[[], None], on_key: Callable[[str], None]
    ) -> Message | None:
        """Return the message that ends the run, None for the key q.

        `on_row` is called every `interval_s` seconds, `on_key` with every other key.
        """
        stdin = _stdin_descriptor()
        next_row_s = time.monotonic() + interval_s if interval_s else None
        while not self._messages:
            timeout_s = None if next_row_s is None else max(0.0, next_row_s - time.monotonic())
            readers: list[socket.socket | int] = [self._wake_reader, *([] if stdin is None else [stdin])]
            ready, _, _ = select.select(readers, [], [], timeout_s)
            if stdin is not None and stdin in ready:
                keys = os.read(stdin, 64).decode(errors="replace")
                stdin = stdin if keys else None
                for key in keys.strip():
                    if key == "q":
                        return None
                    on_key(key)
            if (
                interval_s
                and next_row_s is not None
                and time.monotonic() >= next_row_s
                and not self._messages
            ):
                on_row()
                next_row_s += interval_s
        return self._messages.popleft()


def _stdin_descriptor() -> int | None:
    if sys.stdin is None or sys.stdin.closed:
        return None
    return sys.stdin.fileno()
