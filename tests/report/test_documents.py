"""Documents as PDF: diagrams are drawn, pictures are inside, and nothing from outside is read or asked for."""

import json
import shutil
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pypdf
import pytest
from PIL import Image

from diagram_packages import LOCK, MANIFEST, SETTINGS, drawing_tools
from dsbench.core.errors import BuildError
from dsbench.report import documents
from dsbench.report.diagram_tools import DocumentError, Tools, diagrams, install_packages
from dsbench.report.documents import draw_diagram, render_document
from dsbench.report.pdf import write_pdf
from dsbench.tools.confined import NO_NETWORK, NOTHING, OWN_FILES, Confined
from rendered import needs_wkhtmltopdf

CANARY = (255, 0, 255)
SECRET = "canary-4711"
SIMPLE = "flowchart LR\n  A[one] --> B[two]\n"
# Each tries to show the canary's file or to ask its server; {file} and {server} are their addresses.
HOSTILE = {
    "picture of the net": 'flowchart LR\n  A@{{ img: "{server}/a.png", label: "x", w: 90, h: 90 }}\n',
    "picture of the disk": 'flowchart LR\n  A@{{ img: "{file}.png", label: "x", w: 90, h: 90 }}\n',
    "loosened by a directive": (
        '%%{{init: {{"securityLevel": "loose", "htmlLabels": true, "flowchart": {{"htmlLabels": true}}}}}}%%\n'
        'flowchart LR\n  A["<img src=\'{server}/b.png\' onerror=\'fetch(`{server}/c`)\'>"]'
        ' --> B["<iframe src=\'{file}.html\' width=90 height=90></iframe>"]\n'
    ),
    "loosened by a front matter": (
        "---\nconfig:\n  securityLevel: loose\n  htmlLabels: true\n---\n"
        'flowchart LR\n  A["<img src=\'{file}.png\'>"] --> B["<script>fetch(\'{server}/d\')</script>"]\n'
    ),
    "a style sheet of its own": (
        '%%{{init: {{"themeCSS": "@import url({server}/e.css); .node {{background: url({file}.png)}}"}}}}%%\n'
        "flowchart LR\n  A --> B\n  style A fill:url({server}/f.svg#x)\n"
    ),
    "clicks": (
        "flowchart LR\n  A --> B\n  click A href \"javascript:fetch('{server}/g')\"\n"
        "  click B call fetch(\"{server}/h\")\n"
    ),
    "a sequence with markup": (
        "sequenceDiagram\n  A->>B: <img src={server}/i.png onerror=alert(1)>\n"
        '  link A: x @ {server}/j\n  Note over A: <object data="{file}.html"></object>\n'
    ),
}  # fmt: skip


@pytest.fixture
def canary(tmp_path):
    """Where a diagram must not come: a file, as picture and page of one colour, and a server that counts requests."""
    file = tmp_path / "outside" / "canary"
    file.parent.mkdir()
    Image.new("RGB", (80, 80), CANARY).save(file.with_suffix(".png"))
    file.with_suffix(".html").write_text(f'<body style="background: rgb{CANARY}">{SECRET}</body>')
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield {"file": f"file://{file}", "server": f"http://127.0.0.1:{server.server_port}"}, asked
    server.shutdown()


def colours(picture):
    with Image.open(picture) as image:
        return {colour for _, colour in image.convert("RGB").getcolors(image.width * image.height)}


def document(tmp_path, text):
    file = tmp_path / "docs/page.md"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def draw_nothing(text, destination):
    Image.new("RGB", (400, 200), "white").save(destination)


def test_only_mermaid_blocks_are_diagrams():
    quoted = "````md\n```mermaid\nflowchart TD\n```\n````\n"
    text = f"a\n\n```mermaid\n{SIMPLE}```\n\n{quoted}\n~~~ Mermaid\nflowchart LR\n~~~\n```sh\nls\n```\n"
    assert [block.body for block in diagrams(text)] == [SIMPLE, "flowchart LR\n"]
    assert diagrams("```mermaid\nnever closed\n") == []


def test_diagrams_and_pictures_are_inside_the_page(tmp_path):
    page = document(tmp_path, f"# T\n\n```mermaid\n{SIMPLE}```\n\nb\n\n![A car](pictures/car.jpg)\n")
    (page.parent / "pictures").mkdir()
    Image.new("RGB", (30, 20), "red").save(page.parent / "pictures/car.jpg")
    html = render_document(page, "", draw_nothing)
    assert html.count('width="200" src="data:image/png;base64,') == 1
    assert html.count('alt="A car" src="data:image/jpeg;base64,') == 1 and "flowchart" not in html
    assert "<title>T</title>" in html


@pytest.mark.parametrize(
    "picture",
    [
        "![x](http://127.0.0.1/a.png)",
        "![x](//127.0.0.1/a.png)",
        "![x](../outside/canary.png)",
        "![x](..%2Foutside%2Fcanary.png)",
        "![x](/etc/passwd)",
        "![x](file:///etc/hosts.png)",
        "![x](data:image/png;base64,AAAA)",
        "![x](link.png)",
        "![x](notes.txt)",
        "<img alt=x>",
        "![x](gone.png)",
        "![x](no-picture.png)",
    ],
)  # fmt: skip
def test_a_picture_from_elsewhere_is_refused_with_the_documents_name(tmp_path, canary, picture):
    page = document(tmp_path, f"# T\n\n{picture}\n")
    (page.parent / "link.png").symlink_to(tmp_path / "outside/canary.png")
    (page.parent / "notes.txt").write_text(SECRET)
    (page.parent / "no-picture.png").write_text(SECRET)
    with pytest.raises(BuildError, match=r"docs/(page\.md|gone\.png|no-picture\.png): ") as refused:
        render_document(page, "", draw_nothing)
    assert SECRET not in str(refused.value)


@needs_wkhtmltopdf
def test_markup_of_a_document_reaches_nothing(tmp_path, canary):
    addresses, asked = canary
    evil = (
        "# T\n\n<script>document.write('{secret}x')</script><style>@import url({server}/a.css);</style>\n"
        '<iframe src="{file}.html"></iframe><object data="{file}.html"></object><embed src="{file}.html">\n'
        '<link rel="stylesheet" href="{server}/b.css"><meta http-equiv="refresh" content="0; url={file}.html">\n'
        '<p style="background: url({server}/c.png)" onclick="alert(1)">shown</p>\n\n[l](javascript:alert(1))\n'
    )
    page = document(tmp_path, evil.format(secret=SECRET, **addresses))
    html = render_document(page, "", draw_nothing)
    assert not [word for word in (SECRET, "http:", "file:", "javascript:", "onclick") if word in html]
    write_pdf(html, tmp_path / "page.pdf", tmp_path / "page.log")
    text = pypdf.PdfReader(tmp_path / "page.pdf").pages[0].extract_text()
    assert "shown" in text and SECRET not in text and asked == []


def test_a_diagram_is_drawn_and_its_box_is_in_the_log(tmp_path):
    draw_diagram(SIMPLE, tmp_path / "a.png", drawing_tools(), tmp_path / "a.log")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 200 and image.height > 60
    assert len(colours(tmp_path / "a.png")) > 10
    assert (tmp_path / "a.log").read_text().startswith("# run with")


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_diagram_shows_no_file_and_asks_nobody(tmp_path, canary, kind):
    addresses, asked = canary
    picture = tmp_path / "a.png"
    try:
        draw_diagram(HOSTILE[kind].format(**addresses), picture, drawing_tools(), tmp_path / "a.log")
    except DocumentError:
        assert not picture.exists()
    else:
        assert CANARY not in colours(picture)
    assert asked == []


@pytest.fixture
def no_box(monkeypatch):
    """A machine on which nothing confines the browser, and which draws all the same."""
    monkeypatch.setattr(documents, "confined", lambda command, *_, **__: Confined(command, NO_NETWORK))
    monkeypatch.setattr(documents, "can_leave_root", lambda: False)
    monkeypatch.setattr(documents, "_refuse_unconfined", lambda *_: None)


def test_without_box_and_settings_a_diagram_does_ask_the_net(tmp_path, canary, no_box):
    addresses, asked = canary
    settings = shutil.copytree(SETTINGS, tmp_path / "settings")
    for file in settings.glob("puppeteer*.json"):
        file.write_text('{"args": ["--no-sandbox"]}')
    tools = replace(drawing_tools(), settings=settings)
    hostile = HOSTILE["picture of the net"].format(**addresses)
    # The server has no picture.
    with pytest.raises(DocumentError, match="cannot be drawn"):
        draw_diagram(hostile, tmp_path / "a.png", tools, tmp_path / "a.log")
    assert asked == ["/a.png"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_browser_asks_nobody_where_there_is_no_box(tmp_path, canary, no_box, kind):
    addresses, asked = canary
    tools = drawing_tools()
    try:
        draw_diagram(HOSTILE[kind].format(**addresses), tmp_path / "a.png", tools, tmp_path / "a.log")
    except DocumentError as error:
        assert "cannot be drawn" in str(error)
    assert asked == []


@pytest.mark.parametrize("kind", HOSTILE)
def test_without_a_box_that_hides_files_a_diagram_that_names_one_is_refused(kind):
    text = HOSTILE[kind].format(file="file:///etc/passwd", server="http://127.0.0.1")
    for protections in (NO_NETWORK, NOTHING):
        with pytest.raises(DocumentError, match="install bubblewrap, or take the address out"):
            documents._refuse_unconfined(text, protections, is_root=False)
    documents._refuse_unconfined(text, OWN_FILES, is_root=False)
    documents._refuse_unconfined(SIMPLE, NOTHING, is_root=False)
    with pytest.raises(DocumentError, match="root's browser has no sandbox"):
        documents._refuse_unconfined(SIMPLE, NOTHING, is_root=True)


def test_a_diagram_with_a_fault_is_told_by_document_number_and_line(tmp_path):
    draw = partial(draw_diagram, tools=drawing_tools(), log=tmp_path / "a.log")
    page = document(tmp_path, f"# T\n\n```mermaid\n{SIMPLE}```\n\n```mermaid\nflowchart LR\n  A --> ]\n```\n")
    with pytest.raises(DocumentError, match=r"page.md, diagram 2: it cannot be drawn: .*error on line 2"):
        render_document(page, "", draw)


def test_a_diagram_that_takes_too_long_is_stopped(tmp_path, monkeypatch):
    tools = drawing_tools()
    monkeypatch.setattr(documents, "DRAW_S", 0.2)
    with pytest.raises(DocumentError, match="cannot be drawn"):
        draw_diagram(SIMPLE, tmp_path / "a.png", tools, tmp_path / "a.log")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(("have", "lacks"), [([], "node"), (["node"], "chromium")])
def test_a_tool_that_is_missing_is_told_with_what_to_install(tmp_path, monkeypatch, have, lacks):
    for name in have:
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DocumentError, match=rf"^{lacks} is not on PATH.*apt-get install nodejs npm"):
        Tools.found(tmp_path, SETTINGS)
    with pytest.raises(DocumentError, match=r"^npm is not on PATH"):
        install_packages(tmp_path / "tools", MANIFEST, LOCK, tmp_path / "npm.log")


def test_a_failed_installation_is_told_with_its_log(tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho no network\nexit 3\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DocumentError, match="`npm ci` ended with 3; the cause is at the end of"):
        install_packages(tmp_path / "tools", MANIFEST, LOCK, tmp_path / "npm.log")
    assert (tmp_path / "npm.log").read_text() == "no network\n"


def test_the_lock_has_a_hash_for_every_package_and_names_no_registry():
    lock = json.loads(LOCK.read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert len(packages) > 100
    assert [
        name for name, entry in packages.items() if not entry.get("integrity", "").startswith("sha512-")
    ] == []
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    wanted = json.loads(MANIFEST.read_text())["dependencies"]
    assert lock["packages"][""]["dependencies"] == wanted
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted


def test_root_alone_has_a_browser_without_a_sandbox_of_its_own():
    user, root = (
        json.loads((SETTINGS / f"puppeteer{name}.json").read_text())["args"] for name in ("", "_root")
    )
    assert [arg for arg in root if arg not in user] == ["--no-sandbox"]
    assert [arg for arg in user if arg not in root] == []
    assert json.loads((SETTINGS / "mermaid.json").read_text())["securityLevel"] == "strict"
