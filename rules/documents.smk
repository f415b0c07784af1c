"""Asked for by name only: the documents of the project as PDF, with their Mermaid diagrams drawn."""

from dsbench.report.diagram_tools import has_diagrams

DRAWING = TEMPLATES / "documents"
DIAGRAM_TOOLS = "build/diagram_tools/node_modules/.package-lock.json"


rule install_diagram_tools:
    input:
        manifest=PROJECT / "envs/package.json",
        lock=PROJECT / "envs/package-lock.json",
    output:
        DIAGRAM_TOOLS,
    log:
        "logs/install_diagram_tools.log",
    benchmark:
        "logs/wall_time/install_diagram_tools.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("install_diagram_tools"),
    script:
        "../workflow/scripts/install_diagram_tools.py"


rule print_document:
    input:
        document=PROJECT / "docs/{name}.md",
        pictures=sorted((PROJECT / "docs").glob("*.[jp]*g")),
        style=DRAWING / "document.css",
        settings=[DRAWING / f"{part}.json" for part in ("mermaid", "puppeteer", "puppeteer_root")],
        tools=lambda wildcards: DIAGRAM_TOOLS if has_diagrams(PROJECT / f"docs/{wildcards.name}.md") else [],
        converter="build/toolchain/wkhtmltopdf.json",
    output:
        "docs/pdf/{name}.pdf",
    log:
        "logs/print_document_{name}.log",
    benchmark:
        "logs/wall_time/print_document_{name}.tsv"
    wildcard_constraints:
        name="[A-Za-z0-9_-]+",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=4096,
    params:
        code=code_version("print_document"),
        page_size=config["report"]["page_size"],
    script:
        "../workflow/scripts/print_document.py"
