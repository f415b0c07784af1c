"""Write labels.txt: one name for each class of the output tensor."""

import json
from pathlib import Path

from dsbench.detector import id2label_of
from dsbench.export_recipes import phrases_of
from dsbench.labels import label_names, write_labels
from dsbench.rule_script import explained
from dsbench.source_labels import read_source_labels
from dsbench.tool_run import report_progress

with explained(snakemake.log[0]):
    inspect = json.loads(Path(snakemake.input.inspect).read_text())
    files = snakemake.input.get("labels")
    # Names that somebody wrote down for this model come first, those inside its files after them.
    candidates = {
        "labels: in the config": read_source_labels(Path(files)) if files and snakemake.params.labels else {},
        "the prompt": dict(enumerate(phrases_of(snakemake.params.prompt))),
        "config.json": id2label_of(Path(snakemake.input.config)),
        "labels.txt": read_source_labels(Path(files)) if files and not snakemake.params.labels else {},
        "the ONNX's metadata": {int(index): name for index, name in inspect["names"].items()},
    }
    origin, names = next(((o, n) for o, n in candidates.items() if n), ("nowhere", {}))
    labels = label_names(names, inspect["class_count"] or (max(names) + 1 if names else 0))
    report_progress(f"labels: {len(labels.names)} classes, named by {origin}")
    for note in labels.notes:
        report_progress(f"labels: {note}")
    write_labels(labels.names, Path(snakemake.output[0]))
