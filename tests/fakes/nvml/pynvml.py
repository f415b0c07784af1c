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
    # The MIG instances of the GPU with the processes on each; null where MIG is off.
    "mig": None,
    "mps_pids": [],
}
_calls = {}


class NVMLError(Exception):
    pass


def _values():
    return VALUES | json.loads(os.environ.get("FAKE_NVML", "{}"))


def _value(name):
    value = _values()[name]
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
    if not uuid.startswith("GPU-") and uuid not in (_values()["mig"] or {}):
        raise NVMLError("Not Found")
    return uuid


def _is_instance(handle):
    return str(handle).startswith("MIG-")


def nvmlDeviceGetIndex(handle):
    return handle if isinstance(handle, int) else 1


def nvmlDeviceGetUUID(handle):
    return handle if isinstance(handle, str) else f"GPU-{handle}"


def nvmlDeviceGetName(handle):
    return "NVIDIA A100 MIG 3g.20gb" if _is_instance(handle) else "NVIDIA A100"


def nvmlDeviceGetMigMode(_):
    return [int(bool(_values()["mig"])), 0]


def nvmlDeviceGetMigDeviceHandleByIndex(_, index):
    return list(_values()["mig"])[index]


def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle):
    if not _is_instance(handle):
        raise NVMLError("Invalid Argument")
    return 0


def nvmlDeviceGetMPSComputeRunningProcesses(_):
    return [SimpleNamespace(pid=pid) for pid in _value("mps_pids")]


def nvmlDeviceGetClockInfo(handle, kind):
    if _is_instance(handle):
        raise NVMLError("Not Supported")
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


def nvmlDeviceGetComputeRunningProcesses(handle):
    if instances := _values()["mig"]:
        pids = (
            instances[handle]
            if _is_instance(handle)
            else [pid for each in instances.values() for pid in each]
        )
    else:
        pids = _value("pids")
    return [SimpleNamespace(pid=pid) for pid in pids]


def nvmlSystemGetProcessName(pid):
    return _value("names").get(str(pid), "someone")
