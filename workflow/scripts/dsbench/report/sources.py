"""Where each measured number of benchmark_data.json stands: its file with the file's hash, and the line."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.core.files import read_json, sha256_of
from dsbench.deepstream.log import lines_of_windows
from dsbench.report.benchmark_data import PERCENTILES, Measured
from dsbench.report.system_facts import SHARED_STEPS
from dsbench.tools.run_samples import HEAD
from dsbench.trtexec.log import LINE, STATISTICS, THROUGHPUT, TRACE
from dsbench.trtexec.passport import passport_of

# What one line of trtexec's log says.
COMPUTE = ("mean", "median", "min", "max", "p90", "p95", "p99")
Numbered = tuple[str, float, int]


def numbers_in(value: object, pointer: str = "", line: int = 1) -> Generator[Numbered, None, int]:
    """Yield each number in what JSON holds: its JSON pointer, itself, and its line in a file of this build.

    Those files have a line for each value and each bracket. Returns the line after `value`.
    """
    if isinstance(value, dict | list) and value:
        line += 1
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            name = str(key).replace("~", "~0").replace("/", "~1")
            line = yield from numbers_in(entry, f"{pointer}/{name}", line)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield pointer, value, line
    return line + 1


class Sources:
    """Collects the places of the numbers in `data`; a place is FILE:LINE or FILE:FIRST-LAST."""

    def __init__(self, data: Mapping):
        self._values = {pointer: value for pointer, value, _ in numbers_in(data)}
        self._files: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._computed: dict[str, list[str]] = {}

    def record(self) -> dict:
        """Return the report's `sources`: SHA-256 by file, the place of each number that a line says, the places from
        which each other one was computed.
        """
        return {"files": self._files, "said": self._said, "computed": self._computed}

    def place(self, file: Path, line: int, last: int | None = None) -> str:
        """Return the place of a line, or of several from `line` to `last`; from now on the file has a hash here."""
        name = file.as_posix()
        if name not in self._files:
            self._files[name] = sha256_of(file)
        return f"{name}:{line}" + (f"-{last}" if last and last != line else "")

    def say(self, pointer: str, file: Path, line: int) -> None:
        """Note that a line says the number at `pointer`, where there is one."""
        if pointer in self._values:
            self._said[pointer] = self.place(file, line)

    def compute(self, pointers: Iterable[str], *places: str) -> None:
        """Note that the numbers at `pointers` were computed from what stands at the places."""
        self._computed |= {pointer: list(places) for pointer in pointers if pointer in self._values}

    def copy(self, here: str, file: Path, there: str = "") -> None:
        """Note the line of each number at or below the pointer `here` that a JSON file has at or below `there`."""
        for pointer, value, line in numbers_in(read_json(file)):
            own = here + pointer.removeprefix(there)
            if f"{pointer}/".startswith(f"{there}/") and self._values.get(own) == value:
                self.say(own, file, line)

    def line(self, file: Path, pointer: str) -> str:
        """Return the place of a number in a JSON file."""
        for found, _, line in numbers_in(read_json(file)):
            if found == pointer:
                return self.place(file, line)
        raise BuildError(f"{file}: no number at {pointer}; delete it and run the same command again")

    def trtexec(self, here: str, log: Path) -> str:
        """Note what trtexec's log says of the rate at `here`; return the place of its queries/s."""
        rate = ""
        for number, line in enumerate(log.read_text(errors="replace").split("\n"), 1):
            said = LINE.match(line)
            if said is None:
                continue
            if THROUGHPUT.match(said[2]):
                rate = self.place(log, number)
                self.say(f"{here}/qps", log, number)
            elif TRACE.match(said[2]):
                self.say(f"{here}/queries", log, number)
            elif (statistics := STATISTICS.match(said[2])) and statistics[1] == "GPU Compute Time":
                for name in COMPUTE:
                    key = f"{name}_ms" if name.startswith("p") else f"gpu_{name}_ms"
                    self.say(f"{here}/{key}", log, number)
        self.compute([f"{here}/imgs_per_sec"], rate)
        return rate

    def run(self, here: str, log: Path) -> str:
        """Note what a run's log says of its windows; return the place of all of them."""
        lines = lines_of_windows(log.read_text(errors="replace"))
        windows = self.place(log, lines[0], lines[-1])
        for index, line in enumerate(lines):
            self.compute([f"{here}/window_fps/{index}"], self.place(log, line))
        rates = (
            "total_fps",
            "fps_per_stream",
            "total_fps_min",
            "total_fps_max",
            "min_stream_fps",
            "max_stream_fps",
        )
        self.compute([f"{here}/{name}" for name in (*rates, "cov_pct", "windows")], windows)
        return windows

    def samples(self, here: str, log: Path) -> None:
        """Note the line of a log that sums up what the machine did."""
        for number, line in enumerate(log.read_text(errors="replace").split("\n"), 1):
            if line.startswith(HEAD):
                below = f"{here}/conditions/samples/"
                for pointer in self._values:
                    if pointer.startswith(below):
                        self.say(pointer, log, number)

    def below(self, prefix: str) -> list[str]:
        """Return the pointers of all numbers below `prefix`."""
        return [pointer for pointer in self._values if pointer.startswith(f"{prefix}/")]


# Which JSON file has what is below a pointer of the report's data, and where in it.
COPIES = (
    ("/validation", "gate", ""),
    ("/validation/agreement", "agreement", ""),
    ("/validation/accuracy", "accuracy", ""),
    ("/validation/batch_slots", "batch_slots", ""),
    ("/preprocessing/proof", "preprocess", ""),
    ("/model/export/max_abs_error", "inspect", "/max_abs_error"),
    ("/model/export/attempts", "attempts", "/attempts"),
    ("/video", "clip", ""),
    ("/target_fps", "target_fps", "/target_fps"),
    ("/deepstream/decoding", "decoding", ""),
)


def sources_of(
    data: dict, measured: Measured, files: Mapping[str, str], run_slots: Sequence[str] = ()
) -> dict:
    """Return the report's `sources`, of `data` that was made from `measured` and from the JSON `files` by their names.

    `run_slots` are the checks of the runs' own batches. What a setting states or a name says has no source.
    """
    found = Sources(data)
    for here, name, there in COPIES:
        found.copy(here, Path(files[name]), there)
    if decoded := data["deepstream"]["decoding"]["rates"]:
        most = found.line(Path(files["decoding"]), f"/rates/{len(decoded) - 1}/frames_per_s")
        found.compute(["/deepstream/decoding/allowed_streams"], most)
    if data["sweep"]:
        found.copy("/sweep", Path(files["sweep"]))
    by_slots = sorted(map(Path, run_slots), key=lambda file: read_json(file)["slots"])
    for here, file in zip(found.below("/validation/batch_slots/of_runs"), by_slots, strict=True):
        found.compute([here], found.line(file, "/slots"))
    _engines(found, data["engines"], measured)
    rates = _rates(found, measured)
    run1, run2 = _runs(found, data["deepstream"], measured)
    _latency(found, measured)
    found.compute(["/efficiency/reference_imgs_per_sec"], rates[-1])
    found.compute(["/efficiency/run1_pct"], run1, rates[-1])
    found.compute(["/efficiency/run2_pct"], run2, rates[-1])
    _side_by_side(found, data, measured)
    _timing(found, data, measured.tree.name)
    return found.record()


def _engines(found: Sources, engines: list[dict], measured: Measured) -> None:
    for index, engine in enumerate(engines):
        here, passport = f"/engines/{index}", passport_of(measured.tree / engine["file"])
        found.copy(f"{here}/build_s", passport, "/build_s")
        found.compute([f"{here}/size_mib"], found.line(passport, "/engine/bytes"))
        last = len(passport.read_text().splitlines())
        found.compute(found.below(f"{here}/layers"), found.place(passport, 1, last))
        if half := engine["half_precision"]:
            found.copy(f"{here}/half_precision", measured.tree / "model" / f"{Path(half['onnx']).stem}.json")


def _rates(found: Sources, measured: Measured) -> list[str]:
    """Note where trtexec's numbers stand; return the places of the queries/s of the doubling."""
    found.trtexec("/trtexec/bs1", measured.b1_log)
    found.samples("/trtexec/bs1", measured.b1_log)
    found.trtexec("/trtexec/bsmax", measured.chain_logs[-1])
    found.samples("/trtexec/bsmax", measured.chain_logs[-1])
    places = []
    for index, log in enumerate(measured.chain_logs):
        places.append(found.trtexec(f"/trtexec/doubling/{index}", log))
        found.compute([f"/trtexec/doubling/{index}/peak_gpu_streams"], places[-1])
    found.compute(["/peak_gpu_streams"], places[-1])
    found.compute(["/max_bs"], *places)
    return places


def _runs(found: Sources, runs: dict, measured: Measured) -> list[str]:
    """Note where the numbers of both runs stand; return the places of their windows."""
    places = []
    for name in ("run1", "run2"):
        log = measured.tree / runs[name]["log"]
        places.append(found.run(f"/deepstream/{name}", log))
        found.samples(f"/deepstream/{name}", log)
    found.compute(["/deepstream/rt_streams"], places[0])
    return places


def _latency(found: Sources, measured: Measured) -> None:
    here, log, run = "/deepstream/latency", measured.latency_log, measured.latency
    if run is None:
        return
    for name, percent in PERCENTILES.items():
        found.say(f"{here}/{name}_ms", log, run.percentile(percent).line)
    lines = [frame.line for frame in run.frames]
    every = found.place(log, min(lines), max(lines))
    found.compute([f"{here}/{name}" for name in ("mean_ms", "frames", "left_out")], every)
    found.compute(found.below(f"{here}/components"), every)
    found.samples(here, log)


def _side_by_side(found: Sources, data: dict, measured: Measured) -> None:
    for index, model in enumerate(data["side_by_side"] or []):
        here, tree = f"/side_by_side/{index}", measured.tree.with_name(model["model_name"])
        accuracy, decision = tree / "validation/accuracy.json", tree / "benchmarks/max_bs.json"
        last = len(read_json(accuracy)["stages"]) - 1
        found.copy(f"{here}/kept", accuracy, f"/stages/{last}/accuracy/every")
        found.copy(f"{here}/on_truth", accuracy, "/truth/runtime/every")
        found.copy(f"{here}/batch", decision, "/max_bs")
        step = len(read_json(decision)["measurements"]) - 1
        found.compute([f"{here}/imgs_per_sec"], found.line(decision, f"/measurements/{step}/queries_per_s"))
        for run, names in (("run1", ["rt_streams"]), ("run2", ["total_fps", "streams"])):
            file = tree / f"benchmarks/ds/{run}.json"
            tried = len(read_json(file)["tries"]) - 1
            rates = [
                line
                for at, _, line in numbers_in(read_json(file))
                if at.startswith(f"/tries/{tried}/stream_fps/")
            ]
            found.compute([f"{here}/{name}" for name in names], found.place(file, rates[0], rates[-1]))


def _timing(found: Sources, data: dict, model: str) -> None:
    """Note where the wall times stand: each step has a table with a head and one line."""
    files = []
    for index, row in enumerate(data["timing"]["steps"]):
        folder = "logs/wall_time" if row["step"] in SHARED_STEPS else f"logs/{model}/wall_time"
        file = Path(folder, f"{row['step']}.tsv")
        for name in ("wall_s", "max_rss_mib"):
            found.say(f"/timing/steps/{index}/{name}", file, 2)
        if row["wall_s"] is not None:
            files.append(found.place(file, 2))
    found.compute(["/timing/total_s"], *files)
