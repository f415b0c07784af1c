import pytest

from dsbench.errors import BuildError
from dsbench.trtexec_command import Profile, benchmark_command, build_command, profile_of

PROFILE = Profile("images", (3, 640, 640), 8)


def built(version, precision="fp16"):
    return build_command("trtexec", version, "m.onnx", "m.engine", "t.cache", PROFILE, precision, 4096)


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


def test_fp16_on_a_strongly_typed_only_version_is_a_sentence():
    with pytest.raises(BuildError, match=r"TensorRT 11\.0 has no --fp16"):
        built((11, 0))
    assert not any("fp" in option for option in built((11, 0), "fp32"))


def test_benchmark_never_passes_build_options_and_always_the_shape():
    command = benchmark_command("trtexec", (10, 16, 0), "m.engine", PROFILE, 4, 10, 1000)
    assert "--shapes=images:4x3x640x640" in command
    assert "--noDataTransfers" in command
    assert not [option for option in command if "fp16" in option or "onnx" in option]
    assert "--noDataTransfers" not in benchmark_command("trtexec", (11, 0), "m.engine", PROFILE, 4, 10, 1000)


def test_profile_of_an_onnx_with_open_height_is_refused():
    with pytest.raises(BuildError, match="H and W must be fixed"):
        profile_of({"input": {"name": "x", "shape": ["batch", 3, "height", 640]}}, 4)
