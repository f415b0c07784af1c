"""Batches of one frame from every live source, decoded ahead into a ring of tensors."""

from dataclasses import dataclass
from threading import Condition, Lock

import numpy as np

from dsembed.deepstream_app.latency import Passage


@dataclass(frozen=True)
class Batch:
    """The frames number `number` of the streams `streams`, in the rows of `images` [n, 3, height, width].

    `passages` has the times of each of them, by the clock of those who deliver.
    """

    number: int
    streams: tuple[int, ...]
    images: np.ndarray
    passages: tuple[Passage, ...]


class StreamMux:
    """Hands rows of batch tensors to the decoders and whole batches to inference.

    Every source starts with frame 0, so frame k of a source belongs to batch k; batch k goes out when all
    sources that have not ended have delivered theirs.
    """

    def __init__(self, sources: int, dims: tuple[int, ...], depth: int):
        """Make `depth` tensors of `sources` float32 images of `dims` each."""
        self._tensors = [np.zeros((sources, *dims), np.float32) for _ in range(depth)]
        self._passages = [[Passage(0.0, 0.0)] * sources for _ in range(depth)]
        self._delivered = [0] * sources
        self._live = [True] * sources
        self._taken = 0
        self._released = 0
        self._paused = False
        self._stopped = False
        lock = Lock()
        self._complete = Condition(lock)
        self._room = Condition(lock)

    def claim(self, source: int) -> np.ndarray | None:
        """Return the tensor row for the source's next frame once it is free, None after a stop."""
        with self._room:
            self._room.wait_for(lambda: self._stopped or self._has_room(source))
            number = self._delivered[source]
            return None if self._stopped else self._tensors[number % len(self._tensors)][source]

    def deliver(self, source: int, passage: Passage) -> None:
        """Say that the row claimed last holds the source's next frame, and what times that has."""
        with self._complete:
            self._passages[self._delivered[source] % len(self._tensors)][source] = passage
            self._delivered[source] += 1
            self._notify_if_complete()

    def finish(self, source: int) -> None:
        """Say that the source has no more frames."""
        with self._complete:
            self._live[source] = False
            self._notify_if_complete()

    def next_batch(self) -> Batch | None:
        """Return the next batch once it is complete, None after the last one or a stop."""
        with self._complete:
            self._complete.wait_for(lambda: self._stopped or self._is_complete())
            number = self._taken
            streams = tuple(i for i, delivered in enumerate(self._delivered) if delivered > number)
            if self._stopped or not streams:
                return None
            self._taken += 1
            of_all = self._passages[number % len(self._tensors)]
            passages = tuple(of_all[stream] for stream in streams)
        tensor = self._tensors[number % len(self._tensors)]
        if len(streams) < len(tensor) and streams[-1] != len(streams) - 1:
            tensor[: len(streams)] = tensor[list(streams)]
        return Batch(number, streams, tensor[: len(streams)], passages)

    def release(self) -> None:
        """Free the tensor of the oldest batch that is out."""
        with self._room:
            self._released += 1
            self._room.notify_all()

    def pause(self, paused: bool) -> None:
        """Hold the sources back, or let them go on."""
        with self._room:
            self._paused = paused
            self._room.notify_all()

    def stop(self) -> None:
        """Wake and end everyone who waits here."""
        with self._room:
            self._stopped = True
            self._room.notify_all()
            self._complete.notify_all()

    def _has_room(self, source: int) -> bool:
        return not self._paused and self._delivered[source] < self._released + len(self._tensors)

    def _notify_if_complete(self) -> None:
        # Once per batch instead of once per frame: each wake-up takes the interpreter from the decoders.
        if self._is_complete():
            self._complete.notify_all()

    def _is_complete(self) -> bool:
        pairs = zip(self._delivered, self._live, strict=True)
        return all(delivered > self._taken or not live for delivered, live in pairs)
