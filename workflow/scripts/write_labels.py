"""Write labels.txt, one name for each class of the output tensor, and where the names are from."""

from pathlib import Path

from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.intake.labels import write_labels
from dsbench.onnx.class_names import Columns, LabelsOrigin, NameSources, choose_names
from dsbench.onnx.inspection import Inspection
from dsbench.tools.tool_run import report_progress

with explained(snakemake.log[0]):
    inspect = read_record(snakemake.input.inspect, Inspection)
    file = Path(snakemake.input.labels) if snakemake.input.get("labels") else None
    chosen = choose_names(
        NameSources(
            config=Path(snakemake.input.config),
            labels_in_config=file if snakemake.params.labels else None,
            labels_of_source=None if snakemake.params.labels else file,
            prompt=snakemake.params.prompt,
            metadata=inspect.names,
        ),
        Columns.of(inspect),
    )
    for note in chosen.labels.notes:
        report_progress(f"labels: {note}")
    write_record(snakemake.output.origin, LabelsOrigin(chosen.origin, chosen.labels.notes))
    write_labels(chosen.labels.names, Path(snakemake.output.labels))
