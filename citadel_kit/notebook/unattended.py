"""Runs a notebook by papermill so that nothing goes wrong in silence, and keeps a page readable offline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import nbformat
import papermill
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError

from citadel_kit.errors import CitadelError, ConfigError

_SECRET: Final = re.compile(r"secret|passw|token|api_?key|private", re.IGNORECASE)


class NotebookFailed(CitadelError):
    """A cell raised: `partial` is the notebook as far as it came."""

    def __init__(self, partial: Path, cause: str) -> None:
        self.partial, self.cause = partial, cause
        super().__init__(f"{cause} (the notebook as far as it came: {partial})")


def check_parameters(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Raises ConfigError for a parameter the notebook does not declare, or one that would store a secret.

    papermill itself only logs a misspelt name, and injects where no cell is tagged `parameters`.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    tagged = [c for c in cells if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise ConfigError(str(notebook), f"{len(tagged)} cells are tagged 'parameters', there must be one")
    known = re.findall(r"^([A-Za-z_]\w*)\s*(?::[^=\n]+)?=", tagged[0].source, re.MULTILINE)
    for name in parameters:
        if _SECRET.search(name):
            raise ConfigError(
                name, "a parameter is stored in the notebook", "Keep secrets in the environment"
            )
        if name not in known:
            raise ConfigError(name, f"{notebook.name} has no such parameter", f"It has: {', '.join(known)}")


def execute(notebook: Path, output: Path, parameters: Mapping[str, Any], *, progress: bool = True) -> None:
    """Run top to bottom into `output`, and a page beside it. Raises ConfigError, NotebookFailed.

    Parameters are checked before the kernel starts. The page is written for a failed run too.
    """
    check_parameters(notebook, parameters)
    try:
        papermill.execute_notebook(
            str(notebook),
            str(output),
            dict(parameters),
            kernel_name="python3",
            progress_bar=progress,
            extra_arguments=["--IPKernelApp.log_level=40"],  # it warns of TCP on loopback each time
        )
    except PapermillExecutionError as error:
        raise NotebookFailed(output, f"{error.ename}: {error.evalue}") from None
    finally:
        if output.is_file():
            export_page(output)


def export_page(notebook: Path) -> Path:
    """The notebook as one HTML file that asks for nothing from a network. A widget shows as its picture."""
    content = nbformat.read(notebook, as_version=4)
    content.metadata.pop("widgets", None)
    exporter = HTMLExporter(mathjax_url="", mermaid_js_url="", require_js_url="", jquery_url="")
    body, _ = exporter.from_notebook_node(content)
    page = notebook.with_suffix(".html")
    page.write_text(body, encoding="utf-8")
    return page
