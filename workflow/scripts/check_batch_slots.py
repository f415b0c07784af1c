"""Play the short clips alone and in all batch slots, and check that a frame's boxes do not depend on its slot."""

from pathlib import Path

from dsbench.chain.measured_chain import EngineDecision
from dsbench.checks.batch_slots import SlotRuns, Tolerance, check_batch_slots
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.families.declared import family_named
from dsbench.machine.clip import ClipFacts
from dsbench.machine.toolchain import facts_of
from dsbench.onnx.inspection import Inspection
from dsbench.trtexec.measuring_device import measuring_device

with explained(snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    engine = Path(files.engine[0])
    clip = read_record(files.video, ClipFacts)
    streams = snakemake.wildcards.get("streams")
    slots = int(streams) if streams else read_record(files.max_bs, EngineDecision).max_bs
    inspect = read_record(files.inspect, Inspection)
    family = family_named(inspect.family)
    with measuring_device(files.facts, snakemake.log[0], engine) as device:
        runs = SlotRuns(
            program=params.program,
            clip=Path(files.clip),
            mirrored=Path(files.mirrored),
            size=clip.size,
            nvinfer_single=Path(files.nvinfer),
            nvinfer_batched=Path(files.nvinfer_ds),
            folder=Path(snakemake.output.runs),
            timeout_s=params.timeout_s,
            facts=facts_of(files.facts) | device,
            is_static=inspect.batch == "static",
        )
        logs = {name: Path(log) for name, log in snakemake.log.items()}
        dumps = runs.play(slots, logs, Path(files.alone) if files.alone else None)
    threshold = family.default_threshold if params.threshold is None else params.threshold
    verdict = check_batch_slots(dumps, clip.height, Tolerance(threshold=threshold, **params.tolerance))
    write_record(snakemake.output.verdict, verdict.required())
