"""The order in which Snakemake runs these rules, in virtual time."""

import importlib.util
from itertools import pairwise

from workflow_run import PROJECT

SPEC = importlib.util.spec_from_file_location("makespan", PROJECT / "benchmarks/makespan.py")
makespan = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(makespan)


def test_gpu_waits_for_the_first_model_only_and_is_never_two_jobs_s(tmp_path):
    jobs = makespan.build(tmp_path, "as it is", models=4, cores=16)
    every = sorted((job for job in jobs if job["gpu"]), key=lambda job: job["begin_s"])
    assert all(one["end_s"] <= other["begin_s"] for one, other in pairwise(every))
    # What decoding allows is measured once, before there is a model.
    gpu = [job for job in every if job["rule"] != "measure_decoding"]
    assert len(gpu) == 4 * 14
    # Export, preparation, and the short jobs before them.
    assert gpu[0]["begin_s"] < 60 + 20 + 15
    total_s = sum(job["end_s"] - job["begin_s"] for job in gpu)
    assert gpu[-1]["end_s"] - gpu[0]["begin_s"] <= 1.05 * total_s
    beside = [job for job in jobs if not job["gpu"] and gpu[0]["begin_s"] < job["begin_s"] < gpu[-1]["end_s"]]
    assert {"run_reference", "judge_agreement", "compile_parser"} <= {job["rule"] for job in beside}
