import pytest

from dsembed.shared.cpp_numbers import stof, stoi
from dsembed.trtexec.options import REFUSED_OPTIONS, OptionError, parse_options

ONNX = "--onnx=m.onnx"


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
        ("--percentile=50,99.9", "percentiles", (50, 99.9)),
        ("--skipInference=0", "skip_inference", True),
        ("--fp16=false", "fp16", True),
        ("--noDataTransfers", "no_data_transfers", True),
        ("--infStreams=2", "inf_streams", 2),
        ("--saveEngine=a=b.engine", "save_engine", "a=b.engine"),
        ("--saveEngine=~/x.engine", "save_engine", "~/x.engine"),
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


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((ONNX, "--workspace=64"), "Unknown option: --workspace 64"),
        ((ONNX, "--bogus"), "Unknown option: --bogus "),
        ((ONNX, "--duration", "10"), "stof"),
        ((ONNX, "10"), "Unknown option: 10 "),
        ((ONNX, "--fp16", "--fp16"), "Unknown option: --fp16 "),
        ((ONNX, "--iterations="), "stoi"),
        ((ONNX, "--iterations=ten"), "stoi"),
        ((ONNX, "--iterations=99999999999"), "stoi"),
        ((ONNX, "--duration=nan"), "stof"),
        ((ONNX, "--percentile=101"), "Percentile 101 is not in range [0,100]"),
        ((ONNX, "--memPoolSize=workspace:1T"), "invalid unit specifier"),
        ((ONNX, "--memPoolSize=workspace:-1M"), "Negative memory pool size: -1M"),
        ((ONNX, "--memPoolSize=heap:1M"), "Unknown memory pool: heap"),
        ((ONNX, "--memPoolSize=workspace:"), "stod"),
        ((ONNX, "--shapes=1x3x8x8"), "Invalid shape specification, expected name:dims, found 1x3x8x8"),
        ((ONNX, "--shapes=x:1xthree"), "stoi"),
        (("--loadEngine=a", "--saveEngine=b"), "Incompatible load and save engine options selected"),
        (("--fp16",), "Model missing or format not recognized"),
    ],
)
def test_wrong_command_line_is_refused_after_the_help(arguments, line):
    error = refusal(*arguments)
    assert error.lines == (line,)
    assert error.shows_help


@pytest.mark.parametrize(
    "option", ["--int8", "--useSpinWait", "--useCudaGraph", "--loadInputs=x:f", "--best"]
)
def test_option_of_nvidia_only_is_refused_in_one_sentence(option):
    error = refusal(ONNX, option)
    name = option.partition("=")[0]
    assert error.lines == (f"{name} is not supported by the embedded runtime; leave it out.",)
    assert not error.shows_help


def test_no_option_is_both_supported_and_refused():
    for option in REFUSED_OPTIONS:
        assert refusal(ONNX, option).lines[0].startswith(f"{option} is not supported")


@pytest.mark.parametrize(("text", "value"), [("12", 12), (" -3x", -3), ("+4.9", 4)])
def test_stoi_stops_at_the_first_character_that_is_no_digit(text, value):
    assert stoi(text) == value


@pytest.mark.parametrize(("text", "value"), [("1.5ms", 1.5), (".5", 0.5), ("2.", 2), ("1e2", 100), ("1e", 1)])
def test_stof_stops_where_the_number_ends(text, value):
    assert stof(text) == value
