"""Everything that can go wrong, as one tree.

The exit code beside a class is the command's (`trailhound.cli.exit_codes` decides).

Each error says what happened and to which object (`message`), and what to do next (`hint`).
Whoever catches one shows both; a traceback is shown by `--debug` alone.

    TrailhoundError
    ├── UsageError                  usage error: a flag, a path, a combination         exit 2
    │   └── SettingsError           a setting that is missing, unknown or malformed
    ├── UnusablePathError           a file that is there and can't be read or written  exit 1
    ├── RuleError                   a Sigma rule: malformed, or not supported        exit 2
    ├── ClusterError                the cluster did not carry out a request         exit 3
    │   ├── ClusterUnreachableError no answer: wrong address, down, TLS, time-out
    │   ├── AccessDeniedError       401 or 403: names the permission that is missing
    │   ├── ClusterBlockedError     it can't write: full disk, shard limit, closed index
    │   ├── ForeignTemplateError    the template that applies is not ours, or is out of date
    │   └── RequestFailedError      any other refusal, with the cluster's own reason
    │       ├── ClusterBusyError    it has too much to do, or too little memory for it
    │       └── MissingIndexError   an index that does not exist                     exit 2
    ├── DashboardsError             OpenSearch Dashboards or Kibana refused          exit 3
    │   ├── DashboardsUnreachableError
    │   └── DashboardsRefusedError  it refuses: login, permission, an unknown object
    ├── EngineError                 the local engine                                 exit 3
    │   ├── PortInUseError
    │   ├── ArtifactsUnavailableError
    │   ├── DiskFullError
    │   └── EngineStartError        it started and stopped, or never became ready
    ├── SourceError                 a place trail files come from                    exit 1
    │   ├── SourceUnreachableError  the bucket or folder as a whole
    │   │   ├── SourceNotFoundError it does not exist                                exit 2
    │   │   ├── ListingDeniedError  it may not be listed
    │   │   ├── FoldersDeniedError  some of its folders may not be listed; the others were
    │   │   └── BucketNotFoundError the bucket of an object does not exist
    │   ├── ObjectAccessDeniedError one object, permission
    │   │   └── ObjectArchivedError it is in an archive tier, to be restored first
    │   ├── ObjectNotFoundError     one object, deleted between list and get
    │   ├── ObjectUnreadableError   one object, any other fault of fetching it
    │   └── NotCloudTrailError      one object that holds something else: skipped, no fault
    ├── TrailFileError              the bytes of one file                            exit 1
    │   ├── NotATrailFileError      not JSON of any shape that holds CloudTrail records
    │   ├── CorruptFileError        gzip or JSON that ends early or is damaged
    │   └── FileTooLargeError       over the limit on uncompressed size
    ├── RecordError                 one record that cannot become a document         exit 1
    ├── SpoolError                  the spool folder can't be written                exit 1
    ├── NotifyError                 a message that a channel did not accept          exit 1
    ├── GeoDatabaseError            a GeoIP database that cannot be read (a warning)
    ├── ThreatListError             a threat list that cannot be read (a warning)
    ├── ReportError                 a report that can't be made                      exit 1
    │   ├── BrowserNotFoundError    no Chromium to print a PDF with
    │   ├── LibraryNotFoundError    no graph library for an interactive page
    │   └── MailError               the mail server can't be reached, or refused
    ├── NoEventsIndexError          there is no daily index to search                exit 2
    ├── AwsError                    AWS refused a call, or did not answer            exit 1
    └── AccountingError             read ≠ indexed + duplicates + dead-lettered + filtered  exit 1
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType


class TrailhoundError(Exception):
    """The root: one sentence on what happened, one on what to do.

    >>> error = UsageError("--since is after --until", hint="swap the two dates")
    >>> str(error), error.hint
    ('--since is after --until', 'swap the two dates')
    """

    known: Mapping[str, object] = MappingProxyType({})
    """What a command knows all the same: members beside `error` of the object for programs."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def with_hint(self) -> str:
        """Both sentences, for a list of failures."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(TrailhoundError):
    """A usage error of a command: a flag, a path, a combination."""


class SettingsError(UsageError):
    """A setting that is missing, unknown or malformed."""


class UnusablePathError(TrailhoundError):
    """A file or folder that is there and can't be read or written."""


class RuleError(TrailhoundError):
    """A Sigma rule that is malformed, or needs something that is not supported."""


class ClusterError(TrailhoundError):
    """The cluster did not carry out a request."""


class ClusterUnreachableError(ClusterError):
    """No answer: wrong address, cluster down, TLS refused, time-out."""


class AccessDeniedError(ClusterError):
    """401 or 403. The message names the missing permission where the cluster does."""


class ClusterBlockedError(ClusterError):
    """The cluster answers but cannot write: full disk, shard limit, closed or read-only index."""


class ForeignTemplateError(ClusterError):
    """The index template that would apply is not Trailhound's, or is out of date."""


class RequestFailedError(ClusterError):
    """Any other refusal, with the cluster's own reason. `status` is the HTTP status."""

    def __init__(self, message: str, *, hint: str = "", status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class ClusterBusyError(RequestFailedError):
    """It has too much to do, or too little memory for a request beside others: asked again later,
    it may carry it out."""


class MissingIndexError(RequestFailedError):
    """An index does not exist: before `trailhound init`, or under another namespace."""


class DashboardsError(TrailhoundError):
    """OpenSearch Dashboards or Kibana did not carry out a request."""


class DashboardsUnreachableError(DashboardsError):
    """No answer: wrong address, down, TLS refused, time-out."""


class DashboardsRefusedError(DashboardsError):
    """It answers and refuses: login, permission, an unknown address or object."""


class EngineError(TrailhoundError):
    """The local engine."""


class PortInUseError(EngineError):
    """Something else listens where the engine would."""


class ArtifactsUnavailableError(EngineError):
    """The engine's jars or its JVM are not available."""


class DiskFullError(EngineError):
    """Too little disk for the engine's data."""


class EngineStartError(EngineError):
    """The engine stopped by itself, or never became ready."""


class SourceError(TrailhoundError):
    """A place that trail files come from."""


class SourceUnreachableError(SourceError):
    """A bucket or folder as a whole: denied, wrong region, no answer."""


class SourceNotFoundError(SourceUnreachableError):
    """A bucket, folder, file or queue that does not exist: a wrong name was given."""


class ListingDeniedError(SourceUnreachableError):
    """A bucket, or a folder of it, that may not be listed."""


class FoldersDeniedError(SourceUnreachableError):
    """Folders of a bucket that may not be listed, raised once all the others have been.

    `folders` has what was said of each, by its `s3://bucket/folder/`.
    """

    def __init__(self, folders: Mapping[str, ListingDeniedError]) -> None:
        first = next(iter(folders.values()))
        more = f"; of {len(folders) - 1:,} more of its folders too" if len(folders) > 1 else ""
        super().__init__(first.message + more, hint=first.hint)
        self.folders = dict(folders)


class BucketNotFoundError(SourceUnreachableError):
    """The bucket in which an object is said to lie does not exist."""


class ObjectAccessDeniedError(SourceError):
    """One object that may not be read."""


class ObjectArchivedError(ObjectAccessDeniedError):
    """One object in an archive tier of S3: it can be read once it is restored."""


class ObjectNotFoundError(SourceError):
    """One object that was deleted between listing and fetching."""


class ObjectUnreadableError(SourceError):
    """One object that could not be fetched for any other reason."""


class NotCloudTrailError(SourceError):
    """One object that holds something else than CloudTrail records; `kind` says what."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class TrailFileError(TrailhoundError):
    """The bytes of one file."""


class NotATrailFileError(TrailFileError):
    """Not JSON of any shape that holds CloudTrail records.

    `kind` is what it is instead (`CSV`, `digest`, …), empty where it may be a damaged trail file.
    """

    def __init__(self, message: str, *, hint: str = "", kind: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


class CorruptFileError(TrailFileError):
    """Gzip or JSON that ends early, or is damaged."""


class FileTooLargeError(TrailFileError):
    """Over the limit on uncompressed size."""


class RecordError(TrailhoundError):
    """One record that cannot become a document; it goes to the dead letters.

    `reason` is a short code to count by, such as `bad_event_time`.
    """

    def __init__(self, message: str, *, hint: str = "", reason: str = "record") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class SpoolError(TrailhoundError):
    """The spool, which takes the records that the dead-letter index refuses, can't be written."""


class NotifyError(TrailhoundError):
    """A message that a channel did not accept. It names the channel, never its address."""


class GeoDatabaseError(TrailhoundError):
    """A GeoIP database that cannot be read: a warning; events are indexed without geolocation."""


class ThreatListError(TrailhoundError):
    """A threat list, the file `path`, that cannot be read: a warning; it is not used."""

    def __init__(self, message: str, *, path: Path, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class ReportError(TrailhoundError):
    """A report that can't be made, or not sent."""


class BrowserNotFoundError(ReportError):
    """No Chromium to print a PDF with."""


class LibraryNotFoundError(ReportError):
    """The graph library of the interactive pages is not installed."""


class MailError(ReportError):
    """The mail server can't be reached, or refused the mail."""


class NoEventsIndexError(TrailhoundError):
    """There is no daily index, so nothing can be searched: another namespace, or no events yet."""


class AccountingError(TrailhoundError):
    """The counting identity does not hold: a bug, or a count that was lost."""


class AwsError(TrailhoundError):
    """AWS refused a call that sets up or checks the trail's side, or did not answer."""
