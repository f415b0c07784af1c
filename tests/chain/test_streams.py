import pytest

from dsbench.chain.measured_chain import (
    peak_gpu_streams,
    real_time_streams,
    retry_streams,
    run1_streams,
    run2_streams,
)


@pytest.mark.parametrize(("qps", "batch", "peak"), [(10, 8, 2), (29.9, 1, 0), (30, 1, 1), (11.24, 8, 2)])
def test_peak_is_whole_streams_of_images(qps, batch, peak):
    assert peak_gpu_streams(qps, batch, 30) == peak


def test_a_model_slower_than_one_stream_still_runs_one():
    assert run1_streams(0, 4) == 1
    assert real_time_streams(12.0, 4, 30) == 0
    assert run2_streams(0) == 1


def test_streams_never_exceed_the_engine():
    assert run1_streams(70, 64) == 64
    assert real_time_streams(9000, 64, 30) == 64


def test_run_2_is_halved_once_and_only_when_it_was_slow():
    assert retry_streams(6, 29.9, 30) == 3
    assert retry_streams(6, 30.0, 30) is None
    assert retry_streams(1, 5.0, 30) is None
