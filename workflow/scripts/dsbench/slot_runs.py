"""The four runs that tell whether a batch's slots are alike: each short clip alone, one in all slots, both mixed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dsbench.app_config import Clip, render_app_config
from dsbench.batch_slots import SlotDumps
from dsbench.config_path import relative_to_config, uri_in_config
from dsbench.deepstream_run import dump_kitti
from dsbench.kitti import Frames, read_directory


@dataclass(frozen=True)
class SlotRuns:
    """What the runs need: the clip and its mirror image, the muxer's size in pixels, the configurations for one
    stream and for a full batch.

    Their own configurations and KITTI files are left in `folder`.
    """

    program: str
    clip: Path
    mirrored: Path
    size: tuple[int, int]
    nvinfer_single: Path
    nvinfer_batched: Path
    folder: Path
    timeout_s: float
    facts: dict[str, str]
    NAMES: ClassVar = ("alone", "mirrored_alone", "same", "mixed")

    def play(self, slots: int, logs: Mapping[str, Path]) -> SlotDumps:
        """Play all runs, each with its log by name, and return their boxes."""
        clip, mirrored = self.clip, self.mirrored
        (alone,) = self._dump("alone", [clip], logs)
        (mirrored_alone,) = self._dump("mirrored_alone", [mirrored], logs)
        return SlotDumps(
            alone=alone,
            mirrored_alone=mirrored_alone,
            same=self._dump("same", [clip] * slots, logs),
            mixed=self._dump("mixed", [(clip, mirrored)[slot % 2] for slot in range(slots)], logs),
        )

    def _dump(self, name: str, files: Sequence[Path], logs: Mapping[str, Path]) -> list[Frames]:
        """Play one file in each slot and return the boxes by slot."""
        kitti, config = self.folder / name / "kitti", self.folder / name / "deepstream_app.txt"
        config.parent.mkdir(parents=True, exist_ok=True)
        nvinfer = self.nvinfer_single if len(files) == 1 else self.nvinfer_batched
        uris = [uri_in_config(file, config) for file in files]
        config.write_text(
            render_app_config(
                Clip(uris[0], *self.size),
                len(files),
                relative_to_config(nvinfer, config),
                kitti_directory=Path(kitti.name),
                uris=uris,
            )
        )
        dump_kitti(self.program, config, kitti, self.timeout_s, logs[name], self.facts)
        return [read_directory(kitti, slot) for slot in range(len(files))]
