"""Ask NVIDIA's parser whether it accepts the ONNX with its dynamic profile."""

from pathlib import Path

from dsbench.checks.tensorrt_parse import parse_with_tensorrt
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.onnx.inspection import Inspection
from dsbench.trtexec.command import profile_of

with explained(snakemake.log[0]):
    inspect = read_record(snakemake.input.inspect, Inspection)
    verdict = parse_with_tensorrt(
        Path(snakemake.input.environment).parent / "bin/python",
        Path(snakemake.input.onnx),
        profile_of(inspect, snakemake.params.batch),
        Path(snakemake.log[0]),
    )
    write_record(snakemake.output[0], verdict.numbers)
