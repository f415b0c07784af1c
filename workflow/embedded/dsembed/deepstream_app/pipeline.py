"""The running pipeline: decoders, the mux, inference, post-processing and the KITTI dump, overlapping each other."""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import numpy as np

from dsembed.deepstream_app.latency import Passage
from dsembed.deepstream_app.main_loop import PerfMeter
from dsembed.deepstream_app.primary_gie import PrimaryGie
from dsembed.deepstream_app.streammux import Batch, StreamMux
from dsembed.engine.engine import EngineError
from dsembed.shared.decode import DecodeError, decode_frames, frame_view
from dsembed.shared.native import HostError

LINE = "%s 0.0 0 0.0 %f %f %f %f 0.0 0.0 0.0 0.0 0.0 0.0 0.0 %f\n"


class KittiDumpError(Exception):
    """A directory that is not there or a file that cannot be written."""


# Left, top, width, height, confidence, class id.
KittiRow = tuple[float, float, float, float, float, int]


class KittiDump:
    """The files of one `gie-kitti-output-dir`."""

    def __init__(self, directory: Path, labels: Sequence[str]):
        """Take `labels` by class id; raises KittiError if the directory does not exist."""
        if not directory.is_dir():
            raise KittiDumpError(f"gie-kitti-output-dir={directory}: no such directory, make it first")
        self._directory = directory
        self._labels = labels

    def write(self, stream: int, frame_number: int, detections: Iterable[KittiRow]) -> None:
        """Write one frame's file anew, empty without detections; raises KittiError."""
        path = self._directory / f"00_{stream:03d}_{frame_number:06d}.txt"
        text = "".join(self._line(*detection) for detection in detections)
        try:
            path.write_text(text, encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise KittiDumpError(f"{path}: {error.strerror}") from error

    def _line(
        self, left: float, top: float, width: float, height: float, confidence: float, class_id: int
    ) -> str:
        box = (left, top, np.float32(left) + np.float32(width), np.float32(top) + np.float32(height))
        return LINE % (self._labels[class_id], *box, confidence)


# Two batches keep inference busy over a batch's end; one more is decoded into and one stands ready.
SLOTS = 2
TENSORS = SLOTS + 2


class Pipeline:
    """N sources into one detector; says how it went through `on_eos` and `on_error(element, message, debug)`.

    Both are called from the pipeline's threads; the first call is the one that counts. With `latency_lines`
    there are lines for each frame that comes to its sink, of its stream, its number and its times.
    """

    def __init__(
        self,
        sources: tuple[Path, ...],
        file_loop: bool,
        gie: PrimaryGie,
        meter: PerfMeter | None,
        kitti: KittiDump | None,
        latency_lines: Callable[[int, int, tuple[float, ...]], str] | None,
        on_eos: Callable[[], None],
        on_error: Callable[[str, str, str], None],
    ):
        self._file_loop = file_loop
        self._gie = gie
        self._meter = meter
        self._kitti = kitti
        self._latency_lines = latency_lines
        # From the clock of a frame's times to that of the lines.
        self._epoch_s = time.time() - time.monotonic()
        self._on_eos = on_eos
        self._on_error = on_error
        self._mux = StreamMux(len(sources), gie.input_dims, TENSORS)
        self._free_slots: SimpleQueue[int | None] = SimpleQueue()
        self._running: SimpleQueue[tuple[int, Batch, float] | None] = SimpleQueue()
        self._threads = [
            Thread(target=self._decode, args=(number, path), name=f"source{number}", daemon=True)
            for number, path in enumerate(sources)
        ]
        self._threads += [
            Thread(target=self._infer, name="infer", daemon=True),
            Thread(target=self._finish, name="finish", daemon=True),
        ]

    def start(self) -> None:
        """Start all threads."""
        for slot in range(SLOTS):
            self._free_slots.put(slot)
        for thread in self._threads:
            thread.start()

    def pause(self, paused: bool) -> None:
        """Hold the sources back, or let them go on."""
        self._mux.pause(paused)

    def stop(self) -> None:
        """End all threads; returns when the batches in flight are through."""
        self._mux.stop()
        for thread in self._threads:
            thread.join()
        self._gie.detector.close()

    def _decode(self, number: int, path: Path) -> None:
        gie, mux = self._gie, self._mux
        with self._failing(f"src_elem{number}", DecodeError.headline):
            arrived_s = time.monotonic()
            for frame in decode_frames(path, self._file_loop):
                passage = Passage(arrived_s, time.monotonic())
                view = frame_view(frame)
                row = mux.claim(number)
                if row is None:
                    return
                gie.host.dsembed_prepare(view, gie.mux, gie.network, row.ctypes.data)
                mux.deliver(number, passage)
                arrived_s = time.monotonic()
            print(f"nvstreammux: Successfully handled EOS for source_id={number}")
            mux.finish(number)

    def _infer(self) -> None:
        try:
            with self._failing("primary_gie", "Failed to queue input batch for inferencing"):
                while (batch := self._mux.next_batch()) is not None:
                    batched_s = time.monotonic()
                    slot = self._free_slots.get()
                    if slot is None:
                        return
                    self._gie.context.submit(slot, batch.images)
                    self._running.put((slot, batch, batched_s))
        finally:
            self._running.put(None)

    def _finish(self) -> None:
        try:
            with self._failing("primary_gie", "Failed to process an inferred batch"):
                while (running := self._running.get()) is not None:
                    slot, batch, batched_s = running
                    outputs = self._gie.context.wait(slot)
                    self._mux.release()
                    found = self._gie.detector.run(outputs)
                    self._attach(batch, found, (batched_s, time.monotonic()))
                    self._free_slots.put(slot)
                self._on_eos()
        finally:
            self._free_slots.put(None)

    def _attach(self, batch: Batch, frames: list, inferring_s: tuple[float, float]) -> None:
        """Hand on what was found in each frame of a batch, which nvinfer had from the one to the other time."""
        for stream, passage, detections in zip(batch.streams, batch.passages, frames, strict=True):
            if detections is None:
                text = "Failed to parse bboxes using custom parse function"
                self._gie.log.context("ERROR", "fillDetectionOutput", 0, text)
            if self._kitti:
                self._kitti.write(stream, batch.number, () if detections is None else detections.tolist())
            if self._meter:
                self._meter.count(stream)
            if self._latency_lines:
                times_s = (passage.arrived_s, passage.decoded_s, *inferring_s, time.monotonic())
                since_1970_s = tuple(self._epoch_s + time_s for time_s in times_s)
                # One call: what another thread prints stands before or after it.
                print(self._latency_lines(stream, batch.number, since_1970_s), end="")

    @contextmanager
    def _failing(self, element: str, message: str) -> Iterator[None]:
        try:
            yield
        except DecodeError as error:
            self._fail(element, error.headline, str(error))
        except (EngineError, HostError, KittiDumpError) as error:
            self._fail(element, message, str(error))
        except Exception:  # whatever else ends a thread must not pass for the end of its stream
            self._fail(element, message, traceback.format_exc())

    def _fail(self, element: str, message: str, debug: str) -> None:
        # In this order: a stopped mux looks like the end of all streams to the other threads.
        self._on_error(element, message, debug)
        self._mux.stop()
