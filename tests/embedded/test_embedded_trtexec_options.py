import json
from pathlib import Path

import pytest

from dsembed.shared.cpp_numbers import OutOfRangeError, stod, stof, stoi
from dsembed.shared.cpu import this_cpu
from dsembed.trtexec.option_blocks import block_lines
from dsembed.trtexec.options import REFUSED_OPTIONS, OptionError, asks_for_help, parse_options

ONNX = "--onnx=m.onnx"
ENGINE = "--loadEngine=m.engine"
MEASURED = Path(__file__).parents[1] / "data/trtexec_10.16_command_lines.json"


def said(*arguments):
    return [line.rstrip() for line in block_lines(parse_options(list(arguments)), this_cpu())]


def outcome(arguments):
    """Return what the embedded trtexec makes of a command line, as the measured rows say it."""
    if not arguments or asks_for_help(arguments):
        return {"outcome": "help"}
    plain = said(ENGINE if any(text.startswith("--loadEngine") for text in arguments) else ONNX)
    try:
        broadcasts = parse_options(arguments).broadcasts
    except OptionError as error:
        return {"outcome": "refused", "errors": sorted(error.lines)}
    accepted = {"outcome": "accepted", "says": sorted(set(said(*arguments)) - set(plain))}
    return accepted | ({"broadcasts": sorted(broadcasts)} if broadcasts else {})


@pytest.mark.parametrize(
    "row", json.loads(MEASURED.read_text())["rows"], ids=lambda row: " ".join(row["arguments"]) or "nothing"
)
def test_command_line_ends_as_in_nvidias_option_parser(row, monkeypatch):
    """The rows were measured from the parser's own source; the file says which and how."""
    monkeypatch.setenv("HOME", "/home/someone")
    assert {"arguments": row["arguments"], **outcome(row["arguments"])} == row


@pytest.mark.parametrize("duration", ["-1", "inf"])
def test_run_without_end_is_refused(duration):
    assert (
        "(endless) is not supported by the embedded runtime"
        in refusal(ONNX, f"--duration={duration}").lines[0]
    )


def test_value_out_of_range_is_no_fault_of_the_command_line_to_trtexec():
    assert not refusal(ONNX, "--iterations=99999999999").shows_help
    assert refusal(ONNX, "--iterations=ten").shows_help


def options(*arguments):
    return parse_options([ONNX, *arguments])


def refusal(*arguments):
    with pytest.raises(OptionError) as caught:
        parse_options(list(arguments))
    return caught.value


@pytest.mark.parametrize(
    ("argument", "name", "value"),
    [
        ("--duration=10s", "duration_s", 10),
        ("--duration=0.5", "duration_s", 0.5),
        ("--warmUp=1e3", "warm_up_ms", 1000),
        ("--iterations=7junk", "iterations", 7),
        ("--avgRuns= 5", "avg_runs", 5),
        ("--percentile=50,99.5", "percentiles", (50, 99.5)),
        ("--skipInference=0", "skip_inference", True),
        ("--fp16=false", "fp16", True),
        ("--noDataTransfers", "no_data_transfers", True),
        ("--infStreams=2", "inf_streams", 2),
        ("--saveEngine=a=b.engine", "save_engine", "a=b.engine"),
        ("--saveEngine=~/x.engine", "save_engine", "~/x.engine"),
        ("--loadInputs=a:0:in.bin,y:n.bin", "load_inputs", {"a:0": "in.bin", "y": "n.bin"}),
        ("--shapes=x:1x3x8x8", "shapes", {"x": (1, 3, 8, 8)}),
        ("--memPoolSize=workspace:4096M", "workspace_bytes", 4096 * 2**20),
        ("--memPoolSize=workspace:64", "workspace_bytes", 64 * 2**20),
        ("--memPoolSize=workspace:0.5g", "workspace_bytes", 2**29),
        ("--memPoolSize=workspace:1024MiB", "workspace_bytes", 1024),  # ends in B: bytes, the known trap
    ],
)
def test_value_is_read_as_trtexec_reads_it(argument, name, value):
    assert getattr(options(argument), name) == value


def test_defaults_are_those_of_10_16():
    found = options()
    assert (found.duration_s, found.warm_up_ms, found.iterations, found.avg_runs) == (3, 200, 10, 10)
    assert (found.percentiles, found.inf_streams, found.workspace_bytes) == ((90, 95, 99), 1, None)


def test_only_the_onnx_path_expands_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert parse_options(["--onnx=~/m.onnx"]).onnx == "/home/someone/m.onnx"


@pytest.mark.parametrize("option", ["--int8", "--useSpinWait", "--useCudaGraph", "--dumpOutput", "--best"])
def test_option_of_nvidia_only_is_refused_in_one_sentence(option):
    error = refusal(ONNX, option)
    name = option.partition("=")[0]
    assert error.lines == (f"{name} is not supported by the embedded runtime; leave it out.",)
    assert not error.shows_help


def test_no_option_is_both_supported_and_refused():
    for option in REFUSED_OPTIONS:
        assert refusal(ONNX, option).lines[0].startswith(f"{option} is not supported")


@pytest.mark.parametrize(("text", "value"), [("12", 12), (" -3x", -3), ("+4.9", 4), ("0x10", 0)])
def test_stoi_stops_at_the_first_character_that_is_no_digit(text, value):
    assert stoi(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("1.5ms", 1.5), (".5", 0.5), ("2.", 2), ("1e2", 100), ("1e", 1), ("0x1.8p1", 3)]
)
def test_stof_stops_where_the_number_ends(text, value):
    assert stof(text) == value


@pytest.mark.parametrize(
    ("read", "text"), [(stoi, "2147483648"), (stof, "1e39"), (stof, "1e-39"), (stod, "1e309")]
)
def test_number_beyond_its_kind_is_out_of_range(read, text):
    with pytest.raises(OutOfRangeError, match=read.__name__):
        read(text)
    with pytest.raises(ValueError, match=read.__name__):
        read("")
