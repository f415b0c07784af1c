import shutil
from pathlib import Path

import pytest

from dsbench.chain.measured_chain import Decision, Limit, RunSummary
from dsbench.core.records import write_record
from dsbench.deepstream.log import StreamRun
from dsbench.onnx.inspection import HalfPrecision
from dsbench.report.benchmark_data import Measured, engines, unusual_numbers
from dsbench.trtexec.build_log import read_build
from dsbench.trtexec.passport import make_passport, write_passport

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "benchmarks/engines").mkdir(parents=True)
    return tmp_path


def built(tree, batch, version="8.6", layers=None, onnx="m.onnx", flags=(), machine=None):
    """Write an engine with the log of its build and its passport."""
    shutil.copy(DATA / f"trtexec_{version}_build_b8.log", tree / f"benchmarks/engines/build_b{batch}.log")
    log = tree / f"benchmarks/engines/build_b{batch}.log"
    engine = tree / f"benchmarks/engines/m_dynamic_b{batch}.engine"
    engine.write_bytes(bytes(3 << 20))
    for file in (tree / onnx, tree / "timing.cache"):
        file.touch()
    files = engine, tree / onnx, tree / "timing.cache"
    write_passport(engine, make_passport(*files, list(flags), read_build(log), layers, machine or {}))


def rows(tree, b1_engine="m_dynamic_b8.engine", **settings):
    built(tree, 8, **settings)
    (tree / "benchmarks/b1").mkdir(exist_ok=True)
    (tree / "benchmarks/b1/trtexec_b1.log").write_text(
        f"# command: trtexec --loadEngine={b1_engine} --duration=10\n"
    )
    return engines(Measured(tree, Decision(8, 8, [8], [8], None), RunSummary([]), RunSummary([])), "m")


@pytest.mark.parametrize("version", ["8.6", "10.16", "11.1"])
def test_size_is_the_files_since_not_every_trtexec_says_it(tree, version):
    (row,) = rows(tree, version=version)
    assert (row["batch"], row["size_mib"], row["attempt"], row["errors"]) == (8, 3.0, None, [])
    assert row["file"] == "benchmarks/engines/m_dynamic_b8.engine"


def test_layers_are_counted_by_precision_where_the_engine_tells(tree):
    assert rows(tree)[0]["layers"] is None
    kinds = {"conv1": "fp16", "boxes": "fp32", "conv2": "fp16"}
    assert rows(tree, layers=kinds)[0]["layers"] == {"fp16": 2, "fp32": 1}


def test_an_engine_of_batch_1_alone_is_told_of_before_that_of_max_bs(tree):
    built(tree, 1)
    assert [
        row["batch"] for row in rows(tree, b1_engine="models/m/benchmarks/engines/m_dynamic_b1.engine")
    ] == [1, 8]
    assert [row["batch"] for row in rows(tree)] == [8]


@pytest.mark.parametrize(
    ("capability", "flags", "may"),
    [("8.9", [], True), ("8.9", ["--noTF32"], False), ("7.5", [], False), (None, [], False)],
)
def test_fp32_may_be_tf32_from_ampere_on_where_nobody_forbids_it(tree, capability, flags, may):
    machine = {"gpu": [f"NVIDIA L40S, {capability}, 46068 MiB"]} if capability else {}
    assert rows(tree, flags=flags, machine=machine)[0]["tf32"] is may


def test_conversion_to_half_precision_comes_with_its_accuracy(tree):
    assert rows(tree)[0]["half_precision"] is None
    measured = HalfPrecision(
        kept_in_float32="least", accepted=True, agreement=0.99, half_share=1.0, images=3, refused=[]
    )
    write_record(tree / "m_fp16.json", measured)
    assert rows(tree, onnx="m_fp16.onnx")[0]["half_precision"] == {
        "onnx": "m_fp16.onnx",
        "kept_in_float32": "least",
        "accepted": True,
        "agreement": 0.99,
        "half_share": 1.0,
        "images": 3,
        "refused": [],
    }


MEANINGS = {
    "PEAK_GPU_STREAMS": "the streams that inference alone could serve",
    "MAX_BS": "the engine's largest batch",
    "RT_STREAMS": "the streams that run 1's total is enough for",
}


@pytest.mark.parametrize(
    ("decision", "run1_fps", "names"),
    [
        (Decision(4, 0, [4], [0], None), 20.0, ["PEAK_GPU_STREAMS", "RT_STREAMS"]),
        (Decision(16, 40, [16], [40], "largest_batch is 16"), 500.0, ["PEAK_GPU_STREAMS", "MAX_BS"]),
        (
            Decision(4, 9, [4], [3], "no room", [Limit(8, "no room")]),
            130.0,
            ["PEAK_GPU_STREAMS", "MAX_BS"],
        ),
        (Decision(4, 3, [4], [3], "no room", [Limit(8, "no room")]), 100.0, ["MAX_BS"]),
        (Decision(4, 3, [4], [3], None), 30.0, []),
    ],
)
def test_a_name_stands_with_its_meaning_where_it_is_unusual(decision, run1_fps, names):
    runs = [StreamRun(1, [fps], [fps], []) for fps in (run1_fps, 30.0)]
    said = " ".join(unusual_numbers(decision, 25.0, runs[0], runs[1:], 30))
    assert [name for name in MEANINGS if name in said] == names
    assert all(MEANINGS[name] in said for name in names)
    assert ("gives 25.0 images/s at batch 4, less than 30" in said) is ("is 0). Run 1" in said)
    assert ("gave 20.0 frames/s in all, less than 30" in said) is ("is 0). Run 2" in said)
