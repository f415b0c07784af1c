import json
from pathlib import Path

import pytest

from dsbench.report.conditions import contradict
from dsbench.report.first_page import LEVERS, first_page, run_verdict
from sampled_run import latency, level, sampled

EXAMPLE = Path(__file__).parents[1] / "data" / "benchmark_data.json"


@pytest.fixture
def data():
    return json.loads(EXAMPLE.read_text())


def on_gpu(data, **busy):
    """Return the data of a GPU whose deciding run was sampled like that."""
    data["runtime"] |= {"kind": "nvidia", "name": "TensorRT 10.16, DeepStream 9.0 on NVIDIA L4"}
    conditions = data["deepstream"]["run2"]["conditions"]
    conditions |= {"samples": sampled(**busy), "because": "busy: as sampled", "disturbances": []}
    return data


def numbers(data):
    return {figure.title: figure for figure in first_page(data, None).figures}


def test_verdict_says_cameras_limit_accuracy_and_who_measured_in_one_sentence(data):
    on_gpu(data)["deepstream"]["run2"]["conditions"]["bound_by"] = "decode"
    assert first_page(data, None).verdict == (
        "REAL-TIME: this machine serves 5 cameras at 30 FPS, NVDEC limits it, and 100.0 % of the model's mAP on true"
        " boxes is kept; measured by TensorRT 10.16, DeepStream 9.0 on NVIDIA L4."
    )


def test_figures_of_a_cpu_are_called_so_in_the_first_words(data):
    assert first_page(data, None).verdict.startswith("CPU figures, not a GPU's. REAL-TIME: ")
    assert not first_page(on_gpu(data), None).verdict.startswith("CPU")


def test_a_machine_that_serves_no_camera_says_what_one_stream_got(data):
    data["deepstream"] |= {"real_time": False, "rt_streams": 0, "run2": None}
    data["deepstream"]["run1"] |= {
        "streams": 1,
        "total_fps": 18.2,
        "fps_per_stream": 18.2,
        "min_stream_fps": 18.2,
    }
    page = first_page(data, None)
    assert (
        "NOT REAL-TIME: this machine serves no camera at 30 FPS, as 1 stream got 18.20 FPS, " in page.verdict
    )
    assert numbers(data)["Cameras at 30 FPS"].value == "0"


def test_loads_that_did_not_hold_are_not_called_no_camera(data):
    data["deepstream"]["real_time"] = data["deepstream"]["run2"]["real_time"] = False
    data["deepstream"]["run2"] |= {"total_fps": 140.0, "fps_per_stream": 28.0}
    assert (
        "no load that was tried held 30 FPS, as 5 streams got 28.00 FPS each"
        in first_page(data, None).verdict
    )


def test_each_number_has_its_spread_and_says_of_what_it_is(data):
    found = numbers(data)
    assert list(found) == ["Cameras at 30 FPS", "Images/s", "Accuracy kept", "CPU share"]
    assert found["Cameras at 30 FPS"].spread == "windows 33.8 to 36.2 FPS per stream"
    assert (found["Images/s"].value, found["Images/s"].spread) == ("175.8", "± 3.7, deviation of 8 windows")
    assert (found["CPU share"].value, found["CPU share"].spread) == ("98 %", "91 to 100 %")
    assert found["CPU share"].of == "20 samples of run 2"
    assert all(figure.of for figure in found.values())


def test_latency_stands_with_its_percentiles_and_the_load_it_was_measured_at(data):
    data["deepstream"]["latency"] = latency(warnings=["3 lines were torn."])
    found = numbers(data)["Latency per frame"]
    assert (found.value, found.spread) == ("61.2 ms", "median; p95 88.5, p99 120 ms")
    assert found.of == "decoder to sink, 5 streams at full load, 3,240 frames"
    assert first_page(data, None).warnings[-1] == "Latency: 3 lines were torn."


def test_a_number_that_was_not_measured_is_absent(data):
    data["deepstream"]["run2"]["conditions"] |= {"samples": None, "because": None, "bound_by": None}
    data["deepstream"]["run2"] |= {"cov_pct": None, "total_fps_min": None}
    data["validation"]["accuracy"] |= {"is_told": False, "truth": None}
    found = numbers(data)
    assert list(found) == ["Cameras at 30 FPS", "Images/s"]
    assert found["Images/s"].spread == found["Cameras at 30 FPS"].spread == ""
    page = first_page(data, None)
    assert page.bound is None and page.advice is None
    assert "limit" not in page.verdict


def test_share_of_a_gpu_is_that_of_its_sms(data):
    share = numbers(on_gpu(data, sm=72))["GPU share"]
    assert (share.value, share.spread) == ("72 %", "72 to 72 %")


@pytest.mark.parametrize(
    ("busy", "says"),
    [
        ({"sm": 97}, "Compute less per camera"),
        ({"sm": 97, "throttled_pct": {"power cap": 95.0}}, "power limit"),
        ({"sm": 60, "throttled_pct": {"power cap": 95.0}}, "Run more streams"),
        ({"sm": 95, "nvdec": 99}, "Decode less"),
        ({"sm": 95, "memory_pct": level(95)}, "Move fewer bytes"),
        ({"sm": 40, "cpu": 99}, "processor cores"),
        ({"sm": 40, "cpu": 40}, "Run more streams"),
    ],
)
def test_next_lever_follows_from_what_was_sampled(data, busy, says):
    assert says in first_page(on_gpu(data, **busy), None).advice.lever


def test_on_a_cpu_the_share_of_inference_decides_between_model_and_pipeline(data):
    assert data["efficiency"]["run2_pct"] < 90
    assert "Give each camera fewer pixels" in first_page(data, None).advice.lever
    data["trtexec"]["bsmax"]["imgs_per_sec"] = 180.0
    assert "a smaller network input or model" in first_page(data, None).advice.lever


def test_disturbed_figures_lead_to_no_advice_but_to_measure_again(data):
    on_gpu(data, sm=97)["deepstream"]["run2"]["conditions"]["disturbances"] = ["others used the GPU: x (7)"]
    page = first_page(data, None)
    assert page.advice.lever.startswith("Measure again")
    assert page.verdict.endswith("while something else used this machine.")
    assert "limit" not in page.verdict
    assert page.warnings[0] == "Run 2 was disturbed: others used the GPU: x (7)."


def test_two_runs_of_the_same_streams_that_contradict_each_other_are_disturbed(data):
    run1, run2 = data["deepstream"]["run1"], data["deepstream"]["run2"]
    assert not contradict(run1, run2) and not contradict(run1, None)
    run2["streams"] = run1["streams"]
    assert not contradict(run1, run2)
    run1["total_fps"] = run2["total_fps"] / 1.3
    assert contradict(run1, run2)
    assert first_page(data, None).advice.lever.startswith("Measure again")


def test_every_lever_has_its_reason():
    assert all(lever.advice.reason.endswith(".") and lever.advice.lever.endswith(".") for lever in LEVERS)


def test_warnings_stand_once_with_the_gravest_first(data):
    data["validation"]["passed"] = False
    data["deepstream"]["notes"] = ["a note."] * 2
    data["system"]["driver"] = "595.58.03"
    warnings = first_page(data, None).warnings
    assert warnings[:3] == [
        "The validation gate FAILED.",
        "a note.",
        "This machine has a GPU (driver 595.58.03), which was not used.",
    ]
    assert len(set(warnings)) == len(warnings)
    assert warnings[-1] == "Run 1: Unknown key 'width' for group [source0]"


def test_verdict_of_the_runs_keeps_their_rate(data):
    assert run_verdict(data) == "REAL-TIME: 5 streams at 35.17 FPS per stream, target 30 (Run 2)"


DECODING = {
    "rates": [{"streams": 16, "frames_per_s": 5493.2}, {"streams": 183, "frames_per_s": 3898.0}],
    "stopped_by": None,
    "allowed_streams": 129,
}


@pytest.mark.parametrize(
    ("bound_by", "says"),
    [
        ("decode", "NVDEC limits it (busy: as sampled; decoding alone allows at least 129 streams)"),
        ("compute", "the GPU's SMs limit it (busy: as sampled)"),
    ],
)
def test_what_decoding_alone_allows_stands_there_only_where_the_decoder_is_the_limit(data, bound_by, says):
    on_gpu(data)["deepstream"]["run2"]["conditions"]["bound_by"] = bound_by
    data["deepstream"]["decoding"] = DECODING
    assert first_page(data, None).bound == f"Run 2: {says}"
