"""From benchmark_data.json to charts, Markdown, HTML, PDF, history and comparison."""
