"""What a source folder holds: a model to export, or ONNX files to import, and what goes with it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from dsbench.detector import Detector, read_detector
from dsbench.errors import BuildError
from dsbench.graph_facts import metadata_names
from dsbench.labels import read_labels
from dsbench.onnx_variants import onnx_files
from dsbench.preprocessing import Preprocessing, derive_preprocessing, read_preprocessing, with_size


@dataclass(frozen=True)
class ModelFolder:
    """A folder in Hugging Face layout, or one with ONNX files and perhaps labels.

    `names` are the files taken from it; None takes whatever is there.
    """

    path: Path
    names: tuple[str, ...] | None = None

    @property
    def has_onnx(self) -> bool:
        """Whether an ONNX is there, which is taken before any export."""
        return bool(onnx_files(self.path, self.names))

    @property
    def has_config(self) -> bool:
        """Whether there is a config.json that names an architecture or a model_type."""
        file = self.path / "config.json"
        if not file.is_file():
            return False
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            return True
        # Some YOLO repositories have a config.json that says nothing; there the graph decides.
        return not self.has_onnx or bool(isinstance(config, dict) and config.get("architectures"))

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

    def preprocessing(self, graph_size: tuple[int, int] = (0, 0)) -> Preprocessing:
        """Return what is done to the frame; a size that is fixed in the graph wins over every other.

        Without a preprocessor_config.json it is 1/255 and a stretch to the graph's size.
        """
        file = self.path / "preprocessor_config.json"
        if file.is_file():
            detector = self.detector()
            default = detector.family.do_normalize_default if detector else False
            return with_size(read_preprocessing(file, default), graph_size)
        if not all(graph_size):
            raise BuildError(
                f"{self.path}: neither its ONNX nor a preprocessor_config.json fixes height and width;"
                ' add one with {"size": {"height": pixels, "width": pixels}}'
            )
        size = {"height": graph_size[0], "width": graph_size[1]}
        assumed = derive_preprocessing({"size": size}, do_normalize_default=False)
        note = "There is no preprocessor_config.json: pixels are divided by 255, nothing else is assumed."
        return replace(assumed, notes=(*assumed.notes, note))
