"""Constraints and input functions: which file follows from which measured number."""

import json
import os
import sys
from pathlib import Path

from snakemake.iocontainers import Wildcards

sys.path.insert(0, str(Path(workflow.basedir, "workflow/scripts")))

from dsbench.clip import choose_video, truth_directory
from dsbench.code_version import code_version
from dsbench.errors import BuildError
from dsbench.model_folder import ModelFolder
from dsbench.perf_log import read_run
from dsbench.runtime import choose_runtime
from dsbench.source import locate, source_files
from dsbench.streams import peak_gpu_streams, real_time_streams, retry_streams, run1_streams, run2_streams
from dsbench.toolchain import Toolchain, read_fact
from dsbench.trtexec_log import read_measurement

# Relative, so that commands, logs and parameters are the same wherever the project lies.
PROJECT = Path(os.path.relpath(workflow.basedir))
RUNTIME = choose_runtime(config["runtime"], PROJECT)
if RUNTIME.kind == "embedded":
    # The embedded programs run under the interpreter that runs the workflow.
    os.environ.setdefault("DSEMBED_PYTHON", sys.executable)
TOOLCHAIN = Toolchain(RUNTIME, PROJECT, config["deepstream"]["directory"])
VIDEO = choose_video(
    os.environ.get("DS_VIDEO") or config["video"], Path(config["deepstream"]["directory"]), PROJECT
)
TRUTH = truth_directory(VIDEO, PROJECT)
FIRST_BATCH = config["first_batch"][RUNTIME.kind]
LARGEST_BATCH = config["largest_batch"][RUNTIME.kind]
WORKSPACE_MIB = config["workspace_mib"][RUNTIME.kind]
# The embedded runtime measures the processor, so nothing else may run beside it.
MEASURING_THREADS = (workflow.cores or 1) if RUNTIME.kind == "embedded" else 1
CHARTS = [
    "chart_trtexec_bs1_vs_bsmax",
    "chart_trtexec_throughput",
    "chart_ds_streams_vs_fps",
    "chart_trt_vs_ds",
    "chart_efficiency",
]
FRAMES = ["frame_first", "frame_middle", "frame_last"]
SHARED_STEPS = ["check_toolchain", "make_export_environment"]
SCRIPTS = ["build_engine", "trtexec_b1", "trtexec_bmax", "kitti_dump", "ds_run1", "ds_run2"]


wildcard_constraints:
    model="|".join(config["models"]),
    batch="[1-9][0-9]*",
    streams="[1-9][0-9]*",
    run="[12]",
    fact="[a-z_]+",
    frame="|".join(FRAMES),
    chart="|".join(CHARTS),
    script="|".join(SCRIPTS),


def probed(wildcards):
    """Return a toolchain fact: probed where the DAG is made, as recorded where a job re-reads the Snakefile."""
    if workflow.is_main_process:
        return json.dumps(TOOLCHAIN.probe(wildcards.fact), sort_keys=True)
    return json.dumps(read_fact(Path("build/toolchain"), wildcards.fact), sort_keys=True)


def facts(names):
    return expand("build/toolchain/{fact}.json", fact=names)


BUILDER_FACTS = facts(TOOLCHAIN.builder_facts())
RUNNER_FACTS = facts(TOOLCHAIN.builder_facts() + TOOLCHAIN.runner_facts())


def files_of_source(wildcards):
    folder = locate(config["models"][wildcards.model]["source"], Path.cwd(), PROJECT)
    return [str(file) for file in source_files(folder)]


def source_folder(wildcards):
    return str(locate(config["models"][wildcards.model]["source"], Path.cwd(), PROJECT))


def config_of_source(wildcards):
    """The accepted config.json, so that a refused architecture stops before anything is made."""
    return [f"models/{wildcards.model}/config/config.json"] if folder_of(wildcards).has_config else []


def export_environment(wildcards):
    return [] if folder_of(wildcards).has_onnx else "build/.venv_optimum/packages.txt"


def folder_of(wildcards):
    return ModelFolder(Path(source_folder(wildcards)))


def has_static_batch(model):
    inspect = checkpoints.prepare_onnx.get(model=model).output.inspect
    return json.loads(Path(inspect).read_text())["batch"] == "static"


def engine_onnx(wildcards):
    """The dynamic ONNX, or the one for this batch where the batch cannot be dynamic."""
    static = f"_static_b{wildcards.batch}" if has_static_batch(wildcards.model) else ""
    return f"models/{wildcards.model}/model/{wildcards.model}{static}.onnx"


def engine_chain(model):
    """Return the batches of the doubling, from the first to MAX_BS; each is measured before the next is known."""
    batches = [FIRST_BATCH]
    while peak_of(model, batches[-1]) > batches[-1] and 2 * batches[-1] <= LARGEST_BATCH:
        batches.append(2 * batches[-1])
    return batches


def peak_of(model, batch):
    log = checkpoints.benchmark_max_batch.get(model=model, batch=batch).output.log
    return peak_gpu_streams(read_measurement(log).queries_per_s, batch, config["target_fps"])


def max_batch(model):
    return engine_chain(model)[-1]


def final_engine(wildcards):
    batch = max_batch(wildcards.model)
    return f"models/{wildcards.model}/benchmarks/engines/{wildcards.model}_dynamic_b{batch}.engine"


def batch_1_engine(wildcards):
    """The final engine, or the one for a single image where the batch is in the engine."""
    if not has_static_batch(wildcards.model):
        return final_engine(wildcards)
    return f"models/{wildcards.model}/benchmarks/engines/{wildcards.model}_dynamic_b1.engine"


def seed_timing_cache(wildcards):
    """The timing cache of half the batch, when that engine is part of the doubling."""
    half, odd = divmod(int(wildcards.batch), 2)
    if odd or half < FIRST_BATCH:
        return []
    return f"models/{wildcards.model}/benchmarks/engines/timing_b{half}.cache"


def final_timing_cache(wildcards):
    return f"models/{wildcards.model}/benchmarks/engines/timing_b{max_batch(wildcards.model)}.cache"


def run_log(model, streams, run):
    return checkpoints.benchmark_streams.get(model=model, streams=streams, run=run).output.log


def run1_log(model):
    batch = max_batch(model)
    return run_log(model, run1_streams(peak_of(model, batch), batch), 1)


def streams_of(log):
    return int(Path(log).name.split("_")[1].removeprefix("s"))


def rates(log):
    return read_run(log, streams_of(log), config["deepstream"]["windows"])


def run2_logs(model):
    """Return run 2's logs: at RT_STREAMS, and once more at half of them when that was not real-time."""
    total_fps = rates(run1_log(model)).total_fps
    streams = run2_streams(real_time_streams(total_fps, max_batch(model), config["target_fps"]))
    logs = [run_log(model, streams, 2)]
    half = retry_streams(streams, rates(logs[0]).fps_per_stream, config["target_fps"])
    return logs if half is None else [*logs, run_log(model, half, 2)]


def timing_steps(model):
    """Return the steps in the order they run, as the stems of their wall-time files."""
    batches = engine_chain(model)
    runs = [run1_log(model), *run2_logs(model)]
    return [
        "list_source",
        "copy_config",
        "export_onnx",
        "prepare_onnx",
        "write_labels",
        *(f"{step}_b{batch}" for batch in batches for step in ("build_engine", "benchmark")),
        "benchmark_b1",
        "write_parser",
        "compile_parser",
        "write_nvinfer_config",
        "dump_kitti",
        "judge_kitti",
        *(["record_video", "extract_frames"] if HAS_VIDEO else []),
        *(Path(log).stem for log in runs),
    ]


# Where no encoder is usable there is no video, and the report says so.
HAS_VIDEO = TOOLCHAIN.probe("encoder")["encoder"] != "skipped"


def video_artefacts(wildcards):
    if not HAS_VIDEO:
        return []
    return expand(
        ["models/{model}/samples/{model}_output.ogv", "models/{model}/samples/{frame}.jpg"],
        model=wildcards.model,
        frame=FRAMES,
    )


def measured_files(wildcards):
    """Return every file benchmark_data.json is made from whose name depends on a measured number."""
    model = wildcards.model
    chain = engine_chain(model)
    return {
        "build_logs": [f"models/{model}/benchmarks/engines/build_b{b}.log" for b in chain],
        "chain_logs": [f"models/{model}/benchmarks/b{b}/trtexec_b{b}.log" for b in chain],
        "run1_log": run1_log(model),
        "run2_logs": run2_logs(model),
        "wall_times": [
            *(f"logs/wall_time/{step}.tsv" for step in SHARED_STEPS),
            *(f"logs/{model}/wall_time/{step}.tsv" for step in timing_steps(model)),
        ],
    }


def all_artefacts(_):
    """Return every file of every configured model, the measured ones by name."""
    wanted = []
    for model in config["models"]:
        wildcards = Wildcards(fromdict={"model": model})
        measured = measured_files(wildcards)
        wanted += [
            final_engine(wildcards),
            *measured["build_logs"],
            *measured["chain_logs"],
            measured["run1_log"],
            *measured["run2_logs"],
            *video_artefacts(wildcards),
            *expand(
                [
                    "models/{model}/model/source.json",
                    "models/{model}/benchmarks/engines/timing.cache",
                    "models/{model}/benchmarks/b1/trtexec_b1.log",
                    "models/{model}/scripts/{script}.sh",
                    "models/{model}/reports/benchmark_report.html",
                    "models/{model}/reports/benchmark_report.pdf",
                    "models/{model}/reports/benchmark_report_{model}.pdf",
                ],
                model=model,
                script=SCRIPTS,
            ),
        ]
    return wanted
