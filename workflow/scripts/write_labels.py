"""Write labels.txt, one name for each class of the output tensor, and where the names are from."""

import json
from pathlib import Path

from dsbench.core.files import read_json, write_whole
from dsbench.dag.rule_script import explained
from dsbench.intake.labels import write_labels
from dsbench.onnx.class_names import Columns, NameSources, choose_names
from dsbench.tools.tool_run import report_progress

with explained(snakemake.log[0]):
    inspect = read_json(snakemake.input.inspect)
    file = Path(snakemake.input.labels) if snakemake.input.get("labels") else None
    chosen = choose_names(
        NameSources(
            config=Path(snakemake.input.config),
            labels_in_config=file if snakemake.params.labels else None,
            labels_of_source=None if snakemake.params.labels else file,
            prompt=snakemake.params.prompt,
            metadata={
                key: {int(index): name for index, name in names.items()}
                for key, names in inspect["names"].items()
            },
        ),
        Columns.of(inspect),
    )
    report_progress(f"labels: {len(chosen.labels.names)} classes, named by {chosen.origin}")
    for note in chosen.labels.notes:
        report_progress(f"labels: {note}")
    origin = {"origin": chosen.origin, "notes": chosen.labels.notes}
    write_whole(Path(snakemake.output.origin), json.dumps(origin, indent=1) + "\n")
    write_labels(chosen.labels.names, Path(snakemake.output.labels))
