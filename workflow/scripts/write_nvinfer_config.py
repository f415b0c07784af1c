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
    # None leaves the multi-stream runs the whole engine; each states its own batch in the app's configuration.
    batch_size = snakemake.params.batch_size
    onnx = model / f"model/{model.name}.onnx"
    if measured := snakemake.input.get("max_bs"):
        decision = read_record(measured, EngineDecision)
        engine = Path(decision.engine)
        if batch_size is None or inspect.batch == "static":
            batch_size = decision.max_bs
    else:
        engine = model / f"benchmarks/engines/{model.name}_dynamic_b{batch_size}.engine"
        if inspect.batch == "static":
            onnx = model / f"model/{model.name}_static_b{batch_size}.onnx"
    text = render_nvinfer_config(
        inspect.preprocessing,
        family_of(inspect.family, inspect.nms_iou_threshold),
        inspect.input.shape,
        inspect.class_count or len(labels),
        labels,
        NvinferFiles(
            config=Path(snakemake.output[0]),
            onnx=onnx,
            engine=engine,
            labels=Path(snakemake.input.labels),
            parser_library=model / "parser/libparser.so",
        ),
        batch_size=batch_size,
        precision=snakemake.params.precision,
        threshold=snakemake.params.threshold,
    )
    write_whole(snakemake.output[0], text)
