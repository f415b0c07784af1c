"""Ask NVIDIA's builder whether it builds the ONNX for GPUs of a compute capability."""

from pathlib import Path

from dsbench.checks.tensorrt_parse import build_with_tensorrt
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.onnx.inspection import Inspection
from dsbench.trtexec.command import profile_of

with explained(snakemake.log[0]):
    inspect = read_record(snakemake.input.inspect, Inspection)
    verdict = build_with_tensorrt(
        Path(snakemake.input.environment).parent / "bin/python",
        Path(snakemake.input.onnx),
        profile_of(inspect, snakemake.params.batch),
        snakemake.params.capability,
        Path(snakemake.log[0]),
    )
    write_record(snakemake.output[0], verdict.numbers)
