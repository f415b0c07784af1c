"""Writes nvinfer's log lines to stderr."""

import os
import sys
import time

LEVELS = {
    "INFO": ("gstnvinfer.cpp:731", "Info from"),
    "WARN": ("gstnvinfer.cpp:728", "Warning from"),
    "ERROR": ("gstnvinfer.cpp:725", "Error in"),
}


class NvinferLog:
    """The lines of one nvinfer element."""

    def __init__(self, unique_id: int):
        self._unique_id = unique_id
        self._start_ns = time.monotonic_ns()

    def context(self, level: str, function: str, line: int, text: str) -> None:
        """Write what NvDsInferContextImpl's `function` says."""
        place, origin = LEVELS[level]
        self._element(
            level,
            f"{place}:gst_nvinfer_logger",
            f"NvDsInferContext[UID {self._unique_id}]: {origin} NvDsInferContextImpl::{function}() "
            f"<nvdsinfer_context_impl.cpp:{line}> [UID = {self._unique_id}]: {text}",
        )

    def loaded(self, config_file: object) -> None:
        """Write that the model of `config_file` runs, in nvinfer's spelling."""
        text = f"[UID {self._unique_id}]: Load new model:{config_file} sucessfully"
        self._element("INFO", "gstnvinfer_impl.cpp:348:notifyLoadModelStatus", text)

    def _element(self, level: str, place: str, text: str) -> None:
        seconds, nanoseconds = divmod(time.monotonic_ns() - self._start_ns, 10**9)
        minutes, second = divmod(seconds, 60)
        clock = f"{minutes // 60}:{minutes % 60:02d}:{second:02d}.{nanoseconds:09d}"
        category = f"{'nvinfer':>20}"
        origin = f"{os.getpid():>6} 0x{id(self):x} {level:<7}"
        print(f"{clock} {origin} {category} {place}:<primary_gie> {text}", file=sys.stderr, flush=True)


def element_error(element: str, message: str, debug: str) -> None:
    """Write a GStreamer bus error of `element`, `debug` saying where and why."""
    print(f"ERROR from {element}: {message}\nDebug info: {debug}", file=sys.stderr, flush=True)
