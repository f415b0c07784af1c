"""Print how many frames per second the embedded runtime prepares on one core, as Markdown.

A frame is prepared when its tensor is written: scaled by nvstreammux where its size is not the surface's, then scaled,
converted and normalised by nvinfer. `--beside` adds a column for the host library of another version with the same
interface; both run in turns, so that other load on the machine meets them alike.

usage: python benchmarks/frame_preparation.py [--beside build/embedded/dsembed_host_….so] [--seconds 1] [--repeats 5]
"""

import argparse
import ctypes
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/embedded"))

from dsembed.shared import native

NEAREST, BILINEAR, CUBIC, AREA = range(4)
NAMES = ("nearest", "bilinear", "cubic", "area")
SCALE_FACTOR = 0.0173


@dataclass(frozen=True)
class Case:
    """Sizes are (width, height) in pixels; `picture` is where the frame lies in the network, centred."""

    frame: tuple[int, int]
    surface: tuple[int, int]
    network: tuple[int, int]
    picture: tuple[int, int]
    scaling_filter: int

    @property
    def name(self) -> str:
        """Return the case as a table shows it."""
        sizes = [self.frame, *([self.surface] if self.surface != self.frame else []), self.picture]
        return f"{' to '.join('x'.join(map(str, size)) for size in sizes)}, {NAMES[self.scaling_filter]}"


HD, FULL_HD = (1280, 720), (1920, 1080)
CASES = (
    *(Case(HD, HD, (320, 320), (320, 320), kind) for kind in range(4)),
    *(Case(HD, HD, (640, 640), (640, 640), kind) for kind in range(4)),
    *(Case(FULL_HD, FULL_HD, (640, 640), (640, 360), kind) for kind in range(4)),
    Case(FULL_HD, HD, (640, 640), (640, 640), BILINEAR),
)


class Preparation:
    """One case on one host library."""

    def __init__(self, library: ctypes.CDLL, case: Case):
        self._library = library
        width, height = case.frame
        random = np.random.default_rng(1)
        shapes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
        self._planes = [random.integers(16, 236, shape, np.uint8) for shape in shapes]
        pointers = [plane.ctypes.data for plane in self._planes]
        self._frame = native.Frame(*pointers, width, width // 2, 1, width, height, True, False)
        self._mux = native.Mux(*case.surface, False)
        corner = [(whole - part) // 2 for whole, part in zip(case.network, case.picture, strict=True)]
        offsets = (ctypes.c_float * 3)(123.0, 116.0, 103.0)
        self._network = native.Network(
            *case.network, *case.picture, *corner, False, case.scaling_filter, SCALE_FACTOR, offsets
        )
        self._tensor = np.zeros((3, *case.network[::-1]), np.float32)

    def frames_per_s(self, seconds: float) -> float:
        """Return the rate over at least `seconds` of a core, whatever else the machine does."""
        count, start = 0, time.thread_time()
        while (elapsed := time.thread_time() - start) < seconds or count == 0:
            self._library.dsembed_prepare(self._frame, self._mux, self._network, self._tensor.ctypes.data)
            count += 1
        return count / elapsed


def other_host(path: Path) -> ctypes.CDLL:
    """Return the library of another version; its filters other than nearest are all its bilinear one."""
    library = ctypes.CDLL(str(path.resolve()))
    pointers = [ctypes.POINTER(kind) for kind in (native.Frame, native.Mux, native.Network)]
    library.dsembed_prepare.argtypes = [*pointers, ctypes.c_void_p]
    return library


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--beside", type=Path, help="host library of another version")
    parser.add_argument("--seconds", type=float, default=1, help="measured time of each run")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each case, the median is printed")
    arguments = parser.parse_args()
    hosts = {"frames/s": native.load_host()}
    if arguments.beside:
        hosts[f"frames/s of {arguments.beside.name}"] = other_host(arguments.beside)
    print("| frame to surface to picture |", " | ".join(hosts), "|")
    print("|---|" + "---:|" * len(hosts), flush=True)
    for case in CASES:
        runs = [Preparation(host, case) for host in hosts.values()]
        rates = [[run.frames_per_s(arguments.seconds) for run in runs] for _ in range(arguments.repeats)]
        print(f"| {case.name} |", " | ".join(f"{median(of):.0f}" for of in zip(*rates, strict=True)), "|")


if __name__ == "__main__":
    main()
