"""From a network, a profile and a precision to an engine: plans from the timing cache or by timing them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import openvino as ov

from dsembed import RUNTIME_VERSION
from dsembed.engine.engine import Engine, Plan, whole_batch
from dsembed.engine.engine_file import EngineError, EngineFile
from dsembed.engine.network import ParsedNetwork, Tensor, output_dims, serialize
from dsembed.engine.shapes import ShapeRange
from dsembed.engine.tactics import Tactics, usable_precisions
from dsembed.shared.cpu import this_cpu
from dsembed.shared.log_writer import LogWriter, cpp_text

FORMAT = "dsembed timing cache 1"


def cache_key(**facts: object) -> str:
    """Return the key of a measurement: a SHA-256 over everything that it depends on."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read_cache(path: Path) -> tuple[dict[str, dict], int] | None:
    """Return the entries of the cache at `path` and its size in bytes, None if there is no readable cache."""
    try:
        text = path.read_text()
        content = json.loads(text)
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    entries = content.get("entries")
    return (entries, len(text.encode())) if isinstance(entries, dict) else None


def add_to_cache(path: Path, key: str, entry: dict) -> int:
    """Add `entry` to the cache at `path`, keeping what other builds added meanwhile; return its size in bytes.

    Raises OSError where it cannot be written.
    """
    with _locked(path):
        known = read_cache(path)
        entries = {**(known[0] if known else {}), key: entry}
        text = json.dumps({"format": FORMAT, "entries": entries}, indent=1, sort_keys=True) + "\n"
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            unfinished.write_text(text)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return len(text.encode())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


FP32, FP16, STRONGLY_TYPED = "FP32", "FP32+FP16", "Strongly Typed"  # as trtexec's Precision line prints them


@dataclass(frozen=True)
class BuildConfig:
    """What a build is asked for: `precision` as trtexec prints it, `workspace_bytes` None for no limit."""

    profile: ShapeRange
    precision: str
    workspace_bytes: float | None
    timing_cache: Path | None


def build_engine_file(network: ParsedNetwork, config: BuildConfig, log: LogWriter) -> EngineFile:
    """Return the engine of `network`; raises EngineError if no plan for it is exact enough or fits the workspace."""
    xml, weights = serialize(network.model)
    batches = {"min": config.profile.min[0], "opt": config.profile.opt[0], "max": config.profile.max[0]}
    header = {
        "embedded_runtime": RUNTIME_VERSION,
        "openvino": ov.get_version(),
        "cpu": asdict(this_cpu()),
        "onnx": network.facts,
        "built_as": config.precision,
        "profile": batches,
        "input": _binding(network.input, config.profile.opt),
        "outputs": _output_bindings(network, config.profile),
    }
    precisions = _allowed_precisions(config.precision, network)
    key = cache_key(
        onnx=network.facts["sha256"],
        weights=hashlib.sha256(weights).hexdigest(),  # an ONNX file may keep its weights in another file
        workspace_bytes=config.workspace_bytes,
        precisions=precisions,
        **{fact: header[fact] for fact in ("embedded_runtime", "openvino", "cpu", "profile", "input")},
    )
    chosen = _cached(config.timing_cache, key, log)
    if chosen is None:
        first = {str(batches["opt"]): asdict(whole_batch(batches["opt"], header["cpu"]["cores"], "f32"))}
        draft = EngineFile({**header, "plans": first}, xml, memoryview(weights))
        engine = Engine.from_file(Path(network.facts["file"]), draft)
        tactics = Tactics(engine, header["cpu"]["cores"], config.workspace_bytes, log)
        chosen = tactics.choose(precisions, can_cut=network.input.dims[0] == -1)
        if config.timing_cache:
            _save_to_cache(config.timing_cache, key, chosen, log)
    _log_plans(chosen, str(batches["opt"]), precisions, log)
    return EngineFile({**header, **chosen}, xml, memoryview(weights))


def _cached(path: Path | None, key: str, log: LogWriter) -> dict | None:
    """Return what an earlier build chose for `key`, None if it has to be timed."""
    if path is None:
        log.info(
            "[TRT] Local timing cache in use. Profiling results in this builder pass will not be stored."
        )
        return None
    log.info("[TRT] Global timing cache in use. Profiling results in this builder pass will be stored.")
    cache = read_cache(path)
    if cache is None:
        log.warning(f"[TRT] Could not read cache from: {path}. A new cache will be generated and written.")
        return None
    entries, size_bytes = cache
    log.info(f"[TRT] Loaded {size_bytes} bytes of cache from file: {path}")
    return entries.get(key)


def _save_to_cache(path: Path, key: str, chosen: dict, log: LogWriter) -> None:
    try:
        size_bytes = add_to_cache(path, key, chosen)
    except OSError as error:  # as for TensorRT, a cache that cannot be kept costs time, not the build
        log.warning(f"[TRT] Could not write timing cache to: {path} ({error.strerror}).")
    else:
        log.info(f"[TRT] Saved {size_bytes} bytes of timing cache to {path}")


def _log_plans(chosen: dict, opt_batch: str, precisions: tuple[str, ...], log: LogWriter) -> None:
    for batch, plan in sorted(chosen["plans"].items(), key=lambda item: item[0] != opt_batch):
        log.info(f"[TRT] embedded: plan {Plan(**plan)} for batch {batch}")
    if len(precisions) > 1:
        log.info(
            f"[TRT] embedded: fastest of {', '.join(precisions)} within tolerance; outputs differ from f32 by at most "
            f"{cpp_text(chosen['difference'])} of an output's largest value (query detectors: in the best-scored "
            "tenth of the rows)"
        )


def _allowed_precisions(precision: str, network: ParsedNetwork) -> tuple[str, ...]:
    """Return the types that convolutions may compute in; f32 always may, it is exact for narrower types too."""
    if precision == FP16:
        return usable_precisions()
    if precision == STRONGLY_TYPED and network.has_half_weights:
        return usable_precisions(("f32", "f16"))
    return ("f32",)


def _binding(tensor: Tensor, dims: tuple[int, ...]) -> dict:
    return {"name": tensor.name, "dims": dims[1:], "dtype": tensor.dtype}


def _output_bindings(network: ParsedNetwork, profile: ShapeRange) -> list[dict]:
    batch = profile.opt[0] if network.input.dims[0] != -1 else 2  # 2: a dimension of 1 need not be the batch
    shapes = output_dims(network, (batch, *profile.opt[1:]))
    for tensor, dims in zip(network.outputs, shapes, strict=True):
        if -1 in dims or dims[0] != batch:
            raise EngineError(
                f"{network.facts['file']}: output {tensor.name} is {list(dims)} for a batch of {batch}; the embedded "
                "runtime takes outputs of fixed size with the batch first."
            )
    return [_binding(tensor, dims) for tensor, dims in zip(network.outputs, shapes, strict=True)]
