"""Note what of the graph other files' names follow from: whether its batch is in the engine, and its parser."""

import json

from dsbench.core.files import write_whole
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.onnx.inspection import Inspection

with explained(snakemake.log[0]):
    inspect = read_record(snakemake.input.inspect, Inspection)
    write_whole(
        snakemake.output[0],
        json.dumps({"batch": inspect.batch, "parser_source": inspect.parser_source}) + "\n",
    )
