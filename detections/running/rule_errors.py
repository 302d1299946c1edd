"""What keeps one rule from running, and none of the others: over an interval, over history, in a
backtest.
"""

from __future__ import annotations

import logging

from opensearchpy import OpenSearch

from detections.rule import Rule
from trailhound.cluster.client import answers
from trailhound.errors import ClusterUnreachableError, TrailhoundError
from trailhound.internal_errors import internal_error, is_internal

LOG = logging.getLogger("trailhound.detections")


def rule_error(client: OpenSearch, rule: Rule, error: Exception) -> TrailhoundError | None:
    """The error of a rule whose evaluation raised `error`; a fault of the program is logged.

    None where it is not of this rule alone, and the caller raises it: the cluster does not answer
    at all, or the memory is used up.
    """
    if isinstance(error, ClusterUnreachableError) and not answers(client):
        return None
    if isinstance(error, TrailhoundError):
        return error
    if not is_internal(error):
        return None
    fault = internal_error(error)
    LOG.error("%s: %s", rule.labelled, fault.message, exc_info=error)
    return fault
