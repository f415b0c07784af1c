"""What a source folder holds: a model to export, or ONNX files to import, and what goes with it."""

import json

from dsbench.detector import Detector, read_detector
from dsbench.errors import BuildError
from dsbench.family import Family, PixelRule
from dsbench.graph_facts import metadata_names
from dsbench.labels import read_labels
from dsbench.preprocessing import Preprocessing, assumed_preprocessing, read_preprocessing, with_size
from dsbench.source_folder import SourceFolder


class ModelFolder(SourceFolder):
    """A source with what its files say of the model."""

    def detector(self) -> Detector | None:
        """Return the detector config.json describes, None where only the graph can tell; refuse another model."""
        if self.has_config:
            return read_detector(self.path / "config.json")
        if not self.has_onnx:
            raise BuildError(
                f"{self.path}: no config.json and no ONNX; expected a folder in Hugging Face layout or an ONNX"
            )
        return None

    def class_count(self, metadata: dict[str, str]) -> int | None:
        """Return how many classes config.json, labels.txt or the ONNX's metadata name, None where none does."""
        detector = self.detector()
        if detector is not None and detector.id2label:
            return max(detector.id2label) + 1
        if detector is None and (named := self._named_in_config()):
            return named
        if (self.path / "labels.txt").is_file():
            return len(read_labels(self.path / "labels.txt"))
        return len(metadata_names(metadata)) or None

    def _named_in_config(self) -> int:
        """Return how many classes a config.json without an architecture names."""
        file = self.path / "config.json"
        if not file.is_file():
            return 0
        config = json.loads(file.read_text(encoding="utf-8"))
        id2label = config.get("id2label") if isinstance(config, dict) else None
        return len(id2label) if isinstance(id2label, dict) else 0

    def preprocessing(
        self, graph_size: tuple[int, int] = (0, 0), family: Family | None = None
    ) -> Preprocessing:
        """Return what is done to the frame; a size that is fixed in the graph wins over every other.

        Without a preprocessor_config.json it is what the family's own pipeline does; while the family is not
        known, 1/255 and a stretch.
        """
        file = self.path / "preprocessor_config.json"
        if file.is_file():
            known = family or (detector.family if (detector := self.detector()) else None)
            default = known.do_normalize_default if known else False
            return with_size(read_preprocessing(file, default), graph_size)
        if not all(graph_size):
            raise BuildError(
                f"{self.path}: neither its ONNX nor a preprocessor_config.json fixes height and width;"
                ' add one with {"size": {"height": pixels, "width": pixels}}'
            )
        return assumed_preprocessing(family.pixels if family else PixelRule(), *graph_size)
