"""Note what of the graph other files' names follow from: whether its batch is in the engine, and its parser."""

from dsbench.core.records import read_record, write_record
from dsbench.dag.names import GraphKind
from dsbench.dag.rule_script import explained
from dsbench.onnx.inspection import Inspection

with explained(snakemake.log[0]):
    inspect = read_record(snakemake.input.inspect, Inspection)
    write_record(snakemake.output[0], GraphKind(inspect.batch, inspect.parser_source, inspect.largest_batch))
