"""The diagrams and tables of docs/ are those of the DAG, of the rules and of the packages' imports."""

import tomllib

import pytest

from dsbench.dag.artefact_table import SCRIPTS, artefact_tables, makers
from dsbench.dag.diagrams import diagram, documents, file_edges, package_edges, reduced, rule_edges
from dsbench.report.diagram_tools import diagrams
from workflow_run import PROJECT, rebuilt

FAKES = PROJECT / "tests/fakes"


def job(rule, needs=(), output=(), source=()):
    return {"rule": rule, "needs": list(needs), "output": list(output), "input": list(source)}


def test_the_documents_have_what_is_made_from_the_dag_the_rules_and_the_packages():
    made = documents([FAKES, FAKES / "gstreamer"])
    for file, text in made.items():
        assert text == file.read_text(), f"{file}: run `make diagrams` and read the difference"
    assert [len(diagrams(text)) for text in made.values()] == [1, 1, 1]
    rules = made[PROJECT / "docs/rules.md"]
    assert [rule for rule in rebuilt("nvidia", "driver") if f'["{rule}"]' not in rules] == []


def test_every_script_has_a_row_with_the_modules_that_make_its_files():
    text = (PROJECT / "docs/architecture.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.count(" | ") == 3]
    assert {row[2].strip("`") for row in rows[1:]} >= {script.stem for script in SCRIPTS.glob("*.py")}
    found = {artefact: row[1:] for row in rows for artefact in row[0].removeprefix("| ").split(", ")}
    assert found["`model/variants.json`"][2].endswith("`onnx.variants` |")
    assert found["`config/labels_origin.json`"][2].endswith("`onnx.class_names` |")
    assert found["`reports/since_last_toolchain.json`"][1:] == ["`keep_history`", "`report.history` |"]
    assert found["`benchmarks/sweep.json`"] == ["`sweep.smk`", "`confirm_batch`", "`chain.sweep` |"]


def test_a_module_that_no_script_beside_uses_makes_no_artefact(tmp_path):
    script = tmp_path / "draw_charts.py"
    script.write_text("from dsbench.report.pdf import write_pdf\n")
    with pytest.raises(LookupError, match=r"draw_charts\.py: .* is not what makes its artefacts"):
        makers(script, [script])
    unnamed = script.rename(tmp_path / "print_page.py")
    with pytest.raises(LookupError, match=r"print_page\.py"):
        makers(unnamed, [unnamed])


def test_a_script_that_is_gone_has_no_makers():
    with pytest.raises(LookupError, match=r"'draw_charts'.*no rule has these scripts"):
        artefact_tables([])


def test_an_arrow_that_follows_from_others_is_left_out():
    assert reduced({("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}) == {("a", "b"), ("b", "c"), ("a", "d")}


def test_rules_and_files_follow_each_other_across_what_lies_between():
    folder = "models/rtdetr"
    jobs = [
        job(
            "prepare_onnx", output=[f"{folder}/model/rtdetr.onnx"], source=["../demo/checkpoint/config.json"]
        ),
        job("build_engine", [0], ["build/engines/rtdetr_b4"]),
        job("keep_engine", [1], [f"{folder}/benchmarks/engines/rtdetr_dynamic_b4.engine"]),
        job("build_engine", [0, 1], ["build/engines/rtdetr_b8"]),
    ]
    assert rule_edges(jobs) == {("prepare_onnx", "build_engine"), ("build_engine", "keep_engine")}
    assert file_edges(jobs) == {("source", "model.onnx"), ("model.onnx", "engine")}


def test_no_package_imports_one_above_it():
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each.get("containers") == ["dsbench"])
    edges = package_edges()
    assert {name for edge in edges for name in edge} == set(layers)
    assert all(layers.index(start) < layers.index(end) for start, end in edges)


def test_a_diagram_is_a_mermaid_block():
    (block,) = diagrams(diagram("LR", {("a.b", "c")}))
    assert block.body == 'flowchart LR\n  a_b["a.b"]\n  c["c"]\n  a_b --> c\n'
