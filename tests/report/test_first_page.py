import pytest

from dsbench.report.conditions import contradiction
from dsbench.report.first_page import first_page
from dsbench.report.history import Difference, FigureRow
from dsbench.report.levers import LEVERS
from dsbench.report.served import run_verdict
from example_report import example, markdown_of, record
from sampled_run import latency, level, sampled
from swept import swept


@pytest.fixture
def data():
    return example()


def on_gpu(data, **busy):
    """Return the data of a GPU whose deciding run was sampled like that."""
    data["runtime"] |= {"kind": "nvidia", "name": "TensorRT 10.16, DeepStream 9.0 on NVIDIA L4"}
    conditions = data["deepstream"]["run2"]["conditions"]
    conditions |= {"samples": sampled(**busy), "because": "busy: as sampled", "disturbances": []}
    return data


def page_of(data, since=None):
    return first_page(record(data), since)


def numbers(data):
    return {figure.title: figure for figure in page_of(data).figures}


def test_verdict_says_cameras_limit_accuracy_and_who_measured_in_one_sentence(data):
    on_gpu(data)["deepstream"]["run2"]["conditions"]["bound_by"] = "decode"
    assert page_of(data).verdict == (
        "REAL-TIME: this machine serves 5 cameras at 30 FPS, NVDEC limits it, and 100.0 % of the model's mAP on true"
        " boxes is kept; measured by TensorRT 10.16, DeepStream 9.0 on NVIDIA L4."
    )


def test_figures_of_a_cpu_are_called_so_in_the_first_words(data):
    assert page_of(data).verdict.startswith("CPU figures, not a GPU's. REAL-TIME: ")
    assert not page_of(on_gpu(data)).verdict.startswith("CPU")


def test_a_machine_that_serves_no_camera_says_what_one_stream_got(data):
    data["deepstream"] |= {"real_time": False, "rt_streams": 0, "run2": None}
    data["deepstream"]["run1"] |= {
        "streams": 1,
        "total_fps": 18.2,
        "fps_per_stream": 18.2,
        "min_stream_fps": 18.2,
    }
    page = page_of(data)
    assert (
        "NOT REAL-TIME: this machine serves no camera at 30 FPS, as 1 stream got 18.20 FPS, " in page.verdict
    )
    assert numbers(data)["Cameras at 30 FPS"].value == "0"


def missed_by_both(data, streams):
    """Return the data of two runs that missed 30 FPS with these streams."""
    data["deepstream"]["real_time"] = False
    for name, number in zip(("run1", "run2"), streams, strict=True):
        rates = {"total_fps": 28.0 * number, "fps_per_stream": 28.0, "min_stream_fps": 28.0}
        data["deepstream"][name] |= {"streams": number, "real_time": False, **rates}
    return data


def test_loads_that_did_not_hold_are_not_called_no_camera(data):
    verdict = page_of(missed_by_both(data, (8, 6))).verdict
    assert "no load that was tried held 30 FPS, as 6 streams got 28.00 FPS each" in verdict


@pytest.mark.parametrize(
    ("streams", "value", "spread"),
    [((8, 6), "not known", "below 6"), ((6, 8), "not known", "below 6"), ((2, 1), "0", "windows ")],
)
def test_cameras_are_no_zero_unless_a_single_stream_missed(data, streams, value, spread):
    figure = numbers(missed_by_both(data, streams))["Cameras at 30 FPS"]
    assert figure.value == value and figure.spread.startswith(spread)


def test_cameras_are_those_of_the_batch_sweep_where_it_was_made(data):
    data["sweep"] = swept()
    figure = numbers(data)["Cameras at 30 FPS"]
    assert (figure.value, figure.spread, figure.of) == ("4", "5 streams missed it", "batch sweep")
    assert "REAL-TIME: this machine serves 4 cameras at 30 FPS in the batch sweep, " in page_of(data).verdict
    data["sources"] = {
        "files": {"sweep.json": "0" * 64},
        "said": {"/sweep/bs_opt": "sweep.json:9"},
        "computed": {},
    }
    assert "| **4[^1.9]** |" in markdown_of(data)


@pytest.mark.parametrize(("missed_from", "value"), [(6, "not known"), (1, "0")])
def test_a_sweep_that_no_run_held_says_below_which_load_the_cameras_lie(data, missed_from, value):
    data["sweep"] = swept() | {"bs_opt": None, "missed_from": missed_from}
    page = page_of(data)
    assert page.figures[0].value == value and "NOT REAL-TIME: " in page.verdict


def test_a_sweep_without_any_run_leaves_the_cameras_to_the_runs(data):
    data["sweep"] = swept() | {"bs_opt": None, "missed_from": None}
    assert numbers(data)["Cameras at 30 FPS"].of == "run 2, 5 streams"


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
    assert found.of == "decoding to detections, 5 streams at full load, 3,240 frames"
    assert page_of(data).warnings[-1] == "Latency: 3 lines were torn."


def test_a_number_that_was_not_measured_is_absent(data):
    data["deepstream"]["run2"]["conditions"] |= {"samples": None, "because": None, "bound_by": None}
    data["deepstream"]["run2"] |= {"cov_pct": None, "total_fps_min": None}
    data["validation"]["accuracy"] |= {"is_told": False, "truth": None}
    found = numbers(data)
    assert list(found) == ["Cameras at 30 FPS", "Images/s"]
    assert found["Images/s"].spread == found["Cameras at 30 FPS"].spread == ""
    page = page_of(data)
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
    assert says in page_of(on_gpu(data, **busy)).advice.lever


def test_on_a_cpu_the_share_of_inference_decides_between_model_and_pipeline(data):
    assert data["efficiency"]["run2_pct"] < 90
    assert "Give each camera fewer pixels" in page_of(data).advice.lever
    data["trtexec"]["bsmax"]["imgs_per_sec"] = 180.0
    assert "a smaller network input or model" in page_of(data).advice.lever


def test_disturbed_figures_lead_to_no_advice_but_to_measure_again(data):
    on_gpu(data, sm=97)["deepstream"]["run2"]["conditions"]["disturbances"] = ["others used the GPU: x (7)"]
    page = page_of(data)
    assert page.advice.lever.startswith("Measure again")
    assert page.verdict.startswith(
        "MEASURED BESIDE OTHER WORK, so that this machine may do more. REAL-TIME: "
    )
    assert "limit" not in page.verdict and "limits it" not in page.bound
    assert page.bound == "not known, since something else used this machine"
    assert page.warnings[0] == "Run 2 was disturbed: others used the GPU: x (7)."


def test_changes_are_not_judged_where_the_figures_were_disturbed(data):
    row = FigureRow("Images/s", 1, 200.0, 2.0, 100.0, 2.0, -50.0, "worse")
    since = Difference("2026-11-01T00:00:00Z", [], [], [row])
    assert page_of(on_gpu(data), since).since == "1 worse of 1 figure; section 2 has them"
    data["deepstream"]["run2"]["conditions"]["disturbances"] = ["others used the GPU: x (7)"]
    assert page_of(data, since).since.startswith("not judged, since something else used this machine")


def test_accuracy_names_the_class_that_lost_most_and_what_the_classes_kept(data):
    truth = data["validation"]["accuracy"]["truth"]
    for side, scores in (("model", (0.984, 0.9, None)), ("runtime", (0.830, 0.9, 0.5))):
        truth[side]["classes"] = [
            truth[side]["classes"][0] | {"name": name, "ap": ap}
            for name, ap in zip(("road_sign", "car", "cat"), scores, strict=True)
        ]
    assert numbers(data)["Accuracy kept"].spread == "road_sign 0.984 to 0.830; classes 84 to 100 %"
    truth["runtime"]["classes"][0]["ap"] = 0.99
    assert numbers(data)["Accuracy kept"].spread == ""
    data["validation"]["accuracy"]["truth"] = None
    classes = data["validation"]["accuracy"]["stages"][-1]["accuracy"]["classes"]
    classes[:] = [classes[0] | {"name": "x" * 30, "ap": 0.5}, classes[0] | {"name": "car", "ap": 0.9}]
    assert numbers(data)["Accuracy kept"].spread == f"{'x' * 19}… 0.500 to car 0.900"


def test_two_runs_of_the_same_streams_that_contradict_each_other_are_disturbed(data):
    run1, run2 = data["deepstream"]["run1"], data["deepstream"]["run2"]

    def said_of_runs():
        runs = record(data).deepstream
        return contradiction(runs.run1, runs.run2)

    assert said_of_runs() is None and contradiction(record(data).deepstream.run1, None) is None
    run2["streams"] = run1["streams"]
    assert said_of_runs() is None
    run1["total_fps"] = run2["total_fps"] / 1.3
    said = said_of_runs()
    assert "run 2's total was 1.30 times run 1's" in said
    data["deepstream"]["notes"] = ["a note.", said]
    page = page_of(data)
    assert page.advice.lever.startswith("Measure again")
    assert page.warnings[:2] == [said, "a note."]


def test_what_trtexec_warned_of_is_quoted(data):
    data["trtexec"]["bs1"]["warnings"] = ["GPU compute time is unstable."]
    assert 'trtexec said at batch 1: "GPU compute time is unstable."' in page_of(data).warnings


def test_every_lever_has_its_reason():
    assert all(lever.advice.reason.endswith(".") and lever.advice.lever.endswith(".") for lever in LEVERS)


def test_warnings_stand_once_with_the_gravest_first(data):
    data["validation"]["passed"] = False
    data["deepstream"]["notes"] = ["a note."] * 2
    data["system"]["driver"] = "595.58.03"
    warnings = page_of(data).warnings
    assert warnings[:3] == [
        "The validation gate FAILED.",
        "a note.",
        "This machine has a GPU (driver 595.58.03), which was not used.",
    ]
    assert len(set(warnings)) == len(warnings)
    assert warnings[-1] == "Run 1: Unknown key 'width' for group [source0]"


def test_verdict_of_the_runs_keeps_their_rate(data):
    assert run_verdict(record(data)) == "REAL-TIME: 5 streams at 35.17 FPS per stream, target 30 (Run 2)"


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
    assert page_of(data).bound == f"Run 2: {says}"
