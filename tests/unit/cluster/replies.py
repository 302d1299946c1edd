"""Replies of an engine."""

from __future__ import annotations

NO_MEMORY = {
    "error": {
        "root_cause": [],
        "type": "search_phase_execution_exception",
        "reason": "",
        "caused_by": {
            "type": "circuit_breaking_exception",
            "reason": "[parent] Data too large, data for [<agg [names]>] would be [977.3mb]",
        },
    },
    "status": 500,
}
"""As an aggregation of many days has it, whose shards answered: not a 429."""
