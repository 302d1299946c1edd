"""Reading a trail file: bytes as stored in, record slices out."""

from ingest.reading.chunk import Chunk, Fault, ReadLimits
from ingest.reading.mend import mend
from ingest.reading.reader import TrailReader

__all__ = ["Chunk", "Fault", "ReadLimits", "TrailReader", "mend"]
