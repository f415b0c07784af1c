import json
import os

import pytest

from dsbench.core.errors import BuildError
from dsbench.dag.config_check import check_beside, check_config, check_family
from dsbench.machine import preflight
from dsbench.machine.preflight import check_toolchain
from workflow_run import PROJECT, snakemake

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
    assert "| trtexec | version 10.16.0 |" in table
    assert "| encoder | missing: Debian/Ubuntu: apt-get install gstreamer1.0-tools" in table
    assert "| video | clip.mp4 |" in table


@pytest.mark.parametrize(("fact", "advice"), [("compiler", "g\\+\\+ make"), ("driver", "NVIDIA's driver")])
def test_missing_required_tool_stops_the_build_with_advice(tmp_path, fact, advice):
    with pytest.raises(BuildError, match=f"lacks {fact} .*{advice}"):
        check(tmp_path, **{fact: None})
    assert not (tmp_path / "preflight.md").exists()


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
