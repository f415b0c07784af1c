import io
import json
import os
import re

import pytest

from dsbench.core.errors import BuildError
from dsbench.dag.config_check import check_beside, check_config, check_family
from dsbench.machine import preflight
from dsbench.machine.preflight import (
    check_toolchain,
    refuse_missing,
    terminal_table,
    tool_rows,
    wants_colour,
)
from workflow_run import PROJECT, REPORT, planned, snakemake

FACTS = {
    "trtexec": {"version": "10.16.0"},
    "deepstream": {"version": "9.1.0", "tensorrt": "10.16.0"},
    "driver": "595.58",
    "compiler": "g++ 12",
    "encoder": {"gstreamer": None, "encoder": "skipped"},
}


def check(tmp_path, **changes):
    files = []
    for name, value in (FACTS | changes).items():
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(value))
    check_toolchain(files, "clip.mp4", tmp_path / "preflight.md")
    return (tmp_path / "preflight.md").read_text()


def test_table_says_what_is_there_and_how_to_get_what_is_not(tmp_path):
    table = check(tmp_path)
    assert "| trtexec | 10.16.0 | of TensorRT 8.6 or newer" in table
    assert "| deepstream | 9.1.0, with TensorRT 10.16.0 |" in table
    assert re.search(r"\| encoder \| \*\*missing\*\* \| for the video, .* \| .*gstreamer1\.0-tools", table)
    assert "| video | clip.mp4 |" in table
    assert "{" not in table and "[" not in table


EMBEDDED = {
    "trtexec": {"embedded_sources_sha256": "54708b856694" + "0" * 52},
    "cpu": {"name": "AMD EPYC", "cores": 2, "identity": ["AuthenticAMD"], "instruction_sets": ["avx"]},
    "encoder": {"gstreamer": "1.22.0", "encoder": "theoraenc-fallback"},
    "gpu": ["NVIDIA L4", "NVIDIA L4"],
}


def test_facts_are_in_words_and_in_columns():
    lines = terminal_table(tool_rows(EMBEDDED, "clip.mp4"), is_coloured=False).splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == ["TOOL", *EMBEDDED, "video"]
    for words in (
        "the project's own, 54708b856694",
        "AMD EPYC, 2 cores",
        "theoraenc and oggmux, GStreamer 1.22.0",
        "NVIDIA L4; NVIDIA L4",
    ):
        assert sum(f"  {words}  " in f"{line}  " for line in lines) == 1
    assert len({line.find(word) for line, word in ((lines[0], "NEEDED"), (lines[4], "one NVIDIA"))}) == 1
    assert not any("TensorRT" in line for line in lines)


def test_missing_tool_has_the_command_of_this_system_below_it(monkeypatch):
    rows = tool_rows(FACTS | {"compiler": None}, "clip.mp4")
    monkeypatch.setattr(preflight.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 1000)
    assert preflight.NEEDS["compiler"].how() == "sudo apt-get install g++ make"
    monkeypatch.setattr(preflight.shutil, "which", lambda name: None)
    assert preflight.NEEDS["compiler"].how() == "install what Debian and Ubuntu call g++ make"
    lines = terminal_table(rows, is_coloured=False).splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("compiler"))
    assert "missing" in lines[place] and "g++ make" in lines[place + 1]


def test_only_a_required_tool_that_is_missing_is_red_and_refused():
    rows = tool_rows(FACTS, "clip.mp4")
    assert (
        preflight.YELLOW in (table := terminal_table(rows, is_coloured=True)) and preflight.RED not in table
    )
    refuse_missing(FACTS, rows)
    rows = tool_rows(lacking := FACTS | {"compiler": None}, "clip.mp4")
    assert preflight.RED in terminal_table(rows, is_coloured=True)
    with pytest.raises(BuildError, match=r"lacks compiler \("):
        refuse_missing(lacking, rows)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colour_is_for_a_terminal_whose_user_wants_it(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_colour(Terminal()) and not wants_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(Terminal())


def test_the_command_prints_the_table_each_time(tmp_path):
    for _ in range(2):
        done = snakemake(tmp_path, "preflight")
        assert done.returncode == 0, done.stdout[-3000:]
        assert re.search(r"^trtexec +the project's own, ", done.stdout, re.M)
    assert "\033" not in (tmp_path / "logs/preflight.log").read_text()


@pytest.mark.parametrize(("fact", "advice"), [("compiler", "g\\+\\+ make"), ("driver", "NVIDIA's driver")])
def test_missing_required_tool_stops_the_build_with_advice(tmp_path, fact, advice):
    with pytest.raises(BuildError, match=f"lacks {fact} .*{advice}"):
        check(tmp_path, **{fact: None})
    assert not (tmp_path / "preflight.md").exists()


def test_without_a_converter_the_build_goes_on_and_says_at_its_start_what_is_missing(tmp_path):
    """The report as a page needs none, and an hour of measurement does not wait for the PDF."""
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin/wkhtmltopdf"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    path = {"PATH": f"{broken.parent}:{os.environ['PATH']}"}
    done = snakemake(tmp_path, "build/toolchain/preflight.md", env=path)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(
        r"^wkhtmltopdf is missing \(for the PDF; .*\); get it: .*wkhtmltopdf$", done.stdout, re.M
    )
    assert "| wkhtmltopdf | **missing** |" in (tmp_path / "build/toolchain/preflight.md").read_text()
    # The first model's PDF, which fails, would keep the others from being measured.
    plan = planned(snakemake(tmp_path, "-n", "all", env=path).stdout)
    assert "render_html" in plan and "print_pdf" not in plan
    assert "print_pdf" in planned(snakemake(tmp_path, "-n", REPORT, env=path).stdout)


def test_a_converter_that_is_gone_does_not_cost_the_pdf_that_it_made(tmp_path):
    recorded = tmp_path / "wkhtmltopdf.json"
    preflight.refuse_vanished("wkhtmltopdf", None, recorded)
    recorded.write_text("null")
    preflight.refuse_vanished("wkhtmltopdf", None, recorded)
    recorded.write_text('"wkhtmltopdf 0.12.6"')
    with pytest.raises(BuildError, match=r"was wkhtmltopdf 0\.12\.6, now nothing answers"):
        preflight.refuse_vanished("wkhtmltopdf", None, recorded)


def test_an_encoder_that_is_gone_is_no_loss_of_a_tool(tmp_path):
    recorded = tmp_path / "encoder.json"
    recorded.write_text('{"encoder": "nvv4l2h264enc", "gstreamer": "1.20.3"}')
    preflight.refuse_vanished("encoder", {"encoder": "skipped", "gstreamer": None}, recorded)


def test_a_jetson_without_nvidia_smi_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "TEGRA", tmp_path / "nv_tegra_release")
    preflight.TEGRA.touch()
    check(tmp_path)
    with pytest.raises(
        BuildError, match=r"this is a Jetson whose nvidia-smi does not answer.* use JetPack 6"
    ):
        check(tmp_path, driver=None)


def test_two_tensorrts_are_refused_before_any_work(tmp_path):
    with pytest.raises(
        BuildError, match=r"trtexec is of TensorRT 10\.16\.0, DeepStream loads TensorRT 10\.9\.0"
    ):
        check(tmp_path, deepstream={"version": "8.0", "tensorrt": "10.9.0"})


def test_deepstream_that_names_major_and_minor_only_is_compared_by_these(tmp_path):
    check(tmp_path, deepstream={"version": "9.1.0", "tensorrt": "10.16"})
    with pytest.raises(BuildError, match=r"DeepStream loads TensorRT 10\.1;"):
        check(tmp_path, deepstream={"version": "9.1.0", "tensorrt": "10.1"})


def test_two_tensorrts_stop_every_target_while_the_jobs_are_planned(tmp_path):
    fakes = PROJECT / "tests/fakes"
    env = {"PATH": f"{fakes}:{fakes / 'no_encoder'}:{os.environ['PATH']}", "FAKE_DEEPSTREAM_VERSION": "7.1.0"}
    command = ("-n", "build/toolchain/driver.json")
    done = snakemake(tmp_path, *command, env=env, config="runtime: nvidia\n")
    assert done.returncode != 0
    assert "trtexec is of TensorRT 10.16.0, DeepStream loads TensorRT 10.3; put the trtexec" in done.stdout
    done = snakemake(tmp_path, *command, env=env | {"FAKE_TRT_VERSION": "10.3.0"}, config="runtime: nvidia\n")
    assert done.returncode == 0, done.stdout[-3000:]


def test_text_of_a_tool_cannot_break_the_table(tmp_path):
    assert "g++ / 12" in check(tmp_path, compiler="g++ | 12")


def test_configuration_is_finite_and_its_limits_fit():
    good = {"target_fps": 30.0, "first_batch": {"nvidia": 64}, "largest_batch": {"nvidia": 64}}
    check_config(good)
    with pytest.raises(BuildError, match="target_fps is inf"):
        check_config(good | {"target_fps": float("inf")})
    with pytest.raises(BuildError, match=r"first_batch\.nvidia is 64, above largest_batch\.nvidia 32"):
        check_config(good | {"largest_batch": {"nvidia": 32}})


def test_configured_family_is_one_of_those_declared():
    for family in (None, "rt_detr"):
        check_family("m", {"source": "x", "family": family})
    with pytest.raises(BuildError, match=r"config: models\.m\.family is 'RT-DETR'; the closest: rt_detr, "):
        check_family("m", {"source": "x", "family": "RT-DETR"})


def test_a_model_stands_beside_another_one_of_the_config():
    models = {"m": {"source": "x", "beside": "n"}, "n": {"source": "x", "resize": "in_graph"}}
    for name, entry in models.items():
        check_beside(name, entry, models)
    for wrong in ("m", "nowhere"):
        with pytest.raises(
            BuildError, match=rf"config: models\.m\.beside is '{wrong}', expected another model"
        ):
            check_beside("m", models["m"] | {"beside": wrong}, models)
