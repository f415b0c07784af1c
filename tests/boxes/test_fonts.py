"""Class names in any script: which fonts draw them, in the video and in the PDF, and what stands where none does."""

import shutil

import numpy as np
import pypdf
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from dsbench.boxes import fonts
from dsbench.boxes.drawing import class_colours, draw_detections
from dsbench.boxes.kitti import Detection
from dsbench.deepstream.video import record_overlay
from dsbench.report.pdf import drawable, write_pdf
from rendered import PAGE, make_video, needs_theora, needs_wkhtmltopdf

CHINESE = "轿车"


def font_of(chars, path):
    """Write a font that draws each of `chars` as a filled square of its whole line."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    glyphs = {name: square for name in (".notdef", *(f"uni{ord(char):04X}" for char in chars))}
    builder = FontBuilder(1000)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap({ord(char): f"uni{ord(char):04X}" for char in chars})
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Return the function that gives this machine the fonts of some files and no others."""

    def give(*paths):
        monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: list(map(str, paths)))
        monkeypatch.setattr(fonts, "one_font_draws", lambda chars: False)
        for cached in (fonts.system_fonts, fonts._fonts, fonts.text_mask):
            cached.cache_clear()

    yield give
    monkeypatch.undo()
    for cached in (fonts.system_fonts, fonts._fonts, fonts.text_mask):
        cached.cache_clear()


@pytest.fixture
def chinese(tmp_path, machine):
    machine(font_of(CHINESE, tmp_path / "squares.ttf"))


def drawn(label):
    image = np.full((360, 640, 3), 90, np.uint8)
    detection = Detection(label, 100, 100, 300, 300, 0.5)
    draw_detections(image, [detection], (640, 360), class_colours({0: [detection]}))
    return image


def test_name_is_drawn_in_a_font_that_has_its_letters(chinese):
    parts = fonts.parts_by_font(f"{CHINESE} car 50%")
    assert [part for part, _ in parts] == [f"{CHINESE} ", "car 50%"]
    assert [path.name for _, path in parts] == ["squares.ttf", fonts.PACKAGED]
    mask = fonts.text_mask(CHINESE, 20)
    # Two squares of 18 pixels in 20 each.
    assert mask[8:14, 2:16].min() == mask[8:14, 22:36].min() == 1
    assert mask.shape[1] == pytest.approx(40, abs=2)


def test_letters_that_no_font_has_become_their_numbers(machine):
    machine()
    assert fonts.parts_by_font(CHINESE)[0][0] == "[U+8F7F][U+8F66]"
    assert [part for part, _ in fonts.parts_by_font("größe 50%")] == ["größe 50%"]


def test_letters_that_join_stay_in_one_part_with_their_blanks_and_joiners(tmp_path, machine):
    machine()
    assert len(fonts.parts_by_font("سيارة كبيرة")) == 1
    machine(font_of("सड़क\u200d", tmp_path / "squares.ttf"))
    assert [part for part, _ in fonts.parts_by_font("सड़\u200dक सड़क")] == ["सड़\u200dक सड़क"]


def test_arabic_is_shaped(machine):
    machine()
    apart = sum(fonts.text_mask(char, 40).shape[1] for char in "سيارة")
    assert fonts.text_mask("سيارة", 40).shape[1] < 0.9 * apart


def test_broken_and_colour_fonts_are_left_out(tmp_path, machine):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    machine(tmp_path / "broken.ttf", font_of(CHINESE, tmp_path / "squares.ttf"))
    assert [path.name for path in fonts.system_fonts()] == ["squares.ttf"]


def test_names_of_ascii_are_drawn_as_ever_and_others_beside_their_box(chinese):
    plain, other = drawn("car"), drawn(CHINESE)
    # The box alone is the same in both.
    assert (plain[110:] == other[110:]).all()
    tag = other[70:98, 100:180]
    assert (abs(tag.astype(int) - 20).max(axis=2) < 3).sum() > 200, "two dark squares on the tag"


@pytest.mark.parametrize("corner", [(-90, -60), (600, 330), (-90, 350), (620, -50)], ids=str)
def test_name_at_the_edge_of_the_picture_is_cut(chinese, corner):
    left, top = corner
    image = np.zeros((360, 640, 3), np.uint8)
    detection = Detection(CHINESE * 3, left, top, left + 100, top + 100, 0.5)
    draw_detections(image, [detection], (640, 360), class_colours({0: [detection]}))
    assert image.any()


@needs_theora
def test_video_says_that_no_font_draws_a_name(tmp_path, chinese, capfd):
    video = make_video(tmp_path / "in.mp4")
    kitti = {0: [Detection("行人", 20, 20, 90, 90, 0.5), Detection(CHINESE, 120, 20, 190, 90, 0.5)]}
    record_overlay(video, 30, kitti, tmp_path / "out.ogv", tmp_path / "video.log")
    said = capfd.readouterr().err
    assert "video: No font of this machine draws 2 of the characters" in said and "[U+884C]" in said


def test_page_keeps_what_a_font_draws(chinese):
    html = PAGE.format(f"<h1>m</h1><p>{CHINESE}</p><h2>1</h2>")
    assert drawable(html) == html
    assert drawable(PAGE.format("<p>car</p>")) == PAGE.format("<p>car</p>")


def test_page_shows_numbers_and_says_what_to_install_where_no_font_draws(chinese):
    shown = drawable(PAGE.format(f"<h1>m</h1><p>{CHINESE}, 行人</p><h2>1</h2><p>人</p>"))
    assert f"<p>{CHINESE}, [U+884C U+4EBA]</p>" in shown and "<p>[U+4EBA]</p>" in shown
    before = shown.split("<h2>")[0]
    assert "No font of this machine draws 2 of the characters" in before
    assert all(package in before for package in fonts.FONT_PACKAGES) and "-R print_pdf" in before
    assert "行" not in shown


@needs_wkhtmltopdf
def test_pdf_is_readable_where_the_machine_has_no_font(tmp_path, machine):
    machine()
    # A machine whose fonts cannot be listed keeps its page.
    assert drawable(PAGE.format(CHINESE)) == PAGE.format(CHINESE)
    machine(font_of("a", tmp_path / "squares.ttf"))
    write_pdf(PAGE.format(f"<p>{CHINESE}</p>"), tmp_path / "report.pdf", tmp_path / "pdf.log")
    text = pypdf.PdfReader(tmp_path / "report.pdf").pages[0].extract_text().replace("\t", " ")
    assert "[U+8F7F U+8F66]" in text and fonts.FONT_PACKAGES[0] in text


@pytest.mark.skipif(shutil.which("fc-list") is None, reason="fontconfig's fc-list is not installed")
def test_fontconfig_answers_for_text_that_one_font_draws(monkeypatch):
    monkeypatch.setattr(fonts, "system_fonts", lambda: pytest.fail("every font is read"))
    assert fonts.undrawable("ASCII") == ""
    assert fonts.undrawable("5 ± 1 is ≤ 7") == ""
    # No character, and no font draws it.
    assert not fonts.one_font_draws(["±", "\uffff"])


def test_fontconfig_is_asked_for_outlines_since_the_bitmaps_of_colour_fonts_are_left_out(
    monkeypatch, tmp_path
):
    program = tmp_path / "fc-list"
    program.write_text(
        '#!/bin/sh\ncase "$1" in *:outline=true:*) echo Sans ;; *) echo >&2 "$1"; exit 1 ;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(fonts.shutil, "which", lambda name: str(program))
    assert fonts.one_font_draws(["±"])


@pytest.mark.parametrize("program", ["/nowhere/fc-list", "/bin/false", None])
def test_without_fontconfig_every_font_is_read(monkeypatch, program):
    monkeypatch.setattr(fonts.shutil, "which", lambda name: program)
    assert not fonts.one_font_draws(["±"])
