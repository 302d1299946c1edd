"""A document of the ledger index as a typed value.

Every class has its own `kind`, which is stored, and its own prefix of `_id`s, so that no two kinds
can be confused. A class is a frozen `msgspec.Struct`, whose fields are stored. Fields that a class
does not know are ignored, so that later releases can add some.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import msgspec

from trailhound.errors import TrailhoundError


class StateDocumentError(TrailhoundError):
    """A document lacks a field of its kind, or has it with another type."""


class StateDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all kinds.

    `legacy_state` is the value of `state` by which releases without `kind` distinguished documents.
    It is written for one more release, so that daemons of such a release find their documents. It
    is empty if they must not find the document, or if the class has a field `state`.
    """

    kind: ClassVar[str]
    id_prefix: ClassVar[str] = ""
    legacy_state: ClassVar[str] = ""
    key_field: ClassVar[str] = ""
    """The field that releases without `kind` stored only in the `_id`."""

    @property
    def key(self) -> str:
        """The document's name, unique in its kind."""
        raise NotImplementedError

    @property
    def identifier(self) -> str:
        """Its `_id`."""
        return self.id_prefix + self.key

    def document(self) -> dict[str, Any]:
        """The stored form; times in ISO 8601."""
        made: dict[str, Any] = {"kind": self.kind}
        if self.legacy_state:
            made["state"] = self.legacy_state
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return made | fields

    def over(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """The stored form in place of an earlier one, of which the fields stay that the class does
        not know, such as those of a later release."""
        known = self.__struct_fields__
        return {
            name: value for name, value in stored.items() if name not in known
        } | self.document()

    @classmethod
    def parse(cls, identifier: str, source: Mapping[str, Any]) -> Self:
        """A stored document in the current form or that of the last release.

        Raises `StateDocumentError` if a field is missing or has another type.
        """
        try:
            fields = cls.upgraded(source)
            if cls.key_field and not fields.get(cls.key_field):
                fields = {**fields, cls.key_field: identifier.removeprefix(cls.id_prefix)}
            return msgspec.convert(fields, cls)
        except msgspec.ValidationError as error:
            raise StateDocumentError(
                f"the document {identifier} is not a valid {cls.kind}: {error}",
                hint="delete it from the ledger index; it will be written again",
            ) from None

    @classmethod
    def upgraded(cls, source: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields of a document of the last release, under the current names."""
        return source

    @classmethod
    def legacy_query(cls) -> dict[str, Any] | None:
        """A query for documents of this kind from the last release; None if it did not have the
        kind."""
        return {"term": {"state": cls.legacy_state}} if cls.legacy_state else None

    @classmethod
    def query(cls) -> dict[str, Any]:
        """A query for all documents of this kind, in the current form and that of the last
        release."""
        today: dict[str, Any] = {"term": {"kind": cls.kind}}
        before = cls.legacy_query()
        if before is None:
            return today
        unmigrated = {"bool": {"filter": [before], "must_not": [{"exists": {"field": "kind"}}]}}
        return {"bool": {"should": [today, unmigrated], "minimum_should_match": 1}}
