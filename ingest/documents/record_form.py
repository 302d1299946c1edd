"""Whether a JSON object is a CloudTrail record at all, and not another service's message.

A record has `eventTime` (without it there is no day to index by) and `eventName` or `eventSource`
as CloudTrail writes them. S3 event notifications, which copies of many log buckets contain, have
all three: `aws:s3`, `ObjectCreated:Put` ("Event message structure", Amazon S3 User Guide), as have
the records that Lambda gets of SQS, SNS, SES and DynamoDB (`aws:sqs`, …).
"""

from __future__ import annotations

from enrich.view import RecordView
from trailhound.errors import RecordError

_INSIGHT = "AwsCloudTrailInsight"
"""An Insight event names its call in `insightDetails` only ("CloudTrail record contents for
Insights events", AWS CloudTrail User Guide)."""


def require_form(view: RecordView) -> None:
    """Raise `RecordError` with reason `not_cloudtrail` for what is no CloudTrail record.

    >>> require_form(RecordView(eventSource="aws:s3", eventName="ObjectCreated:Put"))
    Traceback (most recent call last):
    trailhound.errors.RecordError: an event of aws:s3, which is not CloudTrail's
    """
    source, name = view.eventSource or "", view.eventName or ""
    if ":" in source:
        raise _refused(f"an event of {source[:80]}, which is not CloudTrail's")
    if not (source or (name and ":" not in name) or view.eventType == _INSIGHT):
        raise _refused(
            "the record has neither an eventSource nor an eventName in CloudTrail's form"
        )


def _refused(message: str) -> RecordError:
    return RecordError(
        message,
        hint="remove the file from the source if it is not a CloudTrail log file",
        reason="not_cloudtrail",
    )
