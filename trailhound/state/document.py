"""A document of the ledger index as a typed value.

Every class names its own `kind`, which is stored, and its own prefix of `_id`s: no two kinds can
be confused. A class is a frozen `msgspec.Struct`; its fields are what is stored.
Fields that a document has and its class does not are ignored, so that a later release may add some.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import msgspec

from trailhound.errors import TrailhoundError


class StateDocumentError(TrailhoundError):
    """A document that does not have the fields of its kind."""


class StateDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all kinds.

    `legacy_state` is the value of `state` by which releases before `kind` distinguished documents.
    It is still written for one release, so that a daemon of such a release finds what it reads;
    empty where such a daemon must not find the document, or where the class has `state` as a field.
    """

    kind: ClassVar[str]
    id_prefix: ClassVar[str] = ""
    legacy_state: ClassVar[str] = ""
    key_field: ClassVar[str] = ""
    """The field that releases before `kind` kept in the `_id` alone."""

    @property
    def key(self) -> str:
        """The document's name, unique in its kind."""
        raise NotImplementedError

    @property
    def identifier(self) -> str:
        """Its `_id`."""
        return self.id_prefix + self.key

    def document(self) -> dict[str, Any]:
        """As it is stored; times in ISO 8601."""
        made: dict[str, Any] = {"kind": self.kind}
        if self.legacy_state:
            made["state"] = self.legacy_state
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return made | fields

    @classmethod
    def parse(cls, identifier: str, source: Mapping[str, Any]) -> Self:
        """A stored document, in today's form or that of the last release.

        Raises `StateDocumentError` where it lacks a field or has one of another type.
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
        """The fields of a document of the last release under today's names."""
        return source

    @classmethod
    def legacy_query(cls) -> dict[str, Any] | None:
        """Finds what the last release wrote of this kind; None where it had no such kind."""
        return {"term": {"state": cls.legacy_state}} if cls.legacy_state else None

    @classmethod
    def query(cls) -> dict[str, Any]:
        """Finds all of this kind, in today's form and in that of the last release."""
        today: dict[str, Any] = {"term": {"kind": cls.kind}}
        before = cls.legacy_query()
        if before is None:
            return today
        unmigrated = {"bool": {"filter": [before], "must_not": [{"exists": {"field": "kind"}}]}}
        return {"bool": {"should": [today, unmigrated], "minimum_should_match": 1}}
