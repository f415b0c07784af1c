"""Write the model's ONNX in half precision, and beside it how far its detections are from the float32 ones."""

from pathlib import Path

import numpy as np
import onnx

from dsbench.boxes.detection_scores import decoder_of
from dsbench.core.files import written_beside
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.families.declared import family_of
from dsbench.onnx.batch import declared_batch
from dsbench.onnx.half_precision import to_half
from dsbench.onnx.inspection import Inspection
from dsbench.pixels.preprocessing import per_channel, resized_images

with explained(snakemake.log[0], snakemake.resources.mem_mb):
    files = snakemake.input
    inspect = read_record(files.inspect, Inspection)
    family = family_of(inspect.family, inspect.nms_iou_threshold)
    decoder = decoder_of(family, inspect, Path(files.labels), snakemake.params.threshold)
    model = onnx.load(files.onnx)
    with np.load(files.reference) as arrays:
        pixels = arrays["pixels"]
    folded_std = inspect.preprocessing.folded_std
    if folded_std is not None:
        pixels = pixels * per_channel(folded_std)
    if inspect.preprocessing.in_graph is not None:
        pixels = resized_images(pixels, inspect.preprocessing.height, inspect.preprocessing.width)
    batch = declared_batch(model)
    if isinstance(batch, int):
        pixels = np.resize(pixels, (batch, *pixels.shape[1:]))
    half, measured = to_half(model, pixels, decoder, inspect.preprocessing.model_size)
    with written_beside(Path(snakemake.output.onnx)) as partial:
        onnx.save(half, partial)
    write_record(snakemake.output.accuracy, measured)
