"""A build prints a line for each step, with its time and its number, and its verdict at the end."""

import io
import json
import logging
import os
import re
import shutil
from pathlib import Path

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from dsbench.dag.terminal import StepLines
from workflow_run import PROJECT

WALL_TIME = "s\th:m:s\tmax_rss\n{}\t0:00:14\t538.11\n"


@pytest.fixture
def terminal(tmp_path, monkeypatch):
    """What is printed: the lines of steps and, marked, what Snakemake's own handler is left to say."""
    monkeypatch.chdir(tmp_path)
    stream = io.StringIO()
    own = logging.StreamHandler(stream)
    own.setFormatter(logging.Formatter("Snakemake: %(message)s"))
    return StepLines(own, stream), stream


def say(terminal, event, message="", level=logging.INFO, **told):
    record = logging.LogRecord("snakemake", level, "", 0, message, (), None)
    vars(record).update(told if event is None else {"event": event, **told})
    terminal[0].handle(record)
    return terminal[1].getvalue()


def begin(terminal, rule, outputs=(), number=1, **wildcards):
    model = wildcards.get("model", "")
    told = {"rule_name": rule, "wildcards": wildcards, "output": [str(file) for file in outputs]}
    benchmark = f"logs/{model}/wall_time/{rule}.tsv"
    return say(
        terminal,
        LogEvent.JOB_INFO,
        **{"jobid": number, "log": [f"logs/{model}/{rule}.log"], "benchmark": benchmark, **told},
    )


def finish(terminal, number=1, done=1, total=12):
    say(terminal, LogEvent.JOB_FINISHED, job_id=number)
    return say(terminal, LogEvent.PROGRESS, done=done, total=total)


def wall_time(rule, seconds, model="a"):
    file = Path(f"logs/{model}/wall_time/{rule}.tsv")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(WALL_TIME.format(seconds))


def test_a_step_is_one_line_with_its_measured_time_and_its_number(terminal):
    Path("gate.json").write_text(json.dumps({"frames": 300, "frames_with_detection": 291}))
    begin(terminal, "judge_kitti", ["gate.json"], model="a")
    wall_time("judge_kitti", 2.5)
    said = finish(terminal, done=3)
    assert re.fullmatch(r"\[ 3/12\] judge_kitti a +2\.5 s  291 of 300 frames have a detection\n", said), said


def test_a_list_without_entries_gives_no_number(terminal):
    for number, (rates, said) in enumerate(
        (([], ""), ([{"streams": 8, "frames_per_s": 911.4}], "  911 frames/s, 8 decoders at once")), 1
    ):
        Path("decoding.json").write_text(json.dumps({"rates": rates, "stopped_by": None}))
        begin(terminal, "measure_decoding", ["decoding.json"], number=number)
        last = finish(terminal, number).splitlines()[-1]
        assert re.fullmatch(rf"\[ 1/12\] measure_decoding +0\.\d s{said}", last), last


def test_a_step_without_a_wall_time_has_the_time_since_it_began(terminal):
    begin(terminal, "compare_models")
    assert re.fullmatch(r"\[ 1/12\] compare_models +0\.\d s\n", finish(terminal))


@pytest.mark.parametrize("content", ["", "{}", '{"frames": null, "frames_with_detection": "x"}', "[]"])
def test_a_number_that_the_file_does_not_tell_is_absent(terminal, content):
    Path("accuracy.json").write_text(content)
    begin(terminal, "measure_accuracy", ["accuracy.json"], model="a")
    assert re.fullmatch(r"\[ 1/12\] measure_accuracy a +0\.\d s\n", finish(terminal))


def test_a_long_step_is_told_of_when_it_begins_with_the_time_of_the_last_run(terminal):
    wall_time("build_engine", 3725.4)
    said = begin(terminal, "build_engine", model="a", batch="4")
    assert said == "        build_engine a batch=4: 62 min 05 s the last time; log: logs/a/build_engine.log\n"
    wall_time("judge_kitti", 1.0)
    assert begin(terminal, "judge_kitti", number=2, model="a") == said


def test_steps_that_still_run_are_named_with_what_they_took_before(terminal, monkeypatch):
    monkeypatch.setattr("dsbench.dag.terminal.LONG_S", 0.0)
    wall_time("run_reference", 20)
    for number, rule in enumerate(("run_reference", "export_onnx", "dump_kitti", "judge_kitti")):
        begin(terminal, rule, number=number, model="a")
    before = terminal[1].getvalue()
    terminal[0].tell_running()
    said = terminal[1].getvalue().removeprefix(before)
    assert re.fullmatch(
        r" +running: run_reference a for 0\.\d s of about 20\.0 s, export_onnx a for 0\.\d s,"
        r" dump_kitti a for 0\.\d s and 1 more\n",
        said,
    ), said


def test_a_single_step_that_still_runs_has_the_last_line_of_its_log(terminal, monkeypatch):
    monkeypatch.setattr("dsbench.dag.terminal.LONG_S", 0.0)
    begin(terminal, "build_engine", model="a")

    def said(log):
        before = terminal[1].getvalue()
        if log is not None:
            Path("logs/a").mkdir(parents=True, exist_ok=True)
            Path("logs/a/build_engine.log").write_text(log)
        terminal[0].tell_running()
        return terminal[1].getvalue().removeprefix(before).rstrip("\n")

    assert re.fullmatch(r" +running: build_engine a for 0\.\d s", said(None))
    assert re.fullmatch(r" +running: build_engine a for 0\.\d s", said("# trtexec --onnx=a.onnx\n\n"))
    assert said(f"{'x' * 5000}\n[I] Local timing\x1b[2J cache\n\n").endswith(" s; [I] Local timing?[2J cache")
    assert said("y" * 5000).endswith("; " + "y" * 99 + "…") and len(said("y" * 5000)) < 150
    assert said("no way to https://me:p@ss@host/a\n").endswith("; no way to https://host/a")
    # The tail begins within a login.
    assert said(f"https://me:{'x' * 4090}@host/a\n").endswith("; host/a")
    begin(terminal, "dump_kitti", number=2, model="a")
    assert said("[I] done").endswith("dump_kitti a for 0.0 s")


def test_a_failed_step_has_its_log_and_what_the_cluster_said(terminal):
    begin(terminal, "dump_kitti", model="a")
    failed = {"jobid": 1, "rule_name": "dump_kitti", "log": ["logs/a/dump_kitti.log", "slurm/7.log"]}
    said = say(terminal, LogEvent.JOB_ERROR, level=logging.ERROR, rule_msg="OUT_OF_MEMORY\x1b[2J", **failed)
    first, second = said.splitlines()
    assert re.fullmatch(r"FAILED  dump_kitti a after 0\.\d s; log: logs/a/dump_kitti.log, slurm/7.log", first)
    assert second.strip() == "OUT_OF_MEMORY?[2J"
    assert (
        say(terminal, LogEvent.ERROR, "RuleException: ...", logging.ERROR, exception="RuleException") == said
    )


def test_a_step_that_failed_elsewhere_has_the_sentence_of_its_log(terminal):
    log = Path("logs/a/dump_kitti.log")
    log.parent.mkdir(parents=True)
    log.write_text(
        "ERROR an older one\nplayed\nERROR a.engine: it is of another GPU;\x1b[2J build it again\nNext: x\n"
    )
    failed = {"jobid": 1, "rule_name": "dump_kitti", "log": [str(log), "slurm/7.log"], "rule_msg": None}
    here = say(terminal, LogEvent.JOB_ERROR, level=logging.ERROR, **failed)
    assert here == f"FAILED  dump_kitti; log: {log}, slurm/7.log\n"
    elsewhere = StepLines(logging.NullHandler(), terminal[1], submits=True), terminal[1]
    said = say(elsewhere, LogEvent.JOB_ERROR, level=logging.ERROR, **failed).removeprefix(here + here)
    assert said.split("\n")[:2] == [
        " " * 8 + "ERROR a.engine: it is of another GPU;?[2J build it again",
        " " * 8 + "Next: x",
    ]
    log.unlink()
    assert say(elsewhere, LogEvent.JOB_ERROR, level=logging.ERROR, **failed).endswith("slurm/7.log\n")


def test_what_is_not_of_a_step_is_said_by_snakemake(terminal):
    for message in ("Using shell: /bin/bash", "Touching output file a.", "Select jobs to execute..."):
        assert say(terminal, None, message) == ""
    assert say(terminal, LogEvent.RUN_INFO, "Job stats:", stats={}) == ""
    for level, message in ((logging.INFO, "Nothing to be done"), (logging.WARNING, "Using shell: odd")):
        assert say(terminal, None, message, level).endswith(f"Snakemake: {message}\n")
    error = {"level": logging.ERROR, "exception": "MissingInputException"}
    assert say(terminal, LogEvent.ERROR, "no x.json", **error).endswith("Snakemake: no x.json\n")


def test_the_plan_says_how_many_steps_there_are_and_what_they_took(terminal):
    wall_time("a", 100)
    wall_time("b", 20.4)
    files = [Path(f"logs/a/wall_time/{name}.tsv") for name in "abc"]
    terminal[0].tell_plan([*files, None])
    terminal[0].tell_plan([*files[:2], None])
    terminal[0].tell_plan([files[2], None])
    assert terminal[1].getvalue().splitlines() == [
        "4 steps, 2 of which took 2 min 00 s last time",
        "3 steps, about 2 min 00 s as last time",
        "2 steps",
    ]


def rendering(terminal):
    """Begin to render a report whose data are there, and return its folder."""
    folder = Path("models/a/reports")
    folder.mkdir(parents=True)
    shutil.copy(PROJECT / "tests/data/benchmark_data.json", folder)
    (folder / "benchmark_report.html").touch()
    begin(terminal, "render_html", model="a")
    return folder


def test_the_end_has_the_verdict_the_numbers_and_the_files_of_each_report(terminal):
    rendering(terminal)
    before = finish(terminal)
    terminal[0].tell_reports()
    said = terminal[1].getvalue().removeprefix(before)
    assert said.startswith(
        "\na: CPU figures, not a GPU's. REAL-TIME: this machine serves 5 cameras at 30 FPS"
    )
    assert re.search(r"^  Images/s +[\d.,]+  ", said, re.M) and "\x1b" not in said
    assert re.search(r"^  \d+ warnings?; next: [A-Z]", said, re.M), said
    assert said.endswith("  models/a/reports/benchmark_report.html\n") and ".pdf" not in said
    assert said.count("models/a/reports/") == 1


def test_a_report_whose_pdf_failed_has_its_verdict_and_its_page(terminal):
    rendering(terminal)
    finish(terminal)
    begin(terminal, "print_pdf", model="a", number=2)
    failed = {"jobid": 2, "rule_name": "print_pdf", "log": ["logs/a/print_pdf.log"], "rule_msg": None}
    before = say(terminal, LogEvent.JOB_ERROR, level=logging.ERROR, **failed)
    terminal[0].tell_reports()
    said = terminal[1].getvalue().removeprefix(before)
    assert "REAL-TIME" in said and said.endswith("  models/a/reports/benchmark_report.html\n")


def test_a_pdf_of_an_earlier_report_is_not_shown_with_the_new_verdict(terminal):
    folder = rendering(terminal)
    (folder / "benchmark_report.pdf").touch()
    for suffix, changed_s in (("html", 1000), ("pdf", 999)):
        os.utime(folder / f"benchmark_report.{suffix}", (changed_s, changed_s))
    before = finish(terminal)
    terminal[0].tell_reports()
    said = terminal[1].getvalue().removeprefix(before)
    assert said.endswith("  models/a/reports/benchmark_report.html\n") and ".pdf" not in said
    os.utime(folder / "benchmark_report.pdf", (1000, 1000))
    terminal[0].tell_reports()
    both = [f"  models/a/reports/benchmark_report.{suffix}" for suffix in ("pdf", "html")]
    assert terminal[1].getvalue().splitlines()[-2:] == both


def test_an_end_without_a_report_says_nothing_more(terminal):
    begin(terminal, "compile_parser", model="a")
    before = finish(terminal)
    terminal[0].tell_reports()
    assert terminal[1].getvalue() == before


def test_latency_is_told_by_its_percentiles(terminal):
    frames = "".join(
        f"Source id = 0 Frame_num = {number} Frame latency = {number:f} (ms) \n" for number in range(1, 201)
    )
    Path("ds_latency.log").write_text(
        "# configuration: models/a/benchmarks/ds/ds_s1_run2.txt\nUse deserialized engine model: m.engine\n"
        f"{frames}** ERROR: <_intr_handler:136>: User Interrupted.. \n\nQuitting\nApp run successful\n"
    )
    begin(terminal, "measure_latency", ["ds_latency.log"], model="a")
    assert finish(terminal).endswith("half of the frames took up to 110.0 ms, 95 % up to 191.0 ms\n")
