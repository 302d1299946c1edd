"""Whether an installation, or one daemon of it, is ready: the one type that says so.

`/readyz`, the metrics, `trailhound status`, `doctor` and the checklist take it from here. It is
made of reasons, and has no default: who makes one has read the reasons, or says by `not_known` why
they could not be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from trailhound.errors import ClusterUnreachableError, TrailhoundError


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an installation is not ready. `code` is a word to select by, `subject` what it is about
    (a source, a thread, a job, a rule, a channel), `message` a sentence."""

    code: str
    subject: str
    message: str

    @property
    def advice(self) -> str:
        """What to do."""
        return ADVICE.get(self.code, "see the daemon's log")

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


ADVICE = {
    "cluster": "check the cluster and cluster.hosts; the daemon continues by itself",
    "state": "check the cluster's health, and run `trailhound init`",
    "document": "delete it from the ledger index; it will be written again",
    "template": "run `trailhound init`, and see `trailhound doctor`; look through days that were "
    "created meanwhile",
    "ledger": "restore the index from a snapshot if there is one; else run `trailhound detect` "
    "over the days that rules may have missed and `trailhound reconcile` of each source; then "
    "restart the daemons",
    "day": "if it is not Trailhound's, run `trailhound init`, rename or delete it, and run "
    "`trailhound retry-deadletters`; then `trailhound reconcile SOURCE --repair` of each source, "
    "and restart the daemons",
    "clock": "synchronize both by NTP; for events of the time until then run `trailhound detect`",
    "thread": "see the daemon's log for the fault, and report it if it recurs",
    "session": "see the daemon's log, and report it",
    "stuck": "see the daemon's log; restart the daemon to return the object to its source",
    "deferred": "free disk space or fix the spool's permissions; it continues by itself",
    "feed": "check that the source exists and can be read; it continues by itself",
    "source": "restart the daemons, or start one with these settings: SIGHUP changes no source",
    "folder": "grant s3:ListBucket for it, then run the same `trailhound backfill` again; all of "
    "them: `trailhound ledger list --state denied`; for one that is not wanted `trailhound ledger "
    "gone FOLDER`",
    "refused": "see `trailhound deadletters list` and `trailhound ledger list`; correct what "
    "refuses them, such as a mapping or template that was changed to dynamic: strict; then "
    "`trailhound retry-deadletters`",
    "settings": "fix the settings file and send SIGHUP again",
    "enrichment": "fix the file or its path in the settings and send SIGHUP; "
    "see `trailhound doctor`",
    "rules": "fix the rules or the settings and send SIGHUP; what can be read again is loaded by "
    "itself",
    "daemon": "start one: `trailhound run`",
    "release": "run the same release of Trailhound on every machine, and restart the daemon",
    "leader": "start a daemon whose settings ask for it, or switch it off in these; where one is "
    "running, see its log: it does not get the lease",
    "disk": "free disk space on the cluster's nodes, or add one: the cluster then lifts its "
    "blocks, and the daemon continues by itself",
    "blocked": "remove the index's block or open it; the daemons continue by themselves",
    "deadletter": "remove the index's block or open it; the daemon continues by itself",
    "job": "see the daemon's log; the job is tried again at its next time",
    "rule": "`trailhound rules check`, and see the daemon's log",
    "channel": "`trailhound notify test`",
    "stopping": "nothing: SIGTERM was received, and it ends once its objects are done",
}
"""What to do, by code."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Ready if there is no reason why not. What is not known is a reason."""

    reasons: tuple[Reason, ...]

    @classmethod
    def not_known(cls, error: TrailhoundError) -> Readiness:
        """Not ready, since the state could not be read."""
        code = "cluster" if isinstance(error, ClusterUnreachableError) else "state"
        return cls((Reason(code, "cluster", error.message),))

    def joined(self, more: Iterable[Reason]) -> Readiness:
        """With more reasons."""
        return Readiness((*self.reasons, *more))

    @property
    def ready(self) -> bool:
        return not self.reasons

    def as_dict(self) -> dict[str, Any]:
        """As `status --json` and `/readyz` name it."""
        return {"ready": self.ready, "reasons": [each.as_dict() for each in self.reasons]}
