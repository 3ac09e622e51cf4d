"""Tables of the names that a configuration can use: built-in entries, plug-ins, and the user's own modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from al_lightning.config.schema import ConfigError, nearest

T = TypeVar("T")


class Table(Mapping[str, Callable[..., T]], Generic[T]):
    """name -> what builds it; the parameters are the options of the YAML.

    A name is one of the entries, an entry point in the group "al_lightning.<kind>s" of an installed package, or
    "package.module:Name", which is imported. Iteration is over the entries and the entry points.

    Args:
        kind: "strategy", "learner", "dataset" or "oracle"; its plural is the group of the entry points.
        entries: the built-in ones, each what builds it or "package.module:Name", which is imported when it is used.

    Example:
        >>> table = Table("strategy", {"one": lambda: 1})
        >>> table["one"](), table.group, "package.module:Name" in table
        (1, 'al_lightning.strategies', True)
    """

    def __init__(self, kind: str, entries: Mapping[str, Callable[..., T] | str]) -> None:
        self.kind = kind
        self._entries: dict[str, Callable[..., T] | str] = dict(entries)

    @property
    def group(self) -> str:
        """Group of the entry points."""
        plural = f"{self.kind[:-1]}ies" if self.kind.endswith("y") else f"{self.kind}s"
        return f"al_lightning.{plural}"

    def builtin(self) -> tuple[str, ...]:
        """Names of the built-in entries, without plug-ins."""
        return tuple(self._entries)

    def place(self, name: str) -> str | None:
        """Where a built-in entry is, "package.module:Name", without importing it; None for anything else."""
        entry = self._entries.get(name)
        return entry if isinstance(entry, str) else None

    def __getitem__(self, name: str) -> Callable[..., T]:
        """What builds `name`.

        Raises:
            ConfigError: there is no such name (also a KeyError), or it cannot be imported.
        """
        entry = self._entries.get(name)
        if isinstance(entry, str):
            return self._load(name, EntryPoint(name, entry, self.group))
        if entry is not None:
            return entry
        if ":" in name:
            return self._load(name, EntryPoint(name, name, self.group))
        point = self._points().get(name)
        if point is None:
            raise UnknownName(f"{self.kind}.name={name!r}: no such {self.kind}{nearest(name, self)}")
        return self._load(name, point)

    def __setitem__(self, name: str, build: Callable[..., T]) -> None:
        """Add an entry for this process only: a run that uses it can be resumed only by code that adds it too. The name
        "package.module:Name" in the configuration needs no such code."""
        self._entries[name] = build

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._entries
        yield from (name for name in self._points() if name not in self._entries)

    def __len__(self) -> int:
        return len(set(self._entries) | set(self._points()))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (":" in name or name in self._entries or name in self._points())

    def _points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def _load(self, name: str, point: EntryPoint) -> Callable[..., T]:
        where = f"{self.kind}.name={name!r}"
        module, _, attribute = point.value.partition(":")
        if not module or not attribute:
            raise ConfigError(f"{where}: expected package.module:Name")
        try:
            found: Any = import_module(module)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if module == missing or module.startswith(f"{missing}."):
                raise ConfigError(
                    f"{where}: there is no module {missing!r}; install its package, or run in the folder that holds it"
                ) from None
            raise
        try:
            for step in attribute.split("."):
                found = getattr(found, step)
        except AttributeError:
            raise ConfigError(
                f"{where}: module {module} has no {attribute!r}{nearest(attribute, vars(found))}"
            ) from None
        if not callable(found):
            raise ConfigError(f"{where}: expected a class or a function, got {type(found).__name__}")
        build: Callable[..., T] = found
        return build


class UnknownName(ConfigError, KeyError):
    """No entry of that name."""

    __str__ = ConfigError.__str__
