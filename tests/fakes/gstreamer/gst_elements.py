"""The elements a stand-in pipeline may have, with the properties each takes."""

ELEMENTS = {
    "videotestsrc": {"num-buffers"},
    "uridecodebin": {"uri"},
    "fakesink": {"sync"},
    "filesrc": {"location"},
    "nvv4l2decoder": set(),
    "h265parse": set(),
    "filesink": {"location"},
    "nvvideoconvert": {"gpu-id", "compute-hw"},
    "nvstreammux": {"name", "batch-size", "width", "height", "batched-push-timeout", "live-source"},
    "nvinfer": {"config-file-path", "batch-size", "unique-id"},
    "nvdsosd": {"process-mode", "display-text"},
    "nvv4l2h264enc": {"bitrate"},
    "h264parse": set(),
    "mp4mux": set(),
    "theoraenc": {"quality", "drop-frames"},
    "oggmux": set(),
}
