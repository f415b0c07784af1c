"""Render benchmark data as the Markdown report."""

import jinja2

from dsbench.chain.measured_chain import real_time_streams
from dsbench.report.first_page import MOST_WARNINGS, first_page
from dsbench.report.history import Difference
from dsbench.report.notes import with_notes
from dsbench.report.report_data import TEMPLATES
from dsbench.report.served import measured_runs, run_verdict
from dsbench.report.text import (
    Markdown,
    apart,
    bound,
    change,
    code,
    condition_rows,
    count,
    fence,
    finalize,
    is_disturbed,
    number,
    score_cells,
    shape,
    spread,
    switch,
    time_between_components_ms,
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
# What a runtime never uses; its rows are left out of the report, and the data keep their null.
NEVER_MEASURED = {"embedded": ("gpu", "driver", "cuda", "tensorrt", "deepstream"), "nvidia": ("openvino",)}
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
LATENCY_FIGURES = (
    ("Half of the frames, at most (p50)", "p50_ms", 1),
    ("95 % of the frames, at most (p95)", "p95_ms", 1),
    ("99 % of the frames, at most (p99)", "p99_ms", 1),
)
# A component in words, with what it does with a frame, by its name and by the runtime.
COMPONENTS_IN_WORDS = {
    "embedded": {
        "nvv4l2decoder": "the decoder",
        "nvstreammux": "the muxer: scaling, wait for the batch",
        "primary_gie": "nvinfer: inference, parsing",
    },
    "nvidia": {
        "nvv4l2decoder": "the decoder",
        "nvstreammux": "the muxer: wait for the batch",
        "primary_gie": "nvinfer: scaling, inference, parsing",
    },
}
# What is told of the latency run too; the rest is as in the run whose load it has.
LATENCY_CONDITIONS = ("Bound by", "Disturbed", "Measured again")
# What a model's boxes are compared by beside another model's; the first two are of the truth too.
BESIDE_SCORES = (
    ("AP@[.5:.95]", "ap", 3),
    ("AP90", "ap_90", 3),
    ("Mean IoU", "mean_iou", 3),
    ("Shift right, px", "shift_x_px", 2),
    ("Shift down, px", "shift_y_px", 2),
)
# What made the video with boxes; the contract's word for it stands in section 7.
ENCODERS = {
    "nvv4l2h264enc": "H.264, by NVENC",
    "theoraenc-fallback": "Theora (no H.264 encoder here)",
    "skipped": "none (no encoder here)",
}
RESIZERS = {"nvinfer": "nvinfer", "in_graph": "the ONNX"}


def render_markdown(data: dict, since: Difference | None = None) -> str:
    """Return the report: first page and the 12 numbered sections, every number of them from checked benchmark data.

    `since`, what changed since the last toolchain, becomes a table of its own; without it nothing is said of that.
    Text from the model is escaped.
    """
    data, notes = with_notes(data)
    runs, kind = measured_runs(data), data["runtime"]["kind"]
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            data,
            since=since,
            notes=notes,
            sweep=data.get("sweep"),
            runs=runs,
            clip_rate=_clip_rate(data["video"]),
            page=first_page(data, since),
            most_warnings=MOST_WARNINGS,
            picture=next(iter(data["validation"]["video"]["frames"][1:2]), None),
            components=[
                (title, data["system"][key]) for title, key in COMPONENTS if key not in NEVER_MEASURED[kind]
            ],
            versions=_versions(data["system"]),
            rate_figures=RATE_FIGURES,
            run_figures=RUN_FIGURES,
            latency_figures=LATENCY_FIGURES,
            latency_components=_component_rows(data["deepstream"].get("latency"), kind),
            latency_conditions=_latency_conditions(data["deepstream"].get("latency"), kind),
            beside_scores=BESIDE_SCORES,
            resizer=RESIZERS,
            encoder=ENCODERS,
            rate_conditions=condition_rows([data["trtexec"]["bs1"], data["trtexec"]["bsmax"]], kind),
            run_conditions=condition_rows([run for _, run in runs], kind),
            bound=bound,
            pairs_of_scores=_pairs_of_scores,
            is_disturbed=is_disturbed,
            verdict=run_verdict(data),
            decision=[_decision(step, data) for step in data["trtexec"]["doubling"]],
            run1_serves_streams=real_time_streams(
                data["deepstream"]["run1"]["total_fps"], data["max_bs"], data["target_fps"]
            ),
        )
    )


def _environment() -> jinja2.Environment:
    """Return what fills the template: it prints text escaped, and has the filters that the template names."""
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
        for each in (apart, change, code, count, fence, number, score_cells, shape, spread, switch)
    }
    return environment


def _component_rows(latency: dict | None, kind: str) -> list[tuple[str, Markdown]]:
    """Return table rows of how long each component had a frame, and how long the frame was between them."""
    if latency is None or not latency.get("components"):
        return []
    rows = []
    for each in latency["components"]:
        words = COMPONENTS_IN_WORDS[kind].get(each["name"], each["name"])
        mean, p95 = number(each["mean_ms"], 1), number(each["p95_ms"], 1)
        rows.append((f"In {words}", Markdown(f"mean {mean}, p95 {p95}")))
    if (between_ms := time_between_components_ms(latency)) > 0:
        rows.append(("Between them, in queues", Markdown(f"mean {number(between_ms, 1)}")))
    return rows


def _latency_conditions(latency: dict | None, kind: str) -> list[tuple[str, str]]:
    rows = condition_rows([latency], kind) if latency else []
    return [(title, cells[0]) for title, cells in rows if title in LATENCY_CONDITIONS]


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


def _decision(step: dict, data: dict) -> str:
    """Return what followed from one doubling step."""
    batch, peak = step["batch"], step["peak_gpu_streams"]
    if peak <= batch:
        return f"{peak} ≤ {batch}: stop"
    return f"{peak} > {batch}: " + (
        "double" if batch < data["max_bs"] else f"stop, {data['doubling_stopped_by']}"
    )
