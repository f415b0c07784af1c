"""What kind of source a folder is, told by names and config.json alone; the DAG asks this, so it is light."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class SourceFolder:
    """A folder in Hugging Face layout, or one with ONNX files and perhaps labels.

    `names` are the files taken from it; None takes whatever is there.
    """

    path: Path
    names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, files: Iterable[str | Path], **more) -> Self:
        """Return the deepest folder that holds all of `files`, with their names in it."""
        paths = [Path(file) for file in files]
        folder = Path(os.path.commonpath([str(path.parent) for path in paths]))
        return cls(folder, tuple(path.relative_to(folder).as_posix() for path in paths), **more)

    def file(self, name: str) -> Path | None:
        """Return the file `name` of the folder, None where there is none or it is not taken."""
        path = self.path / name
        return path if (self.names is None or name in self.names) and path.is_file() else None

    @property
    def has_onnx(self) -> bool:
        """Whether an ONNX is there, which is taken before any export."""
        if self.names is not None:
            return any(name.lower().endswith(".onnx") for name in self.names)
        return any(self.path.glob("*.onnx")) or any(self.path.glob("onnx/*.onnx"))

    @property
    def has_config(self) -> bool:
        """Whether there is a config.json that names an architecture or a model_type."""
        file = self.file("config.json")
        if file is None:
            return False
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            return True
        # Some YOLO repositories have a config.json that says nothing; there the graph decides.
        return not self.has_onnx or bool(isinstance(config, dict) and config.get("architectures"))
