"""A summary of samples as a measurement leaves it."""


def level(value):
    return {"min": value, "mean": value, "max": value}


def sampled(sm=50, nvdec=10, cpu=40, **gpu):
    """Return a summary as `run_tool` writes it."""
    known = ("memory_clock_mhz", "power_w", "temperature_c", "memory_pct", "memory_used_mib")
    return {
        "samples": 20,
        "cpu_pct": level(cpu),
        "gpu": {key: level(1) for key in known}
        | {
            "sm_clock_mhz": level(1980),
            "sm_pct": level(sm),
            "nvdec_pct": level(nvdec),
            "memory_total_mib": 8e4,
        }
        | {"throttled_pct": {}, "foreign_processes": [], "mps": False, "mig_neighbours": []}
        | {"device": {"index": 0, "uuid": "GPU-0", "name": "NVIDIA A100", "mig": None}}
        | gpu,
    }
