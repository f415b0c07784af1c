"""A report's data stay in the history, and the next toolchain is compared with them and not with itself."""

import json
import math
from copy import deepcopy
from dataclasses import replace

import pytest

from dsbench.core.errors import BuildError
from dsbench.core.records import as_json
from dsbench.machine.node_facts import fact_change
from dsbench.report.history import (
    AnyEntry,
    ChangedFact,
    append_entry,
    frame_spread_ms,
    history_entry,
    is_noise,
    last_other,
    latency_spread_ms,
    rate_spread,
    read_history,
    run_spread,
    share_spread,
    toolchain_difference,
)
from example_report import example, markdown_of, record
from sampled_run import latency

OLD = {"driver": "595.58.03", "gpu": ["NVIDIA L40S, 8.9, 46068 MiB"]}
NEW = OLD | {"driver": "600.10"}


@pytest.fixture
def data():
    return example()


def later(data, factor=1.0, utc="2026-08-03T10:00:00Z"):
    """Return the data of another measurement, `factor` times as fast in everything."""
    other = deepcopy(data) | {"measured_utc": utc}
    for rate in (other["trtexec"]["bs1"], other["trtexec"]["bsmax"]):
        for key in ("qps", "imgs_per_sec"):
            rate[key] *= factor
        for key in ("gpu_mean_ms", "gpu_median_ms", "gpu_min_ms", "gpu_max_ms", "p90_ms", "p95_ms", "p99_ms"):
            rate[key] /= factor
    for run in (other["deepstream"]["run1"], other["deepstream"]["run2"]):
        run["total_fps"] *= factor
    return other


def entry_of(data, facts):
    return history_entry(record(data), facts)


def difference(data, changed, old=OLD, new=NEW):
    return toolchain_difference(entry_of(data, old), entry_of(changed, new))


def verdicts(found):
    return {row.title.split(" (")[0]: row.verdict for row in found.rows}


def test_entries_are_added_never_changed_and_a_repeated_one_is_kept_once(data, tmp_path):
    file = tmp_path / "history.jsonl"
    append_entry(file, entry_of(data, OLD))
    first = file.read_text()
    append_entry(file, entry_of(data, OLD))
    assert file.read_text() == first
    append_entry(file, entry_of(later(data), NEW))
    append_entry(file, entry_of(later(data, utc="2026-08-04T10:00:00Z"), NEW))
    assert file.read_text().startswith(first)
    assert [entry.facts["driver"] for entry in read_history(file)] == ["595.58.03", "600.10", "600.10"]
    assert [path.name for path in tmp_path.iterdir()] == ["history.jsonl"]
    assert file.stat().st_size < 3 * 4000


def test_a_toolchain_is_compared_with_the_last_other_one_never_with_itself(data):
    first, again = entry_of(data, OLD), entry_of(later(data), OLD)
    assert last_other([first, again], again) is None
    upgraded = entry_of(later(data), NEW)
    assert last_other([first, again, upgraded], upgraded) is again
    back = entry_of(later(data, utc="2026-08-05T10:00:00Z"), OLD)
    assert back.toolchain == first.toolchain
    assert last_other([first, again, upgraded, back], back) is upgraded
    assert last_other([AnyEntry(0, "old", first.measured_utc), upgraded], upgraded) is None
    assert toolchain_difference(None, first) is None


@pytest.mark.parametrize(
    ("line", "says"), [('{"toolch', r"is not JSON .*"), ("null", "is no entry"), ("{}", "is no entry")]
)
def test_line_that_is_no_entry_is_named(tmp_path, data, line, says):
    file = tmp_path / "history.jsonl"
    append_entry(file, entry_of(data, OLD))
    file.write_text(file.read_text() + line)
    with pytest.raises(BuildError, match=rf"history\.jsonl: line 2 {says}.* remove that line"):
        read_history(file)


def test_an_entry_of_an_older_schema_stays_in_the_file_as_it_is(tmp_path, data):
    file, old = (
        tmp_path / "history.jsonl",
        '{"schema": 0, "toolchain": "ab", "measured_utc": "2025", "fps": 3}\n',
    )
    file.write_text(old)
    entries = append_entry(file, entry_of(data, OLD))
    assert file.read_text().startswith(old) and len(read_history(file)) == 2
    assert last_other(entries, entry_of(data, NEW)).facts == OLD


def test_spreads_come_from_percentiles_windows_and_counts(data):
    rate, run = record(data).trtexec.bs1, record(data).deepstream.run1
    assert latency_spread_ms(rate) == pytest.approx((9.6696 - 8.7914) / 1.645)
    assert latency_spread_ms(replace(rate, p95_ms=None)) == pytest.approx((10.6454 - 8.7914) / 2.326)
    assert rate_spread(rate) / rate.imgs_per_sec == pytest.approx(latency_spread_ms(rate) / 8.8712)
    assert run_spread(run) == pytest.approx(177.42 * 0.021)
    assert run_spread(replace(run, cov_pct=None)) is None
    assert share_spread(0.9, 400) == pytest.approx(math.sqrt(0.9 * 0.1 / 400))
    assert share_spread(0.9, 0) is None


def test_noise_ends_at_twice_the_combined_spread():
    assert is_noise(100.0, 109.9, (3.0, 4.0))
    assert not is_noise(100.0, 110.1, (3.0, 4.0))
    assert not is_noise(110.1, 100.0, (3.0, 4.0))


def test_small_differences_are_called_noise_and_large_ones_by_their_direction(data):
    small, faster, slower = (verdicts(difference(data, later(data, f))) for f in (1.01, 1.6, 0.5))
    for title in (
        "trtexec, latency in ms at batch 1",
        "trtexec, images/s at MAX_BS",
        "DeepStream, total FPS of run 1",
    ):
        assert (small[title], faster[title], slower[title]) == ("inside the noise", "better", "worse"), title
    assert small["Agreement with the reference, precision"] == "no difference"


def test_streams_are_compared_by_the_rate_they_are_rounded_from(data):
    barely = later(data, 1.01)
    barely["peak_gpu_streams"] = 7
    row = next(r for r in difference(data, barely).rows if r.title == "PEAK_GPU_STREAMS")
    assert (row.before, row.now, row.verdict) == (6, 7, "inside the noise")


def test_what_cannot_be_compared_says_why(data):
    other = later(data, 1.6)
    other["trtexec"]["bsmax"]["batch"] = 16
    other["deepstream"]["run1"]["conditions"]["disturbances"] = ["the GPU was throttled"]
    other["deepstream"]["run2"]["cov_pct"] = None
    other["deepstream"]["run2"]["streams"] = 9
    found = difference(data, other)
    assert verdicts(found)["trtexec, latency in ms at MAX_BS"] == "not compared: another batch"
    assert verdicts(found)["trtexec, images/s at MAX_BS"] == "better"
    assert verdicts(found)["DeepStream, total FPS of run 1"] == "not compared: disturbed now"
    assert verdicts(found)["DeepStream, total FPS of run 2"] == "not compared: no spread was measured"
    assert "DeepStream, total FPS of run 2 (streams 5, now 9)" in [row.title for row in found.rows]


def with_latency(data, **percentiles):
    other = later(data)
    other["deepstream"]["latency"] = latency(**percentiles)
    return other


def test_latency_of_a_frame_is_compared_where_both_measured_it_at_the_same_load(data):
    before = with_latency(data)
    assert frame_spread_ms(record(before).deepstream.latency) == pytest.approx((88.5 - 61.25) / 1.645)
    faster = difference(before, with_latency(data, p50_ms=8.5, p95_ms=9.0, p99_ms=64.0))
    row = next(
        row for row in faster.rows if row.title == "DeepStream, latency of a frame in ms, p50 (streams 5)"
    )
    assert (row.before, row.now, row.verdict) == (61.25, 8.5, "better")
    near, fuller = (
        difference(before, with_latency(data, **now)) for now in ({"p99_ms": 125.0}, {"streams": 9})
    )
    title = "DeepStream, latency of a frame in ms, p99"
    assert (verdicts(near)[title], verdicts(fuller)[title]) == (
        "inside the noise",
        "not compared: another streams",
    )


def test_an_entry_from_before_latency_was_measured_is_read_and_compared_without_it(data, tmp_path):
    file = tmp_path / "history.jsonl"
    old = json.loads(json.dumps(as_json(entry_of(data, OLD))))
    del old["figures"]["latency"]
    file.write_text(json.dumps(old) + "\n")
    now = entry_of(with_latency(data), NEW)
    found = toolchain_difference(last_other(append_entry(file, now), now), now)
    assert verdicts(found) == verdicts(difference(data, later(data)))
    assert read_history(file)[-1].figures.latency.p95_ms == 88.5


def test_another_model_file_or_video_is_said_beside_the_toolchain(data):
    other = later(data)
    other["model"]["onnx_sha256"] = "ab" * 32
    found = difference(data, other)
    assert found.also_changed == ["ONNX"]
    assert found.facts == [ChangedFact("driver", "595.58.03", "600.10")]
    assert "also changed: ONNX." in markdown_of(other, found)


def test_report_has_the_table_only_with_an_earlier_toolchain_and_its_own_numbers_stay(data):
    new = later(data, 1.6)
    found = difference(data, new)
    alone, compared = markdown_of(data), markdown_of(data, found)
    assert "last toolchain" not in alone
    head, _, table = compared.partition("### Since the last toolchain\n")
    assert "| driver | 595.58.03 | 600.10 |" in table
    assert "| trtexec, latency in ms at batch 1 | 8.871 ± 0.534 | 5.544 ± 0.334 | -37.5 % | better |" in table
    told = "| Since the last toolchain (driver, libraries, programs) | 6 better of 12 figures; section 2 has them |\n"
    assert head.replace(told, "") + "## 3." + table.partition("## 3.")[2] == alone
    assert head.count(told) == 1


def test_only_the_changed_part_of_a_fact_is_shown_and_hashes_are_short():
    assert fact_change({"a": 1, "b": "f" * 64}, {"a": 1, "b": "0" * 64}) == ("b " + "f" * 12, "b " + "0" * 12)
    assert fact_change(["L4"], None) == ("L4", "absent")
