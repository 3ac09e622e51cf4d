"""The cells of the notebook run one after the other."""

from __future__ import annotations

import json

import matplotlib
from docs_pages import ROOT


def test_the_notebook_of_curves_runs(runs, monkeypatch):
    monkeypatch.chdir(runs)
    matplotlib.use("agg")
    notebook = json.loads((ROOT / "examples" / "notebooks" / "curves.ipynb").read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "clear the outputs before committing"
            exec(compile("".join(cell["source"]), cell["id"], "exec", dont_inherit=True), names)
    assert list(names["difference"].columns) == ["ta-coreset"]  # type: ignore[attr-defined]
    assert names["axes"].get_xlabel() == "labelled images"  # type: ignore[attr-defined]
