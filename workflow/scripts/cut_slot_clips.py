"""Cut the short clips that all batch slots play: frames of the clip, and their mirror images."""

from pathlib import Path

from dsbench.checks.batch_slots import write_slot_clips
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.machine.clip import ClipFacts

with explained(snakemake.log[0]):
    total = read_record(snakemake.input.clip, ClipFacts).frames
    write_slot_clips(
        Path(snakemake.input.video),
        total,
        snakemake.params.frames,
        Path(snakemake.output.clip),
        Path(snakemake.output.mirrored),
    )
