"""What benchmark_data.json holds: BenchmarkData, and the records of its parts that no step before the report writes.

A value that was not measured is None, never 0. Rates are per second, paths from the model's folder.
"""

from dataclasses import dataclass, field
from typing import Literal

from dsbench.boxes.average_precision import Scores
from dsbench.chain.sweep import Sweep
from dsbench.checks.findings import Agreement, BatchSlots, Gate, KeptAccuracy, PreprocessProof
from dsbench.core.records import AtLeastOne, PositiveFloat, PositiveInt
from dsbench.deepstream.decoding import Decoding
from dsbench.deepstream.latency import ComponentLatency
from dsbench.machine.clip import PlayedClip
from dsbench.onnx.export_recipes import Outcome
from dsbench.onnx.inspection import HalfPrecision, TensorFacts
from dsbench.report.system_facts import RuntimeFacts, SystemFacts, Timing
from dsbench.sources.source import FetchedFile
from dsbench.tools.run_samples import GpuSummary, SampleSummary
from dsbench.trtexec.passport import ProfileShapes

# Less is 0.0 in a table.
LEAST_SHOWN_MS = 0.05


@dataclass(frozen=True)
class ProvenExport:
    """How the ONNX was exported: the accepted method, every attempt, and the largest error by batch, with its bound."""

    method: str
    attempts: list[Outcome]
    max_abs_error: dict[str, float]
    tolerance: float


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What the model is and where it is from.

    `files` were taken from the source. `classes` are in the order of their numbers, `classes_from` is what named them,
    `class_notes` say what was not taken as it stood, and `notes` what was changed of the source's ONNX. `export` is
    None for a source that is ONNX already.
    """

    source: str
    architecture: str | None
    model_type: str | None
    family: str
    onnx: str
    onnx_bytes: int
    onnx_sha256: str
    license: str | None
    revision: str | None
    files: list[FetchedFile] = field(default_factory=list)
    classes: AtLeastOne[str]
    classes_from: str
    class_notes: tuple[str, ...]
    export: ProvenExport | None
    notes: list[str] = field(default_factory=list)
    opset: int
    nodes: int
    input: TensorFacts
    outputs: AtLeastOne[TensorFacts]


@dataclass(frozen=True)
class NvinferPreprocessing:
    """How nvinfer makes a tensor of a frame and boxes of the answer; `proof` is None where it was not measured."""

    derived_from: str
    net_scale_factor: float
    offsets: tuple[float, float, float] | None
    model_color_format: str
    maintain_aspect_ratio: bool
    symmetric_padding: bool
    network_width: int
    network_height: int
    cluster_mode: int
    pre_cluster_threshold: float
    parser: str
    symbol: str
    notes: tuple[str, ...]
    proof: PreprocessProof | None = None


@dataclass(frozen=True, kw_only=True)
class HalfPrecisionOnnx(HalfPrecision):
    """What was measured of the ONNX in half precision that has this name."""

    onnx: str


@dataclass(frozen=True, kw_only=True)
class MeasuredEngine:
    """An engine and its build.

    `precision` is as the build log states it, `layers` how many layers have each, None where the engine does not tell.
    `tf32` is whether float32 may be computed in TF32. `half_precision` is None where the ONNX was not converted.
    `attempt` is what a repeated build changed, None for a first one; `errors` are the [E] lines of a build that passed.
    """

    batch: int
    file: str
    size_mib: float
    build_s: float | None
    precision: str
    layers: dict[str, int] | None
    tf32: bool
    half_precision: HalfPrecisionOnnx | None
    compute: str | None
    workspace_mib: float | None
    profile: ProfileShapes
    attempt: str | None
    errors: list[str] = field(default_factory=list)
    log: str


@dataclass(frozen=True)
class Conditions:
    """What the machine did during one measurement; None where that is not known.

    `bound_by` was at its limit: compute, decode, memory, cpu, enqueue or transfers; `because` has the figures that say
    so. An undisturbed measurement has no `disturbances`. `repeated` is what disturbed the first measurement, of which
    this is the repetition.
    """

    bound_by: str | None
    because: str | None
    disturbances: list[str] | None
    repeated: str | None
    samples: SampleSummary | None

    @property
    def is_disturbed(self) -> bool:
        """Whether something is known to have disturbed the measurement."""
        return bool(self.disturbances)

    @property
    def gpu(self) -> GpuSummary | None:
        """What the GPU did, None where it was not sampled."""
        return self.samples.gpu if self.samples else None


@dataclass(frozen=True)
class RateNumbers:
    """What trtexec measured at one batch; latencies are of computing one batch."""

    batch: PositiveInt
    qps: float
    imgs_per_sec: PositiveFloat
    gpu_mean_ms: PositiveFloat
    gpu_median_ms: float | None
    gpu_min_ms: float | None
    gpu_max_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float
    queries: int | None


@dataclass(frozen=True)
class TrtexecRate(RateNumbers):
    """One measurement of trtexec on the engine of that file name."""

    warnings: list[str]
    conditions: Conditions
    engine: str
    log: str


@dataclass(frozen=True)
class DoublingStep:
    """What one batch of the doubling gave."""

    batch: int
    qps: float
    imgs_per_sec: PositiveFloat
    peak_gpu_streams: int


@dataclass(frozen=True, kw_only=True)
class TrtexecResults:
    """Batch 1, MAX_BS and each batch of the doubling up to it; the switches are as trtexec's logs state them."""

    duration_s: float
    warm_up_ms: float
    data_transfers: bool | None
    spin_wait: bool | None
    cuda_graph: bool | None
    bs1: TrtexecRate
    bsmax: TrtexecRate
    doubling: AtLeastOne[DoublingStep]


@dataclass(frozen=True)
class VideoWithBoxes:
    """What made the video with boxes, its file, None where nothing could, and the pictures taken of it."""

    encoder: Literal["nvv4l2h264enc", "theoraenc-fallback", "skipped"]
    file: str | None
    frames: list[str]


@dataclass(frozen=True, kw_only=True)
class CheckedSlots(BatchSlots):
    """The check of the batch's slots; `of_runs` are the numbers of slots that the runs' own batches were checked in."""

    of_runs: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ReportedChecks(Gate):
    """What the gate and each check after it found of the boxes."""

    agreement: Agreement
    accuracy: KeptAccuracy
    batch_slots: CheckedSlots
    video: VideoWithBoxes


@dataclass(frozen=True)
class RunNumbers:
    """What a run of deepstream-app measured, over full windows after the ramp-up.

    `total_fps` is the sum over all streams of their mean, `total_fps_min` and `total_fps_max` that of the slowest and
    the fastest window; `cov_pct` is the deviation of the windows in percent of their mean.
    """

    streams: PositiveInt
    total_fps: PositiveFloat
    fps_per_stream: float
    total_fps_min: float | None
    total_fps_max: float | None
    min_stream_fps: float | None
    max_stream_fps: float | None
    cov_pct: float | None


@dataclass(frozen=True, kw_only=True)
class DeepStreamRun(RunNumbers):
    """One run of deepstream-app; `window_fps` are the total frames/s of each window, in their order."""

    warnings: list[str]
    windows: PositiveInt
    window_fps: list[float] = field(default_factory=list)
    real_time: bool
    conditions: Conditions
    log: str


@dataclass(frozen=True)
class LatencyNumbers:
    """How long a frame takes from its decoder's input to its sink at full load.

    It is that of `frames` frames, without those of the ramp-up, which were `left_out`.
    """

    streams: PositiveInt
    frames: PositiveInt
    left_out: int
    mean_ms: PositiveFloat
    min_ms: PositiveFloat
    p50_ms: PositiveFloat
    p95_ms: PositiveFloat
    p99_ms: PositiveFloat
    max_ms: PositiveFloat


@dataclass(frozen=True, kw_only=True)
class LatencyOfFrames(LatencyNumbers):
    """The run that measured the latency; `configuration` is that of the run whose load it has.

    `components` are in the order in which a frame passes them; `untimed` are those whose own time is not known.
    """

    components: list[ComponentLatency] = field(default_factory=list)
    untimed: list[str] = field(default_factory=list)
    warnings: list[str]
    conditions: Conditions
    configuration: str
    log: str

    @property
    def between_components_ms(self) -> float:
        """How much of the mean latency no component had, in ms; 0 for what is no tenth of one, or is not known."""
        between_ms = self.mean_ms - sum(each.mean_ms for each in self.components)
        return between_ms if not self.untimed and between_ms >= LEAST_SHOWN_MS else 0.0


# What the machine's conditions are told of.
AnyRun = TrtexecRate | DeepStreamRun | LatencyOfFrames


@dataclass(frozen=True)
class DecodingLimit(Decoding):
    """What decoding alone gives, and how many streams it allows at the target rate."""

    allowed_streams: int | None


@dataclass(frozen=True, kw_only=True)
class DeepStreamResults:
    """Both runs, the latency, what decoding allows, and in sentences what is unusual about them."""

    interval_s: float
    run1: DeepStreamRun
    run2: DeepStreamRun | None
    latency: LatencyOfFrames | None = None
    rt_streams: int | None
    decoding: DecodingLimit | None = None
    real_time: bool
    notes: list[str]


@dataclass(frozen=True)
class Efficiency:
    """Each run's total frames/s in percent of trtexec's images/s at MAX_BS."""

    reference_batch: int
    reference_imgs_per_sec: PositiveFloat
    run1_pct: float | None
    run2_pct: float | None


@dataclass(frozen=True)
class SideBySide:
    """What a report shows of a model beside another one, so that a user can choose.

    `resize` says who resizes the frame. `kept` are the scores of the runtime's boxes with the model's own as truth,
    `on_truth` those on the clip's true boxes, None where it has none. Images/s are trtexec's at `batch`, frames/s those
    of run 2 with `streams`.
    """

    model_name: str
    resize: Literal["nvinfer", "in_graph"]
    kept: Scores
    on_truth: Scores | None
    batch: int
    imgs_per_sec: float
    streams: int
    total_fps: float
    rt_streams: int


@dataclass(frozen=True)
class ReferenceCommand:
    """The text that repeats a measurement, and the script that has it."""

    title: str
    script: str
    text: str


@dataclass(frozen=True)
class NumberSources:
    """Where each measured number stands, by its JSON pointer; a place is FILE:LINE or FILE:FIRST-LAST.

    `files` has the SHA-256 of each file, `said` the line that says the number, `computed` the lines from whose numbers
    it was computed. Paths are from the working directory.
    """

    files: dict[str, str]
    said: dict[str, str]
    computed: dict[str, AtLeastOne[str]]


@dataclass(frozen=True, kw_only=True)
class BenchmarkData:
    """Everything a report is made from.

    `engine` is the file name of the last of the `engines`, that of MAX_BS. `doubling_stopped_by` is what stopped the
    doubling while PEAK was above the batch, or which batch did not fit, None where nothing had to. `side_by_side` are
    this model and the one that its entry names with beside, None where it names none; `sweep` is None unless asked for.
    """

    schema_version: int
    model_name: str
    engine: str
    max_bs: int
    measured_utc: str
    runtime: RuntimeFacts
    model: ModelFacts
    system: SystemFacts
    video: PlayedClip
    preprocessing: NvinferPreprocessing
    engines: AtLeastOne[MeasuredEngine]
    trtexec: TrtexecResults
    peak_gpu_streams: int
    doubling_stopped_by: str | None
    target_fps: PositiveFloat
    target_fps_from: Literal["clip", "config"]
    validation: ReportedChecks
    deepstream: DeepStreamResults
    efficiency: Efficiency
    side_by_side: tuple[SideBySide, SideBySide] | None
    sweep: Sweep | None = None
    timing: Timing
    commands: AtLeastOne[ReferenceCommand]
    sources: NumberSources | None = None
