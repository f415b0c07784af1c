"""Note what of the graph other files' names follow from: whether its batch is in the engine, and its parser."""

import json
from pathlib import Path

from dsbench.rule_script import explained
from dsbench.whole_file import write_whole

with explained(snakemake.log[0]):
    inspect = json.loads(Path(snakemake.input.inspect).read_text())
    write_whole(
        snakemake.output[0],
        json.dumps({name: inspect.get(name) for name in ("batch", "parser_source")}) + "\n",
    )
