"""How long to wait after a failure: twice as long after each further one, up to a limit, at random.

Whatever tries something again asks here: the cluster, feeds, queues, channels, threads, downloads.
What decides whether to try again is beside each of them (`trailhound.cluster.retry_policy`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """From `first` seconds after one failure to `longest` seconds."""

    first: float
    longest: float

    def at_most(self, failures: int) -> float:
        """Seconds after this many failures in a row, without the random part.

        >>> [Backoff(1.0, 60.0).at_most(failures) for failures in (1, 2, 3, 100)]
        [1.0, 2.0, 4.0, 60.0]
        """
        return min(self.longest, self.first * 2.0 ** min(max(failures - 1, 0), _DOUBLINGS))

    def seconds(self, failures: int) -> float:
        """From half of `at_most` to all of it, so that those who failed together part."""
        return random.uniform(0.5, 1.0) * self.at_most(failures)
