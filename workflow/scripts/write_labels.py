"""Write labels.txt: one name for each class of the output tensor."""

import json
from pathlib import Path

from dsbench.detector import class_count, read_detector
from dsbench.export_recipes import prompt_phrases
from dsbench.labels import label_names, write_labels
from dsbench.rule_script import explained
from dsbench.tool_run import report_progress

with explained(snakemake.log[0]):
    detector = read_detector(Path(snakemake.input.config))
    outputs = json.loads(Path(snakemake.input.inspect).read_text())["outputs"]
    phrases = prompt_phrases(detector.model_type, snakemake.params.prompt) if snakemake.params.prompt else []
    labels = label_names(
        dict(enumerate(phrases)) or detector.id2label,
        class_count(detector.family, {output["name"]: output["shape"] for output in outputs}),
    )
    for note in labels.notes:
        report_progress(f"labels: {note}")
    write_labels(labels.names, Path(snakemake.output[0]))
