import json
from pathlib import Path

import pytest

from dsembed.engine.engine import EngineError
from dsembed.shared.log_writer import cpp_text
from dsembed.trtexec.inference import RunLength, without_warm_up
from dsembed.trtexec.performance import (
    Query,
    cov_percent,
    export_times,
    percentile,
    statistics_text,
    summary_lines,
    summary_warnings,
    trace_lines,
    walltime_s,
)

MEASURED = Path(__file__).parents[1] / "data/trtexec_10.16_reports.json"


def split_number(line):
    text, equals, number = line.rstrip("%.").partition(" = ")
    return text, pytest.approx(float(number), rel=1e-5) if equals else None


def query(start_ms=0.0, compute_ms=10.0, enqueue_ms=1.0, h2d_ms=0.0, d2h_ms=0.0):
    start_compute_ms = start_ms + h2d_ms
    end_ms = start_compute_ms + compute_ms
    return Query(
        start_ms,
        start_ms + enqueue_ms,
        start_ms,
        start_compute_ms,
        start_compute_ms,
        end_ms,
        end_ms,
        end_ms + d2h_ms,
    )


@pytest.mark.parametrize("row", json.loads(MEASURED.read_text())["rows"])
def test_report_says_what_nvidias_report_says(row):
    """The rows were measured from the report's own source; the file says which and how."""
    queries = [
        query(32 * index, 10 + 0.125 * (7 * index % 13), row["enqueue_ms"], row["h2d_ms"], row["d2h_ms"])
        for index in range(row["count"])
    ]
    trace = trace_lines(queries, row["avg_runs"])
    assert len(trace) == row["trace_lines"]
    assert {index: trace[int(index)] for index in row["trace"]} == row["trace"]
    assert summary_lines(queries, row["percentiles"]) == row["summary"]
    warnings = [line for line in summary_warnings(queries, 1) if line.startswith("* ")]
    # NVIDIA adds up 32-bit floats, so that the last digit of the deviation may be another.
    assert [split_number(line) for line in warnings] == [split_number(line) for line in row["warnings"]]


@pytest.mark.parametrize(("percent", "place"), [(0, 1), (50, 5), (85, 9), (90, 9), (95, 10), (100, 10)])
def test_percentile_of_ten_is_picked_with_32_bit_floats(percent, place):
    assert percentile(list(range(1, 11)), percent) == place


def test_median_of_an_even_count_is_the_middles_mean():
    assert "median = 2.5 ms" in statistics_text([4, 1, 3, 2], ())
    assert "median = 2 ms" in statistics_text([3, 1, 2], ())


def test_seven_statistics_in_order():
    assert statistics_text([1, 2, 3], (90, 95, 99)) == (
        "min = 1 ms, max = 3 ms, mean = 2 ms, median = 2 ms, percentile(90%) = 3 ms, percentile(95%) = 3 ms, "
        "percentile(99%) = 3 ms"
    )


def test_coefficient_of_variance_is_population_deviation_over_mean():
    assert cov_percent([9, 11]) == pytest.approx(10)
    assert cov_percent([5, 5, 5]) == 0


def test_throughput_counts_queries_over_first_h2d_to_last_d2h():
    queries = [query(start_ms=1000 + 20 * index, compute_ms=10, h2d_ms=2, d2h_ms=8) for index in range(5)]
    lines = summary_lines(queries, (99,))
    assert lines[0] == "Throughput: 50 qps"
    assert lines[1].startswith("Latency: min = 20 ms, ")
    assert lines[3].startswith("H2D Latency: min = 2 ms, ")
    assert lines[4].startswith("GPU Compute Time: min = 10 ms, ")
    assert lines[-2:] == ["Total Host Walltime: 0.1 s", "Total GPU Compute Time: 0.05 s"]


@pytest.mark.parametrize(
    ("value", "text"), [(3.14159265, "3.14159"), (0, "0"), (2.0, "2"), (9.53674e-05, "9.53674e-05")]
)
def test_numbers_are_written_as_cpp_streams_write_them(value, text):
    assert cpp_text(value) == text


def test_trace_leaves_out_the_unfinished_group():
    lines = trace_lines([query(compute_ms=4)] * 25, 10)
    assert lines == ["Average on 10 runs - GPU latency: 4 ms - Host latency: 4 ms (enqueue 1 ms)"] * 2


def test_trace_counts_the_queries_that_it_leaves_out():
    assert trace_lines([query()] * 4100, 10)[200] == "... Omitting 100 lines"
    assert len(trace_lines([query()] * 4100, 10)) == 401


def test_steady_queries_give_no_warning():
    assert summary_warnings([query()] * 10, 1) == []


@pytest.mark.parametrize(("other_ms", "warns"), [(10.5, False), (10.52, True)])
def test_instability_warns_above_two_and_a_half_percent(other_ms, warns):
    warnings = summary_warnings([query(compute_ms=10), query(compute_ms=other_ms)] * 5, 1)
    assert bool(warnings) == warns
    assert all(
        "GPU compute time is unstable, with coefficient of variance = " in line for line in warnings[:1]
    )


@pytest.mark.parametrize(
    ("name", "silent_ms", "warned_ms", "words"),
    [
        ("enqueue_ms", 8.0, 8.1, "bound by Enqueue Time rather than GPU Compute"),
        ("h2d_ms", 9.9, 10.0, "host-to-device"),
        ("d2h_ms", 9.9, 10.0, "device-to-host"),
    ],
)
def test_submitting_warns_above_four_fifths_of_compute_and_a_transfer_from_all_of_it(
    name, silent_ms, warned_ms, words
):
    assert summary_warnings([query(**{name: silent_ms})] * 3, 1) == []
    assert words in summary_warnings([query(**{name: warned_ms})] * 3, 1)[0]


def test_several_streams_warn_with_the_triple_space():
    assert "run in   parallel" in summary_warnings([query()] * 3, 2)[0]


def test_exported_times_are_json_with_a_line_per_query():
    text = export_times([query(start_ms=1000, h2d_ms=1), query(start_ms=1010)])
    assert text.splitlines()[2].startswith(', { "startEnqMs" : 1010, "endEnqMs" : 1011, ')
    first = json.loads(text)[0]
    assert list(first)[8:] == ["h2dMs", "computeMs", "d2hMs", "latencyMs"]
    assert (first["startComputeMs"], first["latencyMs"]) == (1001, 11)


def test_queries_that_began_in_the_warm_up_do_not_count():
    queries = [query(start_ms=start) for start in (0, 199, 200, 210)]
    assert without_warm_up(queries, 200) == queries[2:]
    with pytest.raises(EngineError, match="all 4 queries began within the warm-up of 500 ms"):
        without_warm_up(queries, 500)


@pytest.mark.parametrize(
    ("iterations", "elapsed_ms", "is_reached"), [(9, 9999, False), (10, 1199, False), (10, 1200, True)]
)
def test_run_needs_both_iterations_and_time(iterations, elapsed_ms, is_reached):
    length = RunLength(iterations=10, duration_s=1, warm_up_ms=200)
    assert length.is_reached(iterations, elapsed_ms) == is_reached


def test_run_whose_duration_is_no_number_needs_its_iterations_only():
    assert RunLength(iterations=10, duration_s=float("nan"), warm_up_ms=200).is_reached(10, 1)


def test_walltime_ends_with_the_query_that_ends_last():
    queries = [query(start_ms=1000, compute_ms=500), query(start_ms=1010, compute_ms=10)]
    assert walltime_s(queries) == pytest.approx(0.5)
    assert summary_lines(queries, ())[0] == "Throughput: 4 qps"
