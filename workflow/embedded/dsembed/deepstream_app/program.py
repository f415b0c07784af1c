"""The embedded deepstream-app: its command line and the main flow of one run."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import TextIOWrapper
from pathlib import Path

import av
import openvino

from dsembed.deepstream_app.app_settings import AppSettings, read_app_settings
from dsembed.deepstream_app.latency import COMPONENTS_VARIABLE, FRAMES_VARIABLE, latency_lines
from dsembed.deepstream_app.main_loop import Eos, Failed, Interrupted, MainLoop, Message, PerfMeter
from dsembed.deepstream_app.nvinfer_settings import NvinferSettings, read_nvinfer_settings
from dsembed.deepstream_app.pipeline import SLOTS, KittiDump, KittiDumpError, Pipeline
from dsembed.deepstream_app.primary_gie import GieError, element_error, start_primary_gie
from dsembed.shared.cpu import this_cpu
from dsembed.shared.declared_keys import RefusedError
from dsembed.shared.keyfile import KeyFileError
from dsembed.shared.native import HostError

USAGE = """Usage:
  deepstream-app -c FILE

  -c, --cfg-file=FILE   configuration of the pipeline
  -v, --version         versions of the application
  --version-all         versions of the application and its libraries
  -h, --help            this help
"""


class UsageError(Exception):
    """A command line that deepstream-app would not take, or that is not supported."""


@dataclass(frozen=True)
class CommandLine:
    """The action, "run", "version", "version-all" or "help", and for "run" the configuration file."""

    action: str
    config: Path | None = None


def parse_command_line(arguments: list[str]) -> CommandLine:
    """Return what to do; raises UsageError."""
    configs: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if word in ("-h", "--help"):
            return CommandLine("help")
        if word in ("-v", "--version"):
            return CommandLine("version")
        if word == "--version-all":
            return CommandLine("version-all")
        if name not in ("-c", "--cfg-file"):
            raise UsageError(f"option {word} is not supported by the embedded runtime, see --help")
        configs.append(value if equals else next(words, ""))
    if not any(configs):
        raise UsageError("Specify config file with -c option")
    if len(configs) > 1:
        raise UsageError(f"{len(configs)} -c options: the embedded runtime runs one pipeline per process")
    return CommandLine("run", Path(configs[0]))


FAILURE = 255
COMMANDS = "\nRuntime commands:\n\th: Print this help\n\tq: Quit\n\n\tp: Pause\n\tr: Resume\n"
TILER_NOTE = "NOTE: The tiler is a no-op in the embedded runtime: a fakesink shows no tiles.\n"


def banner() -> str:
    """Return the line that says which runtime this is."""
    version = openvino.__version__.partition("-")[0]
    return f"embedded runtime: deepstream-app 9.1 dialect, OpenVINO {version}, CPU {this_cpu().name}"


def main(arguments: list[str], loop: MainLoop) -> int:
    """Run deepstream-app until `loop` gets a message that ends it; return the exit status.

    Raises BrokenPipeError when nobody reads what it prints.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    try:
        command = parse_command_line(arguments)
    except UsageError as error:
        print(f"** ERROR: <main:660>: {error}")
        return _ended(FAILURE)
    if command.action == "help":
        print(USAGE, end="")
        return 0
    print(banner())
    if command.config is None:
        print("deepstream-app version 9.1.0\nDeepStreamSDK 9.1.0")
        if command.action == "version-all":
            print(
                f"OpenVINO {openvino.get_version()}\nPyAV {av.__version__}\nFFmpeg {av.ffmpeg_version_info}"
            )
        return 0
    return _ended(_run(command.config, loop))


def _ended(status: int) -> int:
    print("Quitting")
    print("App run failed" if status else "App run successful")
    return status


def _run(config: Path, loop: MainLoop) -> int:
    try:
        settings = read_app_settings(config, print)
        nvinfer = _read_nvinfer(settings)
        kitti = KittiDump(settings.kitti_dir, nvinfer.labels) if settings.kitti_dir else None
    except (KeyFileError, RefusedError, KittiDumpError) as error:
        print(f"** ERROR: <parse_config_file:0>: {error}")
        print(f"** ERROR: <main:691>: Failed to parse config file '{config}'")
        return FAILURE
    except _NvinferConfigError as error:
        print(f"Error while parsing config file: {error}", file=sys.stderr)
        element_error("primary_gie", "Configuration file parsing failed", f"Config file path: {error.path}")
        return FAILURE
    try:
        gie = start_primary_gie(nvinfer, settings.mux, len(settings.sources), SLOTS)
    except (GieError, HostError) as error:
        debug = f"{error}\nConfig file path: {nvinfer.path}, NvDsInfer Error: NVDSINFER_CONFIG_FAILED"
        element_error("primary_gie", "Failed to create NvDsInferContext instance", debug)
        return FAILURE
    interval_s = settings.perf_interval_s
    meter = PerfMeter(len(settings.sources), interval_s) if interval_s else None
    pipeline = Pipeline(
        *(settings.sources, settings.file_loop, gie, meter, kitti, _latency_lines()),
        on_eos=lambda: loop.post(Eos()),
        on_error=lambda *error: loop.post(Failed(*error)),
    )
    return _play(loop, pipeline, meter, settings)


def _latency_lines() -> Callable[[int, int, tuple[float, ...]], str] | None:
    """Return what makes the lines of a frame's latency, None where the environment asks for none."""
    if FRAMES_VARIABLE not in os.environ:
        return None
    return partial(latency_lines, with_components=COMPONENTS_VARIABLE in os.environ)


class _NvinferConfigError(Exception):
    def __init__(self, path: Path, reason: Exception):
        super().__init__(str(reason))
        self.path = path


def _read_nvinfer(settings: AppSettings) -> NvinferSettings:
    path = settings.gie.config_file
    try:
        nvinfer = read_nvinfer_settings(settings.gie, lambda line: print(line, file=sys.stderr))
    except (KeyFileError, RefusedError) as error:
        raise _NvinferConfigError(path, error) from error
    if nvinfer.batch_size < len(settings.sources):
        raise RefusedError(
            f"{path}: batch-size={nvinfer.batch_size} with {len(settings.sources)} sources, "
            "set it to their number"
        )
    return nvinfer


def _play(loop: MainLoop, pipeline: Pipeline, meter: PerfMeter | None, settings: AppSettings) -> int:
    print(COMMANDS)
    if settings.tiled_display:
        print(TILER_NOTE)

    def print_row() -> None:
        if meter:
            print(meter.row())

    print_row()
    print("** INFO: <bus_callback:642>: Pipeline ready\n")
    print("** INFO: <bus_callback:628>: Pipeline running\n")

    def on_key(key: str) -> None:
        if key == "h":
            print(COMMANDS)
        elif key in "pr":
            pipeline.pause(key == "p")
            print(f"** INFO: <bus_callback:0>: Pipeline {'paused' if key == 'p' else 'running'}\n")

    pipeline.start()
    try:
        return _report(loop.run(settings.perf_interval_s, print_row, on_key))
    finally:
        pipeline.stop()


def _report(message: Message | None) -> int:
    match message:
        case Eos():
            print("** INFO: <bus_callback:685>: Received EOS. Exiting ...\n")
        case Interrupted():
            print("** ERROR: <_intr_handler:136>: User Interrupted.. \n")
        case Failed(element, text, debug):
            element_error(element, text, debug)
            return FAILURE
    return 0
