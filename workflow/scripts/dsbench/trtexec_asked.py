"""Whether a trtexec log is of what was asked for: the version, the shape, and what the time contains."""

from collections.abc import Sequence
from pathlib import Path

from dsbench.machine import banner_version
from dsbench.trtexec_command import dotted
from dsbench.trtexec_log import LINE, SWITCHES, Measurement, TrtexecLogError

# trtexec then takes 1 for every open dimension and measures that.
SHAPE_MISSING = "Shape missing for input with dynamic shape: "


def check_version(text: str, version: tuple[int, ...], log: Path | str) -> None:
    """Refuse the log of another trtexec than the one the build recorded."""
    found = banner_version(text)
    if found != dotted(version):
        raise TrtexecLogError(
            f"{log}: written by trtexec of TensorRT {found}, the build recorded {dotted(version)}; put that one first"
            " on PATH and run the same command again"
        )


def check_shape(
    measurement: Measurement, text: str, name: str, shape: tuple[int, ...], log: Path | str
) -> None:
    """Refuse a measurement of another shape than asked, or of one that trtexec chose itself."""
    warnings = [message for level, message in LINE.findall(text) if level == "W"]
    chosen = next((message for message in warnings if message.startswith(SHAPE_MISSING)), None)
    if chosen is not None:
        raise TrtexecLogError(
            f"{log}: trtexec says '{chosen}', expected {name} with the shape {shape}; compare the engine's input with"
            " model/inspect.json"
        )
    found = measurement.shapes.get(name)
    if found != shape:
        raise TrtexecLogError(
            f"{log}: measured {name} with shape {found}, asked for {shape}; build the engine again"
        )


def check_conditions(measurement: Measurement, log: Path | str) -> None:
    """Refuse a measurement with data transfers, spin wait or CUDA graph, and one whose log does not say."""
    for title, name in SWITCHES.items():
        on = measurement.conditions.get(name)
        if on is not False:
            raise TrtexecLogError(
                f"{log}: '{title}:' is {'not stated' if on is None else 'Enabled'}, expected Disabled; this trtexec"
                " has other defaults than its version says, put NVIDIA's own first on PATH"
            )


def common_conditions(measurements: Sequence[Measurement]) -> dict[str, bool | None]:
    """Return whether data transfers, spin wait and CUDA graph were on, None where the measurements differ."""
    found = {}
    for name in SWITCHES.values():
        states = {measurement.conditions.get(name) for measurement in measurements}
        found[name] = states.pop() if len(states) == 1 else None
    return found
