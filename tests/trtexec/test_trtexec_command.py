import pytest

from dsbench.core.errors import BuildError
from dsbench.trtexec.command import (
    Profile,
    benchmark_command,
    build_command,
    layer_info_command,
    precision_for,
    profile_of,
)
from inspected import inspection_of
from tiny_graphs import queries

PROFILE = Profile("images", (3, 640, 640), 8)


def built(version, name="fp16", strongly_typed=False, **settings):
    precision = precision_for(version, name, strongly_typed)
    return build_command(
        "trtexec", version, "m.onnx", "m.engine", "t.cache", PROFILE, precision, 4096, **settings
    )


def test_profile_is_min_1_and_opt_equal_max():
    command = built((10, 16, 0))
    assert "--minShapes=images:1x3x640x640" in command
    assert "--optShapes=images:8x3x640x640" in command
    assert "--maxShapes=images:8x3x640x640" in command


@pytest.mark.parametrize(
    ("version", "option"),
    [
        ((8, 6, 1), "--memPoolSize=workspace:4096"),
        ((10, 0, 1), "--memPoolSize=workspace:4096"),
        ((10, 1, 0), "--memPoolSize=workspace:4096M"),
        ((10, 16, 0), "--memPoolSize=workspace:4096M"),
    ],
)
def test_workspace_is_mebibytes_for_every_version(version, option):
    assert option in built(version)


@pytest.mark.parametrize(
    ("version", "strongly_typed", "flags"),
    [
        ((8, 6, 1), False, ["--fp16"]),
        ((10, 16, 0), False, ["--fp16"]),
        ((10, 16, 0), True, ["--stronglyTyped"]),
        ((11, 1, 0), False, []),
        ((11, 1, 0), True, []),
    ],
)
def test_half_precision_is_a_flag_or_the_types_of_the_onnx(version, strongly_typed, flags):
    command = built(version, strongly_typed=strongly_typed)
    assert [option for option in command if option in ("--fp16", "--stronglyTyped")] == flags
    precision = precision_for(version, "fp16", strongly_typed)
    assert precision.strongly_typed == (strongly_typed or version >= (11, 0))
    assert precision.needs_half_onnx == precision.strongly_typed
    assert not precision_for(version, "fp32", strongly_typed).needs_half_onnx


@pytest.mark.parametrize(
    ("version", "name", "flags"),
    [
        ((8, 6, 1), "fp32", ["--noTF32"]),
        ((10, 16, 0), "fp16", ["--fp16", "--noTF32"]),
        ((11, 1, 0), "fp32", ["--noTF32"]),
    ],
)
def test_tf32_is_forbidden_where_asked_for_and_not_otherwise(version, name, flags):
    def asked(tf32):
        precision = precision_for(version, name, False, tf32)
        files = "m.onnx", "m.engine", "t.cache"
        command = build_command("trtexec", version, *files, PROFILE, precision, 1024)
        return [option for option in command if option in ("--fp16", "--noTF32", "--stronglyTyped")]

    assert asked(tf32=False) == flags
    assert "--noTF32" not in asked(tf32=True)


def test_strong_typing_where_there_is_none_is_a_sentence():
    with pytest.raises(BuildError, match=r"TensorRT 8\.6\.1 has no --stronglyTyped, which came with 9\.0"):
        precision_for((8, 6, 1), "fp16", True)


def test_layer_information_is_kept_by_the_build_and_asked_of_a_run():
    assert not [option for option in built((10, 16, 0)) if "LayerInfo" in option or "Verbosity" in option]
    command = built((10, 16, 0), names_layers=True)
    assert "--profilingVerbosity=detailed" in command
    assert not [option for option in command if "LayerInfo" in option]
    asked = layer_info_command("trtexec", "m.engine", PROFILE, "layers.json")
    assert {"--loadEngine=m.engine", "--exportLayerInfo=layers.json", "--shapes=images:8x3x640x640"} <= set(
        asked
    )
    assert "--skipInference" not in asked
    static = layer_info_command(
        "trtexec", "m.engine", Profile("images", (3, 640, 640), 8, True), "layers.json"
    )
    assert not [option for option in static if "Shapes" in option or "shapes" in option]


@pytest.mark.parametrize(
    ("version", "switches"),
    [
        ((8, 6, 1), ["--noDataTransfers"]),
        ((10, 16, 0), ["--noDataTransfers"]),
        ((11, 1, 0), ["--noSpinWait", "--noCudaGraph"]),
    ],
)
def test_benchmark_measures_the_same_on_all_versions(version, switches):
    command = benchmark_command("trtexec", version, "m.engine", PROFILE, 4, 10, 1000)
    assert "--shapes=images:4x3x640x640" in command
    assert [option for option in command if option.startswith(("--no", "--use", "--include"))] == switches
    assert not [option for option in command if "fp16" in option or "onnx" in option]


def test_profile_of_an_onnx_with_open_height_is_refused():
    with pytest.raises(BuildError, match="H and W must be fixed"):
        profile_of(inspection_of(queries(size=("height", 640)), "rt_detr"), 4)
