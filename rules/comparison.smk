"""Asked for by name only: the finished models of this and other working directories side by side."""

from dsbench.report.finished_reports import reports_of_trees


rule compare_models:
    input:
        lambda _: reports_of_trees(config["comparison"]["trees"]),
    output:
        "reports/comparison.json",
    log:
        "logs/compare_models.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("compare_models"),
        cameras=config["comparison"]["cameras"],
        fps=config["comparison"]["fps"],
    script:
        "../workflow/scripts/compare_models.py"


rule tabulate_comparison:
    input:
        "reports/comparison.json",
    output:
        "reports/comparison.csv",
    log:
        "logs/tabulate_comparison.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("tabulate_comparison"),
    script:
        "../workflow/scripts/tabulate_comparison.py"


rule draw_comparison:
    input:
        "reports/comparison.json",
    output:
        "reports/charts/chart_comparison.png",
    log:
        "logs/draw_comparison.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("draw_comparison"),
    script:
        "../workflow/scripts/draw_comparison.py"


rule render_comparison:
    input:
        data="reports/comparison.json",
        chart="reports/charts/chart_comparison.png",
        templates=[TEMPLATES / f"comparison.{kind}" for kind in ("html.j2", "js", "css")]
        + [TEMPLATES / "report.css"],
    output:
        report(
            "reports/comparison.html",
            caption="../workflow/report/comparison.rst",
            category="Comparison",
            labels={"result": "all finished models as a page"},
        ),
    log:
        "logs/render_comparison.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("render_comparison"),
    script:
        "../workflow/scripts/render_comparison.py"


rule print_comparison:
    input:
        html="reports/comparison.html",
        converter="build/toolchain/wkhtmltopdf.json",
    output:
        "reports/comparison.pdf",
    log:
        "logs/print_comparison.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("print_comparison"),
        page_size=config["report"]["page_size"],
    script:
        "../workflow/scripts/print_comparison.py"
