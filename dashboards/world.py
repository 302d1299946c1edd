"""The shapes of the world's countries, so that a map draws without a tile server.

`world.json` is TopoJSON (object `countries`): Natural Earth's Admin 0 countries at 1:110m, version
4.1.0, which are in the public domain, as the npm package `world-atlas` 2.0.2 packages them;
simplified, Antarctica left out. A country's `id` is its ISO 3166-1 alpha-2 code, which is what
`geolocation.country_code` holds (`XK` for Kosovo; Northern Cyprus and Somaliland have none).
Countries too small for the scale, such as Singapore, have no shape: a map needs a mark for them.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("world.json")


@cache
def topology() -> dict[str, Any]:
    """The TopoJSON, as it is embedded in a Vega specification.

    >>> topology()["objects"]["countries"]["geometries"][0]["properties"]["name"]
    'Afghanistan'
    """
    loaded: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded
