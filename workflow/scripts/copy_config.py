"""Copy the model's config.json once what is to be exported can be built; without one, say what was seen."""

import json
from pathlib import Path

from dsbench.core.files import copy_whole, write_whole
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.families.detector import read_detector
from dsbench.onnx.export_recipes import prompt_phrases
from dsbench.onnx.inspection import Inspection
from dsbench.onnx.model_onnx import ModelFolder
from dsbench.sources.source_files import check_folder

with explained(snakemake.log[0]):
    folder = ModelFolder.of(snakemake.input.files, block=snakemake.params.preprocessing)
    # The listing's job checks a source on disk too, but nothing makes this job wait for it.
    check_folder(folder.path, folder.names)
    config = folder.file("config.json")
    output = Path(snakemake.output[0])
    if folder.has_config:
        detector = read_detector(config)
        if not folder.has_onnx:
            prompt_phrases(detector.model_type, snakemake.params.prompt)
            folder.preprocessing()
        copy_whole(config, output)
    elif config:
        copy_whole(config, output)
    else:
        inspect = read_record(snakemake.input.inspect, Inspection)
        facts = {"model_type": inspect.family, "architectures": []}
        write_whole(output, json.dumps(facts, indent=1) + "\n")
