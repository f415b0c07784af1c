"""What a source folder holds: a model to export, or ONNX files to import, and what goes with it."""

from dataclasses import dataclass
from pathlib import Path

from dsbench.class_names import NameSources
from dsbench.detector import Detector, read_detector
from dsbench.errors import BuildError
from dsbench.family import Family
from dsbench.image_processor import PROCESSOR, PreprocessingError, ProcessorError, read_processor
from dsbench.own_pixels import Fields
from dsbench.preprocessing import Preprocessing, derive_preprocessing
from dsbench.source_folder import SourceFolder
from dsbench.source_labels import names_by_key


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

    def class_names(self, metadata: dict[str, str]) -> dict[int, str]:
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
            return derive_preprocessing(
                read_processor(file) if file else None,
                known and known.normalizes,
                known and known.pixels,
                self.block,
                graph_size,
            )
        except ProcessorError as error:
            raise PreprocessingError(f"{file}: {error}") from error
        except PreprocessingError as error:
            raise PreprocessingError(f"{self.path}: {error}") from error
