import json
from pathlib import Path

import pytest

from dsbench.core.errors import BuildError
from dsbench.machine import host
from dsbench.machine.host import banner_version, nvidia_smi
from dsbench.machine.runtime import choose_runtime, encoder, runtime_of, unused_gpu
from dsbench.machine.toolchain import PROBES, Toolchain, read_fact

PROJECT = Path(__file__).parents[2]


def fake(directory, name, text):
    program = directory / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


@pytest.fixture
def nvidia(tmp_path, monkeypatch):
    fake(
        tmp_path, "trtexec", 'echo "&&&& RUNNING TensorRT.trtexec [TensorRT v101600] [b72] # trtexec --help"'
    )
    fake(tmp_path, "deepstream-app", 'printf "deepstream-app version 9.1.0\\nDeepStreamSDK 9.1.0\\n"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        ("v8601", "8.6.1"),
        ("v8003", "8.0.3"),
        ("v100300", "10.3.0"),
        ("v101601", "10.16.1"),
        ("v110100", "11.1.0"),
    ],
)
def test_banner_number_is_the_dotted_version(banner, version):
    assert banner_version(f"&&&& RUNNING TensorRT.trtexec [TensorRT {banner}] # trtexec") == version


def test_auto_takes_nvidia_only_when_both_programs_are_there(nvidia):
    assert choose_runtime("auto", PROJECT).kind == "nvidia"
    (nvidia / "deepstream-app").unlink()
    with pytest.raises(BuildError, match="deepstream-app is not on PATH"):
        choose_runtime("nvidia", PROJECT)
    with pytest.raises(
        BuildError, match="runtime is auto and trtexec is there, but deepstream-app is not on PATH;"
    ):
        choose_runtime("auto", PROJECT)
    assert choose_runtime("embedded", PROJECT).kind == "embedded"
    (nvidia / "trtexec").unlink()
    assert choose_runtime("auto", PROJECT).kind == "embedded"


def test_trtexec_is_found_where_the_container_puts_it(nvidia, monkeypatch):
    own = nvidia / "src tensorrt/bin"
    own.mkdir(parents=True)
    monkeypatch.setattr("dsbench.machine.runtime.TENSORRT_PROGRAMS", own)
    (nvidia / "trtexec").rename(own / "trtexec")
    runtime = choose_runtime("auto", PROJECT)
    assert (runtime.kind, runtime.trtexec) == ("nvidia", str(own / "trtexec"))
    assert Toolchain(runtime, PROJECT, str(nvidia / "none")).probe("trtexec") == {"version": "10.16.0"}
    (own / "trtexec").unlink()
    with pytest.raises(
        BuildError, match=r"deepstream-app is there, but trtexec is not on PATH and not in .*src tensorrt"
    ):
        choose_runtime("auto", PROJECT)


def test_gpu_that_the_embedded_runtime_leaves_unused_is_told(nvidia):
    assert unused_gpu(runtime_of("nvidia", PROJECT), "595.58.03") is None
    assert unused_gpu(runtime_of("embedded", PROJECT), None) is None
    said = unused_gpu(runtime_of("embedded", PROJECT), "595.58.03")
    assert said.startswith("This machine has an NVIDIA GPU (driver 595.58.03), which this build does not use")


def test_embedded_can_be_forced(nvidia):
    runtime = choose_runtime("embedded", PROJECT)
    assert runtime.kind == "embedded"
    assert runtime.trtexec.endswith("workflow/embedded/bin/trtexec")


def test_a_node_without_trtexec_has_no_such_fact(nvidia):
    (nvidia / "trtexec").unlink()
    assert Toolchain(runtime_of("nvidia", PROJECT), PROJECT, str(nvidia / "none")).probe("trtexec") is None


def test_nvidia_versions_are_read_from_the_tools(nvidia):
    toolchain = Toolchain(choose_runtime("nvidia", PROJECT), PROJECT, str(nvidia / "none"))
    assert toolchain.probe("trtexec") == {"version": "10.16.0"}
    assert toolchain.probe("deepstream") == {"version": "9.1.0", "tensorrt": None}
    assert toolchain.probe("deepstream_headers") == {
        "directory": None,
        "sha256": None,
        "object_bytes": 28,
    }


def test_older_deepstream_has_the_smaller_object_and_its_own_headers(nvidia, tmp_path):
    header = tmp_path / "ds/sources/includes/nvdsinfer_custom_impl.h"
    header.parent.mkdir(parents=True)
    header.touch()
    (tmp_path / "ds/version").write_text("Version: 7.1\n")
    toolchain = Toolchain(choose_runtime("nvidia", PROJECT), PROJECT, str(tmp_path / "ds"))
    found = toolchain.probe("deepstream_headers")
    assert (found["directory"], found["object_bytes"]) == (str(tmp_path / "ds"), 24)
    header.write_text("// another interface\n")
    assert toolchain.probe("deepstream_headers")["sha256"] != found["sha256"]


def test_folder_of_deepstream_may_begin_with_a_tilde(nvidia, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds/version").write_text("Version: 7.1\n")
    toolchain = Toolchain(choose_runtime("nvidia", PROJECT), PROJECT, "~/ds")
    assert toolchain.deepstream_dir == tmp_path / "ds"
    assert toolchain.probe("deepstream")["version"] == "7.1"


@pytest.mark.parametrize(
    "words", ["Driver Version: 595.58.03   CUDA Version: 13.2", "CUDA UMD Version: 13.2"]
)
def test_cuda_version_is_read_in_both_spellings(nvidia, words):
    fake(nvidia, "nvidia-smi", f'echo "| NVIDIA-SMI 610.57.04   {words}     |"')
    assert host.cuda_version() == "13.2"


def test_missing_tool_is_none_not_a_guess(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    # A test before may have asked on this machine as it is.
    encoder.cache_clear()
    toolchain = Toolchain(choose_runtime("embedded", PROJECT), PROJECT, "none")
    assert toolchain.probe("compiler") is None
    assert toolchain.probe("wkhtmltopdf") is None
    assert toolchain.probe("cuda") is None
    assert toolchain.probe("encoder") == {"gstreamer": None, "encoder": "skipped"}


def test_a_program_that_hangs_is_a_sentence_and_not_absent(nvidia, monkeypatch):
    monkeypatch.setattr(host, "PROBE_TIMEOUT_S", 0.2)
    fake(nvidia, "nvidia-smi", "exec sleep 5")
    with pytest.raises(
        host.ProbeTimeoutError, match=r"^nvidia-smi: no answer within 0\.2 s, so it is not known"
    ):
        host.cuda_version()


def test_an_encoder_that_hangs_is_told_of_and_not_used(nvidia, monkeypatch, capsys):
    fake(
        nvidia,
        "gst-launch-1.0",
        'case "$*" in *--version*) echo "gst-launch-1.0 version 1.20.3";; *) sleep 5;; esac',
    )
    fake(nvidia, "gst-inspect-1.0", "exit 0")
    monkeypatch.setattr(host, "PROBE_TIMEOUT_S", 0.5)
    encoder.cache_clear()
    assert encoder("nvidia") == {"gstreamer": "1.20.3", "encoder": "theoraenc-fallback"}
    encoder.cache_clear()
    assert capsys.readouterr().err.startswith("nvv4l2h264enc is not used. gst-launch-1.0")


def test_engines_depend_on_what_builds_them_and_on_nothing_else(nvidia):
    embedded = Toolchain(choose_runtime("embedded", PROJECT), PROJECT, "none")
    assert "openvino" in embedded.builder_facts() and "driver" not in embedded.builder_facts()
    nvidia_side = Toolchain(choose_runtime("nvidia", PROJECT), PROJECT, "none")
    assert "driver" in nvidia_side.builder_facts() and "openvino" not in nvidia_side.builder_facts()
    assert set(embedded.builder_facts() + nvidia_side.builder_facts()) <= set(PROBES)


def test_probes_ahead_run_beside_each_other(nvidia, tmp_path):
    tools = ("trtexec", "deepstream-app", "nvidia-smi", "g++", "wkhtmltopdf")
    running = tmp_path / "running"
    running.mkdir()
    all_run = f'[ "$(ls "{running}" | wc -l)" = {len(tools)} ]'
    for name in tools:
        waits = f"for _ in $(seq 300); do {all_run} && break; sleep 0.02; done"
        fake(nvidia, name, f'touch "{running}/{name}"; {waits}; {all_run} && echo "0, GPU-a, 1.2.3"')
    toolchain = Toolchain(choose_runtime("nvidia", PROJECT), PROJECT, "none")
    toolchain.probe_ahead()
    # All of them, so that none answers in a later test.
    found = {fact: toolchain.probe(fact) for fact in PROBES}
    assert found["compiler"] == found["wkhtmltopdf"] == "0, GPU-a, 1.2.3"


def test_what_moves_between_two_probes_is_in_no_fact(nvidia):
    text = 'case "$*" in *free*|*used*|*clock*|*util*|*temp*) exit 9;; *) echo "0, GPU-a, stable";; esac'
    fake(nvidia, "nvidia-smi", text)
    nvidia_smi.cache_clear()
    toolchain = Toolchain(choose_runtime("nvidia", PROJECT), PROJECT, "none")
    first = {fact: toolchain.probe(fact) for fact in PROBES}
    nvidia_smi.cache_clear()
    assert {fact: toolchain.probe(fact) for fact in PROBES} == first
    assert first["gpu"] == ["stable"] and first["driver"] == "0, GPU-a, stable"
    nvidia_smi.cache_clear()


@pytest.mark.parametrize("kind", ["embedded", "nvidia"])
def test_what_each_probe_finds_is_read_as_it_was_recorded(kind, nvidia, tmp_path):
    tools = Toolchain(runtime_of(kind, PROJECT), PROJECT, str(nvidia / "none"))
    for fact in PROBES:
        file, found = tmp_path / f"{fact}.json", tools.probe(fact)
        file.write_text(json.dumps(found))
        assert read_fact(file) == found, fact


def test_a_recorded_fact_of_another_kind_is_told(tmp_path):
    file = tmp_path / "gpu.json"
    file.write_text('"NVIDIA L4"')
    with pytest.raises(BuildError, match=r"gpu\.json: is no fact of the toolchain as .*makes it anew"):
        read_fact(file)
