"""What bound the run that decides, and what to do about it: the first lever that its samples call for."""

from collections.abc import Callable
from dataclasses import dataclass

from dsbench.report.conditions import LIMIT_PCT, contradiction
from dsbench.report.report_records import BenchmarkData, DeepStreamRun
from dsbench.report.served import deciding_run
from dsbench.report.text import count
from dsbench.tools.run_samples import SampledRange

# What a run's `bound_by` is in a sentence.
LIMITS = {
    "compute": "the GPU's SMs limit it",
    "decode": "NVDEC limits it",
    "memory": "the GPU's memory limits it",
    "cpu": "the processors limit it",
}


@dataclass(frozen=True)
class Advice:
    """What to do next, and why that is next."""

    lever: str
    reason: str


@dataclass(frozen=True)
class Load:
    """The run that decides, with what the levers look at: the samples' means in percent, None where not sampled."""

    title: str
    run: DeepStreamRun
    is_embedded: bool
    is_disturbed: bool
    decoders_allow: int | None
    share_of_inference_pct: float

    def series(self, name: str) -> SampledRange | None:
        """Return one series of the run's samples, None where it was not sampled."""
        conditions = self.run.conditions
        of = conditions.samples if name == "cpu_pct" else conditions.gpu
        return getattr(of, name) if of else None

    def is_full(self, name: str) -> bool:
        """Return whether a sampled unit was at its limit."""
        series = self.series(name)
        return series is not None and series.mean >= LIMIT_PCT

    def power_capped_pct(self) -> float:
        """Return in how many percent of the samples the power limit held the clock down; 0 where that is unknown."""
        gpu = self.run.conditions.gpu
        return (gpu.power_capped_pct if gpu else None) or 0.0


@dataclass(frozen=True)
class Lever:
    """One rule: where `applies` holds, `advice` is what to do next."""

    applies: Callable[[Load], bool]
    advice: Advice


# The first that applies is shown. They stand in the order in which one hides the next: a disturbed figure says nothing
# of a limit, a clock that is held down makes all else slower, and a unit before the network starves it.
LEVERS = (
    Lever(
        lambda load: load.is_disturbed,
        Advice(
            "Measure again while nothing else uses this machine.",
            "Something else took part of it, so that no figure of this page tells the machine's limit.",
        ),
    ),
    Lever(
        lambda load: load.is_full("sm_pct") and load.power_capped_pct() >= LIMIT_PCT,
        Advice(
            "Raise the GPU's power limit (nvidia-smi -pl), or take a card with a higher one.",
            "The SMs are busy at a clock that the power limit holds down, so that more power is more images/s.",
        ),
    ),
    Lever(
        lambda load: load.is_full("nvdec_pct"),
        Advice(
            "Decode less: fewer pixels or frames per second from each camera, or a GPU with more NVDEC units.",
            "NVDEC has nothing left, so that a faster model would not add a camera.",
        ),
    ),
    Lever(
        lambda load: load.is_full("memory_pct"),
        Advice(
            "Move fewer bytes per image: a lower precision or a smaller network input.",
            "The GPU's memory is read and written all the time, so that more SMs would wait for it too.",
        ),
    ),
    Lever(
        lambda load: load.is_full("sm_pct"),
        Advice(
            "Compute less per camera: a smaller network input, a lower precision, inference on every second frame"
            " (nvinfer's interval), or a larger GPU.",
            "The SMs have nothing left, and decoding has.",
        ),
    ),
    Lever(
        lambda load: not load.is_embedded and load.is_full("cpu_pct"),
        Advice(
            "Give the run more processor cores.",
            "The GPU waits for the processors, which feed and empty its queues.",
        ),
    ),
    Lever(
        lambda load: load.is_full("cpu_pct") and load.share_of_inference_pct >= LIMIT_PCT,
        Advice(
            "Compute less per frame: a smaller network input or model, or more cores; for a camera load, a GPU.",
            "The processors have nothing left, and inference alone takes nearly all their time.",
        ),
    ),
    Lever(
        lambda load: load.is_full("cpu_pct"),
        Advice(
            "Give each camera fewer pixels or frames per second, or take more cores.",
            "The processors have nothing left, and part of their time goes to decoding, scaling and parsing.",
        ),
    ),
    Lever(
        lambda load: load.series("cpu_pct") is not None,
        Advice(
            "Run more streams.",
            "No unit that was sampled was at its limit, so that the load is what ends here.",
        ),
    ),
)


def deciding_load(data: BenchmarkData) -> Load:
    """Return the deciding run of checked benchmark data as a load."""
    (title, run), runs = deciding_run(data), data.deepstream
    return Load(
        title,
        run,
        is_embedded=data.runtime.kind == "embedded",
        is_disturbed=run.conditions.is_disturbed or bool(contradiction(runs.run1, runs.run2)),
        decoders_allow=runs.decoding.allowed_streams if runs.decoding else None,
        # What inference alone takes of an image's time.
        share_of_inference_pct=100 * run.total_fps / data.trtexec.bsmax.imgs_per_sec,
    )


def bound_of(load: Load) -> str | None:
    """Return in words what bound the load, with the figures that say so; None where nothing was sampled."""
    conditions = load.run.conditions
    if load.is_disturbed:
        return "not known, since something else used this machine"
    if conditions.because is None:
        return None
    allowed = load.decoders_allow if conditions.bound_by == "decode" else None
    alone = "" if allowed is None else f"; decoding alone allows at least {count(allowed, 'stream')}"
    limit = LIMITS.get(conditions.bound_by or "", "nothing found")
    return f"{load.title}: {limit} ({conditions.because}{alone})"
