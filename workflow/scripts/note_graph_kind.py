"""Note what of the graph other files' names follow from: whether its batch is in the engine, and its parser."""

import json

from dsbench.core.files import read_json, write_whole
from dsbench.dag.rule_script import explained

with explained(snakemake.log[0]):
    inspect = read_json(snakemake.input.inspect)
    write_whole(
        snakemake.output[0],
        json.dumps({name: inspect.get(name) for name in ("batch", "parser_source")}) + "\n",
    )
