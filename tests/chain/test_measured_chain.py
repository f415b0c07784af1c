import pytest

from dsbench.chain.measured_chain import (
    Decision,
    Doubling,
    Limit,
    decisive_log,
    next_run1,
    next_run2,
    run2_tries,
    summarise_run,
    tried_streams,
)
from dsbench.core.errors import BuildError
from dsbench.tools.doctor import note_limit
from measured_logs import run_log, trtexec_log


@pytest.fixture
def doubling(tmp_path):
    return Doubling(tmp_path, first_batch=4, largest_batch=16, target_fps=30)


def test_first_batch_is_asked_for_before_anything_is_measured(doubling):
    assert doubling.known_batches() == [4]


def test_batch_doubles_while_peak_is_larger_and_the_next_one_is_named(doubling, tmp_path):
    trtexec_log(tmp_path, 4, 500)
    assert doubling.known_batches() == [4, 8]
    trtexec_log(tmp_path, 8, 240)
    assert doubling.known_batches() == [4, 8]
    assert doubling.decide() == Decision(
        max_bs=8, peak_gpu_streams=8, batches=[4, 8], peaks=[16, 8], stopped_by=None
    )


def test_decision_is_none_until_the_last_batch_is_measured(doubling, tmp_path):
    assert doubling.decision() is None
    trtexec_log(tmp_path, 4, 500)
    assert doubling.decision() is None
    trtexec_log(tmp_path, 8, 240)
    assert doubling.decision() == doubling.decide()


def test_doubling_stops_at_the_limit(doubling, tmp_path):
    for batch in (4, 8, 16):
        trtexec_log(tmp_path, batch, 9000)
    assert doubling.known_batches() == [4, 8, 16]
    decision = doubling.decide()
    assert (decision.peak_gpu_streams, decision.stopped_by) == (
        300,
        "largest_batch in the config is 16",
    )


def test_doubling_stops_where_the_next_engine_cannot_fit_the_memory(doubling, tmp_path):
    log = trtexec_log(tmp_path, 4, 9000)
    memory = (
        "[a] [I] Device Global Memory: {} MiB\n"
        "[a] [I] Created execution context with device memory size: 600 MiB\n"
    )
    log.write_text(memory.format(1000) + log.read_text())
    assert doubling.known_batches() == [4]
    stopped = "twice that needs at least 1200 MiB of 1000 MiB of device memory"
    assert doubling.decide().stopped_by == stopped
    log.write_text(memory.format(2000) + trtexec_log(tmp_path, 4, 9000).read_text())
    assert doubling.known_batches() == [4, 8]


def test_log_cut_short_is_measured_again(doubling, tmp_path):
    log = trtexec_log(tmp_path, 4, 500)
    log.write_text(log.read_text()[:60])
    assert doubling.known_batches() == [4]


def test_a_chain_that_is_not_at_its_end_decides_nothing(doubling, tmp_path):
    trtexec_log(tmp_path, 4, 500)
    with pytest.raises(FileNotFoundError, match=r"trtexec_b8\.log"):
        doubling.decide()
    (tmp_path / "b8").mkdir()
    (tmp_path / "b8/trtexec_b8.log").write_text("cut short")
    with pytest.raises(BuildError, match=r"trtexec_b8\.log: 0 PASSED banners"):
        doubling.decide()


@pytest.mark.parametrize(
    ("batch", "step"), [(4, True), (8, True), (16, True), (32, False), (12, False), (5, False)]
)
def test_steps_are_powers_of_two_of_the_first_batch(doubling, batch, step):
    assert doubling.has_step(batch) is step


def test_streams_follow_from_the_decisions(tmp_path):
    decision = Decision(8, 6, [8], [6], None)
    assert next_run1(decision) == 6
    log = tmp_path / "ds_s6_run1.log"
    assert next_run2(decision, [log], 3, 30) is None
    run_log(tmp_path, 6, 1, 20.0)
    assert next_run2(decision, [log], 3, 30) == 4


def test_run_2_is_tried_again_at_half_once_it_was_too_slow(tmp_path):
    first = tmp_path / "ds_s4_run2.log"
    assert run2_tries(first, 4, 3, 30) == [4]
    run_log(tmp_path, 4, 2, 29.0)
    assert run2_tries(first, 4, 3, 30) == [4, 2]
    run_log(tmp_path, 4, 2, 31.0)
    assert run2_tries(first, 4, 3, 30) == [4]


def test_latency_is_measured_at_the_load_of_the_run_that_decides(tmp_path):
    logs = tmp_path / "ds_s6_run1.log", tmp_path / "ds_s4_run2.log"
    assert decisive_log(*logs, 3, 30) is None
    run_log(tmp_path, 6, 1, 20.0)
    assert decisive_log(*logs, 3, 30) is None
    for run1_fps, run2_fps, decides in ((20.0, 31.0, 1), (30.0, 45.0, 0), (20.0, 25.0, 1)):
        run_log(tmp_path, 6, 1, run1_fps), run_log(tmp_path, 4, 2, run2_fps)
        assert decisive_log(*logs, 3, 30) == logs[decides]


def too_large(folder, batch, reason="too little memory on the GPU (OutOfMemory)", when="build"):
    """Write the log of a batch that did not fit when it was built, or else when it was measured."""
    log = folder / (f"engines/build_b{batch}.log" if when == "build" else f"b{batch}/trtexec_b{batch}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    note_limit(log, f"batch {batch}", reason)


@pytest.mark.parametrize("when", ["build", "measurement"])
def test_a_doubling_that_does_not_fit_keeps_the_batch_before_and_says_why(doubling, tmp_path, when):
    trtexec_log(tmp_path, 4, 9000)
    assert doubling.tried_batches() == doubling.known_batches() == [4, 8]
    too_large(tmp_path, 8, when=when)
    assert (doubling.tried_batches(), doubling.known_batches()) == ([4, 8], [4])
    assert doubling.built_batches() == ([4] if when == "build" else [4, 8])
    decision = doubling.decide()
    assert (decision.max_bs, decision.batches, decision.peaks) == (4, [4], [300])
    assert decision.stopped_by == "batch 8 did not fit: too little memory on the GPU (OutOfMemory)"
    assert decision.limits == [Limit(8, "too little memory on the GPU (OutOfMemory)")]


def test_a_first_batch_that_does_not_fit_is_halved_until_one_does_and_does_not_double_again(tmp_path):
    doubling = Doubling(tmp_path, first_batch=64, largest_batch=1024, target_fps=30)
    too_large(tmp_path, 64)
    assert doubling.known_batches() == [32]
    assert doubling.decision() is None
    too_large(tmp_path, 32)
    trtexec_log(tmp_path, 16, 9000)
    decision = doubling.decision()
    assert (decision.max_bs, decision.batches) == (16, [16])
    assert [limit.size for limit in decision.limits] == [64, 32]
    assert decision.stopped_by.startswith("batch 32 did not fit: ")


def test_the_graph_bounds_the_batches_before_anything_is_built(tmp_path):
    doubling = Doubling(tmp_path, first_batch=64, largest_batch=1024, target_fps=30, graph_limit=100)
    trtexec_log(tmp_path, 64, 9000)
    assert doubling.decide().stopped_by.startswith(
        "above batch 100 a tensor of the graph has more than 2^31-1"
    )
    assert Doubling(tmp_path, 64, 1024, 30, graph_limit=20).known_batches() == [20]


def test_streams_that_the_machine_does_not_hold_are_halved_and_bound_run_2(tmp_path):
    def log_of(streams, run=1):
        return tmp_path / f"ds_s{streams}_run{run}.log"

    assert tried_streams(log_of, 8) == [8]
    for streams in (8, 4):
        log_of(streams).write_text("ERROR from src_elem0\n")
        note_limit(log_of(streams), f"{streams} streams", "too few file handles")
    assert tried_streams(log_of, 8) == [8, 4, 2]
    run_log(tmp_path, 2, 1, 200.0)
    logs = [log_of(streams) for streams in (8, 4, 2)]
    # 400 frames/s would feed 13 streams.
    assert next_run2(Decision(16, 8, [16], [8], None), logs, 3, 30) == 2
    summary = summarise_run(logs, 3)
    assert [tried.log for tried in summary.tries] == [str(log_of(2))]
    assert summary.limits == [Limit(8, "too few file handles"), Limit(4, "too few file handles")]
