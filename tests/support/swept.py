"""A batch sweep to put into benchmark data: 5 streams predicted and missed, 4 held, the main job's 6 missed."""

from dsbench.chain.sweep import PipelineShare, Prediction, Probe, Sweep, SweepBounds, SweepRun
from dsbench.core.records import as_json
from dsbench.trtexec.batch_time import fit_batch_times

FOLDER = "models/rtdetr/benchmarks"
TIMES_MS = {1: 9.0, 4: 22.0, 8: 40.0}


def sweep_run(streams, slowest_fps, run):
    """Return a run whose streams are equally fast, for a rate of 30 FPS."""
    log = f"{FOLDER}/ds/ds_s{streams}_run{run}.log"
    return SweepRun(streams, streams * slowest_fps, slowest_fps, slowest_fps >= 30, log)


def swept():
    """Return the sweep as benchmark data have it."""
    probes = [
        Probe(batch, 1000 / ms, 1.1 * ms, f"{FOLDER}/sweep/trtexec_b{batch}.log")
        for batch, ms in TIMES_MS.items()
    ]
    prediction = Prediction(
        bounds=SweepBounds(30, None),
        probes=probes,
        fits=fit_batch_times(TIMES_MS),
        latency=None,
        share=PipelineShare(4, 168.0, 181.8, 0.924, f"{FOLDER}/ds/ds_s4_run2.log"),
        most=8,
        limited_by=None,
        batch=5,
        finished=[sweep_run(6, 29.1, 1), sweep_run(4, 31.5, 2)],
        first=5,
    )
    runs = [sweep_run(5, 29.5, 3), prediction.finished[1]]
    return as_json(
        Sweep(
            prediction, runs, [], 4, 5, "BS_OPT is 4: each stream got 30 FPS or more, and 5 streams did not."
        )
    )
