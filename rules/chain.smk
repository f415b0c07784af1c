"""Input functions for the names that follow from measured numbers: MAX_BS and the streams of both runs.

Three small files with fixed names hold the decisions: max_bs.json, run1.json, run2.json. The engine, the logs and what
is made from them have measured names, which follow from four checkpoints: the build for a batch, trtexec there, the
decision on MAX_BS, and a run of streams. The runs of a batch sweep follow from a fifth one, its prediction. Rules that
have a file of theirs among their inputs are asked again once it is made. The functions read what is on disk instead of
calling checkpoints.get(), which would switch all change checks of the asking job off while a checkpoint is unfinished.
"""

from dsbench.dag.snakemake_internals import wildcards_of

WINDOWS = config["deepstream"]["windows"]
ASKED_SWEEPS = sweeps_of(sys.argv[1:]) if CALL.makes_dag else []


def doubling(model):
    return Doubling(
        folder=Path("models", model, "benchmarks"),
        first_batch=config["first_batch"][RUNTIME.kind],
        largest_batch=config["largest_batch"][RUNTIME.kind],
        target_fps=target_fps(),
        graph_limit=graph_kind(model).largest_batch,
    )


def chain_logs(wildcards):
    known = doubling(wildcards.model)
    return [str(known.log(batch)) for batch in known.built_batches()]


def of_engine(model, batch):
    """Return an engine, its passport, which every job that loads it reads, and the log of its build.

    With the log a job is asked again once the engine is built: there is none where the batch did not fit.
    """
    folder = f"models/{model}/benchmarks/engines"
    engine = f"{folder}/{model}_dynamic_b{batch}.engine"
    return [engine, f"{engine}.json", f"{folder}/build_b{batch}.log"]


def chain_engines(wildcards):
    batches = doubling(wildcards.model).known_batches()
    return [file for batch in batches for file in of_engine(wildcards.model, batch)]


def chain_build_logs(wildcards):
    known = doubling(wildcards.model)
    return [str(known.build_log(batch)) for batch in known.tried_batches()]


def half_accuracies(wildcards):
    """Return what was measured of each ONNX in half precision that an engine is built from; [] where none is."""
    if not PRECISION.needs_half_onnx:
        return []
    batches = doubling(wildcards.model).known_batches()
    engines = [wildcards_of(model=wildcards.model, batch=batch) for batch in batches]
    return sorted({engine_onnx(each).removesuffix(".onnx") + ".json" for each in engines})


def max_engine(wildcards):
    """Return the engine of MAX_BS with its passport; [] until MAX_BS is decided."""
    decision = doubling(wildcards.model).decision()
    return [] if decision is None else of_engine(wildcards.model, decision.max_bs)


def single_engine(wildcards):
    """Return the engine that serves one stream: that of MAX_BS; for a static batch, an engine of its own."""
    return of_engine(wildcards.model, 1) if has_static_batch(wildcards.model) else max_engine(wildcards)


def batch_1_engine(wildcards):
    """Return the engine that trtexec measures at batch 1: that of one stream, or where asked for one of its own."""
    is_own = config["batch_1"] == "own_engine"
    return of_engine(wildcards.model, 1) if is_own else single_engine(wildcards)


def streams_engine(wildcards):
    """Return the engine that serves all streams of a run: that of MAX_BS; for a static batch, one of that many."""
    if has_static_batch(wildcards.model):
        return of_engine(wildcards.model, wildcards.streams)
    return max_engine(wildcards)


def streams_nvinfer(wildcards):
    """Return the nvinfer configuration that names the engine of a run."""
    model = wildcards.model
    if has_static_batch(model):
        return f"models/{model}/config/config_infer_primary_{model}_b{wildcards.streams}.txt"
    return f"models/{model}/benchmarks/ds/config_infer_ds_{model}.txt"


def last_timing_cache(wildcards):
    batch = doubling(wildcards.model).known_batches()[-1]
    return f"models/{wildcards.model}/benchmarks/engines/timing_b{batch}.cache"


def seed_timing_cache(wildcards):
    """The timing cache of half the batch with the log of its build, when that engine is a step of the doubling."""
    batch = int(wildcards.batch)
    steps = doubling(wildcards.model)
    if batch == steps.start or not steps.has_step(batch) or steps.build_limit(batch // 2):
        return []
    cache = f"models/{wildcards.model}/benchmarks/engines/timing_b{batch // 2}.cache"
    return [cache, str(steps.build_log(batch // 2))]


def run_log(model, streams, run):
    return f"models/{model}/benchmarks/ds/ds_s{streams}_run{run}.log"


def logs_of_tries(model, streams, run):
    """Return the logs of a run, the first at `streams`; each that this machine did not hold is followed by half."""
    tried = tried_streams(lambda number: Path(run_log(model, number, run)), streams)
    return [run_log(model, number, run) for number in tried]


def run1_logs(wildcards):
    decision = doubling(wildcards.model).decision()
    return [] if decision is None else logs_of_tries(wildcards.model, next_run1(decision), 1)


def run2_logs(wildcards):
    decision = doubling(wildcards.model).decision()
    first = [Path(log) for log in run1_logs(wildcards)]
    streams = next_run2(decision, first, WINDOWS, target_fps()) if first else None
    if streams is None:
        return []
    *limited, log = logs_of_tries(wildcards.model, streams, 2)
    tries = run2_tries(Path(log), streams_of(Path(log)), WINDOWS, target_fps())
    return [*limited, *(run_log(wildcards.model, tried, 2) for tried in tries)]


def decisions_before(wildcards):
    """Return the decisions from which the number of streams of a run follows."""
    files = ["models/{model}/benchmarks/max_bs.json"]
    if wildcards.run == "2":
        files.append("models/{model}/benchmarks/ds/run1.json")
    known = expand(files, model=wildcards.model)
    if wildcards.run == "3":
        # A new prediction asks for other runs; it does not make those anew that stay.
        known.append(ancient(f"models/{wildcards.model}/benchmarks/sweep/prediction.json"))
    return known


def streams_of_engine(wildcards):
    """Return the streams of a run; DeepStream would silently build another engine for more than MAX_BS."""
    streams, decision = int(wildcards.streams), doubling(wildcards.model).decision()
    if decision is not None and streams > decision.max_bs:
        raise BuildError(
            f"ds_s{streams}: {wildcards.model}'s engine serves at most {decision.max_bs} streams; ask for at most"
            " that many, or raise first_batch in the config"
        )
    return streams


def slots_of_streams(wildcards):
    """Return the verdicts on the slots of a batch that a run waits for: on those of MAX_BS, and on its own."""
    folder = f"models/{wildcards.model}/validation"
    decision = doubling(wildcards.model).decision()
    is_checked = decision is None or int(wildcards.streams) in (1, decision.max_bs)
    own = [] if is_checked else [f"{folder}/batch_slots_s{wildcards.streams}.json"]
    return [f"{folder}/batch_slots.json", *own]


def run_logs(wildcards):
    return run1_logs(wildcards) + run2_logs(wildcards)


def run_slots(wildcards):
    """Return the verdicts on the batch slots of the runs' own streams, but for that on MAX_BS."""
    runs = [wildcards_of(model=wildcards.model, streams=streams_of(Path(log))) for log in run_logs(wildcards)]
    return list(dict.fromkeys(verdict for run in runs for verdict in slots_of_streams(run)[1:]))


def run_engines(wildcards):
    """Return the engines of batch 1, of one stream and of the runs; of a dynamic batch, most are that of MAX_BS."""
    runs = [wildcards_of(model=wildcards.model, streams=streams_of(Path(log))) for log in run_logs(wildcards)]
    single = [*batch_1_engine(wildcards), *single_engine(wildcards)]
    engines = [*single, *(file for run in runs for file in streams_engine(run))]
    return list(dict.fromkeys(engines))


def latency_config(wildcards):
    """Return the configuration of the run at whose load latency is measured; [] until both runs are known."""
    first, second = run1_logs(wildcards), run2_logs(wildcards)
    if not first or not second:
        return []
    log = decisive_log(Path(first[-1]), Path(second[-1]), WINDOWS, target_fps())
    return [] if log is None else str(log.with_suffix(".txt"))


def of_latency_run(input_of):
    """Return a function that asks `input_of` for a file of the streams at which latency is measured."""

    def files(wildcards):
        app_config = latency_config(wildcards)
        if not app_config:
            return []
        return input_of(wildcards_of(model=wildcards.model, streams=streams_of(Path(app_config))))

    return files


def figures_beside(wildcards):
    """Return what the report shows of the model that the entry names, in the order in which it is read."""
    other = entry_of(wildcards).get("beside")
    files = [
        "model/inspect.json",
        "validation/accuracy.json",
        "benchmarks/max_bs.json",
        "benchmarks/ds/run1.json",
        "benchmarks/ds/run2.json",
    ]
    return [f"models/{other}/{file}" for file in files] if other else []


@cache
def has_sweep(model):
    """Return whether the report shows a sweep: one that is there, or that this call makes."""
    return model in ASKED_SWEEPS or Path(f"models/{model}/benchmarks/sweep.json").is_file()


def sweep_of_report(wildcards):
    return f"models/{wildcards.model}/benchmarks/sweep.json" if has_sweep(wildcards.model) else []


def sweep_chart(wildcards):
    return f"models/{wildcards.model}/reports/charts/chart_sweep.jpg" if has_sweep(wildcards.model) else []


def probe_logs(wildcards):
    """Return trtexec's logs of the batches from which the others are predicted; [] until run 2 has ended."""
    model, decision, runs = wildcards.model, doubling(wildcards.model).decision(), run2_logs(wildcards)
    if decision is None or not runs or accepted_run(Path(runs[-1]), WINDOWS) is None:
        return []
    streams = streams_of(Path(runs[-1]))
    if has_static_batch(model):
        # Each batch has an engine of its own: those that are there anyway are enough.
        batches = sorted({1, streams, *decision.batches})
        return [f"models/{model}/benchmarks/b{batch}/trtexec_b{batch}.log" for batch in batches]
    measured = {decision.max_bs, *([1] if config["batch_1"] == "max_bs_engine" else [])}
    return [
        f"models/{model}/benchmarks/{f'b{batch}' if batch in measured else 'sweep'}/trtexec_b{batch}.log"
        for batch in probe_batches(decision.max_bs, streams)
    ]


def confirmation_logs(wildcards):
    """Return the logs of the runs that confirm the prediction, as far as known; runs 1 and 2 are taken as they are."""
    model = wildcards.model
    prediction = read_if_whole(Path(f"models/{model}/benchmarks/sweep/prediction.json"), Prediction)
    decision = doubling(model).decision()
    if prediction is None or decision is None or not prediction.is_of(decision, run_logs(wildcards)):
        return []
    finished = {run.streams: run.log for run in prediction.finished}

    def log_of(streams):
        return Path(finished.get(streams) or run_log(model, streams, 3))

    tried = confirmation_streams(prediction, log_of, WINDOWS, config["sweep"]["runs"])
    return [str(log_of(streams)) for streams in tried]


def sweep_files(wildcards):
    """Return the files of a sweep that the report shows."""
    if not has_sweep(wildcards.model):
        return []
    logs = [*probe_logs(wildcards), *confirmation_logs(wildcards)]
    return [sweep_of_report(wildcards), sweep_chart(wildcards), *logs]
