"""The number that a step gives, from the files that it wrote, for the step's line on the terminal."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dsbench.core.errors import MIB_BYTES, BuildError, without_controls
from dsbench.report.text import count


@dataclass(frozen=True)
class Finished:
    """What a finished job varied in, and the files that it wrote."""

    wildcards: Mapping[str, str]
    outputs: Sequence[Path]

    def json(self, name: str = ".json") -> dict:
        """Return the content of the first output whose name ends so."""
        file = next(path for path in self.outputs if path.name.endswith(name))
        return json.loads(file.read_text(encoding="utf-8"))


def number_of(rule: str, wildcards: Mapping[str, str], outputs: Sequence[Path]) -> str:
    """Return the number that a job of one of NUMBERS gave, "" where it gave none or its file does not tell."""
    try:
        said = NUMBERS[rule](Finished(wildcards, outputs))
    except (AttributeError, BuildError, LookupError, OSError, StopIteration, TypeError, ValueError):
        return ""
    # A sentence of an error may have several lines.
    return without_controls(" ".join(said.split()))


def _of_json(words: str, step: Finished) -> str:
    """Return `words` with the values of the step's JSON file."""
    return words.format(**step.json())


def _size(step: Finished) -> str:
    return f"{step.outputs[0].stat().st_size / MIB_BYTES:.1f} MiB"


def _listed(step: Finished) -> str:
    files = step.json()["files"]
    return f"{count(len(files), 'file')}, {sum(file['bytes'] for file in files) / MIB_BYTES:.1f} MiB"


def _fetched(step: Finished) -> str:
    return f"{step.json('provenance.json')['bytes'] / MIB_BYTES:.1f} MiB"


def _export(step: Finished) -> str:
    variants = step.json("variants.json")
    if variants["choice"]:
        return f"{variants['choice']} of {count(len(variants['candidates']), 'ONNX file')}"
    used = step.json("attempts.json")["attempts"][-1]
    return f"{used['method']}, {used['reason']}"


def _classes(step: Finished) -> str:
    names = step.outputs[0].read_text(encoding="utf-8").splitlines()
    return f"{len(names)} classes, named by {step.json()['origin']}"


def _proof(step: Finished) -> str:
    record = step.json()
    boxes, scaling = f"{record['reference_detections']} boxes of the model", record["scaling_filter"]
    share = record["alternatives"][0]["likeness"]
    agrees = "" if share is None else f" and finds the same to {share:.3f} of 1"
    return f"{boxes}; nvinfer resizes by scaling-filter {scaling}{agrees}"


def _boxes(what: str, step: Finished) -> str:
    frames = step.json()["frames"]
    return f"{sum(map(len, frames.values()))} {what} in {len(frames)} frames" if frames else ""


def _engine_boxes(step: Finished) -> str:
    problem = step.json()["problem"]
    return (
        f"the engine's own boxes stay unknown: {problem}" if problem else _boxes("boxes of the engine", step)
    )


def _build_time(step: Finished) -> str:
    from dsbench.trtexec.build_log import read_build

    return f"trtexec built it in {read_build(step.outputs[-1]).build_s:.1f} s"


def _rate(step: Finished) -> str:
    from dsbench.trtexec.log import read_measurement

    measured = read_measurement(step.outputs[0])
    batch = int(step.wildcards.get("batch", 1))
    return f"{measured.images_per_s(batch):.1f} images/s, {measured.gpu_ms['mean']:.2f} ms for a batch of {batch}"


def _stream_rate(step: Finished) -> str:
    from dsbench.deepstream.log import read_run

    run = read_run(step.outputs[0], int(step.wildcards["streams"]), min_windows=1)
    return f"{run.total_fps:.1f} images/s, {run.fps_per_stream:.1f} FPS for each stream"


def _latency(step: Finished) -> str:
    from dsbench.chain.measured_chain import streams_of
    from dsbench.deepstream.latency import configuration_of, read_latency, why_no_latency

    log = step.outputs[0]
    if why := why_no_latency(log):
        return f"the latency of a frame stays unknown: {why}"
    run = read_latency(log, streams_of(configuration_of(log)))
    p50, p95 = (run.percentile(percent).latency_ms for percent in (50, 95))
    return f"half of the frames took up to {p50:.1f} ms, 95 % up to {p95:.1f} ms"


def _decoding(step: Finished) -> str:
    last = step.json()["rates"][-1]
    return f"{last['frames_per_s']:.0f} frames/s, {last['streams']} decoders at once"


def _kept(step: Finished) -> str:
    kept = step.json()["stages"][-1]["accuracy"]["every"]
    shift = f"{kept['shift_x_px']:+.2f} px right, {kept['shift_y_px']:+.2f} px down"
    return f"the runtime's boxes against the model's own: AP {kept['ap']:.3f} of 1, {shift}"


def _prediction(step: Finished) -> str:
    record = step.json()
    share_pct = 100 * record["share"]["share"]
    return f"{record['batch'] or 'no'} streams predicted, {share_pct:.0f} % of trtexec's images/s"


NUMBERS: dict[str, Callable[[Finished], str]] = {
    "inspect_video": partial(_of_json, "{frames} frames, {width}x{height}, {average_fps:g} FPS"),
    "note_target_fps": partial(_of_json, "{target_fps:g} FPS for each stream"),
    "list_source": _listed,
    "fetch_source": _fetched,
    "fetch_source_from_disk": _fetched,
    "export_onnx": _export,
    "prepare_onnx": _size,
    "bake_batch": _size,
    "convert_to_half": _size,
    "write_labels": _classes,
    "parse_with_tensorrt": partial(_of_json, "{verdict}"),
    "build_with_tensorrt": partial(_of_json, "{verdict}"),
    "build_engine": _build_time,
    "keep_engine": _size,
    "measure_decoding": _decoding,
    "read_truth": partial(_boxes, "true boxes"),
    "prove_preprocessing": _proof,
    "run_reference": partial(_boxes, "boxes of the model"),
    "run_engine": _engine_boxes,
    "benchmark_engine": _rate,
    "benchmark_engine_b1": _rate,
    "benchmark_engine_probe": _rate,
    "choose_max_batch": partial(_of_json, "MAX_BS {max_bs}, PEAK_GPU_STREAMS {peak_gpu_streams}"),
    "dump_kitti": partial(_of_json, "{detections} detections in {frames} frames"),
    "judge_kitti": partial(_of_json, "{frames_with_detection} of {frames} frames have a detection"),
    "judge_agreement": partial(_of_json, "precision {precision:.3f}, recall {recall:.3f} at IoU {iou:g}"),
    "measure_accuracy": _kept,
    "check_batch_slots": partial(_of_json, "the same boxes in all {slots} batch slots"),
    "benchmark_streams": _stream_rate,
    "measure_latency": _latency,
    "predict_batch": _prediction,
    "confirm_batch": partial(_of_json, "{verdict}"),
    "record_video": _size,
    "render_html": _size,
    "print_pdf": _size,
}
