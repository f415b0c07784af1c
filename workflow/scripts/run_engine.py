"""Ask the engine of one stream for its answers to the reference run's pixels, and read its boxes from them."""

from pathlib import Path

from dsbench.chain.measured_chain import EngineDecision
from dsbench.checks.reference_run import ReferenceRun, reference_model, run_engine
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.intake.labels import read_labels
from dsbench.machine.clip import ClipFacts
from dsbench.machine.toolchain import facts_of
from dsbench.onnx.inspection import read_proven
from dsbench.trtexec.answers import AskedEngine, EmbeddedEngine, images_at_once
from dsbench.trtexec.command import profile_of
from dsbench.trtexec.measuring_device import measuring_device

# A graph of the embedded runtime runs in this process; trtexec's has the GPU's memory.
with explained(snakemake.log[0], snakemake.resources.mem_mb if snakemake.params.is_embedded else None):
    files = snakemake.input
    inspect = read_proven(files.inspect, files.preprocess)
    engine = Path(files.engine[0])
    largest = 1 if inspect.batch == "static" else read_record(files.max_bs, EngineDecision).max_bs
    profile = profile_of(inspect, largest)
    reference = read_record(files.reference, ReferenceRun)
    with measuring_device(files.facts, snakemake.log[0], engine) as device:
        run = run_engine(
            EmbeddedEngine(engine)
            if snakemake.params.is_embedded
            else AskedEngine(
                snakemake.params.program,
                engine,
                profile,
                Path(snakemake.log[0]),
                facts_of(files.facts) | device,
            ),
            reference_model(inspect, read_labels(Path(files.labels)), snakemake.params.threshold),
            Path(files.video),
            read_record(files.clip, ClipFacts).size,
            list(reference.frames),
            images_at_once([output.shape for output in inspect.outputs], largest),
        )
    write_record(snakemake.output[0], run)
