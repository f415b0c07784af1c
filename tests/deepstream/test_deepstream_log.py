"""How a deepstream-app run ended, which engine it used and what it warned of, from its log."""

import os
import re
from pathlib import Path

import pytest

from dsbench.deepstream.log import (
    PerfLogError,
    check_ended_well,
    failure_cause,
    full_windows,
    read_run,
    reduce_windows,
    warnings,
    why_not_loaded,
)

GOOD = (Path(__file__).parents[1] / "data/deepstream_9.1_2streams.log").read_text()
REAL_LOGS = Path(os.environ.get("REAL_LOGS", Path(__file__).parents[3] / "shared/real-logs"))
NVINFER = "0:00:02.1 41 0x55d0 {level} nvinfer gstnvinfer.cpp:728:gst_nvinfer_logger:<gie> NvDsInferContext[UID 1]: "
WARN = (
    NVINFER.format(level="WARN")
    + "Warning from NvDsInferContextImpl::f() <nvdsinfer_context_impl.cpp:2176> [UID = 1]: "
)
ERROR = (
    NVINFER.format(level="ERROR")
    + "Error in NvDsInferContextImpl::f() <nvdsinfer_context_impl.cpp:2308> [UID = 1]: "
)
FAILED = f"{WARN}deserialize engine from file :/m/a b.engine failed\n"
TRYING = f"{NVINFER.format(level='INFO')}Trying to create engine from model files\n"
VERSION = "The engine plan file is not compatible with this version of TensorRT"


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (
            f"{WARN}Backend has maxBatchSize 1 whereas 4 has been requested\n",
            "its largest batch is 1, batch-size is 4",
        ),
        (f"{WARN}backend can not support dims:3x640x640\n", "its profile does not hold infer-dims 3x640x640"),
        (
            f"ERROR: [TRT]: 6: {VERSION}, expecting library version 10.3.0.26 got 8.6.1.6, please rebuild.\n{FAILED}",
            "it is of TensorRT 8.6.1.6, DeepStream has 10.3.0.26",
        ),
        (
            f"ERROR: [TRT]: Error Code 6 ({VERSION}, expecting library version 10.14.1.48 got \n..   )\n{FAILED}",
            "another version of TensorRT built it",
        ),
        (
            f"ERROR: [TRT]: 1: Serialization Error in verifyHeader (Version tag does not match.)\n{FAILED}",
            "another version of TensorRT built it",
        ),
        (
            f"WARNING: Deserialize engine failed because file path: /m/a b.engine open error\n{FAILED}",
            "model-engine-file leads to /m/a b.engine, where there is no file",
        ),
        (FAILED, "/m/a b.engine is missing, damaged or of another TensorRT"),
        ("", "model-engine-file names no engine"),
    ],
)
def test_rebuild_says_why_the_engine_was_not_used(before, reason):
    assert why_not_loaded(before + TRYING) == reason
    with pytest.raises(
        PerfLogError, match=re.escape(f"ds.log: the engine was rebuilt instead of loaded: {reason};")
    ):
        check_ended_well(before + TRYING + GOOD, "ds.log")


def test_rebuilt_engine_is_refused_by_its_file_alone():
    with pytest.raises(PerfLogError, match="rebuilt instead of loaded"):
        check_ended_well(
            GOOD + "x: serialize cuda engine to file: /m/a.onnx_b4_gpu0_fp16.engine successfully\n", "l"
        )


def test_pipeline_without_inference_is_refused():
    without = "".join(line for line in GOOD.splitlines(True) if "Use deserialized" not in line)
    with pytest.raises(PerfLogError, match="ran without inference; check that \\[primary-gie\\]"):
        check_ended_well(without, "ds.log")


DONE = "Quitting\nApp run successful\n"
ZEROS = "**PERF:  0.00 (0.00)\t\n" * 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            f"0:00 INFO nvinfer Load new model:/a.txt sucessfully\n{DONE}",
            "but nvinfer loaded a model: the log does",
        ),
        (f"INFO: TrtISBackend id:1 initialized model: ssd\n{DONE}", "since nvinferserver (Triton) inferred"),
        (
            f"{ZEROS}** INFO: <bus_callback:217>: Received EOS. Exiting ...\n",
            "the clip came to its end, and the log",
        ),
        (ZEROS, "the run was cut off before any stream got a frame;"),
        (
            f"{TRYING}{ZEROS}",
            "names no engine, and no stream ever got a frame: check that the clip plays too;",
        ),
    ],
)
def test_run_that_is_none_is_told_as_it_was(text, says):
    with pytest.raises(PerfLogError, match=re.escape(says)):
        check_ended_well(text, "ds.log")


def test_clip_that_ends_before_the_first_row_is_named():
    with pytest.raises(
        PerfLogError, match=r"check .*that the clip, which came to its end, is longer than a window"
    ):
        full_windows("** INFO: <bus_callback:685>: Received EOS. Exiting ...\n", 1, "ds.log")


def test_first_cause_of_a_failure_is_named_and_ctrl_c_is_none():
    text = f"{ERROR}build backend context failed\nERROR from primary_gie: Failed to create NvDsInferContext instance\n"
    assert failure_cause(text) == "build backend context failed"
    assert failure_cause("** ERROR: <main:691>: Failed to parse config file 'a.txt'\n").endswith("'a.txt'")
    assert failure_cause(GOOD) is None


def test_each_warning_is_kept_once_and_in_order():
    text = (
        "** WARN: <parse_source:781>: Unknown key 'width' for group [source0]\n" * 2
        + f"{WARN}Could not find output layer 'X' in engine\n"
        + "Unknown or legacy key specified 'model-type' for group [property]\n"
        + "WARNING from sink_sub_bin: A lot of buffers are being dropped.\n"
    )
    assert warnings(text) == [
        "Unknown key 'width' for group [source0]",
        "Could not find output layer 'X' in engine",
        "Unknown or legacy key specified 'model-type' for group [property]",
        "WARNING from sink_sub_bin: A lot of buffers are being dropped.",
    ]
    assert warnings(GOOD) == []


@pytest.mark.skipif(not REAL_LOGS.is_dir(), reason="the real logs are not here")
@pytest.mark.parametrize(
    ("name", "streams", "says"),
    [
        ("deepstream-5.1-1", 1, "no 'App run successful': the run was cut off"),
        ("deepstream-6.1-1", 1, "no 'Use deserialized engine model:'"),
        ("deepstream-6.1-2streams-1", 2, "no 'Use deserialized engine model:'"),
        ("deepstream-6.x-allzero", 1, "no 'App run successful': the run was cut off"),
        ("deepstream-6.x-rtsp-error", 1, "ERROR from src_elem0: Could not open resource for reading."),
        ("deepstream-7.1-1", 1, "the engine was rebuilt instead of loaded"),
        ("deepstream-7.1-2-noperf", 1, "no 'Use deserialized engine model:'"),
    ],
)
def test_real_log_that_is_no_measurement_is_refused(name, streams, says):
    with pytest.raises(PerfLogError, match=re.escape(says)):
        read_run(REAL_LOGS / f"{name}.log", streams, 3)


@pytest.mark.skipif(not REAL_LOGS.is_dir(), reason="the real logs are not here")
@pytest.mark.parametrize(
    ("name", "count", "fps"),
    [("deepstream-5.1-1", 3, 60.1067), ("deepstream-6.1-1", 14, 50.7586), ("deepstream-7.1-1", 3, 59.99)],
)
def test_rows_of_real_logs_are_read_right(name, count, fps):
    text = (REAL_LOGS / f"{name}.log").read_text().split("User Interrupted")[0]
    windows = full_windows(text, 1, name)
    assert len(windows) == count
    assert reduce_windows(windows, []).total_fps == pytest.approx(fps, abs=1e-4)


@pytest.mark.skipif(not REAL_LOGS.is_dir(), reason="the real logs are not here")
@pytest.mark.parametrize("name", ["deepstream-7.1-2-noperf", "deepstream-6.1-2streams-1"])
def test_real_log_without_rows_of_a_machine_is_refused(name):
    with pytest.raises(PerfLogError, match="no PERF row"):
        full_windows((REAL_LOGS / f"{name}.log").read_text(), 1, name)


@pytest.mark.skipif(not REAL_LOGS.is_dir(), reason="the real logs are not here")
def test_warnings_of_a_real_log_are_found():
    text = (REAL_LOGS / "deepstream-5.1-1.log").read_text()
    assert warnings(text) == ["Unknown key 'border-color' for group [osd]"]
