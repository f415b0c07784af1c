"""What each way of preprocessing gives on frames of the clip: its pixels, and what the model then detects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import onnx
import onnxruntime

from dsbench.boxes.detection_scores import Decoder, above, closeness, decoder_of, likeness
from dsbench.checks.findings import FilterRow, OwnObjects, PreprocessProof, Way
from dsbench.checks.preprocess_verdict import FAMILY, check_ways
from dsbench.checks.scaling_choice import FILTERS, choose_filter, filter_order, usable_filter, why_refused
from dsbench.checks.verdict import Verdict
from dsbench.deepstream.nvinfer_config import image_keys
from dsbench.families.declared import family_of
from dsbench.families.family import Family
from dsbench.onnx.compare import answers, run_graph, session
from dsbench.onnx.in_graph import split_resize
from dsbench.onnx.inspection import Inspection
from dsbench.pixels.image_processor import PROCESSOR, Fields, processor_type, read_processor
from dsbench.pixels.nvinfer_pixels import NetworkInput, box_place, rgb_of
from dsbench.pixels.own_pixels import STATED, own_pixels, stated_fields, stated_size
from dsbench.pixels.preprocessing import Preprocessing
from dsbench.pixels.reference_preprocessing import (
    Picture,
    ReferencePixels,
    family_pixels,
    processor_pixels,
    processor_size,
)

AS_DERIVED = "as derived"
IMAGENET_OFFSETS = (123.675, 116.28, 103.53)
MID_LEVEL = (127.5, 127.5, 127.5)
PADDINGS = ((False, False), (True, False), (True, True))


def alternatives(derived: Preprocessing) -> dict[str, Preprocessing]:
    """Return the derived preprocessing and then each alternative, by the nvinfer keys that it changes."""
    others = [
        *(replace(derived, net_scale_factor=scale) for scale in (1 / 255, 1.0)),
        replace(derived, net_scale_factor=1 / 127.5, offsets=MID_LEVEL),
        replace(derived, offsets=_in_order(IMAGENET_OFFSETS, derived) if derived.offsets is None else None),
        _other_colour_order(derived),
        *(replace(derived, maintain_aspect_ratio=kept, symmetric_padding=both) for kept, both in PADDINGS),
    ]
    named = {changed_keys(derived, other): other for other in others}
    named.pop("", None)
    return {AS_DERIVED: derived} | named


def changed_keys(derived: Preprocessing, other: Preprocessing) -> str:
    """Return the nvinfer keys in which `other` differs, with at most 6 digits; empty where none does."""
    before, after = image_keys(derived), image_keys(other)
    changed = [f"{key}={_short(value)}" for key, value in after.items() if before.get(key) != value]
    return ", ".join([*changed, *(["no offsets"] if "offsets" in before and "offsets" not in after else [])])


def _short(value: object) -> object:
    """Return a value of an nvinfer key; net-scale-factor is written with 17 digits, which nobody reads."""
    text = str(value)
    return f"{float(text):.6g}" if len(text) > 12 and ";" not in text else value


def _other_colour_order(derived: Preprocessing) -> Preprocessing:
    """Return it with red and blue swapped; offsets follow the network's channels."""
    order = "RGB" if derived.model_color_format == "BGR" else "BGR"
    return replace(derived, model_color_format=order, offsets=derived.offsets and derived.offsets[::-1])


def _in_order(rgb: tuple[float, float, float], derived: Preprocessing) -> tuple[float, float, float]:
    return rgb if derived.model_color_format == "RGB" else rgb[::-1]


@dataclass(frozen=True)
class Reference:
    """The model's own preprocessing: of which origin, of which size for the clip, and as a function of RGB.

    `offset` is what it subtracts of each channel's 0..255.
    """

    origin: str
    size: tuple[int, int]
    pixels: Callable[[np.ndarray], ReferencePixels]
    offset: tuple[float, ...] = (0, 0, 0)


@dataclass(frozen=True)
class Model:
    """A model ready to run, its derived preprocessing, and how its tensors become detections.

    `resize` is what its ONNX does to whole frames before, None where nvinfer resizes.
    """

    runner: onnxruntime.InferenceSession
    preprocessing: Preprocessing
    decoder: Decoder
    resize: onnxruntime.InferenceSession | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Return the network's height and width in pixels."""
        return self.preprocessing.model_size

    def inputs(
        self, preprocessing: Preprocessing, frames: Sequence[av.VideoFrame]
    ) -> tuple[list[np.ndarray], Picture]:
        """Return what the network gets [3, H, W] of each frame, and where the frame lies in it."""
        size = frames[0].width, frames[0].height
        maker = NetworkInput(preprocessing, *size)
        tensors = [maker.tensor(frame)[0] for frame in frames]
        if self.resize is not None:
            (name,) = (each.name for each in self.resize.get_inputs())
            tensors = [
                next(iter(run_graph(self.resize, {name: tensor[None]}).values()))[0] for tensor in tensors
            ]
        shift, (left, top, right, bottom) = box_place(preprocessing, *size)
        return tensors, Picture(int(left), int(top), int(right - left), int(bottom - top), shift)

    def rows(self, tensor: np.ndarray, picture: Picture, frame: av.VideoFrame) -> np.ndarray:
        """Return the rows that the model finds in a tensor [3, H, W], in which `frame` lies as `picture` says."""
        outputs = answers(self.runner, tensor[None].astype(np.float32))
        return self.decoder.rows(outputs, self.size, picture, (frame.height, frame.width))

    @property
    def std(self) -> np.ndarray:
        """Return the divisors per channel that the ONNX applies itself, [3, 1, 1]."""
        return np.asarray(self.preprocessing.folded_std or (1, 1, 1), np.float64)[:, None, None]


def reference_of(
    config: Path | None,
    family: Family,
    size: tuple[int, int],
    frame: tuple[int, int],
    block: Fields | None = None,
) -> Reference:
    """Return the image processor that the file `config` names; without one, what block, file and family say.

    `block` is the preprocessing: of the model's entry; `size` and `frame` are the network's and the clip's height
    and width.
    """
    settings = None if config is None else read_processor(config)
    made = size
    if settings and "size" in settings and not all(stated_size(block)):
        made = processor_size(settings, *frame)
    if settings and processor_type(settings):
        return Reference(
            PROCESSOR, made, lambda rgb: processor_pixels(rgb, settings, family.do_normalize_default, size)
        )
    rule = own_pixels(settings, family.normalizes, family.pixels, block).rule
    origin = STATED if stated_fields(block or {}) else PROCESSOR if settings else FAMILY
    offset = tuple(value / rule.scale for value in rule.mean or (0, 0, 0))
    return Reference(origin, made, lambda rgb: family_pixels(rgb, rule, size), offset)


def in_levels(reference: Reference) -> Reference:
    """Return the reference of a network that takes bytes: its pixels as they are before scale, mean and std."""
    offset = np.asarray(reference.offset, np.float64)[:, None, None]

    def levels(rgb: np.ndarray) -> ReferencePixels:
        given = reference.pixels(rgb)
        return ReferencePixels(given.tensor / given.level[:, None, None] + offset, given.picture, np.ones(3))

    return replace(reference, pixels=levels)


def model_alone(
    onnx_file: Path,
    inspect: Inspection,
    labels: Path,
    threshold: float | None,
    processor: Path | None,
    block: Fields | None,
    frame: tuple[int, int],
) -> tuple[Model, Reference]:
    """Return the model with no resize of a frame in it, and its own preprocessing.

    `labels` is labels.txt, `processor` its preprocessor_config.json, `block` the preprocessing: of its entry, `frame`
    the clip's height and width; `threshold` None takes the family's.
    """
    graph, front = onnx.load(onnx_file), None
    if inspect.preprocessing.in_graph is not None:
        front, graph = split_resize(graph)
    family = family_of(inspect.family, inspect.nms_iou_threshold)
    model = Model(
        session(graph),
        inspect.preprocessing,
        decoder_of(family, inspect, labels, threshold),
        front and session(front),
    )
    reference = reference_of(processor, family, model.size, frame, block)
    return model, in_levels(reference) if inspect.takes_levels else reference


@dataclass(frozen=True)
class OwnAnswers:
    """Frames of the clip and the model's own way with them: its pixels, and the rows that it then detects."""

    frames: Sequence[av.VideoFrame]
    pixels: Sequence[ReferencePixels]
    rows: Sequence[np.ndarray]

    @property
    def size(self) -> tuple[int, int]:
        """The frames' width and height."""
        return self.frames[0].width, self.frames[0].height


def prove_preprocessing(
    model: Model,
    reference: Reference,
    frames: Sequence[tuple[int, av.VideoFrame]],
    stated_filter: int | None = None,
) -> Verdict[PreprocessProof]:
    """Return whether no other preprocessing fits better on these numbered frames of the clip.

    The scaling filter is chosen first, unless the config states one, and the rest is proven with it.
    """
    pictures = [frame for _, frame in frames]
    pixels = [reference.pixels(rgb_of(frame)) for frame in pictures]
    wanted = [own.tensor * model.std for own in pixels]
    own = OwnAnswers(
        pictures, pixels, _detections(model, pictures, wanted, [each.picture for each in pixels])
    )
    counts = [len(above([rows], model.decoder.threshold)) for rows in own.rows]
    filters = [_filter_row(model, own, number) for number in filter_order(model.preprocessing, own.size)]
    choice = choose_filter(filters, sum(counts), stated_filter)
    return check_ways(
        _ways(model, own, replace(model.preprocessing, scaling_filter=choice.scaling_filter)),
        OwnObjects(
            reference=reference.origin,
            frames=[number for number, _ in frames],
            reference_counts=counts,
            reference_detections=sum(counts),
            reference_best_score=_best_score(own.rows),
        ),
        choice,
        _size_note(reference, model.size),
    )


def _filter_row(model: Model, own: OwnAnswers, number: int) -> FilterRow:
    refused = why_refused(model.preprocessing, number, own.size)
    if refused is not None:
        return FilterRow(number, FILTERS[number], refused)
    tensors, picture = model.inputs(replace(model.preprocessing, scaling_filter=number), own.frames)
    found = _detections(model, own.frames, tensors, [picture] * len(tensors))
    near = closeness(own.rows, found, model.decoder.threshold)
    mean_levels, _ = _differences(tensors, own.pixels, model.std)
    right, down = near.shift or (None, None)
    return FilterRow(
        number,
        FILTERS[number],
        None,
        *picture.shift,
        mean_difference=mean_levels,
        mean_overlap=near.mean_overlap,
        shift_x=None if right is None else right * picture.width / own.size[0],
        shift_y=None if down is None else down * picture.height / own.size[1],
    )


def _ways(model: Model, own: OwnAnswers, derived: Preprocessing) -> list[Way]:
    """Return what each way gives, the derived one first."""
    ways: list[Way] = []
    derived_tensors: list[np.ndarray] = []
    for keys, preprocessing in alternatives(derived).items():
        tensors, picture = model.inputs(usable_filter(preprocessing, own.size), own.frames)
        if ways and all(map(np.array_equal, tensors, derived_tensors)):
            ways.append(replace(ways[0], keys=keys, same_as_derived=True))
            continue
        derived_tensors = derived_tensors or tensors
        found = _detections(model, own.frames, tensors, [picture] * len(tensors))
        scores = above(found, model.decoder.threshold)
        mean_levels, max_levels = _differences(tensors, own.pixels, model.std)
        ways.append(
            Way(
                keys,
                same_as_derived=False,
                mean_difference=mean_levels,
                max_difference=max_levels,
                likeness=likeness(own.rows, found, model.decoder.threshold),
                detections=len(scores),
                confidence=float(scores.sum()),
            )
        )
    return ways


def _best_score(frames: Sequence[np.ndarray]) -> float | None:
    """Return the best score in all frames, None where nothing reaches half the threshold."""
    return max((float(rows[:, 5].max()) for rows in frames if len(rows)), default=None)


def _detections(
    model: Model,
    frames: Sequence[av.VideoFrame],
    tensors: Sequence[np.ndarray],
    pictures: Sequence[Picture],
) -> list[np.ndarray]:
    """Return the rows that the model finds in each frame's tensor [3, H, W], where the frame lies as `pictures` say."""
    return [
        model.rows(tensor, picture, frame)
        for frame, tensor, picture in zip(frames, tensors, pictures, strict=True)
    ]


def _differences(
    tensors: Sequence[np.ndarray], wanted: Sequence[ReferencePixels], std: np.ndarray
) -> tuple[float, float]:
    """Return the mean and the largest difference in levels where the reference shows the frame.

    What padding is filled with is not asked.
    """
    inside = [
        want.picture.inside(np.abs(tensor / std - want.tensor) / want.level[:, None, None])
        for tensor, want in zip(tensors, wanted, strict=True)
    ]
    return float(np.mean([levels.mean() for levels in inside])), float(max(levels.max() for levels in inside))


def _size_note(reference: Reference, size: tuple[int, int]) -> list[str]:
    if reference.size == size:
        return []
    made, network = ("x".join(map(str, sides)) for sides in (reference.size, size))
    return [
        f"The image processor makes {made} (height x width) of this clip's frames, the network is fixed at"
        f" {network}; both sides were compared at the network's."
    ]
