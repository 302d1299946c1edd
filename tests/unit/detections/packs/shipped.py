"""The pack that ships, as the tests read it: one `Shipped` for each rule that raises alerts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

import detections
from detections.samples import Samples, read_samples

RULES = Path(detections.__file__).parent / "rules"
OWN_KINDS = ("new_terms", "anomaly", "impossible_travel")
Document = dict[str, Any]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Shipped:
    """One file: `main` raises alerts, `parts` serve it alone."""

    file: Path
    main: Document
    parts: tuple[Document, ...]

    def __str__(self) -> str:
        return self.file.relative_to(RULES).with_suffix("").as_posix()

    @property
    def folder(self) -> str:
        return self.file.parent.name

    @property
    def own(self) -> dict[str, Any]:
        """What stands under `trailhound:`."""
        return dict(self.main.get("trailhound") or {})

    @property
    def plain(self) -> bool:
        """Whether one event decides."""
        return "detection" in self.main and not any(kind in self.own for kind in OWN_KINDS)

    @cached_property
    def detections(self) -> tuple[Document, ...]:
        """The `detection:` of the rule itself and of its parts."""
        return tuple(
            document["detection"]
            for document in (self.main, *self.parts)
            if "detection" in document
        )

    @cached_property
    def samples(self) -> Samples:
        return read_samples(self.file)


@lru_cache(maxsize=1)
def shipped() -> tuple[Shipped, ...]:
    """All rules of the pack."""
    files = (file for file in RULES.rglob("*.yml") if not file.stem.endswith(".samples"))
    return tuple(_one(file) for file in sorted(files))


def _one(file: Path) -> Shipped:
    documents = list(yaml.load_all(file.read_text("utf-8"), _Loader))
    serving = set(_referenced(documents))
    mains = [each for each in documents if each.get("name") not in serving]
    assert len(mains) == 1, f"{file}: one rule a file raises alerts"
    return Shipped(file, mains[0], tuple(each for each in documents if each is not mains[0]))


def _referenced(documents: list[Document]) -> Iterator[str]:
    for document in documents:
        yield from document.get("correlation", {}).get("rules", ())
