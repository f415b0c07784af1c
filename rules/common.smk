"""Constraints, facts and the functions that rules share; nothing here depends on a measured number."""

import json
import os
import sys
from functools import cache
from pathlib import Path

from dsbench.chain.measured_chain import (
    Doubling,
    accepted_run,
    decisive_log,
    next_run1,
    next_run2,
    run2_tries,
    streams_of,
    tried_streams,
)
from dsbench.chain.sweep import Prediction, confirmation_streams, probe_batches
from dsbench.core.errors import refuse_as_home
from dsbench.core.files import read_once
from dsbench.core.records import read_if_whole
from dsbench.dag.code_version import code_version
from dsbench.dag.config_check import check_config
from dsbench.dag.names import NAME, GraphKind, check_targets, model_entry, reports_of, sweeps_of
from dsbench.dag.snakemake_internals import limit_resource
from dsbench.deepstream.app_config import uri_in_config
from dsbench.deepstream.parser_build import SETTINGS, SHARED_HEADERS, SOURCE
from dsbench.machine.clip import (
    DEMO_CLIP,
    TargetRate,
    choose_truth,
    choose_video,
    demonstration_clip,
    was_decoded,
)
from dsbench.machine.node_facts import recorded_node, refuse_unseen_sample
from dsbench.machine.preflight import refuse_two_tensorrts, refuse_vanished
from dsbench.machine.runtime import SUFFIXES, choose_runtime, runtime_of, unused_gpu
from dsbench.machine.toolchain import PROBES, Toolchain, embedded_identity, read_fact
from dsbench.tools.core_share import announce_share, cores_without_gpu, measuring_threads
from dsbench.tools.tool_run import report_progress
from dsbench.trtexec.run import asked_precision

if CALL.makes_dag:
    try:
        refuse_as_home("the project's folder", Path(workflow.basedir))
        refuse_as_home("the working directory", Path.cwd())
        check_config(config)
        check_targets(sys.argv[1:], config["models"], config["source"])
    except BuildError as error:
        raise WorkflowError(str(error)) from None

# CUDA numbers GPUs by speed unless told otherwise; nvidia-smi and NVML number them by bus. All tools get one order.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")

# Relative, so that commands, logs and parameters are the same wherever the project lies.
PROJECT = Path(os.path.relpath(workflow.basedir))
FACTS = Path("build/toolchain")


# A model that only a target names has the config's source, and is the user's own.
SOURCES = [
    *([config["source"]] if config["source"] else []),
    *(e["source"] for e in config["models"].values()),
]
STATED_VIDEO = os.environ.get("DS_VIDEO") or config["video"] or demonstration_clip(SOURCES, PROJECT)


def node_facts():
    """Return what is known of the GPU node; None where the facts are of the machine that makes the DAG."""
    if config["facts"] == "here":
        return None
    if not CALL.makes_dag:
        return recorded_node()
    from dsbench.dag.node_job import node_before_dag

    node = node_before_dag(sys.argv[1:], config["runtime"], config["deepstream"]["directory"], PROJECT)
    refuse_unseen_sample(node, STATED_VIDEO)
    return node


try:
    NODE = node_facts()
except BuildError as error:
    raise WorkflowError(str(error)) from None


def recorded(fact, probe):
    """Return a fact: the main process probes it; a job that reads the Snakefile again takes the recorded one."""
    if NODE and fact in NODE.facts:
        return NODE.facts[fact]
    if CALL.makes_dag or not (FACTS / f"{fact}.json").is_file():
        try:
            return probe()
        except BuildError as error:
            raise WorkflowError(str(error)) from None
    return read_fact(FACTS / f"{fact}.json")


try:
    RUNTIME = runtime_of(
        recorded("runtime", lambda: choose_runtime(config["runtime"], PROJECT).kind), PROJECT
    )
except BuildError as error:
    raise WorkflowError(str(error)) from None
if RUNTIME.kind == "embedded":
    # The embedded programs run under the interpreter that runs the workflow.
    os.environ.setdefault("DSEMBED_PYTHON", sys.executable)
TOOLCHAIN = Toolchain(RUNTIME, PROJECT, config["deepstream"]["directory"])
if CALL.makes_dag and not NODE:
    TOOLCHAIN.probe_ahead()
if CALL.makes_dag and (warning := unused_gpu(RUNTIME, recorded("driver", lambda: TOOLCHAIN.probe("driver")))):
    report_progress(warning)
TRTEXEC = recorded("trtexec", lambda: TOOLCHAIN.probe("trtexec"))
try:
    refuse_two_tensorrts(TRTEXEC, recorded("deepstream", lambda: TOOLCHAIN.probe("deepstream")))
    PRECISION = asked_precision(TRTEXEC, config["precision"], config["strongly_typed"])
except BuildError as error:
    raise WorkflowError(str(error)) from None
try:
    VIDEO = choose_video(STATED_VIDEO, TOOLCHAIN.deepstream_dir, PROJECT)
except BuildError as error:
    raise WorkflowError(str(error)) from None
# A program in an image sees only the folders that it is given (workflow/container/in_image); this names the clip's.
os.environ.update(CLIP_OF_BUILD=str(VIDEO))


@cache
def truth_at(named):
    return choose_truth(named, VIDEO, PROJECT)


def truth_of(entry):
    """Return where the true boxes are for a model with this entry; None where the clip has none."""
    # The config's truth belongs to the config's clip.
    in_config = None if os.environ.get("DS_VIDEO") else entry.get("truth") or config["truth"]
    return truth_at(os.environ.get("DS_TRUTH") or in_config)


try:
    TRUTH = truth_of({})
except BuildError as error:
    raise WorkflowError(str(error)) from None
WORKSPACE_MIB = config["workspace_mib"][RUNTIME.kind]
MEASURING_THREADS = measuring_threads(RUNTIME.kind, CALL.cores or 1, CALL.gpus or 1)
CORES_WITHOUT_GPU = cores_without_gpu(RUNTIME.kind, CALL.cores or 1)
if CALL.makes_dag:
    announce_share(CORES_WITHOUT_GPU)
if CORES_WITHOUT_GPU:
    # The longer ones of them never take what a job on a GPU would have to wait for.
    limit_resource(workflow, "beside_gpu", CORES_WITHOUT_GPU)
# Before the many short jobs, which would take its cores one by one and leave the GPU idle.
MEASURING_PRIORITY = 40
# Frames are decoded by the embedded runtime's code, whichever runtime measures.
DECODER = PROJECT / "workflow/embedded/dsembed/shared/decode.py"
# The encoder decides the name of the video. Without a usable encoder there is no video, and the report says so.
ENCODER = recorded("encoder", lambda: TOOLCHAIN.probe("encoder"))["encoder"]
HAS_VIDEO = ENCODER in SUFFIXES
VIDEO_SUFFIX = SUFFIXES.get(ENCODER, "ogv")
CHARTS = [
    "chart_trtexec_bs1_vs_bsmax",
    "chart_trtexec_throughput",
    "chart_ds_streams_vs_fps",
    "chart_trt_vs_ds",
    "chart_efficiency",
]
FRAMES = ["frame_first", "frame_middle", "frame_last"]
PARSER_SOURCES = [SOURCE, SETTINGS, *SHARED_HEADERS, "Makefile"]
VALIDATED = [
    "truth",
    "preprocess",
    "kitti_manifest",
    "gate",
    "reference_run",
    "engine_run",
    "agreement",
    "accuracy",
    "batch_slots",
]
SCRIPTS = ["build_engine", "trtexec_b1", "trtexec_bmax", "kitti_dump", "ds_run1", "ds_run2", "ds_latency"]


# A cluster ends a job that needs more memory than it asked for: it is tried once more, with twice as much.
MEMORY_RETRIES = 1 if CALL.submits else 0


def memory_mb(first):
    return lambda wildcards, attempt: first * attempt


# These rules write a small file from another one. A cluster's queue would take a hundred times as long.
localrules:
    write_labels,
    read_truth,
    write_parser,
    choose_max_batch,
    write_nvinfer_config,
    write_nvinfer_config_batch,
    write_nvinfer_config_ds,
    write_app_config_kitti,
    judge_kitti,
    write_app_config_streams,
    summarise_run1,
    summarise_run2,
    write_scripts,


wildcard_constraints:
    model=NAME,
    batch="[1-9][0-9]*",
    streams="[1-9][0-9]*",
    run="[123]",
    fact="|".join(PROBES),
    frame="|".join(FRAMES),
    script="|".join(SCRIPTS),
    static="(_static_b[1-9][0-9]*)?",


def probed(wildcards):
    fact = wildcards.fact
    value = recorded(fact, lambda: TOOLCHAIN.probe(fact))
    try:
        refuse_vanished(fact, value, FACTS / f"{fact}.json")
    except BuildError as error:
        raise WorkflowError(str(error)) from None
    return json.dumps(value, sort_keys=True)


def facts(names):
    return expand("build/toolchain/{fact}.json", fact=names)


BUILDER_FACTS = facts(TOOLCHAIN.builder_facts())
RUNNER_FACTS = facts(TOOLCHAIN.builder_facts() + TOOLCHAIN.runner_facts())
# The facts of the decoder and the compiler that make the reference pixels, whichever runtime measures.
PIXEL_FACTS = facts(["pyav", "compiler"])


def clip_at_sight(_):
    """Return the clip; refuse it while the DAG is made when its head or first frame tells. A job decodes the rest."""
    try:
        if CALL.makes_dag and not was_decoded(VIDEO, FACTS / "video.json"):
            # Its library takes 0.2 s to load.
            from dsbench.machine.video import look_at

            look_at(VIDEO)
    except BuildError as error:
        # Not a WorkflowError: Snakemake would break its message into lines when an input function raises it.
        raise BuildError(str(error)) from None
    return VIDEO


def clip_uri(_, output):
    """Return what a configuration calls the clip: a relative name, or a full address where none is possible."""
    return uri_in_config(VIDEO, Path(output[0]))


def target_fps():
    """Return the frames/s that a stream needs, read from disk; None until the clip, if it decides, is decoded."""
    if config["target_fps"] is not None:
        return config["target_fps"]
    noted = FACTS / "target_fps.json"
    rate = read_once(read_if_whole, noted, TargetRate) if noted.is_file() else None
    return rate and rate.target_fps


def entry_of(wildcards):
    try:
        return model_entry(config["models"], config["source"], wildcards.model)
    except BuildError as error:
        raise WorkflowError(str(error)) from None


def truth_facts(wildcards):
    """Return where the true boxes are and what they are, a parameter: Snakemake knows a folder's date, not its content."""
    truth = truth_of(entry_of(wildcards))
    return truth and vars(truth)


def preprocessing_block(wildcards):
    """Return the arithmetic that the entry states; None where it leaves that to the source and the family."""
    block = entry_of(wildcards).get("preprocessing") or {}
    return {key: value for key, value in block.items() if key != "scaling_filter"} or None


def frame_to_resize(wildcards):
    """Return the width and height of the frames that the ONNX resizes itself, as the entry states them; else None."""
    entry = entry_of(wildcards)
    if entry.get("resize") != "in_graph" or not entry.get("frame"):
        return None
    return [int(side) for side in entry["frame"].split("x")]


def clip_to_resize(wildcards):
    """Return the clip's facts where the ONNX resizes its frames itself and the entry states no size for them."""
    entry = entry_of(wildcards)
    is_clips = entry.get("resize") == "in_graph" and not entry.get("frame")
    return "build/toolchain/video.json" if is_clips else []


def stated_filter(wildcards):
    """Return nvinfer's filter that the entry states; None where the proof chooses one."""
    return (entry_of(wildcards).get("preprocessing") or {}).get("scaling_filter")


def graph_kind(model):
    """Return what note_graph_kind noted, read from disk: Snakemake asks again once that rule is done."""
    return read_if_whole(Path(f"build/graph_kinds/{model}.json"), GraphKind) or GraphKind()


def has_static_batch(model):
    return graph_kind(model).batch == "static"


def parser_source(wildcards):
    """Return the C++ source of the family that prepare_onnx found."""
    source = graph_kind(wildcards.model).parser_source
    return PROJECT / "workflow/parsers" / source if source else []


def engine_onnx(wildcards):
    """Return the dynamic ONNX, or the static one of this batch; in fp16 where the types of the ONNX count."""
    static = f"_static_b{wildcards.batch}" if has_static_batch(wildcards.model) else ""
    half = "_fp16" if PRECISION.needs_half_onnx else ""
    return f"models/{wildcards.model}/model/{wildcards.model}{static}{half}.onnx"


def video_artefacts(wildcards):
    if not HAS_VIDEO:
        return []
    return expand(
        ["models/{model}/samples/{model}_output.{suffix}", "models/{model}/samples/{frame}.jpg"],
        model=wildcards.model,
        suffix=VIDEO_SUFFIX,
        frame=FRAMES,
    )
