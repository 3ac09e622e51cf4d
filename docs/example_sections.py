"""Extension of griffe: `Example:` of a docstring is the section that griffe knows as `Examples:`."""

from __future__ import annotations

import re
from typing import Any

import griffe


class ExampleSections(griffe.Extension):
    """Makes code of what stands below `Example:`."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each object once its docstring has been read."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^(\s*)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
