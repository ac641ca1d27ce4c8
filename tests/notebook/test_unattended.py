"""A notebook run without anybody watching: nothing goes wrong in silence, nothing secret is kept."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from citadel_kit.errors import ConfigError
from citadel_kit.notebook.unattended import NotebookFailed, check_parameters, execute, export_page


def notebook(path: Path, *cells: str, tags: tuple[str, ...] = ("parameters",)) -> Path:
    book = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python"}})
    for number, source in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source)
        cell.metadata["tags"] = list(tags) if number == 0 else []
        book.cells.append(cell)
    nbformat.write(book, path)
    return path


PARAMETERS = 'RUN_DIR = ""\nSEED: int = 7  # a comment\nif SEED:\n    HIDDEN = 1\n'


@pytest.mark.parametrize("name", ["SEEDS", "seed", "HIDDEN"])
def test_a_misspelt_parameter_is_an_error(tmp_path: Path, name: str) -> None:
    book = notebook(tmp_path / "a.ipynb", PARAMETERS)
    check_parameters(book, {"SEED": 1, "RUN_DIR": "x"})
    with pytest.raises(ConfigError, match="It has: RUN_DIR, SEED"):
        execute(book, tmp_path / "out.ipynb", {name: 1}, progress=False)
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.parametrize("name", ["API_KEY", "apiKey", "SECRET", "TOKEN", "password"])
def test_a_secret_is_no_parameter(tmp_path: Path, name: str) -> None:
    book = notebook(tmp_path / "a.ipynb", f'{name} = ""')
    with pytest.raises(ConfigError, match="environment"):
        check_parameters(book, {name: "x"})


def test_a_notebook_without_a_tagged_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'parameters'"):
        check_parameters(notebook(tmp_path / "a.ipynb", "A = 1", tags=()), {"A": 2})


def test_a_failing_cell_leaves_a_partial_notebook_and_its_page(tmp_path: Path) -> None:
    book = notebook(
        tmp_path / "a.ipynb",
        'RUN_DIR = ""',
        "print('this far')",
        "raise ValueError('the reason')",
        "open(RUN_DIR + '/result.json', 'w')",
    )
    out = tmp_path / "out.ipynb"
    with pytest.raises(NotebookFailed, match="ValueError: the reason") as caught:
        execute(book, out, {"RUN_DIR": str(tmp_path)}, progress=False)
    assert caught.value.partial == out
    assert "this far" in out.read_text()
    assert "the reason" in (tmp_path / "out.html").read_text()
    assert not (tmp_path / "result.json").exists()


def test_the_page_asks_for_nothing_from_a_network(tmp_path: Path) -> None:
    book = nbformat.v4.new_notebook()
    book.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "the picture's text"}
    output = nbformat.v4.new_output("display_data", data)
    book.cells.append(nbformat.v4.new_code_cell("panel", outputs=[output]))
    nbformat.write(book, tmp_path / "a.ipynb")
    page = export_page(tmp_path / "a.ipynb").read_text()
    assert "the picture's text" in page
    for tag in ('src="http', 'href="http', "@import", "url(http"):
        assert tag not in page
