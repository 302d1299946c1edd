"""Rules written by hand, in a folder of the test's own, and the pack that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detections.packs.loading import load_paths
from detections.packs.pack import Pack
from trailhound.settings import DetectionSettings

IDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(10)]


def text(number: int = 1, **changes: str) -> str:
    parts = {
        "title": f"Rule {number}",
        "id": IDS[number],
        "logsource": "{product: aws, service: cloudtrail}",
        "detection": "{s: {eventName: DeleteTrail}, condition: s}",
        "level": "high",
    }
    return "".join(f"{key}: {value}\n" for key, value in (parts | changes).items() if value)


def pack(tmp_path: Path, *documents: str, **settings: Any) -> Pack:
    (tmp_path / "rules").mkdir(exist_ok=True)
    (tmp_path / "rules" / "a.yml").write_text("---\n".join(documents), encoding="utf-8")
    return load_paths([tmp_path / "rules"], DetectionSettings(**settings))


GOOD = text(1, title="Good")


def written(folder: Path, text: str, name: str = "a.yml") -> Path:
    file = folder / name
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text(text, "utf-8")
    return file
