"""A model's files as a run of deepstream-app needs them, and the app that stands for NVIDIA's."""

from dsbench.deepstream.app_config import Clip, render_app_config
from dsbench.deepstream.nvinfer_config import NvinferFiles, render_nvinfer_config
from dsbench.deepstream.run import measure_streams
from dsbench.families.declared import family_named
from dsbench.pixels.preprocessing import Preprocessing
from workflow_run import PROJECT

FAKE = PROJECT / "tests/fakes/deepstream-app"


class Tree:
    """The files of one model in a folder whose name has everything that has ever broken a path."""

    def __init__(self, folder):
        self.folder = folder / "a 100% dir; #1 'x' ~"
        for name in ("onnx", "labels.txt", "libparser.so", "m_dynamic_b4.engine", "clip 50%.mp4"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text("traffic light\ncar\n" if name == "labels.txt" else name)
        self.config = self.folder / "ds/app.txt"
        self.config.parent.mkdir()
        self.log = self.folder / "ds.log"

    def write(self, streams=2, change=lambda text: text, **settings):
        """Write both configurations as the build does; `change` then edits the app's."""
        nvinfer = self.config.with_name("infer.txt")
        names = ("onnx", "m_dynamic_b4.engine", "labels.txt", "libparser.so")
        files = NvinferFiles(nvinfer, *(self.folder / name for name in names))
        preprocessing = Preprocessing(1 / 255, None, "RGB", False, False, 320, 640, (), scaling_filter=1)
        nvinfer.write_text(
            render_nvinfer_config(
                preprocessing,
                family_named("rt_detr"),
                ["batch", 3, 320, 640],
                2,
                ["traffic light", "car"],
                files,
                batch_size=4,
                precision="fp16",
            )
        )
        clip = Clip((self.folder / "clip 50%.mp4").as_uri(), 1280, 720)
        self.config.write_text(change(render_app_config(clip, streams, "infer.txt", **settings)))

    def measure(self, streams=2, change=lambda text: text, program=FAKE, timeout_s=20.0):
        self.write(streams, change, interval_s=1, loop=True)
        return measure_streams(str(program), self.config, streams, 1, 4, timeout_s, self.log, {})
