"""Reading a trail file: bytes as stored in, record slices out."""

from ingest.reading.chunk import Chunk, Fault, ReadLimits
from ingest.reading.reader import TrailReader
from ingest.reading.sanitize import sanitize

__all__ = ["Chunk", "Fault", "ReadLimits", "TrailReader", "sanitize"]
