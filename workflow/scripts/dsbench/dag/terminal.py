"""What a build prints: a line for each step, with the time it took and the number it gave, and the verdict at its end.

It stands in the place of Snakemake's own lines, a dozen for each job. Those are in the log below `.snakemake/log`.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from threading import Event, Thread
from typing import TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from dsbench.core.errors import without_controls
from dsbench.core.secret_words import without_tokens
from dsbench.dag.step_numbers import NUMBERS, number_of
from dsbench.machine.preflight import wants_colour
from dsbench.report.system_facts import wall_time
from dsbench.report.text import count, plain

# A step that takes longer is told of when it begins, with the time that it took when it last ran.
LONG_S = 10.0
HEARTBEAT_S = 30.0
TAIL_BYTES = 4096
LONGEST_SAID = 100
TITLE_WIDTH = 48
MOST_NAMED = 3
MOST_REPORTS = 3
LINE_WIDTH = 100
CUT_LOGIN = re.compile(r"\A\S*@")
LONGEST_SENTENCE = 8
RED, BOLD, PLAIN = "\033[31m", "\033[1m", "\033[0m"
# What Snakemake says of itself while it works; whatever else it says is shown in its own words.
HOUSEKEEPING = (
    *(
        "Using shell:",
        "Conda environments:",
        "Singularity containers:",
        "Group jobs: inactive",
        "Select jobs",
    ),
    *("DAG of jobs will be updated", "Updating checkpoint dependencies", "Assuming unrestricted shared"),
    *(
        "Touching output file",
        "Removing temporary output",
        "Processed ",
        "Removing output files of failed job",
    ),
)
UNTOLD = {
    *(LogEvent.WORKFLOW_STARTED, LogEvent.RUN_INFO, LogEvent.RESOURCES_INFO, LogEvent.GROUP_INFO),
    *(LogEvent.JOB_STARTED, LogEvent.SHELLCMD),
}
# A failed job has printed its own sentence; Snakemake's follow from where it called the script.
OF_FAILED_JOBS = {"RuleException", "CalledProcessError"}


def step_name(rule: str, wildcards: dict[str, str]) -> str:
    """Return a job's name for a person, such as `build_engine rtdetr batch=4`."""
    words = [f"{name}={value}" if value.isdigit() else value for name, value in wildcards.items() if value]
    return " ".join([rule, *words])


def duration(seconds: float) -> str:
    """Return a time as `14.2 s` or `3 min 07 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


@dataclass
class Step:
    """A job that runs: `last_s` is what it took when it last ran, None where nobody knows."""

    rule: str
    wildcards: dict[str, str]
    outputs: list[Path]
    logs: list[str]
    benchmark: Path | None
    last_s: float | None
    began: float

    @classmethod
    def of(cls, record: logging.LogRecord) -> "Step":
        """Return the job that Snakemake says it starts."""
        told = vars(record)
        benchmark = Path(told["benchmark"]) if told["benchmark"] else None
        return cls(
            told["rule_name"],
            dict(told["wildcards"]),
            [Path(file) for file in told["output"]],
            list(told["log"]),
            benchmark,
            wall_time(benchmark).wall_s if benchmark else None,
            time.monotonic(),
        )

    @property
    def name(self) -> str:
        """Return the job's name for a person."""
        return step_name(self.rule, self.wildcards)

    def so_far_s(self) -> float:
        """Return how long ago the job began; where jobs are submitted it may have waited since."""
        return time.monotonic() - self.began

    def took_s(self) -> float:
        """Return what the finished job took, without its time in a queue where it measured itself."""
        measured = wall_time(self.benchmark).wall_s if self.benchmark else None
        return self.so_far_s() if measured is None else measured

    def number(self) -> str:
        """Return the number that the finished job gave, "" where it gave none or its file does not tell."""
        return number_of(self.rule, self.wildcards, self.outputs) if self.rule in NUMBERS else ""


class StepLines(logging.Handler):
    """Prints a line for each step to `stream`, and has Snakemake's `own` handler print what is not of a step.

    Where the call `submits` its jobs, the sentence of one that failed is in its log alone.
    """

    def __init__(self, own: logging.Handler, stream: TextIO, submits: bool = False):
        super().__init__()
        self._submits = submits
        self._own = own
        self._stream = stream
        self._running: dict[int, Step] = {}
        self._finished: list[Step] = []
        self._reported: list[str] = []
        self._ended = Event()
        Thread(target=self._beat, daemon=True).start()
        self._tellers = {
            LogEvent.JOB_INFO: self._begin,
            LogEvent.JOB_FINISHED: self._finish,
            LogEvent.PROGRESS: self._tell_finished,
            LogEvent.JOB_ERROR: self._fail,
        }

    def emit(self, record: logging.LogRecord) -> None:
        """Print what the record says of a step; what is Snakemake's own housekeeping is in its log only."""
        event = getattr(record, "event", None)
        try:
            if event in self._tellers:
                self._tellers[event](record)
            elif not _is_untold(record, event):
                self._own.handle(record)
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Say no more."""
        self._ended.set()
        self._own.close()
        super().close()

    def tell_plan(self, wall_times: Iterable[Path | None]) -> None:
        """Print how many steps there are, and what they took when they last ran, from their files of wall times."""
        files = list(wall_times)
        timed = [file for file in files if file]
        known = [seconds for file in timed if (seconds := wall_time(file).wall_s) is not None]
        last = ""
        if known and len(known) == len(timed):
            last = f", about {duration(sum(known))} as last time"
        elif known:
            last = f", {len(known)} of which took {duration(sum(known))} last time"
        self._print(f"{count(len(files), 'step')}{last}")

    def tell_reports(self) -> None:
        """Print the verdict of each report that was made, the numbers of its first page and where it is."""
        models = list(dict.fromkeys(self._reported))
        for model in models:
            self._print("\n".join(_report(model, len(models) <= MOST_REPORTS, self._bold)))

    def tell_running(self) -> None:
        """Print which long steps still run, with the time of their last run, and of a single one its log's last line.

        It is said every half minute: the builder of TensorRT may run for hours.
        """
        # Jobs begin and end meanwhile.
        long = [step for step in list(self._running.values()) if step.so_far_s() >= LONG_S]
        if long:
            named = ", ".join(_progress(step) for step in long[:MOST_NAMED])
            more = f" and {len(long) - MOST_NAMED} more" if len(long) > MOST_NAMED else ""
            said = _last_line(long[0].logs) if len(long) == 1 else ""
            self._print(f"        running: {named}{more}{said}")

    def _begin(self, record: logging.LogRecord) -> None:
        step = Step.of(record)
        self._running[vars(record)["jobid"]] = step
        if step.last_s is not None and step.last_s >= LONG_S:
            self._print(f"        {step.name}: {duration(step.last_s)} the last time{_log_words(step)}")

    def _finish(self, record: logging.LogRecord) -> None:
        if step := self._running.pop(vars(record)["job_id"], None):
            self._finished.append(step)

    def _tell_finished(self, record: logging.LogRecord) -> None:
        told = vars(record)
        place = f"[{told['done']:>{len(str(told['total']))}}/{told['total']}]"
        for step in self._finished:
            line = f"{place} {step.name:<{TITLE_WIDTH}} {duration(step.took_s()):>11}  {step.number()}"
            self._print(line.rstrip())
            if step.rule in ("render_html", "print_pdf"):
                self._reported.append(step.wildcards["model"])
        self._finished.clear()

    def _fail(self, record: logging.LogRecord) -> None:
        told = vars(record)
        step = self._running.pop(told["jobid"], None)
        name = step.name if step else told["rule_name"]
        after = f" after {duration(step.so_far_s())}" if step else ""
        self._print(self._in(RED, f"FAILED  {name}{after}; log: {', '.join(told['log'])}"))
        if said := told["rule_msg"]:
            self._print(f"        {_harmless(said)}")
        for line in _sentence(told["log"]) if self._submits else []:
            self._print(f"        {line}")

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            self.tell_running()

    def _in(self, colour: str, words: str) -> str:
        return f"{colour}{words}{PLAIN}" if wants_colour(self._stream) else words

    def _bold(self, words: str) -> str:
        return self._in(BOLD, words)

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


def _is_untold(record: logging.LogRecord, event: LogEvent | None) -> bool:
    if event is None:
        return record.levelno <= logging.INFO and str(record.msg).startswith(HOUSEKEEPING)
    return event in UNTOLD or (event == LogEvent.ERROR and vars(record)["exception"] in OF_FAILED_JOBS)


def _harmless(said: str) -> str:
    return without_controls(without_tokens(said))


def _sentence(logs: list[str]) -> list[str]:
    """Return the sentence with which a job ended, from its own log, the first that Snakemake names."""
    try:
        lines = Path(logs[0]).read_text(encoding="utf-8", errors="replace").splitlines() if logs else []
    except OSError:
        return []
    begins = [place for place, line in enumerate(lines) if line.startswith("ERROR ")]
    return [_harmless(line) for line in lines[begins[-1] :][:LONGEST_SENTENCE]] if begins else []


def _last_line(logs: list[str]) -> str:
    """Return what a log says last, to be put behind a sentence, and "" where it says nothing yet."""
    try:
        with Path(logs[0]).open("rb") as log:
            begin = log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = log.read(TAIL_BYTES).decode(errors="replace")
    except (IndexError, OSError):
        return ""
    # The tail may begin within the login of an address.
    lines = (CUT_LOGIN.sub("", text) if begin else text).splitlines()
    # A log's head says how the tool was called.
    said = next((line.strip() for line in reversed(lines) if line.strip() and not line.startswith("#")), "")
    return f"; {_cut(_harmless(said))}" if said else ""


def _cut(line: str) -> str:
    """Return `line`, with an ellipsis at its end where it is too long to be shown whole."""
    return line if len(line) <= LONGEST_SAID else f"{line[: LONGEST_SAID - 1]}…"


def _log_words(step: Step) -> str:
    return f"; log: {step.logs[0]}" if step.logs else ""


def _progress(step: Step) -> str:
    of = f" of about {duration(step.last_s)}" if step.last_s is not None else ""
    return f"{step.name} for {duration(step.so_far_s())}{of}"


def _report(model: str, with_numbers: bool, bold: Callable[[str], str]) -> list[str]:
    """Return the end's lines for a finished report: verdict, numbers, warnings, next lever and the files there are."""
    from dsbench.core.records import read_record
    from dsbench.report.first_page import first_page
    from dsbench.report.report_records import BenchmarkData

    folder = Path(f"models/{model}/reports")
    page = first_page(read_record(folder / "benchmark_data.json", BenchmarkData), None)
    lines = [
        "",
        *(bold(line) for line in wrap(f"{model}: {plain(page.verdict)}", LINE_WIDTH, break_on_hyphens=False)),
    ]
    if with_numbers:
        rows = [
            (
                plain(each.title),
                plain(each.value),
                "; ".join(map(plain, filter(None, (each.spread, each.of)))),
            )
            for each in page.figures
        ]
        title, value = (max(len(row[column]) for row in rows) for column in (0, 1))
        lines += [f"  {row[0]:<{title}}  {row[1]:>{value}}  {row[2]}" for row in rows]
    warned = count(len(page.warnings), "warning") if page.warnings else "no warnings"
    following = f"; next: {page.advice.lever}" if page.advice else ""
    lines += wrap(f"{warned}{following}", LINE_WIDTH, initial_indent="  ", subsequent_indent="  ")
    pdf, html = (folder / f"benchmark_report.{suffix}" for suffix in ("pdf", "html"))
    files = [file for file in (pdf, html) if file.is_file()]
    # A PDF that is older than the HTML is of an earlier report.
    if files == [pdf, html] and pdf.stat().st_mtime_ns < html.stat().st_mtime_ns:
        files.remove(pdf)
    return [*lines, *(f"  {file}" for file in files)]
