"""Parameters that many requests share: which indices they are about, and that a search fails where
a shard does.

They are text, as a URL has them; the engine reads them the same way in the header of one search of
several (`_msearch`).
"""

from __future__ import annotations

from typing import Final

OF_WHAT_IS_THERE: Final = {"ignore_unavailable": "true", "allow_no_indices": "true"}
"""Ignores indices that do not exist or are closed."""
CLOSED_TOO: Final = {**OF_WHAT_IS_THERE, "expand_wildcards": "all"}
"""A pattern stands for closed and hidden indices too."""
NO_PART: Final = {"allow_partial_search_results": "false"}
"""A search fails where a shard does."""
WHOLE: Final = {**NO_PART, **OF_WHAT_IS_THERE}
"""A search of the indices that are there: the whole of it, or a failure."""
