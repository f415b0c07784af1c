"""Where the numbers of a report stand: lines of logs and of JSON files, as data, as notes and over the figures."""

import json
import re

import pytest

from dsbench.core.files import sha256_of
from dsbench.core.records import write_record
from dsbench.deepstream.log import lines_of_windows
from dsbench.report.html import _show_notes
from dsbench.report.notes import Note, with_notes
from dsbench.report.sources import Sources, numbers_in
from dsbench.report.text import number
from workflow_run import PROJECT


def test_lines_are_those_of_the_files_that_the_build_writes(tmp_path):
    value = {"a": 1, "none": None, "deep": {"b/c": [2.5, [], {}, True, -3e-07]}, "empty": {}, "last": 7}
    write_record(tmp_path / "x.json", value)
    lines = (tmp_path / "x.json").read_text().split("\n")
    found = list(numbers_in(value))
    assert [pointer for pointer, _, _ in found] == ["/a", "/deep/b~1c/0", "/deep/b~1c/4", "/last"]
    for _, number_there, line in found:
        assert json.loads(re.sub(r'^ *("[^"]*": )?|,$', "", lines[line - 1])) == number_there


def test_a_number_is_copied_only_where_the_file_has_the_same(tmp_path):
    write_record(tmp_path / "gate.json", {"ratio": 0.9, "detections": 4, "deep": {"ratio": 0.5}})
    sources = Sources({"validation": {"ratio": 0.9, "detections": 5, "frames": 300}, "other": {"ratio": 0.5}})
    sources.copy("/validation", tmp_path / "gate.json")
    sources.copy("/other", tmp_path / "gate.json", "/deep")
    assert sources.record() == {
        "files": {f"{tmp_path}/gate.json": sha256_of(tmp_path / "gate.json")},
        "said": {
            "/validation/ratio": f"{tmp_path}/gate.json:2",
            "/other/ratio": f"{tmp_path}/gate.json:5",
        },
        "computed": {},
    }


@pytest.mark.parametrize("log", ["trtexec_8.6_b1.log", "trtexec_10.16_b8.log", "trtexec_11.1_b8.log"])
def test_lines_of_trtexec_say_its_numbers(log):
    file = PROJECT / "tests/data" / log
    rate = dict.fromkeys(("qps", "gpu_mean_ms", "p99_ms", "queries", "imgs_per_sec"), 1.0)
    sources = Sources({"bs1": rate})
    sources.trtexec("/bs1", file)
    found, lines = sources.record(), file.read_text().split("\n")
    said = {pointer: lines[int(place.rpartition(":")[2]) - 1] for pointer, place in found["said"].items()}
    assert " Throughput: " in said["/bs1/qps"]
    assert (
        " GPU Compute Time: min = " in said["/bs1/gpu_mean_ms"]
        and said["/bs1/gpu_mean_ms"] == said["/bs1/p99_ms"]
    )
    assert " Timing trace has " in said["/bs1/queries"]
    assert found["computed"] == {"/bs1/imgs_per_sec": [found["said"]["/bs1/qps"]]}


def test_lines_of_a_run_are_those_of_its_full_windows():
    text = (
        "**PERF:  FPS 0 (Avg)\tFPS 1 (Avg)\t\n"
        "**PERF:  0.00 (0.00)\t0.00 (0.00)\t\n"
        "**PERF:  9.00 (9.00)\t9.00 (9.00)\t\n"
        "**PERF:  30.00 (30.00)\t30.00 (30.00)\t\n"
        "**PERF:  31.00 (30.00)\tOpening in BLOCKING MODE\n"
        "31.00 (30.00)\t\n"
        "**PERF:  32.00 (30.00)\t32.00 (30.00)\t\n"
        "** ERROR: <_intr_handler:136>: User Interrupted.. \n"
        "**PERF:  3.00 (30.00)\t3.00 (30.00)\t\n"
    )
    assert lines_of_windows(text) == [4, 7]


@pytest.fixture
def data():
    return {
        "runs": [{"total_fps": 60.25, "streams": 2}],
        "wall_s": 3.5,
        "sources": {
            "files": {"b/run.log": "ab" * 32, "gate.json": "cd" * 32, "logs/x.tsv": "ef" * 32},
            "said": {"/runs/0/streams": "gate.json:3", "/wall_s": "logs/x.tsv:2"},
            "computed": {"/runs/0/total_fps": ["b/run.log:57-66", "gate.json:9"]},
        },
    }


def test_a_number_has_its_note_behind_it_and_before_its_unit(data):
    noted, notes = with_notes(data)
    (run,) = noted["runs"]
    assert number(run["total_fps"], 1, "FPS") == "60.2[^1.57-66] FPS"
    assert number(run["streams"]) == "2[^2.3]"
    assert number(noted["wall_s"], 1, "s") == "3.5 s"
    assert number(2 * run["total_fps"], 1) == "120.5"
    assert noted == data
    assert notes == [
        Note("b/run.log", "ab" * 32, "lines 57 to 66"),
        Note("gate.json", "cd" * 32, "line 3"),
    ]


def test_data_without_sources_have_no_notes(data):
    del data["sources"]
    assert with_notes(data) == (data, [])


def test_the_page_shows_file_and_line_over_the_number_and_a_note_once_in_a_row():
    row = (
        "<tr><td>60.2\ue0001.57-66\ue001 FPS</td><td>-3.25\ue0001.58\ue001</td><td>2\ue0002.3\ue001</td></tr>"
    )
    assert _show_notes(f"{row}<p>1,200\ue0001.9\ue001</p>", {"1": "b/run.log", "2": 'g"<.json'}) == (
        '<tr><td><span title="b/run.log:57-66">60.2</span>'
        '<sup><a href="#note-1" title="b/run.log:57-66, 58">[1]</a></sup> FPS</td>'
        '<td><span title="b/run.log:58">-3.25</span></td>'
        '<td><span title="g&quot;&lt;.json:3">2</span>'
        '<sup><a href="#note-2" title="g&quot;&lt;.json:3">[2]</a></sup></td></tr>'
        '<p><span title="b/run.log:9">1,200</span>'
        '<sup><a href="#note-1" title="b/run.log:9">[1]</a></sup></p>'
    )
