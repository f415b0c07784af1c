import copy
import json
import math

import pytest

from dsbench.report.report_data import ReportDataError, check_data, read_data
from example_report import EXAMPLE, example
from sampled_run import latency


@pytest.fixture
def data():
    return example()


def place(data, path):
    *parents, key = path.split(".")
    for parent in parents:
        data = data[parent]
    return data, key


def test_the_example_is_complete():
    assert read_data(EXAMPLE).model_name == "rtdetr"


@pytest.mark.parametrize(
    "path", ["model_name", "trtexec.bs1.qps", "trtexec.bsmax.p99_ms", "deepstream.run1.total_fps", "engine"]
)
def test_a_required_value_that_is_null_is_refused_by_name(data, path):
    parent, key = place(data, path)
    parent[key] = None
    with pytest.raises(
        ReportDataError, match=rf"^benchmark_data\.json: Expected .*, got `null` - at `\$\.{path}`; remake"
    ):
        check_data(data)


def test_data_of_another_version_are_told_as_such_with_their_place(data, tmp_path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps(data | {"schema_version": 1}))
    with pytest.raises(ReportDataError, match=rf"^{path}: schema_version is 1, expected 2: another version"):
        read_data(path)


@pytest.mark.parametrize("path", ["runtime.name", "trtexec.bsmax.imgs_per_sec", "timing.total_s"])
def test_a_missing_key_is_refused_by_name(data, path):
    parent, key = place(data, path)
    del parent[key]
    at = path.rpartition(".")[0]
    with pytest.raises(
        ReportDataError, match=rf"Object missing required field `{key}` - at `\$\.{at}`; remake"
    ):
        check_data(data)


@pytest.mark.parametrize(
    "path",
    ["model.license", "system.gpu", "trtexec.bs1.p90_ms", "efficiency.run2_pct", "validation.ground_truth"],
)
def test_an_optional_value_may_be_null(data, path):
    parent, key = place(data, path)
    parent[key] = None
    check_data(data)


def test_latency_may_be_measured_or_not(data):
    for found in (latency(), None):
        data["deepstream"]["latency"] = found
        check_data(data)
    data["deepstream"]["latency"] = latency(p99_ms=None)
    with pytest.raises(ReportDataError, match=r"deepstream\.latency"):
        check_data(data)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_is_refused(data, value):
    data["timing"]["steps"][2]["wall_s"] = value
    with pytest.raises(ReportDataError, match=r"/timing/steps/2/wall_s is (nan|inf), expected a finite"):
        check_data(data)


def test_a_rate_of_zero_is_no_measurement(data):
    data["deepstream"]["run1"]["total_fps"] = 0
    with pytest.raises(ReportDataError, match=r"deepstream\.run1\.total_fps"):
        check_data(data)


def test_a_peak_that_the_rates_do_not_give_is_refused(data):
    data["trtexec"]["doubling"][1]["peak_gpu_streams"] = data["peak_gpu_streams"] = 7
    with pytest.raises(ReportDataError, match=r"batch 8 has PEAK_GPU_STREAMS 7, expected 6 from 24\.8987"):
        check_data(data)


def test_a_doubling_that_went_on_without_need_is_refused(data):
    step = data["trtexec"]["doubling"][0]
    step.update(qps=20.0, imgs_per_sec=80.0, peak_gpu_streams=2)
    with pytest.raises(ReportDataError, match="batch 4 with PEAK 2 is out of place"):
        check_data(data)


def test_a_peak_of_another_engine_is_refused(data):
    data["peak_gpu_streams"] = 5
    with pytest.raises(ReportDataError, match="MAX_BS 8 with PEAK 5, expected the last doubling step"):
        check_data(data)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda d: d["deepstream"]["run2"].update(real_time=False),
            "run2.real_time is False, but its slowest",
        ),
        (lambda d: d["deepstream"]["run1"].update(real_time=True), "run1.real_time is True, but its slowest"),
        (
            lambda d: d["deepstream"].update(real_time=False),
            "deepstream.real_time is False, PEAK, RT_STREAMS and its runs say",
        ),
        (
            lambda d: d["deepstream"]["run1"].update(fps_per_stream=35.0),
            "run1.fps_per_stream is 35.0, expected",
        ),
        (lambda d: d["deepstream"]["run1"].update(windows=0), "Expected `int` >= 1 - at `.*run1.windows`"),
        (
            lambda d: d["trtexec"]["bsmax"].update(imgs_per_sec=99999.0),
            "bsmax.imgs_per_sec is 99999.0, expected",
        ),
        (
            lambda d: d["efficiency"].update(reference_imgs_per_sec=1.0),
            "reference_imgs_per_sec is 1.0, expected",
        ),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(data, change, says):
    change(data)
    with pytest.raises(ReportDataError, match=says):
        check_data(data)


def test_an_efficiency_of_other_rates_is_refused(data):
    data["efficiency"]["run2_pct"] = 99.0
    with pytest.raises(ReportDataError, match=r"run2_pct is 99\.0, expected 88\.27"):
        check_data(data)


def test_checking_changes_nothing(data):
    before = copy.deepcopy(data)
    check_data(data)
    assert data == before


def test_a_value_of_another_type_is_refused_by_its_place(data):
    data["preprocessing"]["offsets"] = [123.675, "116.28", 103.53]
    with pytest.raises(
        ReportDataError, match=r"Expected `float`, got `str` - at `\$\.preprocessing\.offsets\[1\]`"
    ):
        check_data(data)


@pytest.mark.parametrize("check", ["agreement", "accuracy", "batch_slots"])
def test_a_check_that_failed_is_in_no_report(data, check):
    data["validation"][check]["passed"] = False
    with pytest.raises(ReportDataError, match=rf"validation\.{check}\.passed is false, expected true"):
        check_data(data)


def test_broken_json_is_named(tmp_path):
    path = tmp_path / "benchmark_data.json"
    path.write_text("{")
    with pytest.raises(ReportDataError, match=r"benchmark_data\.json: not JSON"):
        read_data(path)
