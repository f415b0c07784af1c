import json
import struct
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from dsbench.boxes.kitti import read_directory

sys.path.append(str(Path(__file__).parents[2] / "demo"))

from render_clip import CLIP_SEED, FRAMES, START_S, kitti_lines
from streetscene.actors import LABELS
from streetscene.scene import Scene
from training.samples import HELD_OUT_SEED

DEMO = Path(__file__).parents[2] / "demo"
CHECKPOINT, CLIP, TRUTH = DEMO / "checkpoint", DEMO / "sample_720p.mp4", DEMO / "sample_720p_kitti"
BT709 = 1


@pytest.fixture(scope="module")
def clip_pictures():
    with av.open(str(CLIP)) as container:
        return [picture for index, picture in enumerate(container.decode(video=0)) if index % 75 == 0]


def test_the_clip_is_ten_seconds_of_720p_h264_at_30_fps():
    with av.open(str(CLIP)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert (stream.width, stream.height, stream.pix_fmt) == (1280, 720, "yuv420p")
        assert stream.average_rate == 30
        assert stream.duration * stream.time_base == 10
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert len(packets) == FRAMES == 300
    assert [index for index, packet in enumerate(packets) if packet.is_keyframe] == list(range(0, 300, 30))
    assert CLIP.stat().st_size < 6e6


def test_the_clip_says_that_its_colours_are_bt709_of_limited_range():
    with av.open(str(CLIP)) as container:
        context = container.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (BT709,) * 3
        assert context.color_range == av.video.reformatter.ColorRange.MPEG


def test_the_truth_has_a_file_per_frame_with_something_in_each():
    assert sorted(path.name for path in TRUTH.iterdir()) == [f"00_000_{n:06d}.txt" for n in range(FRAMES)]
    for detections in read_directory(TRUTH).values():
        assert detections
        for box in detections:
            assert box.label in LABELS
            assert 0 <= box.left < box.right <= 1280
            assert 0 <= box.top < box.bottom <= 720
            assert box.confidence == 1


def test_every_label_is_in_the_clip():
    seen = {box.label for detections in read_directory(TRUTH).values() for box in detections}
    assert seen == set(LABELS)


@pytest.mark.parametrize("index", [0, 75, 225])
def test_the_clip_and_its_truth_are_what_the_renderer_makes(index, clip_pictures):
    frame = Scene(CLIP_SEED).frame(START_S + index / 30)
    assert (TRUTH / f"00_000_{index:06d}.txt").read_text() == kitti_lines(frame)
    decoded = clip_pictures[index // 75].to_ndarray(format="bgr24").astype(int)
    assert np.abs(decoded - frame.image).mean() < 6


def test_nobody_moving_jumps_in_the_clip():
    for actor in Scene(CLIP_SEED).actors:
        depths = [actor.place_m(START_S + index / 30)[1] for index in range(FRAMES)]
        assert np.abs(np.diff(depths)).max() < 1


def test_the_clips_seed_is_neither_a_training_nor_a_held_out_seed():
    assert CLIP_SEED > HELD_OUT_SEED + 1_000_000


def test_the_checkpoint_is_small_files_and_its_card_without_pickles():
    files = {path.name: path.stat().st_size for path in CHECKPOINT.iterdir()}
    assert files.keys() == {"README.md", "config.json", "preprocessor_config.json", "model.safetensors"}
    assert sum(files.values()) < 12e6


def test_the_weights_are_half_precision():
    with (CHECKPOINT / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    kinds = {tensor["dtype"] for name, tensor in header.items() if name != "__metadata__"}
    assert kinds <= {"F16", "I64"}


def test_the_config_names_the_labels_and_no_path():
    text = (CHECKPOINT / "config.json").read_text()
    config = json.loads(text)
    assert config["architectures"] == ["RTDetrForObjectDetection"]
    assert [config["id2label"][str(index)] for index in range(len(LABELS))] == list(LABELS)
    assert "_name_or_path" not in config
    assert '"/' not in text


def test_the_model_card_names_the_licence():
    assert "license: apache-2.0" in (DEMO / "checkpoint/README.md").read_text().split("---")[1]
