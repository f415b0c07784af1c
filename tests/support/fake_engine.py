"""Build an engine with the fake trtexec."""

from pathlib import Path

from dsbench.trtexec.command import Profile, precision_for
from dsbench.trtexec.run import build_engine, trtexec_version

FAKE = str(Path(__file__).parents[1] / "fakes/trtexec")
PROFILE = Profile("pixel_values", (3, 320, 320), 4)


def build(
    folder,
    version="10.16.0",
    strongly_typed=False,
    asked_mib=1024,
    precision="fp16",
    onnx=None,
    program=FAKE,
    seed_cache=None,
    **settings,
):
    parts = trtexec_version({"version": version})
    precision = precision_for(parts, precision, strongly_typed)
    return build_engine(
        program=program,
        version=parts,
        onnx=folder / (onnx or ("m_fp16.onnx" if precision.needs_half_onnx else "m.onnx")),
        engine=folder / "m_dynamic_b4.engine",
        timing_cache=folder / "timing_b4.cache",
        seed_cache=seed_cache,
        profile=PROFILE,
        precision=precision,
        workspace_mib=asked_mib,
        log=folder / "build.log",
        facts={"driver": '"595"'},
        **settings,
    )
