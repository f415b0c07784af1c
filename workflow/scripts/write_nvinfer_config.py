"""Write the nvinfer configuration from the preprocessing, the family and the ONNX."""

from pathlib import Path

from dsbench.chain.measured_chain import EngineDecision
from dsbench.core.files import write_whole
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.deepstream.nvinfer_config import NvinferFiles, render_nvinfer_config
from dsbench.families.declared import family_of
from dsbench.intake.labels import read_labels
from dsbench.onnx.inspection import read_proven

with explained(snakemake.log[0]):
    inspect = read_proven(snakemake.input.inspect, snakemake.input.preprocess)
    labels = read_labels(Path(snakemake.input.labels))
    model = Path("models", snakemake.wildcards.model)
    measured = snakemake.input.get("max_bs")
    max_bs = read_record(measured, EngineDecision).max_bs if measured else snakemake.params.batch_size
    # None leaves the multi-stream runs the whole engine; each states its own batch in the app's configuration.
    batch_size = snakemake.params.batch_size or max_bs
    # nvinfer takes an engine of a static batch for that batch alone.
    is_static = inspect.batch == "static"
    largest = batch_size if is_static else max_bs
    onnx = f"{model.name}_static_b{largest}.onnx" if is_static else f"{model.name}.onnx"
    text = render_nvinfer_config(
        inspect.preprocessing,
        family_of(inspect.family, inspect.nms_iou_threshold),
        inspect.input.shape,
        inspect.class_count or len(labels),
        labels,
        NvinferFiles(
            config=Path(snakemake.output[0]),
            onnx=model / "model" / onnx,
            engine=model / f"benchmarks/engines/{model.name}_dynamic_b{largest}.engine",
            labels=Path(snakemake.input.labels),
            parser_library=model / "parser/libparser.so",
        ),
        batch_size=batch_size,
        precision=snakemake.params.precision,
        threshold=snakemake.params.threshold,
    )
    write_whole(snakemake.output[0], text)
