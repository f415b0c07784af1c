"""The stand-in for trtexec refuses what the real one refuses, so that a wrong command line cannot pass here."""

import json
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

MEASURED = Path(__file__).parents[1] / "data/trtexec_10.16_command_lines.json"
FAKE = Path(__file__).parents[1] / "fakes/trtexec"
SPEC = spec_from_file_location("trtexec_grammar", FAKE.with_name("trtexec_grammar.py"))
grammar = module_from_spec(SPEC)
SPEC.loader.exec_module(grammar)
BUILD = ("--onnx=m.onnx", "--saveEngine=m.engine", "--shapes=x:4x3x8x8", "--skipInference")


@pytest.fixture
def trtexec(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"onnx")

    def run(version, *arguments):
        return subprocess.run(
            [sys.executable, FAKE, *arguments],
            cwd=tmp_path,
            env=os.environ | {"FAKE_TRT_VERSION": version},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("version", "option", "says"),
    [
        ("10.16.0", "--fp17", "Unknown option: --fp17 "),
        ("10.16.0", "--skipInference", "Unknown option: --skipInference "),
        ("11.1.0", "--fp16", "Unknown option: --fp16 "),
        ("10.16.0", "--noSpinWait", "Unknown option: --noSpinWait "),
        ("8.6.1", "--stronglyTyped", "Unknown option: --stronglyTyped "),
        ("10.3.0", "--workspace=4096", "Unknown option: --workspace 4096"),
        ("10.16.0", "--duration=ten", "[E] stof"),
        ("10.16.0", "--avgRuns=", "[E] stoi"),
        ("10.16.0", "--memPoolSize=workspace:4096MX", '[E] Error parsing "4096MX": invalid unit specifier'),
        ("10.16.0", "--memPoolSize=workspace:-1", "[E] Negative memory pool size: -1"),
        ("10.16.0", "--memPoolSize=work:1", "[E] Unknown memory pool: work"),
        ("10.16.0", "--loadEngine=m.engine", "Incompatible load and save engine options selected"),
    ],
)
def test_what_the_real_one_refuses_is_refused(trtexec, version, option, says):
    done = trtexec(version, *BUILD, option)
    assert done.returncode == 1
    assert says in done.stdout
    assert ("&&&& FAILED" in done.stdout) == (version != "11.1.0")


def known_rows():
    """Return the command lines whose options the stand-in has."""
    rows = [row for row in json.loads(MEASURED.read_text())["rows"] if row["outcome"] != "help"]
    return [
        row for row in rows if all(text.partition("=")[0] in grammar.OPTIONS for text in row["arguments"])
    ]


def test_most_of_the_measured_command_lines_are_known():
    assert len(known_rows()) > 240


@pytest.mark.parametrize("row", known_rows(), ids=lambda row: " ".join(row["arguments"]))
def test_command_line_ends_as_in_nvidias_option_parser(row):
    try:
        grammar.parse(row["arguments"], (10, 16, 0))
        found = {"outcome": "accepted"}
    except grammar.OptionError as error:
        found = {"outcome": "refused", "errors": sorted(error.args)}
    assert found == {key: row[key] for key in ("outcome", "errors") if key in row}


@pytest.mark.parametrize(
    ("version", "size", "stated"),
    [
        ("8.6.1", "1024MiB", "workspace: 1024 MiB"),
        ("10.0.1", "1M", "workspace: 1.04858e+06 MiB"),
        ("10.3.0", "1024", "workspace: 1024 MiB"),
        ("10.16.0", "1024MiB", "workspace: 0.000976562 MiB"),
        ("11.1.0", "4G", "workspace: 4096 MiB"),
    ],
)
def test_suffix_of_a_pool_means_what_it_means_to_the_version(trtexec, version, size, stated):
    done = trtexec(version, *BUILD, f"--memPoolSize=workspace:{size}")
    assert done.returncode == 0
    assert f"Memory Pools: {stated}, dlaSRAM" in done.stdout


def test_defaults_of_a_measurement_changed_with_11(trtexec):
    for version, states in (("10.16.0", ("Enabled", "Disabled")), ("11.1.0", ("Disabled", "Enabled"))):
        trtexec(version, *BUILD)
        text = trtexec(version, "--loadEngine=m.engine", "--shapes=x:4x3x8x8").stdout
        assert f"Data transfers: {states[0]}" in text
        assert f"Spin-wait: {states[1]}" in text and f"CUDA Graph: {states[1]}" in text


def test_weak_typing_is_deprecated_with_10_14_and_gives_way_to_strong(trtexec):
    assert "[W] Weakly-typed" not in trtexec("10.3.0", *BUILD, "--fp16").stdout
    assert "[W] Weakly-typed" in trtexec("10.14.1", *BUILD, "--fp16").stdout
    assert "Precision: Strongly Typed" in trtexec("10.14.1", *BUILD, "--fp16", "--stronglyTyped").stdout
