"""The whole main job on the embedded runtime, and what its user sees."""

import json
import re
import subprocess
from pathlib import Path

import pypdf
import pytest

from dsbench.chain.measured_chain import EngineDecision, RunSummary, peak_gpu_streams
from dsbench.checks.accuracy import KeptAccuracy
from dsbench.core.files import sha256_of
from dsbench.core.records import as_json, numbers_in, read_record
from dsbench.dag.terminal import NUMBERS, Step
from dsbench.deepstream.latency import read_latency
from dsbench.deepstream.log import read_run
from dsbench.onnx.inspection import Inspection
from dsbench.report.benchmark_data import Measured, figures_beside
from dsbench.report.report_data import check_data
from dsbench.trtexec.log import read_measurement
from workflow_run import PROJECT, REPORT, files, snakemake

TREE = [
    "model/rtdetr.onnx",
    "model/source.json",
    "parser/parser.cpp",
    "parser/Makefile",
    "parser/libparser.so",
    "config/config_infer_primary_rtdetr.txt",
    "config/labels.txt",
    "config/config.json",
    "benchmarks/engines/timing.cache",
    "benchmarks/b1/trtexec_b1.log",
    "benchmarks/ds/config_infer_ds_rtdetr.txt",
    "reports/benchmark_report.md",
    "reports/benchmark_report.html",
    "reports/benchmark_report.pdf",
    "reports/benchmark_report_rtdetr.pdf",
    "samples/rtdetr_output.ogv",
    "samples/frame_middle.jpg",
    "samples/kitti_output/00_000_000299.txt",
    "validation/truth.json",
    "validation/gate.json",
    "validation/preprocess.json",
    "validation/reference_run.json",
    "validation/engine_run.json",
    "validation/agreement.json",
    "validation/accuracy.json",
    "validation/batch_slots.json",
]


@pytest.fixture(scope="module")
def data(finished):
    return json.loads((finished / "models/rtdetr/reports/benchmark_data.json").read_text())


def test_tree_is_complete(finished, data):
    found = files(finished / "models/rtdetr")
    batch, run1, run2 = data["max_bs"], data["deepstream"]["run1"], data["deepstream"]["run2"]
    measured = [
        f"benchmarks/engines/rtdetr_dynamic_b{batch}.engine",
        f"benchmarks/b{batch}/trtexec_b{batch}.log",
        f"benchmarks/ds/ds_s{run1['streams']}_run1.log",
        f"benchmarks/ds/ds_s{run2['streams']}_run2.log",
        "benchmarks/ds/ds_latency.log",
    ]
    assert not set(TREE + measured) - found
    assert not [path for path in found if "/" not in path or path.endswith(".partial")]


def test_numbers_are_those_of_the_logs(finished, data):
    tree = finished / "models/rtdetr"
    check_data(data)
    b_max = read_measurement(tree / data["trtexec"]["bsmax"]["log"])
    assert data["trtexec"]["bsmax"]["imgs_per_sec"] == b_max.queries_per_s * data["max_bs"]
    assert data["peak_gpu_streams"] == peak_gpu_streams(b_max.queries_per_s, data["max_bs"], 30)
    for run in (data["deepstream"]["run1"], data["deepstream"]["run2"]):
        assert run["total_fps"] == read_run(tree / run["log"], run["streams"], 3).total_fps
    latency = data["deepstream"]["latency"]
    measured = read_latency(tree / latency["log"], latency["streams"])
    assert (latency["p95_ms"], latency["frames"]) == (
        measured.percentile(95).latency_ms,
        len(measured.frames),
    )


# Settings, counts that a name or a configuration has, and what the files themselves are: nothing measured.
UNMEASURED = re.compile(
    r"/schema_version|/model/(onnx_bytes|opset|nodes|files/.*|input/.*|outputs/.*|export/tolerance)|/system/.*"
    r"|/preprocessing/(?!proof)\w+|/engines/\d+/(batch|workspace_mib)|/trtexec/(duration_s|warm_up_ms)"
    r"|/trtexec/(bs1|bsmax|doubling/\d+)/batch|/deepstream/(interval_s|\w+/streams)|/efficiency/reference_batch"
)


def test_every_measured_number_stands_where_its_source_says(finished, data):
    sources = data["sources"]
    lines = {}
    for file, sha256 in sources["files"].items():
        assert sha256_of(finished / file) == sha256, file
        lines[file] = (finished / file).read_text(errors="replace").split("\n")
    values = {pointer: value for pointer, value, _ in numbers_in({**data, "sources": None})}
    assert not set(sources["said"]) & set(sources["computed"])
    for pointer, value in values.items():
        if UNMEASURED.fullmatch(pointer):
            assert pointer not in sources["said"], pointer
            continue
        if pointer in sources["said"]:
            file, _, line = sources["said"][pointer].rpartition(":")
            found = re.findall(r"(?<![\w.])-?\d+\.?\d*(?:[eE][-+]?\d+)?", lines[file][int(line) - 1])
            assert value in map(float, found), (pointer, sources["said"][pointer])
            continue
        for place in sources["computed"][pointer]:
            file, _, span = place.rpartition(":")
            first, last = (span.split("-") * 2)[:2]
            assert any(re.search(r"\d", line) for line in lines[file][int(first) - 1 : int(last)]), place


def test_the_page_shows_the_place_of_a_number_over_it(finished, data):
    page = (finished / "models/rtdetr/reports/benchmark_report.html").read_text()
    place = data["sources"]["said"]["/trtexec/bs1/qps"]
    assert f'<span title="{place}">{data["trtexec"]["bs1"]["qps"]:,.2f}</span><sup>' in page
    sha256 = data["sources"]["files"][place.rpartition(":")[0]]
    pages = pypdf.PdfReader(finished / REPORT).pages
    assert sha256 in "".join("".join(page.extract_text() for page in pages).split())


def test_logs_and_report_say_that_it_was_the_embedded_runtime(finished, data):
    tree = finished / "models/rtdetr"
    for log in ("benchmarks/b1/trtexec_b1.log", data["deepstream"]["run1"]["log"]):
        assert re.search(r"embedded runtime.*OpenVINO \d", (tree / log).read_text())
    assert "embedded runtime" in (tree / "reports/benchmark_report.md").read_text()
    assert data["runtime"]["kind"] == "embedded"


def test_detections_agree_with_the_clips_ground_truth(data):
    truth = data["validation"]["ground_truth"]
    assert truth["precision"] > 0.85
    assert truth["recall"] > 0.85


def test_preprocessing_is_proven_against_the_image_processor_and_beats_what_it_could_be(data):
    proof = data["preprocessing"]["proof"]
    derived, *others = proof["alternatives"]
    assert proof["passed"] and proof["told_by_detections"]
    assert proof["reference"] == "preprocessor_config.json"
    assert derived["mean_difference"] < 5
    assert derived["likeness"] > 0.1 + max(row["likeness"] for row in others)


def test_no_path_of_this_machine_is_in_a_report(finished):
    text = (finished / "models/rtdetr/reports/benchmark_report.md").read_text()
    assert str(finished) not in text
    results, _ = text.split("## 12.")
    assert "demo/sample_720p.mp4" in results
    assert str(PROJECT).strip("/") not in results


def test_the_pdf_has_the_rows_of_the_markdown(finished):
    pages = pypdf.PdfReader(finished / REPORT).pages
    text = " ".join("".join(page.extract_text() for page in pages).split())
    assert "Colour order RGB maintain-aspect-ratio no symmetric-padding no scaling-filter 3 (area)" in text


def test_every_step_that_gives_a_number_tells_it(finished, main_jobs, monkeypatch):
    monkeypatch.chdir(finished)
    told = {
        job["rule"]: Step(
            job["rule"], job["wildcards"], [Path(file) for file in job["output"]], [], None, None, 0.0
        ).number()
        for job in main_jobs
        if job["rule"] in NUMBERS
    }
    assert len(told) > 12 and [rule for rule, number in told.items() if not number] == []


def test_second_call_does_nothing_and_says_so(finished):
    done = snakemake(finished, REPORT)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout


@pytest.mark.parametrize("script", ["trtexec_b1", "trtexec_bmax"])
def test_reference_script_runs_by_itself(tree, script):
    path = tree / f"models/rtdetr/scripts/{script}.sh"
    path.write_text(path.read_text().replace("--duration=1 ", "--duration=0.2 "))
    done = subprocess.run([path], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "&&&& PASSED" in done.stdout


def test_pasted_command_is_the_script_without_its_frame(data):
    texts = [command["text"] for command in data["commands"]]
    assert len(texts) == 7
    assert not [text for text in texts if "$0" in text or "#!" in text]


def test_what_stands_beside_another_model_is_what_the_own_report_has(finished, data):
    tree = Path("models/rtdetr")
    folder = finished / tree
    measured = Measured(
        tree,
        read_record(folder / "benchmarks/max_bs.json", EngineDecision),
        *(read_record(folder / f"benchmarks/ds/run{run}.json", RunSummary) for run in (1, 2)),
    )
    inspect = read_record(folder / "model/inspect.json", Inspection)
    kept = read_record(folder / "validation/accuracy.json", KeptAccuracy)
    figures = as_json(figures_beside(measured, inspect, kept, data["target_fps"]))
    assert figures["kept"] == data["validation"]["accuracy"]["stages"][-1]["accuracy"]["every"]
    assert figures["on_truth"] == data["validation"]["accuracy"]["truth"]["runtime"]["every"]
    assert (figures["model_name"], figures["resize"]) == ("rtdetr", "nvinfer")
    assert figures["imgs_per_sec"] == data["trtexec"]["bsmax"]["imgs_per_sec"]
    assert figures["total_fps"] == data["deepstream"]["run2"]["total_fps"]
    assert figures["rt_streams"] == data["deepstream"]["rt_streams"]


def test_a_model_beside_a_finished_one_takes_its_figures_and_builds_nothing_of_it(tree):
    target = "models/again/reports/benchmark_data.json"
    entry = "models: {again: {source: demo/checkpoint, resize: in_graph, beside: rtdetr}}\n"
    done = snakemake(tree, "-n", target, config=entry)
    assert done.returncode == 0, done.stdout[-3000:]
    (collected,) = re.findall(r"rule collect_data:\n    input: (.*)", done.stdout)
    beside = ["validation/accuracy.json", "benchmarks/max_bs.json", "benchmarks/ds/run2.json"]
    assert {f"models/rtdetr/{file}" for file in beside} <= set(collected.split(", "))
    assert not re.findall(r"output: models/rtdetr/", done.stdout)
