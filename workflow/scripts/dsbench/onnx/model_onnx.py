"""A source folder to its clean ONNX, by import where it has one and by export where it has weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx

from dsbench.core.errors import BuildError
from dsbench.families.decision_table import family_facts, recognise
from dsbench.families.detector import Detector, read_detector
from dsbench.families.family import Family
from dsbench.families.graph_facts import graph_facts, stated_license
from dsbench.intake.labels import names_by_key
from dsbench.intake.model_bounds import check_image
from dsbench.onnx.class_names import Columns, NameSources, choose_names
from dsbench.onnx.compare import GraphError
from dsbench.onnx.export import export_onnx
from dsbench.onnx.export_recipes import ExportAttempts
from dsbench.onnx.graph import refuse_dynamo_without_weights
from dsbench.onnx.head_joining import completed
from dsbench.onnx.importing import graph_size, import_onnx, write_import_reference
from dsbench.onnx.inspection import Origin
from dsbench.onnx.interface import representable, takes_levels
from dsbench.onnx.source_graph import load_checked
from dsbench.onnx.trial import refuse_before_size
from dsbench.onnx.variants import Variants, choose_variant
from dsbench.pixels.graph_resize import ResizeMatrices, family_matrices, processor_matrices
from dsbench.pixels.image_processor import (
    PROCESSOR,
    Fields,
    PreprocessingError,
    ProcessorError,
    processor_type,
    read_processor,
)
from dsbench.pixels.own_pixels import own_pixels, stated_size
from dsbench.pixels.preprocessing import Preprocessing, as_levels, derive_preprocessing, source_pixels
from dsbench.sources.source import SourceFolder


@dataclass(frozen=True)
class ModelFolder(SourceFolder):
    """A source with what its files say of the model.

    `labels`, a text file of class names, and `block`, its preprocessing:, are of the model's entry in the config.
    """

    labels: Path | None = None
    block: Fields | None = None

    def detector(self) -> Detector | None:
        """Return the detector config.json describes, None where only the graph can tell; refuse another model."""
        if self.has_config:
            return read_detector(self.path / "config.json")
        if not self.has_onnx:
            raise BuildError(
                f"{self.path}: no config.json and no ONNX; expected a folder in Hugging Face layout or an ONNX"
            )
        return None

    def name_sources(self, metadata: dict[str, str]) -> NameSources:
        """Return where class names may stand: its entry, config.json, labels.txt, and the ONNX's metadata."""
        return NameSources(
            config=self.file("config.json"),
            labels_in_config=self.labels,
            labels_of_source=self.file("labels.txt"),
            metadata=names_by_key(metadata),
        )

    def class_names(self, metadata: dict[str, str]) -> Mapping[int, str]:
        """Return the class names by id of its entry, else the first real ones of config.json, labels.txt, metadata."""
        return next((named.names for named in self.name_sources(metadata).found()), {})

    def preprocessing(
        self, graph_size: tuple[int, int] = (0, 0), family: Family | None = None
    ) -> Preprocessing:
        """Return what is done to the frame: by its entry, preprocessor_config.json, or its family's own pipeline.

        A size that is fixed in the graph wins over the file's. While the family is not known, 1/255 and a stretch
        stand for its pipeline.
        """
        known = family or (detector.family if (detector := self.detector()) else None)
        file = self.file(PROCESSOR)
        try:
            found = derive_preprocessing(
                read_processor(file) if file else None,
                known.normalizes if known else None,
                known.pixels if known else None,
                self.block,
                graph_size,
            )
        except ProcessorError as error:
            raise PreprocessingError(f"{file}: {error}") from error
        except PreprocessingError as error:
            raise PreprocessingError(f"{self.path}: {error}") from error
        check_image(found.height, found.width, whose=f"{self.path}: its image")
        return found

    def resize_matrices(
        self, size: tuple[int, int], family: Family, frame: tuple[int, int]
    ) -> ResizeMatrices:
        """Return the resize of the model's own preprocessing; `size` and `frame` are heights and widths."""
        check_image(*frame, whose="the frame that the ONNX is to resize")
        file = self.file(PROCESSOR)
        settings = read_processor(file) if file else None
        if settings and processor_type(settings):
            return processor_matrices(settings, size, frame)
        rule = own_pixels(settings, family.normalizes, family.pixels, self.block).rule
        return family_matrices(rule, size, frame)


@dataclass(frozen=True)
class CleanOnnx:
    """The ONNX with H and W fixed, and what export_attempts.json, variants.json and inspect.json say of it."""

    model: onnx.ModelProto
    attempts: ExportAttempts
    variants: Variants
    origin: Origin


def clean_onnx(
    folder: ModelFolder,
    python: Path | None,
    prompt: str | None,
    image: Path,
    reference: Path,
    log: Path,
    family: str | None = None,
    repair: str | None = None,
) -> CleanOnnx:
    """Return the folder's ONNX, proven on `image`; the source's answers go to `reference`.

    `python` is the export environment's, None where an ONNX needs none; `family` is the one that the config
    names for a graph that does not tell. Raises a BuildError that says why not.
    """
    if folder.has_onnx:
        refuse_dynamo_without_weights(repair, folder.path)
        if prompt:
            raise BuildError(
                f"{folder.path}: prompt {prompt!r} can be frozen only when exporting from safetensors;"
                " remove the prompt, or give a source without ONNX files"
            )
        return _imported(folder, family, image, reference)
    if family is not None:
        raise BuildError(
            f"{folder.path}: family {family!r} is for a ready-made ONNX, but safetensors are exported, whose"
            " config.json tells it; remove family: from the model's entry"
        )
    if python is None:
        raise BuildError(f"{folder.path}: has no ONNX, and there is no export environment to make one")
    return _exported(folder, python, prompt, repair, image, reference, log)


def _exported(folder, python, prompt, repair, image, reference, log) -> CleanOnnx:
    detector = folder.detector()
    pixels = source_pixels(image, folder.preprocessing())
    export = export_onnx(python, folder, detector.model_type, prompt, repair, pixels, reference, log)
    accepted = next(outcome for outcome in export.outcomes if outcome.verdict == "accepted")
    return CleanOnnx(
        export.model,
        export.record(),
        Variants(choice=None, candidates=[], reason="the source has no ONNX, its safetensors were exported"),
        Origin(
            **vars(family_facts(detector.family, graph_facts(export.model))),
            names={},
            license=None,
            why=f"{detector.architecture} in config.json",
            origin=f"safetensors, exported with {export.method}",
            exported_nodes=accepted.exported_nodes,
            nms_iou_threshold=None,
            dynamic=True,
            notes=[f"The prompt is baked in: {', '.join(export.phrases)}."] if export.phrases else [],
        ),
    )


def _imported(folder: ModelFolder, named: str | None, image: Path, reference: Path) -> CleanOnnx:
    detector = folder.detector()
    file, variants = choose_variant(folder.path, folder.names)
    with _named(file):
        source, made_sound = load_checked(file)
        if named is None:
            refuse_before_size(source)
        # Metadata has the size of the export, which free sides need not keep.
        size = graph_size(source, in_metadata=not all(stated_size(folder.block)))
        _refuse_text_inputs(source)
        levels = takes_levels(source)
    rule = folder.preprocessing(size)
    pixels = representable(source, source_pixels(image, as_levels(rule) if levels else rule))
    metadata = {entry.key: entry.value for entry in source.metadata_props}
    class_names = folder.class_names(metadata)
    with _named(file):
        complete = completed(source, pixels, class_names, named)
        imported = import_onnx(complete.model, pixels, class_names=class_names)
        recognised = complete.recognised(imported.facts, named, detector.family if detector else None)
        family, notes = _settled(detector, recognised.family, named)
        facts = family_facts(
            family, graph_facts(imported.model, imported.facts.class_count, imported.alone[0])
        )
        # Recognised before anything is made of the ONNX, since names are among what tells its family.
        if class_names:
            choose_names(folder.name_sources(metadata), Columns.of(facts))
    write_import_reference(imported, pixels, reference)
    return CleanOnnx(
        imported.model,
        ExportAttempts("ready-made ONNX", attempts=[], repairs=["onnxsim"], prompt_phrases=[]),
        variants,
        Origin(
            **vars(facts),
            names=names_by_key(metadata),
            license=stated_license(metadata),
            why=recognised.why,
            origin=f"{variants.choice}, a ready-made ONNX",
            exported_nodes=len(source.graph.node),
            nms_iou_threshold=complete.nms_iou_threshold,
            dynamic=imported.dynamic,
            takes_levels=levels,
            notes=[*made_sound, *complete.notes, *imported.notes, *notes],
        ),
    )


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Put the ONNX's name before the sentence of a BuildError, which knows only the graph."""
    try:
        yield
    except BuildError as error:
        raise GraphError(f"{file}: {error}") from error


def _refuse_text_inputs(source: onnx.ModelProto) -> None:
    """Raise UnknownGraphError where the inputs are a text detector's; the table says what to do about it."""
    facts = graph_facts(source)
    if {"input_ids", "attention_mask"} & facts.side_inputs:
        recognise(facts)


def _settled(detector: Detector | None, told: Family, named: str | None) -> tuple[Family, list[str]]:
    """Return the family, and a note where config.json says another; a family `named` wins, then the graph."""
    if detector is None or told is detector.family:
        return told, []
    if named is not None:
        return told, [f"config.json says {detector.architecture}; family: {named} in the config wins."]
    if told.head is detector.family.head:
        return detector.family, []
    return told, [
        f"config.json says {detector.architecture}, but the tensors are those of {told.name}; the tensors win."
    ]
