import os
import re
import tomllib
from pathlib import Path

import pytest

from dsbench.core.errors import BuildError
from dsbench.dag.rule_script import explained
from dsbench.tools.doctor import catalogue, diagnose, limit_of, noting_limit
from dsbench.tools.tool_run import ToolFailedError

DATA = Path(__file__).parents[1] / "data"
LINES = tomllib.loads((DATA / "fault_lines.toml").read_text())
REAL_LOGS = Path(os.environ.get("REAL_LOGS", Path(__file__).parents[3] / "shared/real-logs"))
# Real logs in which something is wrong; no other one may be told that it is.
REAL_FAULTS = {
    "trtexec-8.2.5-1.log": "foreign_node",
    "trtexec-8.6.1-3.log": "outside_profile",
    "trtexec-10.14.1-1.log": "build_shape_missing",
    "trtexec-10.16.1-1.log": "build_shape_missing",
    "trtexec-10.16.1-2.log": "workspace_in_bytes",
    "trtexec-10.16.1-4.log": "profiler_hides_summary",
    "deepstream-6.x-rtsp-error.log": "source_unreadable",
    "deepstream-7.1-1.log": "engine_rebuilt",
    "deepstream-7.1-2-noperf.log": "config_key",
    "deepstream-5.1-1.log": "config_key",
}


def test_every_entry_has_a_line_and_every_line_an_entry():
    assert {fault.name for fault in catalogue()} == set(LINES)


@pytest.mark.parametrize("name", LINES)
def test_entry_fits_its_line_and_no_other_does(name):
    assert [fault.name for fault in catalogue() if fault.pattern.search(LINES[name])] == [name]


@pytest.mark.parametrize("fault", catalogue(), ids=lambda fault: fault.name)
def test_entry_says_cause_and_fix_in_sentences(fault):
    for sentence in (fault.cause, fault.fix):
        assert sentence[-1] in ".;" and len(sentence) < 200


@pytest.mark.parametrize(
    "log", ["trtexec_10.16_b8.log", "trtexec_10.16_build_b8.log", "deepstream_9.1_2streams.log"]
)
def test_log_of_a_good_run_has_no_fault(log):
    assert diagnose((DATA / log).read_text()) is None


@pytest.mark.skipif(not REAL_LOGS.is_dir(), reason="the real logs are not here")
def test_real_logs_have_the_faults_they_have():
    found = {log.name: diagnose(log.read_text(errors="replace")) for log in REAL_LOGS.glob("*.log")}
    assert {name: fault.name for name, fault in found.items() if fault} == REAL_FAULTS


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (
            "[E] Error Code 1: Cuda Runtime (no kernel image is available for execution on the device)",
            "gpu_unsupported",
        ),
        ("[E] [TRT] CUDA initialization failure with error: 35", "driver_too_old"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0.", "host_memory"),
        ("ERROR from decodebin0: Your GStreamer installation is missing a plug-in.", "missing_element"),
        ("trtexec ended with signal SIGILL", "program_crashed"),
    ],
)
def test_other_words_tell_the_same_fault(line, name):
    assert diagnose(f"{line}\n{LINES['app_failed']}").name == name


def test_cause_is_told_before_what_follows_from_it():
    text = "\n".join(
        LINES[name] for name in ("onnx_unreadable", "engine_rebuilt", "engine_batch", "config_key")
    )
    assert diagnose(text).name == "onnx_unreadable"
    assert diagnose("\n".join(text.splitlines()[1:])).name == "engine_batch"


def test_warning_that_changes_nothing_is_only_a_possible_cause():
    assert diagnose(LINES["config_key"]).explained().startswith("Possible cause (config_key): ")
    both = f"{LINES['config_key']}\n{LINES['nvinfer_not_started']}"
    assert diagnose(both).explained().startswith("Cause (nvinfer_not_started): ")


def test_last_words_explain_only_what_nothing_else_does():
    assert diagnose(LINES["engine_not_set_up"]).name == "engine_not_set_up"
    assert (
        diagnose(f"{LINES['workspace_in_bytes']}\n{LINES['engine_not_set_up']}").name == "workspace_in_bytes"
    )


PLUGINS = "/usr/lib/x86_64-linux-gnu/gstreamer-1.0/deepstream/"
SCANNER = "(gst-plugin-scanner:61): GStreamer-WARNING **: 10:20:30.123: Failed to load plugin"
MISSING = "cannot open shared object file: No such file or directory"
HARMLESS = {
    "triton": f"{SCANNER} '{PLUGINS}libnvdsgst_inferserver.so': libtritonserver.so: {MISSING}",
    "rivermax": f"{SCANNER} '{PLUGINS}libnvdsgst_udp.so': librivermax.so.1: {MISSING}",
    "in the process itself": f"(deepstream-app:7): {SCANNER} '/x/libgstmpg123.so': libmpg123.so.0: {MISSING}",
    "Python's elements": "** (gst-plugin-scanner:947): CRITICAL **: 05:26:59.605: Couldn't g_module_open libpython."
    f" Reason: /usr/lib/libpython3.11.so: {MISSING}",
    "static storage": f"{SCANNER} '/x/libgstnvjpeg.so': /x/libGL.so.0: cannot allocate memory in static TLS block",
    "another release": f"{SCANNER} '{PLUGINS}libnvdsgst_preprocess.so': undefined symbol: NvBufSurfTransformAsync",
    "cut short": f"{SCANNER} '/x/libgstnvtee.so': /x/libgstnvtee.so: file too short",
    "cuda provider": f"Failed to load library libonnxruntime_providers_cuda.so: libcudart.so.12: {MISSING}",
    "vdpau": f"Failed to open VDPAU backend libvdpau_nvidia.so: {MISSING}",
    "plugin sought": "[I] [TRT] No importer registered for op: EfficientNMS_TRT. Attempting to import as plugin.",
    "sought twice": "[08/02/2026-10:31:12] [I] [TRT] Plugin not found with node attribute namespace",
    "sought twice, without a level": "Plugin not found with node attribute namespace ''",
    "tactic skipped": "[08/02/2026-10:35:55] [W] [TRT] Requested amount of GPU memory (9663676416 bytes) could not be"
    " allocated. There may not be enough free memory for allocation to succeed.",
    "tactic skipped by an error": "[08/02/2026-10:35:55] [E] Error Code: 9: Skipping tactic 0x0 due to out of memory",
}


@pytest.mark.parametrize("line", HARMLESS.values(), ids=HARMLESS)
def test_harmless_line_hides_no_cause_and_is_none(line):
    assert diagnose(line) is None
    for name in ("parser_failed", "source_unreadable", "app_failed", "missing_library"):
        assert diagnose(f"{line}\n{LINES[name]}").name == name


@pytest.mark.parametrize(
    ("plugin", "library", "cause"),
    [
        ("libnvdsgst_infer.so", "libnvinfer.so.10", "tensorrt_library"),
        ("libnvdsgst_multistream.so", "libnvbufsurface.so", "missing_library"),
        ("libgstnvvideo4linux2.so", "libcuda.so.1", "no_gpu"),
    ],
)
def test_what_a_plugin_of_the_pipeline_lacks_is_the_cause(plugin, library, cause):
    lines = [
        HARMLESS["triton"],
        f"{SCANNER} '{PLUGINS}{plugin}': {library}: {MISSING}",
        "** ERROR: <create_primary_gie_bin:90>: Failed to create element 'primary_gie_classifier'",
        LINES["app_failed"],
    ]
    assert diagnose("\n".join(lines)).name == cause
    assert diagnose("\n".join([HARMLESS["triton"], *lines[2:]])).name == "missing_element"


SKIPPED = (
    "[08/02/2026-10:35:55] [E] [TRT] [virtualMemoryBuffer.cpp::resizePhysical::140] Error Code 2: OutOfMemory\n"
    "[08/02/2026-10:35:55] [W] [TRT] UNSUPPORTED_STATE: Skipping tactic 3 due to insufficient memory\n"
)


def test_error_of_a_skipped_tactic_is_no_cause_and_one_that_ended_the_build_is():
    assert diagnose(SKIPPED) is None
    assert diagnose(f"{SKIPPED}{LINES['foreign_node']}").name == "foreign_node"
    assert diagnose(f"{SKIPPED}{LINES['engine_not_set_up']}").name == "engine_not_set_up"
    assert diagnose(f"{SKIPPED}[I] more\n{LINES['out_of_memory']}").name == "out_of_memory"


def test_error_line_of_a_build_that_passed_is_no_cause():
    assert diagnose(f"{LINES['out_of_memory']}\n&&&& FAILED TensorRT.trtexec").name == "out_of_memory"
    assert diagnose(f"{LINES['out_of_memory']}\n&&&& PASSED TensorRT.trtexec") is None


@pytest.mark.parametrize("level", "IVW")
def test_cause_comes_from_an_error_and_not_from_what_else_is_said(level):
    for name in ("foreign_node", "unsupported_operator", "onnx_unreadable", "out_of_memory"):
        assert diagnose(LINES[name].replace("[E]", f"[{level}]")) is None
    assert (diagnose(LINES["shape_missing"].replace("[W]", f"[{level}]")) is None) == (level != "W")


@pytest.mark.parametrize(
    "line",
    [
        *(
            "[x] [E] stoi",
            "[x] [E] stod: no conversion",
            "[x] [E] stod conversion failure",
            "  what():  stoi",
        ),
        "[x] [E] Uncaught exception detected: stoull: out of range",
    ],
)
def test_option_without_its_number_is_told_in_the_words_of_every_library(line):
    assert diagnose(line).name == "option_number"


def test_crash_after_a_failed_build_is_told_by_the_error_before_it():
    said = f"build.log: trtexec ended with signal SIGSEGV\n{LINES['onnx_unreadable']}"
    assert diagnose(said).name == "onnx_unreadable"


def test_configuration_in_the_head_of_a_log_is_no_fault():
    assert diagnose("# configuration: x.txt\n#   # Trying to create engine from model files\n") is None


def failed(log, error):
    with pytest.raises(SystemExit), explained(str(log)):
        log.write_text(LINES["foreign_node"] + "\n" + "[I] more\n" * 300)
        raise BuildError(error)


def test_failing_rule_shows_the_entry_and_not_the_log(tmp_path, capsys):
    log = tmp_path / "build.log"
    failed(log, "trtexec ended with exit status 1")
    said = capsys.readouterr().err
    assert said.strip().splitlines() == [
        "ERROR trtexec ended with exit status 1",
        "Cause (foreign_node): TensorRT fused a part of the graph that it cannot build, as it does with DETR heads;"
        " where lines on insufficient memory stand above, the workspace is too small.",
        "Next: Set `repair: dynamo` in the model's entry; if that fails, `repair: onnxsim`; the build itself tries"
        " builder optimisation level 2.",
        f"Log: {log}",
    ]
    assert said.strip() in log.read_text()


def test_log_that_the_error_names_is_not_named_twice(tmp_path, capsys):
    log = tmp_path / "build.log"
    failed(log, f"{log}: trtexec ended with exit status 1")
    assert capsys.readouterr().err.count(str(log)) == 1


def test_failure_of_an_earlier_call_explains_nothing(tmp_path, capsys):
    log = tmp_path / "build.log"
    failed(log, "trtexec ended with exit status 1")
    capsys.readouterr()
    with pytest.raises(SystemExit), explained(str(log)):
        raise BuildError("the labels have 3 lines, expected 4")
    assert capsys.readouterr().err == "\nERROR the labels have 3 lines, expected 4\n\n"


def test_unknown_fault_of_a_tool_leads_to_its_log(tmp_path, capsys):
    log = tmp_path / "run.log"
    with pytest.raises(SystemExit), explained(str(log)):
        raise ToolFailedError(f"{log}: trtexec ended with exit status 1: something new")
    assert capsys.readouterr().err.strip().splitlines()[1] == (
        f"Next: this fault is not in the catalogue; read the last lines of {log} and run the same command again."
    )


def failing(log, line, is_least=False):
    """Let a tool with `line` in its log fail at a size that `is_least` or not."""
    with noting_limit(log, "8 streams", is_least):
        log.write_text(f"{line}\nApp run failed\n")
        raise ToolFailedError(f"{log}: deepstream-app ended with exit status 255")


def test_a_size_that_was_too_much_is_noted_at_the_end_of_the_log(tmp_path, capsys):
    log = tmp_path / "ds_s8_run1.log"
    failing(log, LINES["file_handles"])
    reason = limit_of(log.read_text())
    assert re.match(
        r"too few file handles: a process may have [\w ]+ here \(Debug info: gstfilesrc\.c\(532\)", reason
    )
    assert capsys.readouterr().err == f"8 streams: {reason}; trying less\n"


@pytest.mark.parametrize(("line", "is_least"), [("parser_library", False), ("file_handles", True)])
def test_another_fault_and_one_of_the_least_size_end_the_job(tmp_path, line, is_least):
    log = tmp_path / "ds_s8_run1.log"
    with pytest.raises(ToolFailedError):
        failing(log, LINES[line], is_least)
    assert limit_of(log.read_text()) is None
