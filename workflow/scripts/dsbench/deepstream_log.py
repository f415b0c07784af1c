"""deepstream-app logs: how a run ended, which engine it used, what it warned of."""

import re
from pathlib import Path

from dsbench.errors import BuildError

INTERRUPTED = "User Interrupted"
END_OF_STREAM = "Received EOS"
REBUILD = re.compile(r"Trying to create engine from model files|serialize cuda engine to file")
LOADED = "Use deserialized engine model: "
BROKEN_OUTPUT = re.compile(r"^.*(?:Failed to parse bboxes|Error in NvDsInferContextImpl).*$", re.M)
FAILURE = re.compile(
    rf"^(?:\*\* ERROR:(?!.*{INTERRUPTED})|ERROR from|ERROR:|.*Error in NvDsInferContextImpl).*$", re.M
)
WARNING = re.compile(
    r"^(?:\*\* WARN: <\w+:\d+>: |WARNING from |WARNING: |Unknown (?:or legacy )?key ).*$", re.M
)
NVINFER_WARNING = re.compile(r"Warning from NvDsInferContextImpl::.*\[UID = \d+\]: (.*)$", re.M)
NVINFER_PREFIX = re.compile(r"^.*\[UID = \d+\]: ")
APP_PREFIX = re.compile(r"^\*\* WARN: <\w+:\d+>: ")

# Why an engine was not used, as nvinfer says it before it builds another; the first that is found counts.
NOT_USED = (
    (
        re.compile(r"Backend has maxBatchSize (\d+) whereas (\d+)"),
        "its largest batch is {0}, batch-size is {1}",
    ),
    (re.compile(r"backend can not support dims:(\S+)"), "its profile does not hold infer-dims {0}"),
    (
        re.compile(r"expecting library version (\S+) got (\d[\d.]*\d)"),
        "it is of TensorRT {1}, DeepStream has {0}",
    ),
    (
        re.compile(r"not compatible with this version of TensorRT|Version tag does not match|magicTag"),
        "another version of TensorRT built it",
    ),
    (re.compile(r"generated on an incompatible device"), "it was built on another GPU"),
    (
        re.compile(r"because file path: (.*) open error"),
        "model-engine-file leads to {0}, where there is no file",
    ),
    (
        re.compile(r"deserialize engine from file :(.*) failed"),
        "{0} is missing, damaged or of another TensorRT",
    ),
)
UNNAMED = "model-engine-file names no engine"


class PerfLogError(BuildError):
    """A deepstream-app log that is not the log of a finished, undisturbed run."""


def check_ended_well(text: str, log: Path | str) -> None:
    """Refuse a run that failed, or that used another engine than the named one, or none."""
    _refuse_rebuilt(text, log)
    if "App run failed" in text or "App run successful" not in text:
        cause = failure_cause(text) or "the run was cut off"
        raise PerfLogError(f"{log}: no 'App run successful': {cause}; the lines around it say more")
    check_engine_used(text, log)


def check_engine_used(text: str, log: Path | str) -> None:
    """Refuse a run that used another engine than the named one, or none, or whose output could not be read."""
    _refuse_rebuilt(text, log)
    if broken := BROKEN_OUTPUT.search(text):
        raise PerfLogError(
            f"{log}: frames without post-processing were counted: {broken[0].strip()}; expected no error of nvinfer,"
            " cure that and measure again"
        )
    if LOADED not in text:
        raise PerfLogError(
            f"{log}: no '{LOADED.strip()}', so the pipeline ran without inference; check that [primary-gie] is"
            " spelt so and has enable=1"
        )


def _refuse_rebuilt(text: str, log: Path | str) -> None:
    if REBUILD.search(text):
        raise PerfLogError(
            f"{log}: the engine was rebuilt instead of loaded: {why_not_loaded(text)}; expected '{LOADED.strip()}';"
            " correct that in the nvinfer configuration, or build the engine with DeepStream's own TensorRT"
        )


def why_not_loaded(text: str) -> str:
    """Return why nvinfer did not use the engine it was given, from the lines before it builds another."""
    before = re.split(REBUILD, text)[0]
    for pattern, reason in NOT_USED:
        if found := pattern.search(before):
            return reason.format(*found.groups())
    return UNNAMED


def failure_cause(text: str) -> str | None:
    """Return the first line that says why a run failed, None where there is none."""
    found = FAILURE.search(text)
    return NVINFER_PREFIX.sub("", found[0]).strip() if found else None


def warnings(text: str) -> list[str]:
    """Return each different warning of the app, of its elements and of nvinfer, in order."""
    plain = [(found.start(), APP_PREFIX.sub("", found[0])) for found in WARNING.finditer(text)]
    nvinfer = [(found.start(), found[1]) for found in NVINFER_WARNING.finditer(text)]
    return list(dict.fromkeys(line.strip() for _, line in sorted(plain + nvinfer)))
