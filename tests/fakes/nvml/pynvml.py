"""NVML as far as the sampling asks it. FAKE_NVML is a JSON object over the values below; "missing" has no driver.

A value of None is one this GPU does not tell; a list of lists holds one answer for each call.
"""

import json
import os
from types import SimpleNamespace

NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
VALUES = {
    "sm_clock": 1980,
    "memory_clock": 2619,
    "power_mw": 412_500,
    "temperature": 61,
    "sm": 97,
    "memory": 55,
    "nvdec": 20,
    "used": 9 << 30,
    "total": 80 << 30,
    "reasons": 0,
    "pids": [],
    "count": 1,
    "names": {},
}
_calls = {}


class NVMLError(Exception):
    pass


def _value(name):
    values = VALUES | json.loads(os.environ.get("FAKE_NVML", "{}"))
    value = values[name]
    if isinstance(value, list) and value and isinstance(value[0], list):
        _calls[name] = _calls.get(name, -1) + 1
        value = value[min(_calls[name], len(value) - 1)]
    if value is None:
        raise NVMLError(f"{name}: Not Supported")
    return value


def nvmlInit():
    _calls.clear()
    if os.environ.get("FAKE_NVML") == '"missing"':
        raise NVMLError("Driver Not Loaded")


def nvmlShutdown():
    pass


def nvmlDeviceGetCount():
    return _value("count")


def nvmlDeviceGetHandleByIndex(index):
    if index > 1:
        raise NVMLError("Invalid Argument")
    return index


def nvmlDeviceGetHandleByUUID(uuid):
    if not uuid.startswith("GPU-"):
        raise NVMLError("Not Found")
    return uuid


def nvmlDeviceGetClockInfo(_, kind):
    return _value("sm_clock" if kind == NVML_CLOCK_SM else "memory_clock")


def nvmlDeviceGetPowerUsage(_):
    return _value("power_mw")


def nvmlDeviceGetTemperature(_, __):
    return _value("temperature")


def nvmlDeviceGetUtilizationRates(_):
    return SimpleNamespace(gpu=_value("sm"), memory=_value("memory"))


def nvmlDeviceGetDecoderUtilization(_):
    return [_value("nvdec"), 167_000]


def nvmlDeviceGetMemoryInfo(_):
    return SimpleNamespace(used=_value("used"), total=_value("total"))


def nvmlDeviceGetCurrentClocksThrottleReasons(_):
    return _value("reasons")


def nvmlDeviceGetComputeRunningProcesses(_):
    return [SimpleNamespace(pid=pid) for pid in _value("pids")]


def nvmlSystemGetProcessName(pid):
    return _value("names").get(str(pid), "someone")
