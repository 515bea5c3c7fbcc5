"""What a format does with what JSON has and a document has not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policies:
    """Each is a word, or a word, a colon and a text; the meaning of each: `workers.settings.policies.POLICIES`."""

    field_names: str = "reject"
    empty_names: str = "reject"
    big_integers: str = "reject"
    decimals: str = "double"
    nan: str = "reject"
    bom: str = "reject"
    duplicate_names: str = "reject"
    id_field: str = "reject"
    not_an_object: str = "reject"
    surrogates: str = "reject"

    @property
    def new_id_name(self) -> str:
        """The name under which a value's own `_id` is stored; empty: it is not."""
        return self.id_field.partition(":")[2]

    @property
    def wrapping_name(self) -> str:
        """The name of the field into which a value goes that is no object; empty: into none."""
        return self.not_an_object.partition(":")[2]

    @property
    def may_grow(self) -> bool:
        """Whether a name, or a number, may take more bytes than without any policy."""
        return self.field_names.startswith(("escape", "replace")) or self.decimals != "double"


NO_POLICY = Policies()
