"""The gate that the reference run keeps: enough agreement, or one sentence that names the stage to look at."""

from pathlib import Path

from dsbench.agreement import AgreementError, agreement, measured_frames, shown_rates
from dsbench.diverging_stage import Bound, Deployment, Divergence, first_divergence
from dsbench.kitti import Frames


def require_agreement(
    kitti: Path, dumped: Frames, reference: Frames, deployed: Deployment, bound: Bound
) -> dict[str, object]:
    """Return the agreement of the dump in `kitti` with the reference run.

    Raises AgreementError with the first diverging stage, what was found, what was expected and the next step.
    """
    found = measured_frames(dumped, reference, kitti)
    result = agreement(found, reference, deployed.size[1], bound.iou, bound.required)
    if result["passed"]:
        return result
    divergence, not_told = first_divergence(deployed, bound)
    raise AgreementError(
        f"{kitti}: {shown_rates(result)} against the reference run, {bound.required:g} of each is required. "
        f"{_explained(divergence, not_told)}{_left_out(not_told)}",
        result,
    )


def _explained(divergence: Divergence | None, not_told: list[str]) -> str:
    if divergence is None:
        suspects = " or ".join([*not_told, "how the runtime decodes and scales frames"])
        return (
            f"No stage that can be judged here diverges, which leaves {suspects}; build with precision: fp32 in the "
            "config, and look at the video's colour range and at [streammux] of the application's configuration."
        )
    return (
        f"The first stage that diverges is {divergence.stage}: {divergence.found}, expected "
        f"{divergence.expected}; {divergence.next_step}."
    )


def _left_out(not_told: list[str]) -> str:
    return f" Not told on this runtime: {', '.join(not_told)}." if not_told else ""
