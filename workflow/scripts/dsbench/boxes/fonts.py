"""Which fonts of this machine draw which text, and text as a picture in them."""

from __future__ import annotations

import math
import shutil
import subprocess
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from dsbench.core.secret_words import environment_without_tokens

if TYPE_CHECKING:
    import numpy as np

# Debian's and Ubuntu's: Chinese, Japanese and Korean; the other scripts; pictographs as outlines, since
# wkhtmltopdf leaves the bitmaps of colour fonts out.
FONT_PACKAGES = ("fonts-wqy-microhei", "fonts-noto-core", "fonts-symbola")
PLAIN_STYLES = ("Regular", "Book")
# Text faces before those for headings, small print and code.
OTHER_FACES = ("Serif", "Mono", "Kufi", "Display", "UI", "Condensed")
PACKAGED = "DejaVuSans.ttf"
VARIANT_SELECTORS = tuple(map(chr, range(0xFE00, 0xFE10)))
OPAQUE = 255
# Of characters in one question to fontconfig, and of its answer.
MOST_ASKED = 500
LONGEST_ANSWER_S = 10


def numbers_of(chars: str) -> str:
    """Return characters by their numbers, as in [U+8F7F U+8F66], for where no font draws them."""
    return f"[{' '.join(f'U+{ord(char):04X}' for char in chars)}]"


def undrawable(text: str) -> str:
    """Return the characters of `text`, each once, that no font of this machine draws; none where it has no fonts."""
    seen = [char for char in dict.fromkeys(text) if not (char.isascii() or _is_unseen(char))]
    if not seen or one_font_draws(seen) or not (fonts := system_fonts().values()):
        return ""
    return "".join(char for char in seen if not any(ord(char) in chars for chars in fonts))


def one_font_draws(chars: Sequence[str]) -> bool:
    """Return whether fontconfig names a font with outlines that draws all of `chars`; False where it cannot be asked.

    To read every font takes twenty times as long, and most text has no more than ± and Latin letters.
    """
    numbers = " ".join(f"{ord(char):x}" for char in chars[: MOST_ASKED + 1])
    program = shutil.which("fc-list")
    if program is None or len(chars) > MOST_ASKED:
        return False
    asked = [program, f":outline=true:charset={numbers}", "family"]
    try:
        said = subprocess.run(
            asked,
            capture_output=True,
            timeout=LONGEST_ANSWER_S,
            env=environment_without_tokens(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.returncode == 0 and bool(said.stdout.strip())


def remedy(chars: str) -> str:
    """Return the sentence for characters that no font draws."""
    return (
        f"No font of this machine draws {len(chars)} of the characters; they stand as their numbers, such as"
        f" {numbers_of(chars[0])}. Install fonts, on Debian and Ubuntu with apt-get install {' '.join(FONT_PACKAGES)}"
    )


@cache
def system_fonts() -> dict[Path, frozenset[int]]:
    """Return the machine's fonts with outlines and the numbers of the characters that each draws, plain faces first."""
    # Reads every font's name when it is imported, and most text is ASCII.
    from matplotlib.font_manager import findSystemFonts
    from matplotlib.ft2font import FT2Font

    found = []
    for path in findSystemFonts():
        try:
            face = FT2Font(path)
        except (OSError, RuntimeError):
            continue
        if face.scalable:
            other = any(word in f"{face.family_name} {face.style_name}" for word in OTHER_FACES)
            order = (face.style_name not in PLAIN_STYLES, other, face.family_name, path)
            found.append((order, Path(path), frozenset(face.get_charmap())))
    return {path: chars for _, path, chars in sorted(found)}


@cache
def _fonts() -> dict[Path, frozenset[int]]:
    """Return the font that comes with matplotlib, which draws Latin, and then the machine's."""
    from matplotlib import get_data_path
    from matplotlib.ft2font import FT2Font

    own = Path(get_data_path(), "fonts/ttf", PACKAGED)
    return {own: frozenset(FT2Font(str(own)).get_charmap())} | system_fonts()


def _is_unseen(char: str) -> bool:
    """Tell what only changes its neighbours: blanks, joiners, and selectors of a variant."""
    return char.isspace() or unicodedata.category(char) == "Cf" or char in VARIANT_SELECTORS


def parts_by_font(text: str) -> list[tuple[str, Path]]:
    """Return `text` in parts with the font of each; a character that none draws becomes its number."""
    fonts = _fonts()
    latin = next(iter(fonts))
    chosen: list[tuple[str, Path]] = []
    for char in text:
        before = chosen[-1][1] if chosen else latin
        # What the font before draws stays with it, so that scripts whose letters join are shaped as one.
        if chosen and (_is_unseen(char) or (not char.isascii() and ord(char) in fonts[before])):
            chosen.append((char, before))
        elif font := next((path for path, chars in fonts.items() if ord(char) in chars), None):
            chosen.append((char, font))
        else:
            chosen.append((numbers_of(char), latin))
    return [
        ("".join(char for char, _ in part), font) for font, part in groupby(chosen, lambda entry: entry[1])
    ]


@lru_cache(maxsize=4096)
def text_mask(text: str, size_px: int) -> np.ndarray:
    """Return `text` as float32 [height, width] of 0 to 1, how much of each pixel the letters cover."""
    # Who only asks which letters a font has does not wait for it.
    import numpy as np

    parts = [(part, ImageFont.truetype(str(font), size_px)) for part, font in parts_by_font(text)]
    # Marks above a line of capitals reach beyond the font's own ascent.
    boxes = [(*font.getmetrics(), font.getbbox(part, anchor="ls")) for part, font in parts]
    ascent = max(max(line, -box[1]) for line, _, box in boxes)
    descent = max(max(line, box[3]) for _, line, box in boxes)
    widths = [font.getlength(part) for part, font in parts]
    image = Image.new("L", (math.ceil(sum(widths)) + 1, math.ceil(ascent + descent)))
    canvas = ImageDraw.Draw(image)
    for (part, font), left in zip(parts, np.cumsum([0, *widths[:-1]]), strict=True):
        canvas.text((left, ascent), part, fill=OPAQUE, font=font, anchor="ls")
    return np.asarray(image, np.float32) / OPAQUE
