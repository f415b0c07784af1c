import json
from dataclasses import replace

import pytest

from dsbench.core.errors import BuildError
from dsbench.dag.rule_script import explained
from dsbench.machine.clip import choose_truth, choose_video, demonstration_clip, shown_path
from dsbench.machine.toolchain import read_facts
from dsbench.report.system_facts import StepTime, runtime_facts, system_facts, timing
from example_report import example, record
from workflow_run import PROJECT

FACTS = {
    "host": {"os": "Debian", "kernel": "6.1", "memory_gib": 23.5},
    "cpu": {"name": "Xeon", "identity": [], "instruction_sets": [], "cores": 2},
    "gpu": None,
    "trtexec": {"embedded_sources_sha256": "ab"},
    "deepstream": {"embedded_sources_sha256": "ab"},
    "openvino": "2026.4.1",
    "encoder": {"gstreamer": "1.22.0", "encoder": "theoraenc-fallback"},
    "wkhtmltopdf": "wkhtmltopdf 0.12.6",
    "compiler": "g++ 12",
}


def test_machine_is_the_recorded_one_and_absent_tools_are_none(tmp_path):
    files = []
    for name, value in FACTS.items():
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(value))
    found = system_facts(read_facts(files))
    assert (found.os, found.cpu, found.memory_gib) == ("Debian", "Xeon", 23.5)
    assert (found.gpu, found.tensorrt, found.openvino) == (None, None, "2026.4.1")


def test_runtime_is_named_by_its_own_banner():
    banner = "[TensorRT v101600] [embedded runtime: OpenVINO 2026.4.1, CPU Xeon]"
    system = replace(record(example()).system, tensorrt="10.16.0", deepstream="9.1.0", gpu="L40S")
    assert runtime_facts("embedded", banner, system).name == "embedded runtime: OpenVINO 2026.4.1, CPU Xeon"
    assert runtime_facts("nvidia", "[b72]", system).name == "TensorRT 10.16.0, DeepStream 9.1.0 on L40S"


def test_named_clip_comes_before_deepstreams_and_that_before_the_demonstration(tmp_path):
    sample = tmp_path / "ds/samples/streams/sample_720p.mp4"
    demo = tmp_path / "p/demo/sample_720p.mp4"
    demo.parent.mkdir(parents=True)
    demo.touch()
    assert choose_video(None, tmp_path / "ds", tmp_path / "p") == demo
    sample.parent.mkdir(parents=True)
    sample.touch()
    assert choose_video(None, tmp_path / "ds", tmp_path / "p") == sample
    named = tmp_path / "mine.mp4"
    with pytest.raises(BuildError, match="no such video"):
        choose_video(str(named), tmp_path / "ds", tmp_path / "p")
    named.touch()
    assert choose_video(str(named), tmp_path / "ds", tmp_path / "p") == named


def test_the_demonstration_alone_has_its_own_clip_on_a_machine_with_deepstream_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = str(PROJECT / "demo/sample_720p.mp4")
    assert demonstration_clip(["demo/checkpoint"], PROJECT) == own
    assert demonstration_clip([str(PROJECT / "demo/checkpoint")], PROJECT) == own
    for sources in (["demo/checkpoint", "org/detector"], ["org/detector"], ["mine/demo/checkpoint"], []):
        assert demonstration_clip(sources, PROJECT) is None


def test_clip_may_be_named_from_home_or_from_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "my clip.mp4").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert choose_video("~/my clip.mp4", tmp_path, tmp_path) == tmp_path / "my clip.mp4"
    monkeypatch.chdir(tmp_path)
    assert choose_video("my clip.mp4", tmp_path, tmp_path).resolve() == tmp_path / "my clip.mp4"


def test_truth_is_the_one_named_else_that_of_the_demonstration_clip_however_it_is_named(tmp_path):
    clip, drawn = tmp_path / "demo/sample_720p.mp4", tmp_path / "demo/sample_720p_kitti"
    drawn.mkdir(parents=True)
    clip.touch()
    (drawn / "000000.txt").touch()
    (tmp_path / "other.mp4").touch()
    found = choose_truth(None, tmp_path / "demo/../demo/sample_720p.mp4", tmp_path)
    assert (found.path, found.is_named) == (str(drawn), False)
    assert choose_truth(None, tmp_path / "other.mp4", tmp_path) is None
    assert choose_truth(str(drawn), tmp_path / "other.mp4", tmp_path).is_named
    assert shown_path(clip, tmp_path) == "demo/sample_720p.mp4"
    with pytest.raises(BuildError, match="no such file or folder; correct DS_TRUTH"):
        choose_truth(str(tmp_path / "none.json"), clip, tmp_path)


def test_other_names_of_a_mot_file_are_another_truth(tmp_path):
    file, names = tmp_path / "gt.txt", tmp_path / "labels.txt"
    file.write_text("1,1,0,0,5,5,1,1,1\n")
    before = choose_truth(str(file), file, tmp_path)
    names.write_text("car\n")
    assert choose_truth(str(file), file, tmp_path) != before


def test_failure_is_one_sentence_on_the_terminal_and_in_the_log(tmp_path, capsys):
    log = tmp_path / "logs/x.log"
    with pytest.raises(SystemExit) as ended, explained(str(log)):
        raise BuildError("x.log: found nothing")
    assert ended.value.code == 1
    assert capsys.readouterr().err == "\nERROR x.log: found nothing\n\n"
    assert log.read_text() == "ERROR x.log: found nothing\n"


def test_fault_of_the_build_itself_keeps_its_traceback(tmp_path):
    with pytest.raises(ZeroDivisionError), explained(str(tmp_path / "x.log")):
        raise ZeroDivisionError


def test_wall_times_are_read_in_order_and_a_missing_one_is_none(tmp_path):
    folder = tmp_path / "det/wall_time"
    folder.mkdir(parents=True)
    (folder / "export_onnx.tsv").write_text("s\tmax_rss\n12.5\t573.8\n")
    (folder / "benchmark_engine_b1.tsv").write_text("s\tmax_rss\n0.2\tNA\n")
    found = timing(tmp_path, "det", [4], ["ds_s2_run1"], has_video=False)
    rows = {row.step: row for row in found.steps}
    assert rows["export_onnx"] == StepTime("export_onnx", wall_s=12.5, max_rss_mib=573.8)
    assert rows["benchmark_engine_b1"].max_rss_mib is None
    assert rows["benchmark_streams_s2_run1"].wall_s is None
    assert found.total_s == 12.7
    assert "record_video" not in rows


def test_conversion_to_half_precision_is_a_step_only_where_engines_are_built_from_it(tmp_path):
    folder = tmp_path / "det/wall_time"
    folder.mkdir(parents=True)
    (folder / "convert_to_half_static_b4.tsv").write_text("s\tmax_rss\n3.5\t80.0\n")
    for has_half in (False, True):
        steps = [row.step for row in timing(tmp_path, "det", [4], [], False, has_half).steps]
        assert ("convert_to_half_static_b4" in steps) is has_half
