"""The main job on NVIDIA's programs, which are fakes here, whose numbers a test chooses."""

import json
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from workflow_run import PROJECT, REPORT, planned, snakemake

FAKES = PROJECT / "tests/fakes"
MARKDOWN = "models/rtdetr/reports/benchmark_report.md"
# PEAK 2 and RT_STREAMS 2 at the first batch of 4.
IMAGES_PER_S, TOTAL_FPS = 75, 70
FIRST_BATCH = {"nvidia": 4}
FAKE_CONFIG = f"runtime: nvidia\nfirst_batch: {json.dumps(FIRST_BATCH)}\n"


def fake_tools(finished: Path, encoder: str = "gstreamer") -> dict[str, str]:
    """Return the environment in which the fakes are NVIDIA's tools and find the boxes of the finished main job.

    `encoder` is the folder of the fake GStreamer, which has an encoder or none.
    """
    return {
        # The fakes run under the tests' own interpreter.
        "PATH": f"{FAKES}:{FAKES / encoder}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FAKE_IMAGES_PER_S": str(IMAGES_PER_S),
        "FAKE_TOTAL_FPS": str(TOTAL_FPS),
        "FAKE_KITTI": str(finished / "models/rtdetr/samples/kitti_output"),
    }


@dataclass
class NvidiaJob:
    """The main job in `directory` on the fakes; a test changes `env` and `settings`."""

    directory: Path
    env: dict[str, str]
    settings: dict = field(default_factory=lambda: {"first_batch": FIRST_BATCH})

    def call(self, *arguments):
        """Return the finished process of snakemake."""
        config = "runtime: nvidia\n" + "".join(f"{k}: {json.dumps(v)}\n" for k, v in self.settings.items())
        return snakemake(self.directory, *(arguments or (REPORT,)), env=self.env, config=config)

    def run(self, *arguments):
        """Run snakemake and return what it printed."""
        done = self.call(*arguments)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def refused(self, *arguments):
        """Run snakemake, which has to fail, and return what it printed."""
        done = self.call(*arguments)
        assert done.returncode != 0, done.stdout[-6000:]
        return done.stdout

    @property
    def data(self):
        """Return the numbers of the report."""
        return json.loads((self.directory / REPORT).with_name("benchmark_data.json").read_text())

    @property
    def text(self):
        """Return the report as Markdown, without the notes that say where its numbers stand."""
        return re.sub(r"\[\^\d+\.[\d-]+\]", "", (self.directory / MARKDOWN).read_text())

    def numbers(self):
        """Make the report's text, check that nothing is left to do, and return MAX_BS, PEAK and both runs' streams."""
        self.run(MARKDOWN)
        assert planned(self.run("-n", MARKDOWN)) == {}
        data, runs = self.data, self.data["deepstream"]
        assert f"PEAK_GPU_STREAMS = {data['peak_gpu_streams']}, MAX_BS = {data['max_bs']}" in self.text
        assert f"benchmarks/ds/ds_s{runs['run2']['streams']}_run2.log" in self.text
        return (data["max_bs"], data["peak_gpu_streams"], runs["run1"]["streams"], runs["run2"]["streams"])

    def upgrade(self, driver, images_per_s, total_fps):
        """Change the driver, and with it what the tools measure."""
        self.env |= {
            "FAKE_DRIVER": driver,
            "FAKE_IMAGES_PER_S": str(images_per_s),
            "FAKE_TOTAL_FPS": str(total_fps),
        }
