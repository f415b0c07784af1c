"""Read the clip's true boxes and refuse what is not of this clip and this model, before anything is built on it."""

from pathlib import Path

from dsbench.boxes.truth import Truth, read_truth
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.intake.labels import read_labels
from dsbench.machine.clip import ClipFacts, shown_path

with explained(snakemake.log[0]):
    files, named = snakemake.input, snakemake.params.truth
    truth = Truth()
    if named is not None:
        path = Path(named["path"])
        frames = read_truth(
            path, read_record(files.clip, ClipFacts), read_labels(Path(files.labels)), named["is_named"]
        )
        truth = Truth(shown_path(path, Path(snakemake.params.project)), frames)
    write_record(snakemake.output[0], truth)
