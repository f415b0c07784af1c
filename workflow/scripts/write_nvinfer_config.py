"""Write the nvinfer configuration from the preprocessing, the family and the ONNX."""

from pathlib import Path

from dsbench.families import family_named
from dsbench.labels import read_labels
from dsbench.nvinfer_config import NvinferFiles, render_nvinfer_config
from dsbench.preprocessing import preprocessing_of
from dsbench.rule_script import explained
from dsbench.whole_file import read_json, write_whole

with explained(snakemake.log[0]):
    inspect = read_json(snakemake.input.inspect)
    max_bs = read_json(snakemake.input.max_bs)
    labels = read_labels(Path(snakemake.input.labels))
    model = Path("models", snakemake.wildcards.model)
    text = render_nvinfer_config(
        preprocessing_of(inspect["preprocessing"]),
        family_named(inspect["family"]),
        inspect["input"]["shape"],
        inspect["class_count"] or len(labels),
        labels,
        NvinferFiles(
            config=Path(snakemake.output[0]),
            onnx=model / f"model/{model.name}.onnx",
            engine=Path(max_bs["engine"]),
            labels=Path(snakemake.input.labels),
            parser_library=model / "parser/libparser.so",
        ),
        # None leaves the multi-stream runs the whole engine; each states its own batch in the app's configuration.
        batch_size=snakemake.params.batch_size or max_bs["max_bs"],
        precision=snakemake.params.precision,
        threshold=snakemake.params.threshold,
    )
    write_whole(snakemake.output[0], text)
