import json

import numpy as np
import pytest

from dsembed.engine.builder import FORMAT, FP16, add_to_cache, cache_key, read_cache
from dsembed.engine.engine import Engine, Plan, candidates
from dsembed.engine.tactics import TOLERANCE, output_difference, probe_images, usable_precisions
from dsembed.shared.cpu import Cpu, CpuError, this_cpu, usable_cores
from embedded_models import write_engine

CPUINFO = """\
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 207
model name\t: Some CPU
flags\t\t: fpu avx2 fma
"""


def test_plan_reads_as_in_the_log():
    assert str(Plan(2, 1, 1, "f16")) == "2 streams x 1 thread, chunk 1, compute f16"


@pytest.mark.parametrize(("batch", "chunk"), [(4, 4), (3, 3), (8, 4), (6, 3), (7, 1)])
def test_plan_for_another_batch_cuts_it_evenly(batch, chunk):
    assert Plan(1, 2, 4, "f32").for_batch(batch).chunk == chunk


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 8, 12])
@pytest.mark.parametrize("cores", [1, 2, 6, 16])
def test_candidates_use_no_more_than_the_cores_and_leave_no_stream_idle(batch, cores):
    plans = candidates(batch, cores, "f32")
    assert plans[0] == Plan(1, cores, batch, "f32")
    for plan in plans:
        assert plan.streams * plan.threads <= cores
        assert batch % plan.chunk == 0
        assert batch // plan.chunk >= plan.streams
    assert len(set(plans)) == len(plans)


def test_two_cores_try_a_batch_whole_and_cut():
    assert [(plan.streams, plan.chunk) for plan in candidates(8, 2, "f32")] == [
        (1, 8),
        (2, 1),
        (2, 2),
        (2, 4),
    ]


def test_fp16_engine_keeps_one_precision_of_this_cpu_within_tolerance(tmp_path):
    engine = Engine.load(write_engine(tmp_path, precision=FP16))
    assert engine.facts["built_as"] == FP16
    assert engine.precision in usable_precisions()
    assert {plan["compute"] for plan in engine.facts["plans"].values()} == {engine.precision}
    assert engine.facts["difference"] <= TOLERANCE


def test_engine_answers_batches_between_its_timed_ones(tmp_path):
    engine = Engine.load(write_engine(tmp_path, 1, 4, 6))
    assert sorted(engine.facts["plans"]) == ["1", "4", "6"]
    assert engine.plan(1).chunk == 1
    for batch in range(1, 7):
        assert batch % engine.plan(batch).chunk == 0


def query_difference(reference, outputs):
    return output_difference(["logits", "pred_boxes"], reference, outputs)


def test_reordered_detections_are_no_difference():
    rng = np.random.default_rng(0)
    logits, boxes = rng.normal(size=(2, 50, 4)), rng.uniform(size=(2, 50, 4))
    order = rng.permutation(50)
    assert query_difference((logits, boxes), (logits[:, order], boxes[:, order])) == 0


def test_one_moved_box_counts_if_its_score_is_high():
    logits = np.linspace(4, -4, 16).reshape(1, 16, 1)
    boxes = np.array([[[row >> bit & 1 for bit in range(4)] for row in range(16)]], np.float64)
    for row, difference in ((0, 0.4), (1, 0)):
        moved = boxes.copy()
        moved[0, row, 3] += 0.4
        assert query_difference((logits, boxes), (logits, moved)) == pytest.approx(difference)


def test_two_rows_are_not_both_matched_with_one():
    logits, boxes = np.zeros((1, 20, 1)), np.zeros((1, 20, 4))
    logits[0, :2] = 5
    lost = logits.copy()
    lost[0, 1] = 0
    assert query_difference((logits, boxes), (lost, boxes)) == pytest.approx(1)


def test_nan_is_no_small_difference():
    logits, boxes = np.ones((1, 20, 1)), np.ones((1, 20, 4))
    assert not query_difference((logits, boxes), (logits * np.nan, boxes)) <= TOLERANCE


def test_every_value_of_other_models_counts():
    reference = np.ones((1, 4, 100, 100), np.float32)
    moved = reference.copy()
    moved[0, 3, 99, 99] = 1.5
    assert output_difference(["features"], [reference], [moved]) == pytest.approx(0.5)


def test_difference_is_a_share_of_the_outputs_range():
    reference = np.full((1, 4, 8, 8), 200.0, np.float32)
    assert output_difference(["features"], [reference], [reference + 2]) == pytest.approx(0.01)


def test_probe_images_cover_signed_and_unsigned_noise_and_structure():
    signed, unsigned, ramps = probe_images((3, 8, 8), 3)
    assert signed.min() < 0 <= unsigned.min()
    assert len(np.unique(ramps)) <= 8


def test_timing_cache_keeps_the_entries_of_other_builds(tmp_path):
    path = tmp_path / "timing.cache"
    assert read_cache(path) is None
    add_to_cache(path, "a", {"plans": 1})
    size_bytes = add_to_cache(path, "b", {"plans": 2})
    assert read_cache(path) == ({"a": {"plans": 1}, "b": {"plans": 2}}, size_bytes)
    assert size_bytes == path.stat().st_size


@pytest.mark.parametrize(
    "content",
    ["", "junk", "[]", json.dumps({"format": "other", "entries": {}}), json.dumps({"format": FORMAT})],
)
def test_unreadable_timing_cache_is_as_none(tmp_path, content):
    path = tmp_path / "timing.cache"
    path.write_text(content)
    assert read_cache(path) is None


def test_cache_key_depends_on_every_fact():
    keys = {cache_key(model="m", batch=1), cache_key(model="m", batch=2), cache_key(model="n", batch=1)}
    assert len(keys) == 3
    assert cache_key(a=1, b=2) == cache_key(b=2, a=1)


def test_cpu_is_read_from_cpuinfo(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO)
    cpu = this_cpu(path)
    assert (cpu.name, cpu.vendor, cpu.family, cpu.model) == ("Some CPU", "GenuineIntel", "6", "207")
    assert cpu.isa == ("avx2", "fma")


def test_cpu_without_vendor_is_refused(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor: 0\n")
    with pytest.raises(CpuError, match="vendor_id"):
        this_cpu(path)


def test_cpus_differ_by_family_but_not_by_cores():
    one = Cpu("A", "V", "6", "1", ("avx2",), 2)
    assert one.difference(Cpu("B", "V", "6", "1", ("avx2",), 64)) is None
    assert one.difference(Cpu("A", "V", "7", "1", ("avx2",), 2)) == "family 7 instead of 6"
    assert one.difference(Cpu("A", "V", "6", "1", (), 2)) == "isa none instead of avx2"


@pytest.mark.parametrize(("quota", "cores"), [("100000 100000", 1), ("50000 100000", 1)])
def test_cgroup_quota_limits_the_cores(tmp_path, quota, cores):
    path = tmp_path / "cpu.max"
    path.write_text(quota)
    assert usable_cores(path) == cores


def test_no_quota_leaves_all_cores(tmp_path):
    path = tmp_path / "cpu.max"
    path.write_text("max 100000")
    assert usable_cores(path) == usable_cores(tmp_path / "none") >= 1
