"""Input functions for the names that follow from measured numbers: MAX_BS and the streams of both runs.

Three small files with fixed names hold the decisions: max_bs.json, run1.json, run2.json. Everything else depends on
them; only what they are made from has measured names. Those follow from the logs of two checkpoints, trtexec at a
batch and a run of streams: rules that have such logs among their inputs are asked again once one of them is made.
The functions read what is on disk instead of calling checkpoints.get(), which would switch all change checks of the
asking job off while a checkpoint is unfinished.
"""

from snakemake.iocontainers import Wildcards

WINDOWS = config["deepstream"]["windows"]


def doubling(model):
    return Doubling(
        folder=Path("models", model, "benchmarks"),
        first_batch=config["first_batch"][RUNTIME.kind],
        largest_batch=config["largest_batch"][RUNTIME.kind],
        target_fps=target_fps(),
    )


def chain_logs(wildcards):
    known = doubling(wildcards.model)
    return [str(known.log(batch)) for batch in known.known_batches()]


def chain_engines(wildcards):
    folder = f"models/{wildcards.model}/benchmarks/engines"
    return [
        f"{folder}/{wildcards.model}_dynamic_b{batch}.engine"
        for batch in doubling(wildcards.model).known_batches()
    ]


def chain_build_logs(wildcards):
    folder = f"models/{wildcards.model}/benchmarks/engines"
    return [f"{folder}/build_b{batch}.log" for batch in doubling(wildcards.model).known_batches()]


def last_timing_cache(wildcards):
    batch = doubling(wildcards.model).known_batches()[-1]
    return f"models/{wildcards.model}/benchmarks/engines/timing_b{batch}.cache"


def seed_timing_cache(wildcards):
    """The timing cache of half the batch, when that engine is a step of the doubling."""
    batch = int(wildcards.batch)
    steps = doubling(wildcards.model)
    if batch == steps.first_batch or not steps.has_step(batch):
        return []
    return f"models/{wildcards.model}/benchmarks/engines/timing_b{batch // 2}.cache"


def run_log(model, streams, run):
    return f"models/{model}/benchmarks/ds/ds_s{streams}_run{run}.log"


def run1_log(wildcards):
    max_bs = doubling(wildcards.model).decision()
    return [] if max_bs is None else [run_log(wildcards.model, next_run1(max_bs), 1)]


def run2_logs(wildcards):
    max_bs = doubling(wildcards.model).decision()
    first = run1_log(wildcards)
    streams = next_run2(max_bs, Path(first[0]), WINDOWS, target_fps()) if first else None
    if streams is None:
        return []
    log = run_log(wildcards.model, streams, 2)
    tries = run2_tries(Path(log), streams, WINDOWS, target_fps())
    return [run_log(wildcards.model, tried, 2) for tried in tries]


def decisions_before(wildcards):
    """A run's number of streams follows from what was decided before it."""
    files = ["models/{model}/benchmarks/max_bs.json"]
    if wildcards.run == "2":
        files.append("models/{model}/benchmarks/ds/run1.json")
    return expand(files, model=wildcards.model)


def streams_of_engine(wildcards):
    """Return the streams of a run; DeepStream would silently build another engine for more than MAX_BS."""
    streams, max_bs = int(wildcards.streams), doubling(wildcards.model).decision()
    if max_bs is not None and streams > max_bs["max_bs"]:
        raise BuildError(
            f"ds_s{streams}: {wildcards.model}'s engine serves at most {max_bs['max_bs']} streams; ask for at most"
            " that many, or raise first_batch in the config"
        )
    return streams


def all_artefacts(_):
    """Return every file of every configured model, the measured ones by name."""
    wanted = ["build/toolchain/target_fps.json"]
    for model in config["models"]:
        wildcards = Wildcards(fromdict={"model": model})
        wanted += [
            *chain_engines(wildcards),
            *chain_build_logs(wildcards),
            *chain_logs(wildcards),
            *run1_log(wildcards),
            *run2_logs(wildcards),
            *video_artefacts(wildcards),
            *expand(
                [
                    "models/{model}/model/source.json",
                    "models/{model}/model/provenance.json",
                    "models/{model}/benchmarks/max_bs.json",
                    "models/{model}/benchmarks/engines/timing.cache",
                    "models/{model}/benchmarks/b1/trtexec_b1.log",
                    "models/{model}/benchmarks/ds/run1.json",
                    "models/{model}/benchmarks/ds/run2.json",
                    "models/{model}/scripts/{script}.sh",
                    "models/{model}/reports/history.jsonl",
                    "models/{model}/reports/benchmark_report.html",
                    "models/{model}/reports/benchmark_report.pdf",
                    "models/{model}/reports/benchmark_report_{model}.pdf",
                ],
                model=model,
                script=SCRIPTS,
            ),
        ]
    return wanted
