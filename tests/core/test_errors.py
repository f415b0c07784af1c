"""A sentence stays a sentence, whatever it quotes."""

from dsbench.core.errors import LONGEST_SENTENCE, BuildError


def test_error_that_quotes_megabytes_is_cut_in_the_middle():
    text = str(BuildError(f"model.onnx: input {'x' * 2_000_000} is odd; export it again"))
    assert text.startswith("model.onnx: input xxx") and text.endswith("is odd; export it again")
    assert len(text) < LONGEST_SENTENCE + 100 and "characters) …" in text


def test_usual_error_is_shown_whole():
    text = "model.onnx: is odd; " + "export it again " * 200
    assert str(BuildError(text)) == text
