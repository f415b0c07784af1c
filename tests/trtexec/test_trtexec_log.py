import os
import re
from pathlib import Path

import pytest

from dsbench.trtexec.log import (
    TrtexecLogError,
    banner_facts,
    check_conditions,
    check_shape,
    check_version,
    common_conditions,
    read_measurement,
)

DATA = Path(__file__).parents[1] / "data"
GOOD = (DATA / "trtexec_10.16_b8.log").read_text()
REAL_LOGS = Path(os.environ.get("REAL_LOGS", Path(__file__).parents[3] / "shared/real-logs"))


def measured(tmp_path, text):
    log = tmp_path / "trtexec.log"
    log.write_text(text)
    return read_measurement(log)


def test_rate_is_batches_and_images_are_batches_times_batch(tmp_path):
    found = measured(tmp_path, GOOD)
    assert found.queries_per_s == 263.886
    assert found.images_per_s(8) == pytest.approx(2111.088)


def test_latency_is_gpu_compute_time_not_the_latency_line(tmp_path):
    text = re.sub(r"\] Latency: min = 3.7417", "] Latency: min = 9.9", GOOD)
    found = measured(tmp_path, text)
    assert found.gpu_ms["min"] == 3.7417
    assert found.gpu_ms["p99"] == 3.91406
    assert found.queries == 2641


def test_warning_is_kept(tmp_path):
    assert measured(tmp_path, GOOD).warnings == [
        "GPU compute time is unstable, with coefficient of variance = 3.12044%."
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda t: t.replace("&&&& PASSED", "&&&& FAILED"),
            "ended with FAILED, expected PASSED: none of its",
        ),
        (lambda t: t + t.splitlines()[-1] + "\n", "2 PASSED banners"),
        (lambda t: re.sub(r".*Throughput.*\n", "", t), "0 'Throughput:' lines"),
        (lambda t: t.replace("Throughput: 263.886 qps", "Throughput: nan qps"), "counted wrong"),
        (lambda t: t.replace("263.886 qps", "463.886 qps"), "at most 1.02"),
        (lambda t: re.sub(r".*GPU Compute Time.*\n", "", t), "no 'GPU Compute Time:'"),
        (
            lambda t: t.replace("[W] *", "[E] Error occurred during inference\n[x] [W] *"),
            "Error occurred during inference",
        ),
        (lambda t: t[: len(t) // 2], "0 PASSED banners"),
        (lambda t: t.replace("Compute Time: 9.9894 s", "Compute Time: 7.1 s"), "the totals say 0.709"),
        (lambda t: t.replace("has 2641", "has 1641"), "1641 queries in 10.0081 s are not 263.886"),
        (
            lambda t: t.replace("[I] Total Host", "[I] === Performance summary ===\n[x] [I] Total Host"),
            "2 performance",
        ),
        (
            lambda t: t.replace(
                "[I] Total", "[I] The e2e network timing is not reported since\n[x] [I] Total"
            ),
            "profiled",
        ),
    ],
)
def test_log_of_a_run_that_did_not_finish_is_refused(tmp_path, change, says):
    with pytest.raises(TrtexecLogError, match=says):
        measured(tmp_path, change(GOOD))


def test_verbose_explanation_lines_are_not_results(tmp_path):
    line = "[08/02/2026-10:20:15] [V] Throughput: 1.0 qps\n"
    assert measured(tmp_path, GOOD.replace("&&&& PASSED", line + "&&&& PASSED")).queries_per_s == 263.886


def test_shape_that_was_not_asked_for_is_refused(tmp_path):
    found = measured(tmp_path, GOOD)
    check_shape(found, GOOD, "images", (8, 3, 640, 640), "x.log")
    with pytest.raises(
        TrtexecLogError, match=r"measured images with shape \(8, 3, 640, 640\), asked for \(1,"
    ):
        check_shape(found, GOOD, "images", (1, 3, 640, 640), "x.log")


def test_shape_that_trtexec_chose_is_refused_even_where_it_is_the_right_one(tmp_path):
    text = GOOD.replace("8x3x640x640 and", "1x3x640x640 and") + (
        "[x] [W] Shape missing for input with dynamic shape: imagesAutomatically setting shape to: 1x3x640x640\n"
    )
    with pytest.raises(TrtexecLogError, match="Shape missing for input"):
        check_shape(measured(tmp_path, text), text, "images", (1, 3, 640, 640), "x.log")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Data transfers: Enabled", "'Data transfers:' is Enabled, expected Disabled"),
        ("Spin-wait: Enabled", "'Spin-wait:' is Enabled"),
        ("CUDA Graph: Enabled", "'CUDA Graph:' is Enabled"),
        ("nothing", "'CUDA Graph:' is not stated"),
    ],
)
def test_what_is_measured_must_be_stated_and_be_the_same_on_all_versions(tmp_path, line, says):
    check_conditions(measured(tmp_path, GOOD), "x.log")
    title = line.split(":")[0] if line != "nothing" else "CUDA Graph"
    with pytest.raises(TrtexecLogError, match=says):
        check_conditions(measured(tmp_path, GOOD.replace(f"{title}: Disabled", line)), "x.log")


def test_log_of_another_trtexec_than_the_recorded_one_is_refused():
    check_version(GOOD, (10, 16, 0), "x.log")
    with pytest.raises(TrtexecLogError, match=r"TensorRT 10\.16\.0, the build recorded 10\.3\.0"):
        check_version(GOOD, (10, 3, 0), "x.log")


@pytest.mark.parametrize(
    ("name", "version", "rate", "p99", "warnings"),
    [
        ("trtexec_8.6_b1.log", (8, 6, 1), 402.117, 2.56652, 0),
        ("trtexec_11.1_b8.log", (11, 1, 0), 311.204, 3.30996, 1),
    ],
)
def test_other_versions_say_the_same_in_their_words(name, version, rate, p99, warnings):
    found = read_measurement(DATA / name)
    check_version((DATA / name).read_text(), version, name)
    check_conditions(found, name)
    assert (found.queries_per_s, found.gpu_ms["p99"], len(found.warnings)) == (rate, p99, warnings)


def test_banner_facts_are_the_bracketed_words():
    assert banner_facts(GOOD, "x.log") == "[TensorRT v101600] [b72]"
    with pytest.raises(TrtexecLogError, match="no RUNNING banner"):
        banner_facts("hello", "x.log")


@pytest.mark.skipif(not REAL_LOGS.is_dir(), reason="the real logs are kept outside the repository")
@pytest.mark.parametrize("name", sorted(p.name for p in REAL_LOGS.glob("trtexec-*.log")))
def test_real_log_gives_its_own_throughput_or_is_refused(name):
    text = (REAL_LOGS / name).read_text(errors="replace")
    stated = re.findall(r"\[I\] Throughput: ([0-9.]+) qps", text)
    passed = "&&&& PASSED" in text
    try:
        found = read_measurement(REAL_LOGS / name)
    except TrtexecLogError as error:
        assert not (passed and len(stated) == 1 and "GPU Compute Time: min" in text), error
    else:
        assert passed and [float(q) for q in stated] == [found.queries_per_s]


def test_conditions_of_several_measurements_are_stated_only_where_they_agree(tmp_path):
    good = measured(tmp_path, GOOD)
    assert common_conditions([good, good]) == {
        "data_transfers": False,
        "spin_wait": False,
        "cuda_graph": False,
    }
    other = measured(tmp_path, GOOD.replace("Spin-wait: Disabled", "Spin-wait: Enabled"))
    assert common_conditions([good, other])["spin_wait"] is None
