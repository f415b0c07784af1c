"""Write the model's ONNX in half precision, and beside it how far its detections are from the float32 ones."""

import json
from pathlib import Path

import numpy as np
import onnx

from dsbench.detection_scores import Decoder
from dsbench.families import family_named
from dsbench.half_accuracy import to_half
from dsbench.labels import read_labels
from dsbench.onnx_batch import declared_batch
from dsbench.preprocessing import preprocessing_of
from dsbench.reference_pixels import per_channel
from dsbench.rule_script import explained
from dsbench.whole_file import write_whole, written_beside

with explained(snakemake.log[0]):
    files, threshold = snakemake.input, snakemake.params.threshold
    inspect = json.loads(Path(files.inspect).read_text())
    family = family_named(inspect["family"])
    decoder = Decoder(
        family,
        inspect["tensors"],
        inspect["settings"],
        inspect["class_count"] or len(read_labels(Path(files.labels))),
        family.default_threshold if threshold is None else threshold,
    )
    model = onnx.load(files.onnx)
    with np.load(files.reference) as arrays:
        pixels = arrays["pixels"]
    folded_std = preprocessing_of(inspect["preprocessing"]).folded_std
    if folded_std is not None:
        pixels = pixels * per_channel(folded_std)
    batch = declared_batch(model)
    if isinstance(batch, int):
        pixels = np.resize(pixels, (batch, *pixels.shape[1:]))
    half, measured = to_half(model, pixels, decoder)
    with written_beside(Path(snakemake.output.onnx)) as partial:
        onnx.save(half, partial)
    write_whole(snakemake.output.accuracy, json.dumps(measured, indent=1) + "\n")
