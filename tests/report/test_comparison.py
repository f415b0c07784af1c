"""Finished models side by side: ranks where intervals allow them, groups that are never mixed, and the capacity."""

import copy
import csv
import io
import json
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from browser import NEEDS_BROWSER, browse
from dsbench.core.errors import BuildError
from dsbench.core.records import read_record, write_record
from dsbench.report.comparison import (
    ModelComparison,
    class_table,
    compare_models,
    comparison_csv,
    need,
    rank_words,
)
from dsbench.report.comparison_chart import draw_comparison, plot_group
from dsbench.report.comparison_page import render_comparison
from dsbench.report.finished_reports import reports_of_trees
from dsbench.report.report_data import SCHEMA_VERSION
from sampled_run import latency
from swept import swept

EXAMPLE = json.loads((Path(__file__).parents[1] / "data/benchmark_data.json").read_text())
HOSTILE = "=cmd|'/C calc'!A0<script>alert(1)</script>"


def made(tree, name, images_per_s, windows, kind="nvidia", accuracy=0.85, disturbed=None):
    """Write the report of a model whose run 2 had 5 streams at these rates; its folder is named as the place allows."""
    data = copy.deepcopy(EXAMPLE)
    data["model_name"] = name
    data["runtime"] |= {"kind": kind, "name": f"{kind} runtime"}
    data["system"]["gpu"] = "NVIDIA L4" if kind == "nvidia" else None
    run = data["deepstream"]["run2"]
    run |= {
        "total_fps": images_per_s,
        "fps_per_stream": images_per_s / 5,
        "real_time": images_per_s / 5 >= 30,
    }
    run |= {"min_stream_fps": images_per_s / 5, "total_fps_min": windows[0], "total_fps_max": windows[1]}
    run["conditions"]["disturbances"] = disturbed
    data["deepstream"]["real_time"] = run["real_time"]
    data["efficiency"]["run2_pct"] = 100 * images_per_s / data["efficiency"]["reference_imgs_per_sec"]
    if accuracy is None:
        data["validation"]["accuracy"]["truth"] = None
    else:
        data["validation"]["accuracy"]["truth"]["runtime"]["every"]["ap"] = accuracy
    folder = tree / "models" / re.sub(r"\W", "_", name)[:20] / "reports"
    folder.mkdir(parents=True)
    (folder / "benchmark_data.json").write_text(json.dumps(data))


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Four models of NVIDIA's runtime, two of which overlap, one without truth, and one of the embedded runtime."""
    monkeypatch.chdir(tmp_path)
    made(tmp_path, "fast", 400.0, (390.0, 410.0), accuracy=0.70)
    made(tmp_path, "middle", 210.0, (200.0, 220.0), accuracy=0.80)
    made(tmp_path, HOSTILE, 195.0, (185.0, 205.0), accuracy=0.78)
    made(tmp_path, "slow", 120.0, (110.0, 130.0), accuracy=None)
    made(tmp_path, "on_cpu", 900.0, (890.0, 910.0), kind="embedded")
    return tmp_path


@pytest.fixture
def comparison(tree):
    return compare_models(reports_of_trees(), [3, 40], None)


def test_ranks_are_ranges_where_intervals_overlap(comparison):
    ranks = {each.model: rank_words(each) for each in comparison.groups[0].contenders}
    assert list(ranks.values()) == ["1", "2-3", "2-3", "4"]
    assert list(ranks) == ["fast", "middle", HOSTILE, "slow"]


def test_intervals_that_overlap_in_a_chain_leave_only_what_they_leave_open(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, low in (("a", 100.0), ("b", 115.0), ("c", 130.0)):
        made(tmp_path, name, low + 10, (low, low + 20))
    found = compare_models(reports_of_trees(), [1], None).groups[0].contenders
    # c's slowest window is above none of b, and above a's fastest.
    assert {each.model: rank_words(each) for each in found} == {"c": "1-2", "b": "1-3", "a": "2-3"}


def test_runtimes_are_never_ranked_together(comparison):
    assert [group.runtime_kind for group in comparison.groups] == ["nvidia", "embedded"]
    assert [rank_words(each) for each in comparison.groups[1].contenders] == ["1"]


def test_another_clip_or_rate_is_a_group_of_its_own(tree):
    made(tree, "other", 300.0, (290.0, 310.0))
    file = tree / "models/other/reports/benchmark_data.json"
    data = json.loads(file.read_text())
    data["video"]["sha256"] = "0" * 64
    file.write_text(json.dumps(data))
    assert [len(group.contenders) for group in compare_models(reports_of_trees(), [1], None).groups] == [
        1,
        4,
        1,
    ]


def front_of():
    group = compare_models(reports_of_trees(), [1], None).groups[0]
    return [each.model for each in group.contenders if each.is_on_front]


def test_front_has_whom_none_is_known_to_surpass_and_nobody_without_accuracy(tree):
    # The third is as fast as the second for all that the windows tell.
    assert front_of() == ["fast", "middle", HOSTILE]
    made(tree, "beaten", 150.0, (140.0, 160.0), accuracy=0.78)
    made(tree, "best", 100.0, (90.0, 110.0), accuracy=0.81)
    assert front_of() == ["fast", "middle", HOSTILE, "best"]


def test_line_of_the_front_rises_from_the_fastest_on(comparison):
    axes = Figure().add_subplot()
    plot_group(axes, comparison.groups[0])
    (line,) = axes.get_lines()
    assert line.get_xydata().tolist() == [[400.0, 0.7], [210.0, 0.8]]


def test_disturbed_run_has_no_rank_and_takes_none_from_others(tree):
    made(tree, "disturbed", 800.0, (790.0, 810.0), accuracy=0.9, disturbed=["another process used the GPU"])
    found = compare_models(reports_of_trees(), [1], None).groups[0].contenders
    assert [(each.model, rank_words(each)) for each in found[:2]] == [("disturbed", ""), ("fast", "1")]
    assert found[0].unranked == need(found[0], 1, 30.0, 30.0).unranked == "the run was disturbed"
    assert [each.is_on_front for each in found[:3]] == [False, True, True]


@pytest.mark.parametrize(
    ("model", "cameras", "fps", "streams", "devices", "headroom_pct", "is_extrapolated"),
    [
        ("fast", 3, 30.0, 5, 1, 40.0, False),
        ("fast", 10, 30.0, 5, 2, 0.0, False),
        ("fast", 11, 30.0, 5, 3, 26.7, False),
        # 390 images/s in the slowest window.
        ("fast", 40, 15.0, 26, 2, 23.1, True),
        # 5 streams missed 30 FPS, and fewer were not tried; 110 images/s in the slowest window.
        ("slow", 1, 30.0, None, None, None, False),
        ("slow", 1, 200.0, 0, None, None, True),
    ],
)
def test_capacity_is_of_measured_streams_or_marked(
    comparison, model, cameras, fps, streams, devices, headroom_pct, is_extrapolated
):
    one = next(each for each in comparison.groups[0].contenders if each.model == model)
    found = need(one, cameras, fps, target_fps=30.0)
    assert (found.streams, found.devices, found.is_extrapolated) == (streams, devices, is_extrapolated)
    assert found.is_multiplied is (devices is not None and devices > 1)
    assert found.headroom_pct == (None if headroom_pct is None else pytest.approx(headroom_pct, abs=0.05))


def test_record_comes_back_from_its_file(comparison, tmp_path):
    write_record(tmp_path / "comparison.json", comparison)
    assert read_record(tmp_path / "comparison.json", ModelComparison) == comparison


def test_spreadsheet_gets_no_formula_and_no_zero_for_what_was_not_measured(comparison):
    rows = list(csv.DictReader(io.StringIO(comparison_csv(comparison))))
    assert [row["model"] for row in rows] == ["fast", "middle", f"'{HOSTILE}", "slow", "on_cpu"]
    assert (rows[3]["missed_from"], rows[0]["missed_from"]) == ("5", "6")
    assert rows[3]["accuracy"] == "" and rows[3]["streams"] == "" and rows[3]["latency_p50_ms"] == ""
    assert (rows[1]["rank_first"], rows[1]["rank_last"]) == ("2", "3")


def test_page_is_whole_without_its_script_and_runs_no_text_of_a_model(comparison, tmp_path):
    draw_comparison(comparison, tmp_path / "chart.png")
    page = render_comparison(comparison, tmp_path / "chart.png")
    assert page.count("<script>") == 1 and "alert(1)" in page and "&lt;script&gt;alert(1)" in page
    assert "script-src 'sha256-" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert page.count('src="data:image/png;base64,') == 1
    first, second = page.split("Embedded runtime (CPU)")[0], page.split("Embedded runtime (CPU)")[1]
    assert "<td>2-3</td>" in first and "on_cpu" not in first.split("<tbody>")[1]
    assert "These are not the figures of a GPU" in second
    assert "Not in the plot of NVIDIA&#39;s runtime, sample_720p.mp4, 30 FPS" in page and ": slow." in page
    assert page.count("not known<small>below 5</small>") == 2
    # One GPU serves 3 cameras as measured; for 40 its number is multiplied.
    assert "1 GPU<small>40 % left" in page and "8 GPUs*<small>0 % left" in page
    assert "* extrapolated: one GPU was measured" in page
    assert "none serves a camera" not in page


def test_a_single_stream_that_missed_serves_no_camera(tree):
    file = tree / "models/slow/reports/benchmark_data.json"
    data = json.loads(file.read_text())
    data["deepstream"]["run2"] |= {
        "streams": 1,
        "total_fps": 20.0,
        "fps_per_stream": 20.0,
        "min_stream_fps": 20.0,
    }
    data["efficiency"]["run2_pct"] = 100 * 20.0 / data["efficiency"]["reference_imgs_per_sec"]
    file.write_text(json.dumps(data))
    comparison = compare_models(reports_of_trees(), [3], None)
    slow = next(each for each in comparison.groups[0].needs if each.model == "slow")
    assert (slow.streams, slow.devices) == (0, None)
    draw_comparison(comparison, tree / "chart.png")
    assert "none serves a camera" in render_comparison(comparison, tree / "chart.png")


def test_streams_are_those_of_the_batch_sweep_where_it_was_made(tree):
    file = tree / "models/fast/reports/benchmark_data.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"sweep": swept()}))
    comparison = compare_models(reports_of_trees(), [8], None)
    fast, found = comparison.groups[0].contenders[0], comparison.groups[0].needs[0]
    assert (fast.model, fast.streams, fast.missed_from, fast.is_of_sweep) == ("fast", 4, 5, True)
    assert (found.streams, found.devices, found.headroom_pct) == (4, 2, 0.0)
    draw_comparison(comparison, tree / "chart.png")
    assert "4<small>batch sweep</small>" in render_comparison(comparison, tree / "chart.png")


def changed(tree, change):
    """Write the report of a fast model with a change into a tree of its own."""
    made(tree, "fast", 300.0, (290.0, 310.0))
    file = tree / "models/fast/reports/benchmark_data.json"
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


# Asked of the page by a script of the test, once the page's own has run.
ASK = """<script>{
const seen = () => [...document.querySelectorAll("tr[data-ranked]")].filter((row) => !row.hidden).length;
const chosen = (name, value) => {
  form.reset();
  form.elements[name].value = value;
  form.dispatchEvent(new Event("input"));
  return [...document.querySelectorAll("tr[data-model]")].filter((row) => !row.hidden).length;
};
const form = document.querySelector("form"), said = [form.hidden, seen()];
form.elements.model.value = "FA";
form.dispatchEvent(new Event("input"));
said.push(seen());
form.reset();
form.elements.realtime.checked = true;
form.dispatchEvent(new Event("input"));
said.push(seen(), document.documentElement.scrollWidth <= innerWidth);
// Each stands in a table of ranks and in one of capacity.
said.push(chosen("tree", "classes/l40s"), chosen("toolchain", "TensorRT 11.1, DeepStream 9.1.0, driver 595.58"));
said.push(chosen("precision", "INT8"), form.elements.precision.labels[0].hidden);
document.body.innerHTML = "<pre>" + JSON.stringify(said) + "</pre>";
}</script>"""


@NEEDS_BROWSER
def test_browser_filters_the_rows_and_runs_no_script_of_a_stranger(tree, tmp_path):
    changed(tree / "classes/l40s", lambda data: data["engines"][-1].update(precision="INT8"))
    changed(
        tree / "shards/1",
        lambda data: data["system"].update(tensorrt="11.1", deepstream="9.1.0", driver="595.58"),
    )
    comparison = compare_models(reports_of_trees(), [3], None)
    draw_comparison(comparison, tmp_path / "chart.png")
    page = render_comparison(comparison, tmp_path / "chart.png")
    file = tmp_path / "page.html"
    file.write_text(page.replace("</body>", f"{ASK}</body>"))
    allowed = browse(file, "--dump-dom")
    assert "7 of 7 shown" in allowed and "<pre>[" not in allowed
    file.write_text(re.sub("<meta http-equiv.*>", "", page).replace("</body>", f"{ASK}</body>"))
    dumped = browse(file, "--window-size=600,900", "--dump-dom")
    said = json.loads(dumped.partition("<pre>")[2].partition("</pre>")[0])
    assert said == [False, 7, 3, 6, True, 2, 2, 2, False]


def test_other_trees_come_with_their_classes_and_shards(tree, tmp_path_factory):
    other = tmp_path_factory.mktemp("other tree")
    for place in ("", "classes/l40s", "shards/1"):
        made(other / place, "fast", 300.0, (290.0, 310.0))
    made(tree / "classes/a100", "fast", 700.0, (690.0, 710.0))
    group = compare_models(reports_of_trees([str(other), str(tree)]), [1], None).groups[0]
    trees = {each.tree for each in group.contenders}
    assert len(group.contenders) == 8 and {"here", "classes/a100"} <= trees
    assert str(other / "classes/l40s") in trees


def test_nothing_finished_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BuildError, match=r"no model is finished here.*comparison\.trees"):
        compare_models(reports_of_trees(), [1], None)


@pytest.mark.parametrize(("name", "says"), [("nowhere", "does not exist"), ("a_file", "is no folder")])
def test_tree_that_is_none_is_told(tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").touch()
    with pytest.raises(
        BuildError, match=rf"comparison\.trees: .*{name} {says}, expected a working directory"
    ):
        reports_of_trees([name])


def test_report_that_cannot_be_read_is_left_out_and_named_on_the_page(tree):
    for name, text in (("slow", "{}"), ("fast", "<b>no JSON")):
        (tree / f"models/{name}/reports/benchmark_data.json").write_text(text)
    comparison = compare_models(reports_of_trees(), [1], None)
    assert [len(group.contenders) for group in comparison.groups] == [2, 1]
    assert [each.report for each in comparison.left_out] == [
        f"models/{name}/reports/benchmark_data.json" for name in ("fast", "slow")
    ]
    draw_comparison(comparison, tree / "chart.png")
    page = render_comparison(comparison, tree / "chart.png")
    assert "2 reports could not be compared" in page and "models/slow/reports/benchmark_data.json: " in page


def test_nothing_that_can_be_read_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made(tmp_path, "only", 400.0, (390.0, 410.0))
    (tmp_path / "models/only/reports/benchmark_data.json").write_text("{}")
    with pytest.raises(BuildError, match=r"models/only/.*remake the file\. No other report can be compared"):
        compare_models(reports_of_trees(), [1], None)


def test_no_accuracy_at_all_and_a_name_of_any_length_still_make_a_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        made(tmp_path, f"{number}$x_1$" + "n" * 300, 400.0, (390.0, 410.0), accuracy=None)
    comparison = compare_models(reports_of_trees(), [1], None)
    assert {len(each.model) for each in comparison.groups[0].contenders} == {80}
    draw_comparison(comparison, tmp_path / "chart.png")
    assert "<td>1-3</td>" in render_comparison(comparison, tmp_path / "chart.png")


def test_class_whose_report_is_of_another_version_stands_below_the_table(tmp_path):
    directory = tmp_path / "classes"
    files = {name: directory / name / "models/m/reports/benchmark_data.json" for name in ("a100", "l4")}
    for name, version in (("a100", SCHEMA_VERSION), ("l4", 1)):
        files[name].parent.mkdir(parents=True)
        files[name].write_text(json.dumps(EXAMPLE | {"schema_version": version}))
    table, _, below = class_table(list(map(str, files.values())), directory).partition("\n\n")
    assert len(table.splitlines()) == 3 and " a100 | " in table
    assert below.startswith(f"1 report could not be compared:\n\n- {files['l4']}: schema")
    assert "another version of this project wrote it" in below
    with pytest.raises(BuildError, match=rf"^{files['l4']}: .*No other report can be compared"):
        class_table([str(files["l4"])], directory)


def test_table_of_classes_has_the_latency_of_a_frame_where_it_was_measured(tmp_path):
    files = []
    for name, measured in (("a100", latency()), ("l4", None)):
        data = copy.deepcopy(EXAMPLE)
        data["deepstream"]["latency"] = measured
        file = tmp_path / "classes" / name / "models/m/reports/benchmark_data.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(data))
        files.append(str(file))
    head, _, *rows = class_table(files, tmp_path / "classes").splitlines()
    cells = [dict(zip(head.split(" | "), row.split(" | "), strict=True)) for row in rows]
    assert [row["frame p50 ms"] for row in cells] == ["61.2", "not measured"]
    assert [row["frame p99 ms"] for row in cells] == ["120.1", "not measured"]
