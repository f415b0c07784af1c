"""Render benchmark data as the Markdown report."""

import jinja2

from dsbench.chain.measured_chain import real_time_streams
from dsbench.report.history import Difference
from dsbench.report.report_data import TEMPLATES
from dsbench.report.text import (
    apart,
    bound,
    change,
    code,
    condition_rows,
    count,
    facts,
    fence,
    finalize,
    is_disturbed,
    number,
    score_cells,
    shape,
    spread,
    switch,
)

TEMPLATE = "benchmark_report.md.j2"
COMPONENTS = (
    ("Operating system", "os"),
    ("Kernel", "kernel"),
    ("CPU", "cpu"),
    ("CPU cores", "cpu_cores"),
    ("Memory (GiB)", "memory_gib"),
    ("GPU", "gpu"),
    ("GPU driver", "driver"),
    ("CUDA", "cuda"),
    ("TensorRT", "tensorrt"),
    ("DeepStream", "deepstream"),
    ("OpenVINO", "openvino"),
    ("GStreamer", "gstreamer"),
    ("wkhtmltopdf", "wkhtmltopdf"),
    ("Compiler", "compiler"),
    ("Python", "python"),
    ("Snakemake", "snakemake"),
)
VERSIONED = ("driver", "cuda", "tensorrt", "deepstream", "openvino", "gstreamer", "python", "snakemake")
RATE_FIGURES = (
    ("Batches/s (qps)", "qps", 2),
    ("Images/s", "imgs_per_sec", 1),
    ("Mean latency (ms)", "gpu_mean_ms", 3),
    ("Median latency (ms)", "gpu_median_ms", 3),
    ("Minimum latency (ms)", "gpu_min_ms", 3),
    ("Maximum latency (ms)", "gpu_max_ms", 3),
    ("90th percentile (ms)", "p90_ms", 3),
    ("95th percentile (ms)", "p95_ms", 3),
    ("99th percentile (ms)", "p99_ms", 3),
    ("Batches measured", "queries", 0),
)
RUN_FIGURES = (
    ("Streams = batch", "streams", 0),
    ("Total FPS", "total_fps", 1),
    ("Slowest window, total FPS", "total_fps_min", 1),
    ("Fastest window, total FPS", "total_fps_max", 1),
    ("FPS per stream", "fps_per_stream", 2),
    ("Slowest stream, FPS", "min_stream_fps", 2),
    ("Fastest stream, FPS", "max_stream_fps", 2),
    ("Variation of the windows (%)", "cov_pct", 1),
    ("Windows", "windows", 0),
)
# What a model's boxes are compared by beside another model's; the first two are of the truth too.
BESIDE_SCORES = (
    ("AP@[.5:.95]", "ap", 3),
    ("AP90", "ap_90", 3),
    ("Mean IoU", "mean_iou", 3),
    ("Shift right, px", "shift_x_px", 2),
    ("Shift down, px", "shift_y_px", 2),
)
RESIZERS = {"nvinfer": "nvinfer", "in_graph": "the ONNX"}


def render_markdown(data: dict, since: Difference | None = None) -> str:
    """Return the report: title, summary and the 12 numbered sections, every number of them from checked benchmark data.

    `since`, what changed since the last toolchain, becomes a table of its own; without it nothing is said of that.
    Text from the model is escaped.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        each.__name__: each
        for each in (apart, change, code, count, facts, fence, number, score_cells, shape, spread, switch)
    }
    runs = _measured_runs(data)
    return environment.get_template(TEMPLATE).render(
        data,
        since=since,
        runs=runs,
        clip_rate=_clip_rate(data["video"]),
        components=[(title, data["system"][key]) for title, key in COMPONENTS],
        versions=_versions(data["system"]),
        rate_figures=RATE_FIGURES,
        run_figures=RUN_FIGURES,
        beside_scores=BESIDE_SCORES,
        resizer=RESIZERS,
        rate_conditions=condition_rows([data["trtexec"]["bs1"], data["trtexec"]["bsmax"]]),
        run_conditions=condition_rows([run for _, run in runs]),
        bound=bound,
        pairs_of_scores=_pairs_of_scores,
        is_disturbed=is_disturbed,
        verdict=_verdict(data, runs),
        decision=[_decision(step, data) for step in data["trtexec"]["doubling"]],
        run1_serves_streams=real_time_streams(
            data["deepstream"]["run1"]["total_fps"], data["max_bs"], data["target_fps"]
        ),
    )


def _measured_runs(data: dict) -> list[tuple[str, dict]]:
    runs = (("Run 1", data["deepstream"]["run1"]), ("Run 2", data["deepstream"]["run2"]))
    return [(title, run) for title, run in runs if run is not None]


def _pairs_of_scores(truth: dict) -> list[tuple[dict, dict]]:
    """Return the scores of the model alone beside the runtime's: of all objects, of each size and of each class."""
    own, found = (
        [each["every"], *each["sizes"], *each["classes"]] for each in (truth["model"], truth["runtime"])
    )
    return list(zip(own, found, strict=True))


def _versions(system: dict) -> str:
    titles = {key: title for title, key in COMPONENTS}
    return ", ".join(f"{titles[key]} {system[key]}" for key in VERSIONED if system[key] is not None)


def _clip_rate(video: dict) -> str:
    if not video["is_variable"]:
        return f"{video['fps']} FPS"
    return f"variable rate: {video['average_fps']:.2f} FPS on average, {video['fps']:g} in its busiest half second"


def _verdict(data: dict, runs: list[tuple[str, dict]]) -> str:
    """Return in one line whether the target frame rate was held, by which run, with how many streams."""
    is_real_time = data["deepstream"]["real_time"]
    fast, slow = ([entry for entry in runs if entry[1]["real_time"] is held] for held in (True, False))
    # The run that shows it: of several that held the rate the one with the most streams, else the last that did not.
    title, run = max(fast, key=lambda entry: entry[1]["streams"]) if is_real_time else (slow or fast)[-1]
    streams = count(run["streams"], "stream")
    rate = f"{run['fps_per_stream']:.2f} FPS per stream, target {data['target_fps']:g} ({title})"
    verdict = f"{'REAL-TIME' if is_real_time else 'NOT REAL-TIME'}: {streams} at {rate}"
    if not is_real_time and not slow:
        verdict += ", but trtexec alone is slower than one stream"
    return f"{verdict}; the run was DISTURBED" if is_disturbed(run) else verdict


def _decision(step: dict, data: dict) -> str:
    """Return what followed from one doubling step."""
    batch, peak = step["batch"], step["peak_gpu_streams"]
    if peak <= batch:
        return f"{peak} ≤ {batch}: stop"
    return f"{peak} > {batch}: " + (
        "double" if batch < data["max_bs"] else f"stop, {data['doubling_stopped_by']}"
    )
