"""What a model may ask for at most: sides, pixels, images, classes, turns, bytes. All bounds on models stand here."""

from dsbench.intake.file_choice import IntakeError

LARGEST_SIDE_PX = 16_384
# 8K UHD has 33.2 million.
MOST_PIXELS = 1 << 25
# Baked into an ONNX. A batch of 64 frames of 1920x1080 has 133 million pixels.
MOST_IMAGES, MOST_PIXELS_OF_BATCH = 1024, 1 << 27
MOST_CLASSES = 20_000
# Published graphs turn once for each box or level.
MOST_TURNS = 1_000_000
# Of one tensor between two operators.
LARGEST_TENSOR_BYTES = 1 << 31


def check_image(height: int, width: int, images: int = 1, whose: str = "its image") -> None:
    """Raise IntakeError for an image, or a batch of them, that has no pixel or is too large to be a detector's."""
    if min(height, width) < 1 or max(height, width) > LARGEST_SIDE_PX or height * width > MOST_PIXELS:
        raise IntakeError(
            f"{whose} is {width}x{height}, expected 1 to {LARGEST_SIDE_PX} pixels on a side and {MOST_PIXELS} in"
            " all; use a smaller one."
        )
    if images > MOST_IMAGES or images * height * width > MOST_PIXELS_OF_BATCH:
        raise IntakeError(
            f"{whose} is a batch of {images} of {width}x{height}, expected at most {MOST_IMAGES} images and"
            f" {MOST_PIXELS_OF_BATCH} pixels in all; export it with a dynamic batch, or with a batch of 1."
        )
