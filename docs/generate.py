"""Tables and sections of the documentation, from docstrings, signatures and dataclasses of the package."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import os
import re
import textwrap
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import al_lightning
from al_lightning import uncertainty
from al_lightning.config import catalogue, load, schema
from al_lightning.config.header import read_header
from al_lightning.core.strategy import RegionStrategy, Strategy
from al_lightning.core.task import Task
from al_lightning.cost.terms import TERMS
from al_lightning.data import DATASETS
from al_lightning.data.info import INFO_OF
from al_lightning.learners import LEARNERS
from al_lightning.oracles import ORACLES
from al_lightning.strategies import STRATEGIES
from al_lightning.strategies.uncertain import UncertaintySampling

SECTIONS = ("Args", "Attributes", "Example", "Raises", "Returns")
"""Headings of a docstring that are left out of its description."""
FROM_THE_FRAMEWORK = ("task", "target_file", "dataset")
"""Parameters that are no options; a learner's `size` is one more."""


@dataclass(frozen=True)
class Option:
    """A parameter of what a table holds."""

    name: str
    type: str
    default: str
    text: str


@dataclass(frozen=True)
class Description:
    """What the docstring and the signature of a callable say."""

    text: str
    """Markdown, without the sections."""
    options: tuple[Option, ...]

    @property
    def summary(self) -> str:
        """The first sentence."""
        first = " ".join(self.text.split("\n\n")[0].split())
        return re.split(r"(?<=[^.]{3}\.)\s(?=[A-Z`⌊])", first)[0]


def describe(build: Callable[..., Any], hidden: Iterable[str] = ()) -> Description:
    """The docstring of a callable, with what it says of each parameter beside the parameter's type and default."""
    target: Any = getattr(build, "func", build)
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(build).parameters.items()
        if name not in (*FROM_THE_FRAMEWORK, *hidden)
    }
    known = set(inspect.signature(target).parameters)
    text, said = _split(inspect.getdoc(target) or "", known)
    options = [
        Option(name, _type(hints.get(name, Any)), _default(parameter.default), said.get(name, ""))
        for name, parameter in parameters.items()
    ]
    return Description(text, tuple(options))


def _split(docstring: str, known: set[str]) -> tuple[str, dict[str, str]]:
    """A docstring without its sections, and what it says of the names in `known` ("name, other (type): text")."""
    kept: list[str] = []
    said: dict[str, list[str]] = {}
    current: list[str] | None = None
    inside, depth = "", 0
    for line in docstring.splitlines():
        indent = len(line) - len(line.lstrip())
        if line.strip().removesuffix(":") in SECTIONS and line.strip().endswith(":"):
            inside, current = line.strip()[:-1], None
            continue
        if inside and line.strip() and indent == 0:
            inside, current = "", None
        found = re.match(r"\s*(?P<names>\w+(?:, \w+)*)(?: \((?P<type>[^:]*)\))?: (?P<text>.*)", line)
        names = found["names"].split(", ") if found else []
        if found and set(names) <= known and inside in ("", "Args"):
            current, depth = [found["text"]], indent
            said |= dict.fromkeys(names, current)
        elif current is not None and line.strip() and indent > depth:
            current.append(line.strip())
        elif not inside:
            current = None
            kept.append(line)
    texts = {name: re.sub(r" Default [^:]+\.$", "", " ".join(lines)) for name, lines in said.items()}
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip(), texts


def _type(hint: Any) -> str:
    """A type as the YAML has it.

    >>> _type(typing.Literal["a", "b"]), _type(int | None), _type(list[int])
    ('a | b', 'int | null', 'list[int]')
    """
    arguments = typing.get_args(hint)
    if hint in (Strategy, RegionStrategy):
        return "{name, options}"
    if hint is type(None):
        return "null"
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(str(a).lower() if isinstance(a, bool) else str(a) for a in arguments)
    if typing.get_origin(hint) in (typing.Union, getattr(__import__("types"), "UnionType", None)):
        return " | ".join(map(_type, arguments))
    if typing.get_origin(hint) is dict:
        return "mapping"
    if arguments:
        inside = ", ".join("..." if a is Ellipsis else _type(a) for a in arguments)
        return f"{getattr(typing.get_origin(hint), '__name__', '')}[{inside}]"
    return str(getattr(hint, "__name__", hint))


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty or value == dataclasses.MISSING or value == "???":
        return "required"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_default, value))}]"
    return str(value) if value != "" else '""'


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; bars in cells are escaped, and what would be read as HTML."""
    lines = [list(head)]
    lines += [["---"] * len(lines[0])]
    lines += [[_escaped(" ".join(cell.split())).replace("|", r"\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    """Text in which `<word>` outside code is no tag, and subscripts are set; addresses in angle brackets stay."""
    parts = re.split(r"(`[^`]*`|^    .*$)", text, flags=re.MULTILINE)
    return "".join(part if part.startswith(("`", "    ")) else _set(part) for part in parts)


SUBSCRIPT = re.compile(r"(?<![A-Za-z0-9_.])(\w[\u0300-\u036f]?|max|min|mean)_(\{[^{}]*\}|[A-Z]{1,3}|\w{1,2})(?![\w_])")
"""p_c, δ_t, max_i, min_{j∈s}, L_VAE; the names of options have longer parts."""


def _set(text: str) -> str:
    text = re.sub(r"<(?!https?:)(?=\w)", "&lt;", text)
    text = re.sub(r"\^(\w|\([^()]*\))", lambda found: f"<sup>{found[1].strip('()')}</sup>", text)
    while (changed := SUBSCRIPT.sub(lambda found: f"{found[1]}<sub>{found[2].strip('{}')}</sub>", text)) != text:
        text = changed
    return text


def code(text: str) -> str:
    """Inline code; a word of options is broken at its bars."""
    return " | ".join(f"`{part}`" for part in text.split(" | ")) if text != "required" else text


def _options(options: Iterable[Option]) -> str:
    rows = [(code(o.name), code(o.type), code(o.default), o.text) for o in options]
    return table(("option", "type", "default", "meaning"), rows)


def _entry(name: str, found: Description, needs: str = "") -> str:
    said = f"*Needs:* {needs}." if needs else ""
    options = f"{said}\n\n{_options(found.options)}" if found.options else f"{said} No options.".strip()
    return f"### {name} {{ #{name} }}\n\n{_escaped(found.text)}\n\n{options}\n"


# Strategies


def _measure(name: str) -> str:
    """What a measure of uncertainty is, from its function."""
    functions: Mapping[str, Any] = {**uncertainty.SINGLE, **uncertainty.SEVERAL}
    if name not in functions:
        return "Standard deviation of depth in cm over passes or members."
    return " ".join((inspect.getdoc(functions[name]) or "").split("\n\n")[0].split())


def strategy(name: str) -> Description:
    """The description of an entry of STRATEGIES."""
    build = STRATEGIES[name]
    found = describe(build)
    if isinstance(build, partial) and build.func is UncertaintySampling:
        return Description(f"{_measure(build.args[0]).rstrip('.')}; highest mean over pixels.", found.options)
    return found


def needs(name: str) -> str:
    """What a strategy needs of the learner with its default options."""
    build = STRATEGIES[name]
    if any(p.default is inspect.Parameter.empty for p in inspect.signature(build).parameters.values()):
        return "what its two parts need"
    return _words(build().needs) or "nothing"


def strategies() -> str:
    """All built-in strategies."""
    rows = [(f"[`{name}`](#{name})", strategy(name).summary, needs(name)) for name in STRATEGIES.builtin()]
    return table(("name", "chooses", "needs"), rows)


def strategy_details(*names: str) -> str:
    """Descriptions and options of some strategies."""
    parts: list[str] = []
    for i, name in enumerate(names):
        same = next((other for other in names[:i] if STRATEGIES[other] is STRATEGIES[name]), None)
        again = f"### {name} {{ #{name} }}\n\nThe same as [`{same}`](#{same})."
        parts.append(again if same else _entry(name, strategy(name), needs(name)))
    return "\n\n".join(parts)


def measures(*names: str) -> str:
    """Measures of uncertainty as a table; they share their option."""
    anchors = "\n".join(f'<a id="{name}"></a>' for name in names)
    rows = [(f"`{name}`", _measure(STRATEGIES[name].args[0]), needs(name)) for name in names]
    return f"{anchors}\n\n{table(('name', 'map of pixels', 'needs'), rows)}\n\n{_options(strategy(names[0]).options)}"


# Learners, datasets, oracles


def learners() -> str:
    """All built-in learners, and what they provide with default options for two classes."""
    names = LEARNERS.builtin()
    given = {name: frozenset(LEARNERS[name](Task(), (64, 64)).provides) for name in names}
    every, some = frozenset.intersection(*given.values()), frozenset.union(*given.values())
    rows = [(f"[`{name}`](#{name})", describe(LEARNERS[name], ("size",)).summary) for name in names]
    lines = [f"All provide {_words(every)}."]
    for word in sorted(some - every):
        without = [name for name in names if word not in given[name]]
        lines.append(f"All but {_words(without)} provide `{word}`.")
    return f"{table(('name', 'what it is'), rows)}\n\n{' '.join(lines)}"


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in sorted(words))


def learner_details() -> str:
    """Descriptions and options of all learners."""
    return "\n\n".join(_entry(name, describe(LEARNERS[name], ("size",))) for name in LEARNERS.builtin())


def datasets() -> str:
    """All built-in datasets."""
    infos = [(name, INFO_OF[name]) for name in DATASETS.builtin()]
    rows = [(f"[`{name}`](#{name})", info.title, _linked(info.licence)) for name, info in infos]
    return table(("name", "data", "licence or terms"), rows)


def _linked(text: str) -> str:
    return re.sub(r"https?://[^\s;,)]+", lambda found: f"<{found[0]}>", text)


def dataset_details() -> str:
    """Source, terms, citation, layout and options of all datasets."""
    parts = []
    for name in DATASETS.builtin():
        info, found = INFO_OF[name], describe(DATASETS[name])
        facts = [("source", info.source), ("licence or terms", info.licence), ("citation", info.citation)]
        parts.append(
            f"## {name} {{ #{name} }}\n\n{info.title}. {_escaped(found.text)}\n\n"
            + "\n".join(f"- **{title.capitalize()}:** {_linked(text)}" for title, text in facts)
            + f'\n\n```text title="Files"\n{info.layout}\n```\n\n{_options(found.options)}'
        )
    return "\n\n".join(parts)


def oracles() -> str:
    """All built-in oracles."""
    rows = [(f"`{name}`", describe(ORACLES[name]).summary) for name in ORACLES.builtin()]
    return table(("name", "what it does"), rows)


def oracle_details() -> str:
    """Descriptions and options of the oracles that ask people."""
    return "\n\n".join(_entry(name, describe(ORACLES[name])) for name in ORACLES.builtin() if name != "simulated")


# Configuration


def _field_texts(cls: type) -> dict[str, str]:
    """The string below each field of a dataclass."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(body, ast.ClassDef)
    texts: dict[str, str] = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
            texts[field.target.id] = inspect.cleandoc(str(after.value.value))  # type: ignore[attr-defined]
    return texts


PAGES = {
    "dataset": "[Datasets](datasets.md)",
    "learner": "[Learners](learners.md)",
    "oracle": "[oracles](extend/oracle.md)",
    "strategy": "[Strategies](strategies.md)",
}
CHOSEN = {
    "name": "A built-in name, one of a plug-in, or `package.module:Name`: see {page}.",
    "options": "Options of what the name stands for: see {page}.",
}
"""What every section that is chosen by name has."""


def _rows(cls: type, prefix: str) -> Iterable[tuple[str, str, str, str]]:
    """A row a key; sections within sections are flattened."""
    texts, hints = _field_texts(cls), typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        key, hint = f"{prefix}{field.name}", hints[field.name]
        if dataclasses.is_dataclass(hint):
            yield from _rows(typing.cast(type, hint), f"{key}.")
            continue
        default = field.default
        if default is dataclasses.MISSING:
            default = field.default_factory() if field.default_factory is not dataclasses.MISSING else default
        text = texts.get(field.name) or CHOSEN.get(field.name, "").format(page=PAGES.get(prefix.removesuffix("."), ""))
        yield code(key), code(_type(hint)), code("{}" if default == {} else _default(default)), text


def configuration() -> str:
    """Every key of a configuration, section by section."""
    hints, parts = typing.get_type_hints(schema.Config), []
    head = ("key", "type", "default", "meaning")
    plain = [name for name, hint in hints.items() if not dataclasses.is_dataclass(hint)]
    rows = {row[0].strip("`"): row for row in _rows(schema.Config, "")}
    parts.append(f"## Top level\n\n{table(head, [rows[name] for name in plain])}")
    for name, hint in hints.items():
        if dataclasses.is_dataclass(hint):
            own = table(head, _rows(typing.cast(type, hint), f"{name}."))
            parts.append(f"## {name} {{ #{name} }}\n\n{inspect.getdoc(hint)}\n\n{own}")
    return "\n\n".join(parts)


# Commands, experiments, cost, public names


def commands() -> str:
    """The help of each command."""
    os.environ["COLUMNS"] = "92"
    from al_lightning.cli.main import parser

    top = parser()
    (sub,) = (action for action in top._actions if isinstance(action.choices, dict))
    said = {action.dest: action.help or "" for action in sub._choices_actions}  # type: ignore[attr-defined]
    return "\n\n".join(
        f"## {name}\n\n{said[name][:1].upper()}{said[name][1:]}.\n\n```text\n{found.format_help().rstrip()}\n```"
        for name, found in typing.cast(dict[str, Any], sub.choices).items()
    )


def experiments() -> str:
    """The shipped experiments, file by file: which paper they repeat, what of it they follow, and what is ours."""
    parts = []
    for path in catalogue.files():
        header, found = read_header(path), [experiment.name for experiment in catalogue.in_file(path)]
        ours = [f"`{name}`" for name in found if name not in header.arms]
        head = ("dataset", f"`{load([found[0]]).dataset.name}`")
        rows = [
            ("paper", header.paper),
            ("arms of its comparison", ", ".join(f"`{name}`" for name in found if name in header.arms) or "none"),
            ("follows", header.follows),
            ("ours", header.ours + (f" Experiments: {', '.join(ours)}." if ours and header.of_a_paper else "")),
        ]
        if not header.of_a_paper:
            rows[1] = ("experiments", ", ".join(ours))
        parts.append(
            f"### {path.name} {{ #{path.stem} }}\n\n{header.title}\n\n"
            + table(head, [(key, _keys_as_code(text)) for key, text in rows])
        )
    return "\n\n".join(parts)


def _keys_as_code(text: str) -> str:
    """Keys with a value, such as learner.options.gan=bce, and files as code."""
    return re.sub(r"(?<![\w`/])((?:[a-z_]+\.)+[a-z_]+=[\w-]+|(?:base/)?[a-z0-9-]+\.yaml)(?![\w`])", r"`\1`", text)


def cost_terms() -> str:
    """The terms of the cost of annotation."""
    return table(("key", "what is counted"), [(f"`cost.{term.name}`", term.meaning) for term in TERMS.values()])


def public_names() -> str:
    """What `al_lightning` exports."""
    rows = []
    for name in al_lightning.__all__:
        found = getattr(al_lightning, name)
        where = getattr(found, "__module__", "") if not isinstance(found, Mapping) else type(found).__module__
        text = "" if isinstance(found, str | Mapping) else (inspect.getdoc(found) or "").split("\n\n")[0]
        rows.append((f"`{name}`", f"`{where}`" if where and name != "__version__" else "", text or _of_table(name)))
    return table(("name", "defined in", "what it is"), rows)


def _of_table(name: str) -> str:
    return "The version." if name == "__version__" else f"Table of all {name.lower()}, built in and of plug-ins."


def modules(room: str) -> str:
    """Marks of mkdocstrings for all modules of a room."""
    folder = Path(al_lightning.__file__).parent / room
    names = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    return "\n\n".join(f"::: al_lightning.{room}.{name}" for name in names)


GENERATORS: dict[str, Callable[..., str]] = {
    "commands": commands,
    "configuration": configuration,
    "cost-terms": cost_terms,
    "dataset-details": dataset_details,
    "datasets": datasets,
    "experiments": experiments,
    "learner-details": learner_details,
    "learners": learners,
    "measures": measures,
    "modules": modules,
    "oracles": oracles,
    "oracle-details": oracle_details,
    "public-names": public_names,
    "strategies": strategies,
    "strategy": strategy_details,
}
"""Name of a mark -> what takes its words and gives Markdown."""
