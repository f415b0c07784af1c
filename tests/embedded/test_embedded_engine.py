import numpy as np
import onnx
import openvino as ov
import pytest
from onnx import TensorProto, helper

from dsembed.engine.builder import FP32, BuildConfig, build_engine_file
from dsembed.engine.engine import Engine, EngineError, ExecutionContext, Plan
from dsembed.engine.engine_file import write_engine_file
from dsembed.engine.network import output_dims, parse_network
from dsembed.engine.shapes import ShapeRange
from dsembed.shared.log_writer import LogWriter
from embedded_models import SIDE, rewritten, write_engine, write_onnx


@pytest.fixture(scope="module", name="engine_path")
def _engine_path(tmp_path_factory):
    return write_engine(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module", name="reference")
def _reference(engine_path):
    return ov.Core().compile_model(
        engine_path.with_name("tiny.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )


def images(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 3, SIDE, SIDE)).astype(np.float32)


def test_engine_says_what_it_takes_and_gives(engine_path):
    engine = Engine.load(engine_path)
    assert (engine.min_batch, engine.opt_batch, engine.max_batch) == (1, 4, 4)
    assert (engine.input.name, engine.input.dims, engine.input.dtype) == ("images", (3, SIDE, SIDE), "fp32")
    assert [(output.name, output.dims) for output in engine.outputs] == [
        ("features", (4, SIDE, SIDE)),
        ("peaks", (4,)),
    ]
    assert engine.precision == "f32"


@pytest.mark.parametrize("plan", [Plan(1, 1, 4, "f32"), Plan(2, 1, 2, "f32"), Plan(2, 1, 1, "f32")])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_cut_of_every_count_gives_the_models_outputs(engine_path, reference, plan, count):
    context = ExecutionContext(Engine.load(engine_path), 4, plan=plan)
    batch = images(count)
    context.submit(0, batch)
    for found, expected in zip(context.wait(0), reference(batch).values(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_slots_are_independent_and_reusable(engine_path, reference):
    context = ExecutionContext(Engine.load(engine_path), 2, slots=2)
    for seed in range(0, 6, 2):
        first, second = images(2, seed), images(1, seed + 1)
        context.submit(0, first)
        context.submit(1, second)
        for slot, batch in ((1, second), (0, first)):
            found, expected = context.wait(slot), list(reference(batch).values())
            np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
            assert found[1].shape == (len(batch), 4)


@pytest.mark.parametrize("batch", [0, 5])
def test_batch_outside_the_profile_is_refused(engine_path, batch):
    with pytest.raises(EngineError, match=f"batch {batch} is outside the engine's profile, 1 to 4"):
        ExecutionContext(Engine.load(engine_path), batch)


@pytest.mark.parametrize(
    "wrong",
    [images(5), images(1).astype(np.float64), images(2)[:, :, :, ::-1], images(1)[:, :, :8], images(1)[:0]],
)
def test_images_of_another_form_are_refused(engine_path, wrong):
    context = ExecutionContext(Engine.load(engine_path), 4)
    with pytest.raises(EngineError, match="images"):
        context.submit(0, wrong)


def test_missing_engine_is_refused(tmp_path):
    with pytest.raises(EngineError, match="No such file"):
        Engine.load(tmp_path / "none.engine")


@pytest.mark.parametrize("kept_bytes", [20, 1000, -1])
def test_truncated_engine_is_refused(engine_path, tmp_path, kept_bytes):
    cut = tmp_path / "cut.engine"
    cut.write_bytes(engine_path.read_bytes()[:kept_bytes])
    with pytest.raises(EngineError, match="truncated"):
        Engine.load(cut)


@pytest.mark.parametrize("content", [b"", b"ftrt\0\0\0\0" + bytes(200), b"hello"])
def test_foreign_file_is_refused(tmp_path, content):
    foreign = tmp_path / "foreign.engine"
    foreign.write_bytes(content)
    with pytest.raises(EngineError, match="not an engine of the embedded runtime"):
        Engine.load(foreign)


def test_damaged_engine_is_refused(engine_path, tmp_path):
    content = bytearray(engine_path.read_bytes())
    content[-100] ^= 1
    damaged = tmp_path / "damaged.engine"
    damaged.write_bytes(content)
    with pytest.raises(EngineError, match="SHA-256"):
        Engine.load(damaged)


def test_other_format_version_is_refused(engine_path, tmp_path):
    content = bytearray(engine_path.read_bytes())
    content[8] += 1
    other = tmp_path / "other.engine"
    other.write_bytes(content)
    with pytest.raises(EngineError, match="engine format version 2, this runtime reads version 1"):
        Engine.load(other)


def test_other_openvino_version_is_refused(engine_path, tmp_path):
    other = rewritten(engine_path, tmp_path / "o.engine", lambda header: header.update(openvino="2024.1.0"))
    with pytest.raises(EngineError, match=r"built by OpenVINO 2024\.1\.0, this is OpenVINO"):
        Engine.load(other)


@pytest.mark.parametrize(
    "fact", [{"vendor": "OtherVendor"}, {"family": "99"}, {"model": "1"}, {"isa": ["avx"]}]
)
def test_other_cpu_family_is_refused(engine_path, tmp_path, fact):
    other = rewritten(engine_path, tmp_path / "o.engine", lambda header: header["cpu"].update(fact))
    with pytest.raises(EngineError, match=f"CPU family.*{next(iter(fact))}"):
        Engine.load(other)


def test_other_embedded_runtime_version_is_refused(engine_path, tmp_path):
    other = rewritten(
        engine_path, tmp_path / "o.engine", lambda header: header.update(embedded_runtime="0.0.9")
    )
    with pytest.raises(EngineError, match=r"built by embedded runtime 0\.0\.9, this is embedded runtime"):
        Engine.load(other)


def test_other_core_count_is_no_reason_to_refuse(engine_path, tmp_path):
    other = rewritten(engine_path, tmp_path / "o.engine", lambda header: header["cpu"].update(cores=64))
    assert "timed on 64 CPU cores" in Engine.load(other).core_count_warning()
    assert Engine.load(engine_path).core_count_warning() is None


def test_failed_write_leaves_neither_engine_nor_remains(engine_path, tmp_path):
    target = tmp_path / "out" / "x.engine"
    target.mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_engine_file(target, Engine.load(engine_path).file)
    assert [path.name for path in target.parent.iterdir()] == ["x.engine"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": 2}, "takes one fp32 image input"),
        ({"keeps_batch": False}, "outputs of fixed size with the batch first"),
    ],
)
def test_model_that_cannot_be_batched_is_refused(tmp_path, changes, message):
    shape = (1, 3, SIDE, SIDE)
    with pytest.raises(EngineError, match=message):
        build_engine_file(
            parse_network(write_onnx(tmp_path / "odd.onnx", **changes)),
            BuildConfig(ShapeRange(shape, shape, shape), FP32, None, None),
            LogWriter("test", "test"),
        )


def test_model_that_fixes_its_batch_inside_is_refused(tmp_path):
    path = tmp_path / "fixed.onnx"
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
    flat = helper.make_tensor_value_info("flat", TensorProto.FLOAT, [1, 3 * SIDE * SIDE])
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [2], [1, 3 * SIDE * SIDE])
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["images", "sizes"], ["flat"])], "fixed", [image], [flat], [sizes]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)
    with pytest.raises(EngineError, match="does not run with an input of"):
        output_dims(parse_network(path), (2, 3, SIDE, SIDE))
