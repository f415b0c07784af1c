"""nvinfer's geometry and the detector behind it, as the C++ host wants them."""

import ctypes
from collections.abc import Sequence

import numpy as np

from dsembed.deepstream_app.app_settings import MuxSettings
from dsembed.deepstream_app.nvinfer_settings import ParserSettings, PixelSettings
from dsembed.engine.engine import Binding
from dsembed.shared import native
from dsembed.shared.declared_keys import RefusedError

DATA_TYPES = {"fp32": 0, "fp16": 1, "int8": 2, "int32": 3, "int64": 4, "uint8": 5}
ITEM_BYTES = {"fp32": 4, "fp16": 2, "int8": 1, "int32": 4, "int64": 8, "uint8": 1}
CUBIC, AREA = 2, 3  # NvBufSurfTransform's names are algo 1 and super
DETECTION = np.dtype(
    [(name, np.float32) for name in ("left", "top", "width", "height", "confidence")]
    + [("class_id", np.int32)]
)


def mux_struct(mux: MuxSettings) -> native.Mux:
    """Return the mux surface for the C++ host."""
    return native.Mux(mux.width, mux.height, mux.enable_padding)


def network_struct(settings: PixelSettings, mux: MuxSettings, dims: Sequence[int]) -> native.Network:
    """Return where a mux surface lies in a network input of `dims` (3, height, width).

    The picture's size is nvinfer's: the surface's even size, fitted to keep an aspect ratio. Raises RefusedError
    where that leaves nothing of the picture, and where NvBufSurfTransform cannot scale so with the filter.
    """
    _, height, width = dims
    picture_width, picture_height = width, height
    if settings.maintain_aspect_ratio:
        picture_width, picture_height = _aspect_kept(mux, width, height)
    centred = settings.maintain_aspect_ratio and settings.symmetric_padding
    network = native.Network(
        width=width,
        height=height,
        picture_width=picture_width,
        picture_height=picture_height,
        picture_left=(width - picture_width) // 2 if centred else 0,
        picture_top=(height - picture_height) // 2 if centred else 0,
        bgr=settings.bgr,
        scaling_filter=settings.scaling_filter,
        scale_factor=settings.scale_factor,
        offsets=(ctypes.c_float * 3)(*settings.offsets),
    )
    refuse_scaling(network, mux)
    return network


def _aspect_kept(mux: MuxSettings, width: int, height: int) -> tuple[int, int]:
    surface_width, surface_height = mux.width & ~1, mux.height & ~1
    fitting_height = width * surface_height / surface_width
    # nvinfer compares before it rounds: 416.6 rows do not fit 416.
    if fitting_height <= height:
        picture = width, int(fitting_height)
    else:
        picture = int(height * surface_width / surface_height), height
    if not all(picture):
        raise RefusedError(
            f"maintain-aspect-ratio=1 leaves {picture[0]}x{picture[1]} pixels of a {mux.width}x{mux.height} mux"
            f" surface in the {width}x{height} network: set [streammux] width and height closer"
        )
    return picture


def refuse_scaling(network: native.Network, mux: MuxSettings) -> None:
    """Raise RefusedError where NvBufSurfTransform cannot make the network's picture of the surface with its filter."""
    surface, picture = (mux.width & ~1, mux.height & ~1), (network.picture_width, network.picture_height)
    if network.scaling_filter == AREA and not all(s > p for s, p in zip(surface, picture, strict=True)):
        raise RefusedError(
            f"scaling-filter=3 with a picture of {picture[0]}x{picture[1]} of a {surface[0]}x{surface[1]} mux surface:"
            " NvBufSurfTransform takes filter 3 only where width and height both shrink, set scaling-filter=2"
        )
    if network.scaling_filter in (CUBIC, AREA) and network.picture_top % 2:
        raise RefusedError(
            f"scaling-filter={network.scaling_filter} with a picture that begins in row {network.picture_top}:"
            " NvBufSurfTransform gives it false colours below an odd row, set symmetric-padding=0 or scaling-filter=1"
        )


class Postprocessor:
    """The custom parser with nvinfer's filters and clustering after it."""

    def __init__(
        self,
        host: ctypes.CDLL,
        settings: ParserSettings,
        mux: native.Mux,
        network: native.Network,
        outputs: Sequence[Binding],
    ):
        """Load the parser; raises HostError with dlopen's or dlsym's reason."""
        self._host = host
        self._error = ctypes.create_string_buffer(native.ERROR_BYTES)
        layers = (native.Layer * len(outputs))(*map(_layer, outputs))
        rules = (native.ClassRules * len(settings.classes))(
            *(
                native.ClassRules(**vars(attributes), filtered_out=class_id in settings.filtered_out)
                for class_id, attributes in enumerate(settings.classes)
            )
        )
        self._handle = host.dsembed_detector_new(
            *(bytes(settings.parser_library), settings.parser_symbol.encode(), mux, network),
            *(layers, len(layers), rules, len(rules), settings.nms, self._error, native.ERROR_BYTES),
        )
        if not self._handle:
            raise native.HostError(self._error.value.decode(errors="replace"))

    def run(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        """Return per frame the detections in mux pixels, valid until the next run; None: the parser failed.

        Each array has the fields of DETECTION. Raises HostError when the parser throws or its objects have
        another size than DeepStream 9's.
        """
        frame_count = len(outputs[0])
        pointers = (ctypes.c_void_p * len(outputs))(*(output.ctypes.data for output in outputs))
        counts = (ctypes.c_int32 * frame_count)()
        found = self._host.dsembed_detector_run(
            self._handle, pointers, frame_count, counts, self._error, native.ERROR_BYTES
        )
        if not found:
            raise native.HostError(self._error.value.decode(errors="replace"))
        total = sum(max(0, count) for count in counts)
        memory = (ctypes.c_char * (total * DETECTION.itemsize)).from_address(found)
        detections = np.frombuffer(memoryview(memory), DETECTION)
        frames: list[np.ndarray | None] = []
        start = 0
        for count in counts:
            frames.append(None if count < 0 else detections[start : start + count])
            start += max(0, count)
        return frames

    def close(self) -> None:
        """Unload the parser."""
        self._host.dsembed_detector_delete(self._handle)
        self._handle = None


def _layer(output: Binding) -> native.Layer:
    if output.dtype not in DATA_TYPES:
        raise native.HostError(f"output {output.name} is {output.dtype}, nvinfer has no such type")
    # nvinfer gives a tensor of [batch] the single dimension 1.
    dims = output.dims or (1,)
    elements = int(np.prod(dims))
    return native.Layer(
        name=output.name.encode(),
        data_type=DATA_TYPES[output.dtype],
        dim_count=len(dims),
        dims=(ctypes.c_uint32 * 8)(*dims),
        frame_bytes=elements * ITEM_BYTES[output.dtype],
    )
