"""What deepstream-app prints of a frame's way to its sink: how long it was, in all and in each component."""

from dataclasses import dataclass

# As in DeepStream, that one is set is what counts; components are told of where frames are.
FRAMES_VARIABLE = "NVDS_ENABLE_LATENCY_MEASUREMENT"
COMPONENTS_VARIABLE = "NVDS_ENABLE_COMPONENT_LATENCY_MEASUREMENT"
# A line of DeepStream's C code goes on behind these.
CONTINUED = 14 * " "


@dataclass(frozen=True)
class Passage:
    """When a frame came to its decoder and when it left it, in s by one clock."""

    arrived_s: float
    decoded_s: float


def latency_lines(stream: int, number: int, times_s: tuple[float, ...], with_components: bool) -> str:
    """Return the lines of frame `number` of a stream that is now at its sink; each stream has a sink of its own.

    `times_s` are since 1970: when it came to its decoder, left it, came to nvinfer, left that, and now.
    """
    arrived, decoded, batched, inferred, now = (1000 * time_s for time_s in times_s)
    source = f"source_id = {stream} pad_index = {stream} frame_num = {number} {CONTINUED}"
    components = (
        _component(f"nvv4l2decoder{stream} ", arrived, decoded, "component latency="),
        _component(f"nvstreammux-src_bin_muxer {source}", decoded, batched, "component_latency ="),
        _component("primary_gie ", batched, inferred, "component latency="),
    )
    return (
        f"\n************BATCH-NUM = {number}**************\n"
        f"{''.join(components) if with_components else ''}"
        f"Source id = {stream} Frame_num = {number} Frame latency = {now - arrived:f} (ms) \n"
    )


def _component(name: str, begun_ms: float, ended_ms: float, latency: str) -> str:
    return (
        f"Comp name = {name}in_system_timestamp = {begun_ms:f} out_system_timestamp = {ended_ms:f} {CONTINUED}"
        f"{latency} {ended_ms - begun_ms:f}\n"
    )
