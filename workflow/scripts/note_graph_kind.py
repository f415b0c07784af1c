"""Note what of the graph other files' names follow from: whether its batch is in the engine, and its parser."""

import json

from dsbench.rule_script import explained
from dsbench.whole_file import read_json, write_whole

with explained(snakemake.log[0]):
    inspect = read_json(snakemake.input.inspect)
    write_whole(
        snakemake.output[0],
        json.dumps({name: inspect.get(name) for name in ("batch", "parser_source")}) + "\n",
    )
