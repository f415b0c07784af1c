"""PERF rows, KITTI files and the order in which the mux makes batches."""

import threading

import numpy as np
import pytest

from dsembed.deepstream_app.latency import Passage
from dsembed.deepstream_app.main_loop import PerfMeter
from dsembed.deepstream_app.pipeline import KittiDump, KittiDumpError
from dsembed.deepstream_app.streammux import StreamMux


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_first_row_has_a_header_and_zeros():
    meter = PerfMeter(2, interval_s=5)
    assert meter.row() == "\n**PERF:  FPS 0 (Avg)\tFPS 1 (Avg)\t\n**PERF:  0.00 (0.00)\t0.00 (0.00)\t"


def test_header_comes_back_every_20_rows():
    meter = PerfMeter(1, interval_s=5)
    rows = [meter.row() for _ in range(41)]
    assert [index for index, row in enumerate(rows) if "FPS 0 (Avg)" in row] == [0, 20, 40]


def test_window_divides_by_the_nominal_interval_and_first_frame_only_starts_the_clock():
    clock = Clock()
    meter = PerfMeter(2, interval_s=5, clock=clock)
    meter.row()
    clock.now_s += 1
    for _ in range(11):
        meter.count(0)
    clock.now_s += 4
    assert meter.row() == "**PERF:  2.00 (2.50)\t0.00 (0.00)\t"
    clock.now_s += 6
    assert meter.row() == "**PERF:  0.00 (1.00)\t0.00 (0.00)\t"


def test_kitti_file_has_deepstreams_name_and_line(tmp_path):
    dump = KittiDump(tmp_path, ("traffic light", ""))
    dump.write(3, 42, [(10.5, 20.25, 30.0, 40.0, 0.75, 0), (1.0, 2.0, 3.0, 4.0, 0.5, 1)])
    assert (tmp_path / "00_003_000042.txt").read_text() == (
        "traffic light 0.0 0 0.0 10.500000 20.250000 40.500000 60.250000 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.750000\n"
        " 0.0 0 0.0 1.000000 2.000000 4.000000 6.000000 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.500000\n"
    )


def test_kitti_file_of_a_frame_without_objects_is_emptied(tmp_path):
    (tmp_path / "00_000_000000.txt").write_text("old")
    KittiDump(tmp_path, ("car",)).write(0, 0, [])
    assert (tmp_path / "00_000_000000.txt").read_text() == ""


def test_kitti_right_is_the_float32_sum(tmp_path):
    left, width = np.float32(1022.4137), np.float32(77.77777)
    KittiDump(tmp_path, ("car",)).write(0, 0, [(float(left), 0.0, float(width), 1.0, 1.0, 0)])
    assert f" {left + width:f} " in (tmp_path / "00_000_000000.txt").read_text()


def test_kitti_directory_must_exist(tmp_path):
    with pytest.raises(KittiDumpError, match="no such directory, make it first"):
        KittiDump(tmp_path / "none", ())


def deliver(mux: StreamMux, source: int, value: float) -> None:
    mux.claim(source)[:] = value
    mux.deliver(source, Passage(value, value + 0.5))


def test_batch_goes_out_when_every_live_source_has_delivered():
    mux = StreamMux(2, (1, 1, 1), depth=3)
    deliver(mux, 1, 10)
    deliver(mux, 1, 11)
    taken = []
    taker = threading.Thread(target=lambda: taken.append(mux.next_batch()))
    taker.start()
    taker.join(0.05)
    assert not taken
    deliver(mux, 0, 20)
    taker.join(5)
    assert (taken[0].number, taken[0].streams) == (0, (0, 1))
    assert taken[0].images.ravel().tolist() == [20, 10]


def test_source_that_ended_leaves_the_batch_and_rows_close_up():
    mux = StreamMux(3, (1, 1, 1), depth=3)
    for source in range(3):
        deliver(mux, source, source)
    mux.finish(0)
    for source in (1, 2):
        deliver(mux, source, 10 + source)
        mux.finish(source)
    assert mux.next_batch().streams == (0, 1, 2)
    second = mux.next_batch()
    assert (second.number, second.streams, second.images.ravel().tolist()) == (1, (1, 2), [11, 12])
    assert second.passages == (Passage(11, 11.5), Passage(12, 12.5))
    assert mux.next_batch() is None


def test_source_waits_for_a_free_tensor():
    mux = StreamMux(1, (1, 1, 1), depth=2)
    deliver(mux, 0, 0)
    deliver(mux, 0, 1)
    claimed = []
    claimer = threading.Thread(target=lambda: claimed.append(mux.claim(0)))
    claimer.start()
    claimer.join(0.05)
    assert not claimed
    mux.next_batch()
    mux.release()
    claimer.join(5)
    assert claimed[0].ravel().tolist() == [0]


def test_stop_ends_everyone():
    mux = StreamMux(1, (1, 1, 1), depth=1)
    mux.stop()
    assert mux.claim(0) is None
    assert mux.next_batch() is None
