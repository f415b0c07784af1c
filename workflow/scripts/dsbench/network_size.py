"""The one static height and width of a network whose image processor keeps the frame's aspect."""

from collections.abc import Mapping

from dsbench.errors import BuildError

# The aspect of the streams: every camera format the build is asked for is 16:9.
FRAME_HEIGHT, FRAME_WIDTH = 720, 1280
YOLOS_MULTIPLE = 16


class SizeError(BuildError):
    """A `size` that does not say which height and width the network gets."""


def processor_type(config: Mapping[str, object]) -> str:
    """Return the processor's class name in a preprocessor_config.json, empty where it is not told."""
    return str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")


def network_size(config: Mapping[str, object]) -> tuple[int, int, str | None]:
    """Return height, width in pixels, and a note where they were chosen for 16:9 frames rather than given."""
    size = config.get("size")
    kind = processor_type(config)
    if _is_side(size) and kind.lower().startswith("owl"):
        return size, size, None
    edges = _edges(size, config.get("max_size"))
    if edges is not None:
        multiple = YOLOS_MULTIPLE if kind.startswith("Yolos") else 1
        height, width = _aspect_kept(*edges, multiple)
        given = ", ".join(
            f"{name} {edge}" for name, edge in zip(("short", "long"), edges, strict=True) if edge
        )
        return (
            height,
            width,
            (
                f"size gives edges ({given} px) and keeps the aspect; the network is fixed at {height}x{width}"
                f" (height x width), what the image processor makes of {FRAME_WIDTH}x{FRAME_HEIGHT} frames."
            ),
        )
    if isinstance(size, dict) and _is_side(size.get("height")) and _is_side(size.get("width")):
        return size["height"], size["width"], None
    raise SizeError(
        f'size is {size!r}; expected {{"height": pixels, "width": pixels}}'
        ' or {"shortest_edge": pixels, "longest_edge": pixels}.'
    )


def _edges(size: object, max_size: object) -> tuple[int | None, int | None] | None:
    """Return shortest and longest edge in pixels, None where one is not limited; None without edges."""
    if _is_side(size):
        return size, max_size if _is_side(max_size) else None
    if not isinstance(size, dict) or not {"shortest_edge", "longest_edge"} & set(size):
        return None
    short, long = size.get("shortest_edge"), size.get("longest_edge", max_size)
    if not all(edge is None or _is_side(edge) for edge in (short, long)):
        raise SizeError(f"size is {size!r}; expected edges in whole pixels above 0.")
    return short, long


def _aspect_kept(short: int | None, long: int | None, multiple: int) -> tuple[int, int]:
    """Return what the processors make of a 16:9 frame: the limiting edge exact, the short one rounded."""
    low, high = sorted((FRAME_HEIGHT, FRAME_WIDTH))
    if short is None or (long is not None and short * high > long * low):
        sides = (round(long * low / high), long)
    else:
        sides = (short, short * high // low)
    return tuple(max(multiple, side // multiple * multiple) for side in sides)


def _is_side(value: object) -> bool:
    return type(value) is int and value > 0
