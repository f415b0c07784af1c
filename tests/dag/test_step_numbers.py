"""The number on a step's line comes from the step's own files, and is absent where these do not tell it."""

import json

import pytest

from declared_rules import declared_rules
from dsbench.checks.reference_run import EngineRun
from dsbench.core.records import write_record
from dsbench.dag.step_numbers import NUMBERS, number_of
from dsbench.deepstream.latency import REFUSED
from dsbench.tools.doctor import note_at_end
from swept import swept
from workflow_run import PROJECT

SWEEP = swept()
FRAMES = {"0": [{}, {}], "6": [{}]}
SOURCE = {"files": [{"bytes": 2**20}, {"bytes": 2**19}]}
EXPORTED = {
    "attempts": [{"method": "dynamo", "reason": "slow"}, {"method": "optimum", "reason": "equals torch"}]
}
KEPT = {"ap": 0.9094, "shift_x_px": 0.012, "shift_y_px": -0.03}
PROOF = {"reference_detections": 147, "scaling_filter": 3}
FILES = {
    "list_source": ({"source.json": SOURCE}, "2 files, 1.5 MiB"),
    "fetch_source": ({"a.json": {}, "provenance.json": {"bytes": 3 * 2**20}}, "3.0 MiB"),
    "export_onnx": (
        {"export_attempts.json": EXPORTED, "variants.json": {"choice": None, "candidates": []}},
        "optimum, equals torch",
    ),
    "run_reference": (
        {"reference_run.json": {"every": 6, "frames": FRAMES}},
        "3 boxes of the model in 2 frames",
    ),
    "run_engine": (
        {"engine_run.json": {"frames": FRAMES, "problem": None}},
        "3 boxes of the engine in 2 frames",
    ),
    "read_truth": ({"truth.json": {"frames": {}}}, ""),
    "prove_preprocessing": (
        {"preprocess.json": PROOF | {"alternatives": [{"likeness": 0.9312}]}},
        "147 boxes of the model; nvinfer resizes by scaling-filter 3 and finds the same to 0.931 of 1",
    ),
    "measure_accuracy": (
        {"accuracy.json": {"stages": [{"accuracy": {"every": KEPT}}]}},
        "the runtime's boxes against the model's own: AP 0.909 of 1, +0.01 px right, -0.03 px down",
    ),
    "parse_with_tensorrt": ({"parse.json": {"verdict": "TensorRT parses it."}}, "TensorRT parses it."),
    "predict_batch": (
        {"prediction.json": SWEEP["prediction"]},
        "5 streams predicted, 92 % of trtexec's images/s",
    ),
    "confirm_batch": ({"sweep.json": SWEEP}, SWEEP["verdict"]),
}


def numbered(folder, rule, files):
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return number_of(rule, {}, [folder / name for name in files])


@pytest.mark.parametrize("rule", FILES)
def test_a_step_gives_its_number(tmp_path, rule):
    files, said = FILES[rule]
    assert numbered(tmp_path, rule, files) == said


def test_an_imported_onnx_is_named_among_those_that_there_were(tmp_path):
    variants = {"choice": "onnx/model.onnx", "candidates": [{}, {}, {}]}
    files = {"export_attempts.json": {"attempts": []}, "variants.json": variants}
    assert numbered(tmp_path, "export_onnx", files) == "onnx/model.onnx of 3 ONNX files"


def test_a_prediction_of_no_stream_and_a_proof_without_boxes_have_no_zero(tmp_path):
    prediction = SWEEP["prediction"] | {"batch": 0}
    assert numbered(tmp_path, "predict_batch", {"p.json": prediction}).startswith("no streams predicted")
    proof = PROOF | {"alternatives": [{"likeness": None}]}
    assert numbered(tmp_path, "prove_preprocessing", {"p.json": proof}).endswith("by scaling-filter 3")


def test_a_time_of_trtexec_is_that_of_its_batch():
    log = PROJECT / "tests/data/trtexec_10.16_b8.log"
    assert number_of("benchmark_engine", {"batch": "8"}, [log]).endswith(" ms for a batch of 8")
    assert number_of("benchmark_engine_b1", {}, [log]).endswith(" ms for a batch of 1")


def test_what_stays_unknown_is_told_with_its_reason(tmp_path):
    write_record(tmp_path / "engine_run.json", EngineRun("a.engine", None, "run.log: its outputs\nare cut"))
    said = number_of("run_engine", {}, [tmp_path / "engine_run.json"])
    assert said == "the engine's own boxes stay unknown: run.log: its outputs are cut"
    (tmp_path / "ds_latency.log").write_text("App run successful\n")
    note_at_end(tmp_path / "ds_latency.log", REFUSED, "no line of a frame")
    said = number_of("measure_latency", {}, [tmp_path / "ds_latency.log"])
    assert said == "the latency of a frame stays unknown: no line of a frame"


def test_a_name_from_outside_cannot_write_to_the_terminal(tmp_path):
    variants = {"choice": "a\x1b[2J.onnx", "candidates": [{}]}
    assert numbered(tmp_path, "export_onnx", {"variants.json": variants}) == "a?[2J.onnx of 1 ONNX file"


@pytest.mark.parametrize("rule", NUMBERS)
@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"frames": 7, "files": 7}'])
def test_a_file_that_does_not_tell_gives_no_number(tmp_path, rule, content):
    file = tmp_path / "a.json"
    file.write_text(content)
    said = number_of(rule, {}, [file])
    assert said in ("", f"{len(content) / 2**20:.1f} MiB", f"{len(content.splitlines())} classes, named by ")


def test_each_number_is_of_a_rule():
    assert NUMBERS.keys() - {rule.name for rule in declared_rules()} == set()
