import shutil
from pathlib import Path

import pytest

from dsbench.chain.measured_chain import Decision, RunSummary
from dsbench.report.benchmark_data import Measured, engines
from dsbench.trtexec.build_log import read_build
from dsbench.trtexec.passport import make_passport, write_passport

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "benchmarks/engines").mkdir(parents=True)
    return tmp_path


def rows(tree, version="8.6", layers=None, onnx="m.onnx"):
    shutil.copy(DATA / f"trtexec_{version}_build_b8.log", tree / "benchmarks/engines/build_b8.log")
    log, engine = tree / "benchmarks/engines/build_b8.log", tree / "benchmarks/engines/m_dynamic_b8.engine"
    engine.write_bytes(bytes(3 << 20))
    for file in (tree / onnx, tree / "timing.cache"):
        file.touch()
    passport = make_passport(engine, tree / onnx, tree / "timing.cache", [], read_build(log), layers, {})
    write_passport(engine, passport)
    return engines(Measured(tree, Decision(8, 8, [8], [8], None), RunSummary([]), RunSummary([])), "m")


@pytest.mark.parametrize("version", ["8.6", "10.16", "11.1"])
def test_size_is_the_files_since_not_every_trtexec_says_it(tree, version):
    (row,) = rows(tree, version)
    assert (row["batch"], row["size_mib"], row["attempt"], row["errors"]) == (8, 3.0, None, [])
    assert row["file"] == "benchmarks/engines/m_dynamic_b8.engine"


def test_layers_are_counted_by_precision_where_the_engine_tells(tree):
    assert rows(tree)[0]["layers"] is None
    kinds = {"conv1": "fp16", "boxes": "fp32", "conv2": "fp16"}
    assert rows(tree, layers=kinds)[0]["layers"] == {"fp16": 2, "fp32": 1}


def test_conversion_to_half_precision_comes_with_its_accuracy(tree):
    assert rows(tree)[0]["half_precision"] is None
    (tree / "m_fp16.json").write_text('{"agreement": 0.99}')
    assert rows(tree, onnx="m_fp16.onnx")[0]["half_precision"] == {"onnx": "m_fp16.onnx", "agreement": 0.99}
