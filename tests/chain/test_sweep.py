import pytest

from dsbench.chain.measured_chain import EngineDecision, Limit, summarise_run
from dsbench.chain.sweep import SweepBounds, conclude, confirmation_streams, predict_batch, probe_batches
from dsbench.core.errors import BuildError
from dsbench.core.records import read_record, write_record
from dsbench.tools.doctor import note_limit
from measured_logs import run_log, trtexec_log

WINDOWS = 3
# A batch of b takes 10 + 2b ms: 50 ms are a batch of 20.
FIXED_MS, IMAGE_MS = 10, 2


def time_ms(batch):
    return FIXED_MS + IMAGE_MS * batch


def probed(folder, batches, slower=()):
    """Write trtexec's logs of the batches, those in `slower` of half the speed."""
    return [
        trtexec_log(folder, batch, batch * 1000 / time_ms(batch) / (2 if batch in slower else 1))
        for batch in batches
    ]


def decided(max_bs, stopped_by=None):
    return EngineDecision(max_bs, 1, [max_bs], [1], stopped_by, engine="", measurements=[])


def predicted(
    folder,
    max_bs=64,
    batches=(1, 4, 8, 10, 64),
    fps=None,
    target_fps=10,
    max_latency_ms=None,
    stopped_by=None,
    limits=(),
    slower=(),
):
    """Return a prediction whose share, 0.6 unless `fps` says otherwise, is that of a run of 10 streams."""
    streams = 10
    log = run_log(folder, streams, 2, fps or 0.6 * 1000 / time_ms(streams))
    run = summarise_run([log], WINDOWS)
    run.limits.extend(limits)
    logs = probed(folder, batches, slower)
    return predict_batch(decided(max_bs, stopped_by), [run], logs, SweepBounds(target_fps, max_latency_ms))


def confirmed(folder, prediction, fps_of, most_runs=3):
    """Return the sweep for whose runs `fps_of` tells the rate of each stream, and the streams in the order tried."""

    def log_of(streams):
        return folder / f"ds_s{streams}_run3.log"

    done = []
    while True:
        tried = confirmation_streams(prediction, log_of, WINDOWS, most_runs)
        if tried == done:
            return conclude(prediction, [log_of(streams) for streams in tried], WINDOWS), tried
        assert tried[: len(done)] == done
        done = tried
        if (fps := fps_of(tried[-1])) is None:
            note_limit(log_of(tried[-1]), f"{tried[-1]} streams", "too many open files")
        else:
            run_log(folder, tried[-1], 3, fps)


@pytest.mark.parametrize(
    ("max_bs", "streams", "batches"),
    [
        (64, 20, [1, 4, 8, 20, 64]),
        (64, 4, [1, 4, 8, 64]),
        (8, 3, [1, 3, 4, 8]),
        (6, 1, [1, 2, 4, 6]),
        (4, 1, [1, 2, 4]),
        (2, 1, [1, 2]),
    ],
)
def test_probes_are_what_the_engine_takes_with_the_batch_of_the_run(max_bs, streams, batches):
    assert probe_batches(max_bs, streams) == batches


def test_the_batch_follows_from_the_fit_and_the_share_of_the_run(tmp_path):
    found = predicted(tmp_path)
    assert found.fits[0].kind == "affine"
    assert found.share.share == pytest.approx(0.6, abs=0.001)
    # 0.6 of the queries/s are 10 FPS where a batch takes 60 ms.
    assert (found.batch, found.first, found.limited_by) == (25, 25, None)


def test_a_batch_that_the_engine_does_not_take_is_not_predicted_and_the_reason_is_told(tmp_path):
    found = predicted(tmp_path, max_bs=16, batches=(1, 4, 8, 10, 16), stopped_by="largest_batch is 16")
    assert (found.batch, found.most) == (16, 16)
    assert found.limited_by == (
        "the engine takes at most 16 images at once, where the doubling stopped: largest_batch is 16"
    )


def test_a_latency_bound_limits_the_batch(tmp_path):
    # The 99th percentile of these logs is nine tenths of a batch's time: 36 ms are a batch of 15.
    found = predicted(tmp_path, max_latency_ms=36.1)
    assert (found.batch, found.most) == (15, 15)
    assert found.limited_by.endswith(
        "a batch of 16 takes 37.8 ms at the 99th percentile, more than max_latency_ms 36.1"
    )


def test_a_bound_that_no_batch_meets_is_told_and_nothing_is_run(tmp_path):
    found = predicted(tmp_path, max_latency_ms=5)
    assert (found.batch, found.most, found.first) == (0, 0, 0)
    sweep, tried = confirmed(tmp_path, found, lambda streams: pytest.fail("nothing is run"))
    assert (tried, sweep.bs_opt) == ([], None)
    assert sweep.verdict == (
        "BS_OPT is none: a batch of 1 takes 10.8 ms at the 99th percentile, more than max_latency_ms 5."
    )


def test_streams_that_the_machine_did_not_hold_are_not_tried_again(tmp_path):
    found = predicted(tmp_path, limits=[Limit(22, "too many open files")])
    assert (found.batch, found.limited_by) == (
        21,
        "this machine does not hold 22 streams: too many open files",
    )


def test_what_the_runs_held_is_where_confirming_begins(tmp_path):
    found = predicted(tmp_path, target_fps=15, fps=15.2)
    assert found.first == 10 > predicted(tmp_path, target_fps=15, fps=14.9).first


def test_a_probe_of_a_smaller_batch_that_took_longer_is_refused_with_both_logs(tmp_path):
    with pytest.raises(
        BuildError, match=r"b4/trtexec_b4\.log: .* batches/s at batch 4; .*b8\.log: .* delete both logs"
    ):
        predicted(tmp_path, slower=(4,))


def flat(folder, max_bs, batches, streams, fps, max_latency_ms=None):
    """Return a prediction from batches of 50 ms each and a run whose streams got `fps`, for 10 FPS."""
    logs = [trtexec_log(folder, batch, batch * 20) for batch in batches]
    run = summarise_run([run_log(folder, streams, 2, fps)], WINDOWS)
    return predict_batch(decided(max_bs), [run], logs, SweepBounds(10, max_latency_ms))


@pytest.mark.parametrize(("max_bs", "batches"), [(1, (1,)), (2, (1, 2)), (16, (1, 4, 8, 16))])
def test_batches_of_one_time_predict_the_largest_measured_one(tmp_path, max_bs, batches):
    found = flat(tmp_path, max_bs, batches, 1, 15)
    assert [fit.kind for fit in found.fits] == ["constant"]
    assert (found.batch, found.first) == (max_bs, max_bs)
    assert found.limited_by == f"the engine takes at most {max_bs} images at once"
    sweep, _ = confirmed(tmp_path, found, lambda streams: 11)
    assert sweep.bs_opt == max_bs
    assert sweep.verdict.endswith(f"It ends there because the engine takes at most {max_bs} images at once.")


def test_batches_of_one_time_say_nothing_of_larger_ones(tmp_path):
    found = flat(tmp_path, 16, (1, 4, 10), 10, 15)
    assert (found.batch, found.most) == (10, 10)
    assert found.limited_by == "all measured batches take the same time, and 10 is the largest of them"


def test_batches_of_one_time_meet_a_latency_bound_all_or_none(tmp_path):
    # The 99th percentile of these logs is 45 ms.
    assert flat(tmp_path, 8, (1, 4, 8), 8, 15, max_latency_ms=50).batch == 8
    found = flat(tmp_path, 8, (1, 4, 8), 8, 15, max_latency_ms=40)
    assert (found.batch, found.most) == (0, 0)
    assert found.limited_by.startswith("a batch of 1 takes 45.0 ms at the 99th percentile")


def test_batches_of_one_time_leave_a_run_that_missed_the_streams_that_its_images_are_enough_for(tmp_path):
    found = flat(tmp_path, 16, (1, 4, 8, 16), 16, 5)
    assert (found.batch, found.first, found.limited_by) == (8, 8, None)
    sweep, tried = confirmed(tmp_path, found, lambda streams: 60 / streams)
    assert (tried, sweep.bs_opt, sweep.missed_from) == ([8, 6, 7], 6, 7)


def test_probes_that_contradict_each_other_are_refused_with_their_logs(tmp_path):
    # Of each step the fall is small.
    logs = [trtexec_log(tmp_path, batch, batch * qps) for batch, qps in ((1, 20), (4, 21.5), (10, 23))]
    run = summarise_run([run_log(tmp_path, 10, 2, 15)], WINDOWS)
    with pytest.raises(BuildError, match=r"or all to take the same\. Delete .*trtexec_b10\.log"):
        predict_batch(decided(10), [run], logs, SweepBounds(10, None))


def test_a_missing_probe_is_told(tmp_path):
    with pytest.raises(
        BuildError, match="10 streams, and trtexec measured only the batches 1, 4, 64; expected that"
    ):
        predicted(tmp_path, batches=(1, 4, 64))


def test_a_probe_cut_short_is_refused(tmp_path):
    logs = probed(tmp_path, (1, 10))
    logs[0].write_text(logs[0].read_text()[:80])
    run = summarise_run([run_log(tmp_path, 10, 2, 15)], WINDOWS)
    with pytest.raises(BuildError, match=r"trtexec_b1\.log: 0 PASSED banners"):
        predict_batch(decided(16), [run], logs, SweepBounds(10, None))


def test_a_prediction_that_holds_without_room_is_the_answer_after_one_run(tmp_path):
    sweep, tried = confirmed(tmp_path, predicted(tmp_path), lambda streams: 10.1)
    assert (tried, sweep.bs_opt, sweep.missed_from) == ([25], 25, None)
    assert (
        sweep.verdict
        == "BS_OPT is 25: each stream got 10 FPS or more. This load leaves no room for another one."
    )


def test_a_run_that_leaves_room_is_followed_by_as_many_streams_as_its_own_share_allows(tmp_path):
    # 0.9 of the queries/s are 10 FPS where a batch takes 90 ms.
    sweep, tried = confirmed(tmp_path, predicted(tmp_path), lambda streams: 0.9 * 1000 / time_ms(streams))
    assert (tried, sweep.bs_opt) == ([25, 40], 40)
    sweep, tried = confirmed(tmp_path, predicted(tmp_path), lambda streams: 0.9 * 1000 / time_ms(streams), 1)
    assert (tried, sweep.bs_opt) == ([25], 25)
    assert sweep.verdict.endswith("10 FPS or more. This load leaves room for 40, which no run has tried.")


def test_no_run_has_as_many_streams_as_another_that_missed_the_rate(tmp_path):
    found = predicted(tmp_path, fps=9.9, target_fps=10)
    # The run of 10 streams missed; its share predicts fewer, and what holds leaves room for more than 10.
    assert found.first < 10
    sweep, tried = confirmed(tmp_path, found, lambda streams: 30)
    assert (tried, sweep.bs_opt, sweep.missed_from) == ([9], 9, 10)


def test_each_run_that_misses_a_little_is_followed_by_one_stream_less(tmp_path):
    sweep, tried = confirmed(tmp_path, predicted(tmp_path), lambda streams: 9.9 if streams > 23 else 10)
    assert (tried, sweep.bs_opt, sweep.missed_from) == ([25, 24, 23], 23, 24)
    assert sweep.verdict == "BS_OPT is 23: each stream got 10 FPS or more, and 24 streams did not."


def test_a_run_that_misses_by_much_is_followed_by_what_its_own_share_allows_above_what_held(tmp_path):
    # Above 15 streams half of the share is lost, and the main job's run held 10.
    sweep, tried = confirmed(
        tmp_path,
        predicted(tmp_path),
        lambda streams: (0.3 if streams > 15 else 0.6) * 1000 / time_ms(streams),
    )
    assert tried == [25, 11, 24]
    assert (sweep.bs_opt, sweep.missed_from) == (11, 24)
    assert sweep.verdict.endswith("and 24 streams did not. The 12 between were not tried.")


def test_runs_that_all_miss_leave_no_answer_and_never_a_zero(tmp_path):
    found = predicted(tmp_path, fps=9, target_fps=10)
    sweep, tried = confirmed(tmp_path, found, lambda streams: 9.5)
    assert (len(tried), sweep.bs_opt, sweep.missed_from) == (3, None, tried[-1])
    least = tried[-1]
    assert sweep.verdict == (
        f"BS_OPT is not known: of {least} streams, the fewest that were tried, the slowest got 9.50 FPS, and 10 FPS are"
        " needed."
    )


def test_a_machine_that_holds_not_even_one_stream_is_told(tmp_path):
    found = predicted(tmp_path, fps=5, target_fps=60)
    assert (found.batch, found.first) == (0, 1)
    sweep, tried = confirmed(tmp_path, found, lambda streams: 40)
    assert (tried, sweep.bs_opt) == ([1], None)
    assert sweep.verdict == "BS_OPT is none: a single stream got 40.00 FPS, and 60 FPS are needed."


def test_streams_that_the_machine_does_not_hold_are_halved(tmp_path):
    sweep, tried = confirmed(tmp_path, predicted(tmp_path), lambda streams: None if streams > 20 else 11)
    # What 12 streams got leaves room for a thirteenth.
    assert (tried, sweep.bs_opt, [limit.size for limit in sweep.unheld]) == ([25, 12, 13], 13, [25])
    assert sweep.missed_from == 25


def test_streams_that_one_of_two_runs_did_not_hold_are_not_the_answer(tmp_path):
    logs = [run_log(tmp_path, 10, 1, 10.1), run_log(tmp_path, 10, 2, 9.9)]
    runs = [summarise_run([log], WINDOWS) for log in logs]
    probes = probed(tmp_path, (1, 4, 8, 10, 64))
    found = predict_batch(decided(64), runs, probes, SweepBounds(10, None))
    sweep, tried = confirmed(tmp_path, found, lambda streams: 10.5)
    assert (tried, sweep.bs_opt, sweep.missed_from) == ([9], 9, 10)


def test_the_record_is_read_as_it_was_written(tmp_path):
    sweep, _ = confirmed(tmp_path, predicted(tmp_path, max_latency_ms=100), lambda streams: 10)
    write_record(tmp_path / "sweep.json", sweep)
    assert read_record(tmp_path / "sweep.json", type(sweep)) == sweep


def test_a_prediction_of_another_engine_or_of_other_runs_asks_for_no_run(tmp_path):
    prediction = predicted(tmp_path)
    (log,) = {run.log for run in prediction.finished}
    assert prediction.is_of(decided(64), [log, "another.log"])
    assert not prediction.is_of(decided(32), [log])
    assert not prediction.is_of(decided(64), ["another.log"])
