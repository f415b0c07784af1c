"""A model's history: what each finished report measured and with which toolchain, one JSON line for each."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from dsbench.errors import BuildError
from dsbench.whole_file import write_whole

# Of an entry's shape: entries of another one stay in the file and are not compared.
SCHEMA = 1
KEY_DIGITS = 12
# Said in words or repeated elsewhere; what disturbed a run is kept.
LEFT_OUT = ("conditions", "warnings", "log", "per_class", "file")


def history_entry(data: dict, facts: Mapping) -> dict:
    """Return what is kept of benchmark_data.json: `toolchain` (key), `facts`, `measured_utc`, `same`, `figures`.

    `same` is what two entries must share for their difference to be the toolchain's.
    """
    text = json.dumps(dict(facts), sort_keys=True)
    trt, runs, checks = data["trtexec"], data["deepstream"], data["validation"]
    return {
        "schema": SCHEMA,
        "toolchain": hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS],
        "facts": dict(facts),
        "measured_utc": data["measured_utc"],
        "same": {
            "ONNX": data["model"]["onnx_sha256"],
            "video": data["video"]["sha256"],
            "precision": data["engines"][-1]["precision"],
            "threshold": data["preprocessing"]["pre_cluster_threshold"],
            "target FPS": data["target_fps"],
            "length of the measurements": [trt["duration_s"], trt["warm_up_ms"], runs["interval_s"]],
        },
        "figures": {
            "max_bs": data["max_bs"],
            "peak_gpu_streams": data["peak_gpu_streams"],
            "rt_streams": runs["rt_streams"],
            **{name: _kept(trt[name]) for name in ("bs1", "bsmax")},
            **{name: _kept(runs[name]) for name in ("run1", "run2")},
            **{name: _kept(checks[name]) for name in ("agreement", "ground_truth")},
        },
    }


def _kept(part: dict | None) -> dict | None:
    if part is None:
        return None
    kept = {key: value for key, value in part.items() if key not in LEFT_OUT}
    return kept | ({"disturbances": part["conditions"]["disturbances"]} if "conditions" in part else {})


def read_history(file: Path) -> list[dict]:
    """Return the entries of `file`, the oldest first; [] where there is none."""
    entries = []
    for number, line in enumerate(file.read_text().splitlines() if file.is_file() else [], 1):
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise BuildError(f"{file}: line {number} is not JSON ({error}); remove that line") from error
        if not isinstance(entry, dict) or not {"schema", "toolchain", "measured_utc"} <= entry.keys():
            raise BuildError(f"{file}: line {number} is no entry of a history; remove that line")
        entries.append(entry)
    return entries


def append_entry(file: Path, entry: dict) -> list[dict]:
    """Add `entry` to `file` unless that measurement is in it, and return all entries; no line is half written."""
    entries = read_history(file)
    identity = (entry["toolchain"], entry["measured_utc"])
    if identity not in [(each["toolchain"], each["measured_utc"]) for each in entries]:
        entries.append(entry)
    write_whole(file, "".join(json.dumps(each, allow_nan=False) + "\n" for each in entries))
    return entries


def last_other(entries: list[dict], entry: dict) -> dict | None:
    """Return the newest entry of another toolchain than that of `entry`, None where there is none."""
    comparable = [each for each in entries if each["schema"] == SCHEMA]
    others = [each for each in comparable if each["toolchain"] != entry["toolchain"]]
    return others[-1] if others else None
