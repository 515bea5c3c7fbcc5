"""What the policies change about plain values: names that are stored as others, and numbers that are not doubles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.formats.names import renaming
from workers.types import RejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.formats.policies import Policies

    Fields = dict[str, Any]


class PlainRules(NamedTuple):
    """See `workers.formats.plain_json`. The strict way has the same rules; what it would reject is not plain."""

    rename: Callable[[str], str] | None
    new_id_name: str
    has_doubles: bool
    """Whether a number with a fraction is a double. If not, a value that has one is not plain."""

    @classmethod
    def of(cls, policies: Policies) -> PlainRules | None:
        """None: the policies change nothing about plain values."""
        # Half of a surrogate pair needs a backslash, and so is in no plain value.
        rename = renaming(replace(policies, surrogates="reject"))
        rules = cls(rename, policies.new_id_name, policies.decimals == "double")
        return None if rules == (None, "", True) else rules

    def renamed(
        self, names: set[str], objects: Sequence[Fields], *, outermost: bool
    ) -> list[tuple[Fields, Fields]] | None:
        """The objects that have fields of other names in the document, and their fields then; None: one is not plain.

        The objects are not changed: whether a value is plain is not known before all of it was looked at.

        Args: names: all names of these objects.
        """
        changed: dict[str, str] = {}
        if outermost and self.new_id_name and "_id" in names:
            changed["_id"] = self.new_id_name
        for name in names:
            if not name.isidentifier() and (new := self._new_name(name)) != name:
                if new is None:
                    return None
                changed[name] = new
        if outermost and "_id" in names - changed.keys() | {*changed.values()}:
            return None
        if not changed:
            return []
        found = []
        for each in objects:
            if not changed.keys().isdisjoint(each):
                fields = {changed.get(name, name): value for name, value in each.items()}
                if len(fields) != len(each):
                    return None
                found.append((each, fields))
        return found

    def _new_name(self, name: str) -> str | None:
        if self.rename is None:
            return name if name and name[0] != "$" and "." not in name else None
        try:
            return self.rename(name)
        except RejectedError:
            return None
