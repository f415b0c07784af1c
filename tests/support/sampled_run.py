"""A summary of samples as a measurement leaves it, and the latency that a run of its own measures."""


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


def latency(p50_ms=61.25, p95_ms=88.5, p99_ms=120.125, **more):
    """Return `deepstream.latency` of benchmark_data.json, of a run of 5 streams that was not sampled."""
    nothing = dict.fromkeys(("bound_by", "because", "disturbances", "repeated", "samples"))
    return {
        "streams": 5,
        "frames": 3240,
        "left_out": 360,
        "mean_ms": 63.0,
        "min_ms": 30.0,
        "p50_ms": p50_ms,
        "p95_ms": p95_ms,
        "p99_ms": p99_ms,
        "max_ms": 140.0,
        "components": [
            {"name": "nvv4l2decoder", "mean_ms": 8.0, "p95_ms": 9.5},
            {"name": "nvstreammux", "mean_ms": 15.0, "p95_ms": 21.25},
            {"name": "primary_gie", "mean_ms": 35.5, "p95_ms": 40.75},
        ],
        "warnings": [],
        "conditions": nothing,
        "configuration": "benchmarks/ds/ds_s5_run2.txt",
        "log": "benchmarks/ds/ds_latency.log",
    } | more
