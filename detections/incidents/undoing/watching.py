"""What calls leave behind by which logs, detection and alarms were weakened."""

from __future__ import annotations

from typing import Final

from detections.incidents.undoing.rows import BUCKET, ID, PATH, TRAIL, Rows, Undo, Value, on_bus

_TRAIL: Final = Value("request.name request.trailName", TRAIL)
_STORE: Final = Value("request.eventDataStore", TRAIL)
_DETECTOR: Final = Value("request.detectorId response.detectorId", ID)


def _list(call: str, what: str, option: str, member: str) -> Rows:
    """A list of GuardDuty, whose addresses or entities raise no finding, or false ones."""
    return {
        ("guardduty", f"{verb}{call}"): (
            Undo(
                "list",
                f"delete the {what} ({{0}})",
                (Value(f"response.{member} request.{member}", ID), _DETECTOR),
                f"guardduty delete-{option} --{option}-id {{0}} --detector-id {{1}}",
                outsider="request.location",
                way="it is read from",
                first=True,
            ),
        )
        for verb in ("Create", "Update")
    }


def _words(service: str, thing: str, value: Value, **calls: str) -> Rows:
    """Calls after which only words help, since the event does not have what was before."""
    return {
        (service, call): (Undo(thing, what, (value,), first=True),) for call, what in calls.items()
    }


WATCHING: Final[Rows] = {
    ("cloudtrail", "StopLogging"): (
        Undo(
            "logging",
            "start the trail {0} again",
            (_TRAIL,),
            "cloudtrail start-logging --name {0}",
            first=True,
        ),
    ),
    **_words(
        "cloudtrail",
        "trail",
        _TRAIL,
        DeleteTrail="make the trail {0} anew: it was deleted, and logs nothing since",
        PutEventSelectors="put the former event selectors of the trail {0} back: what it logs was "
        "changed",
        PutInsightSelectors="put the former insight selectors of the trail {0} back",
    ),
    ("cloudtrail", "UpdateTrail"): (
        Undo(
            "trail",
            "put the former settings of the trail {0} back; it delivers to the bucket {1}",
            (_TRAIL, Value("request.s3BucketName", BUCKET)),
            outsider="request.s3BucketName",
            first=True,
        ),
        Undo(
            "trail",
            "put the former settings of the trail {0} back",
            (_TRAIL,),
            fallback=True,
            first=True,
        ),
    ),
    ("cloudtrail", "StopEventDataStoreIngestion"): (
        Undo(
            "event data store",
            "let the event data store {0} ingest again",
            (_STORE,),
            "cloudtrail start-event-data-store-ingestion --event-data-store {0}",
            first=True,
        ),
    ),
    ("cloudtrail", "DeleteEventDataStore"): (
        Undo(
            "event data store",
            "restore the event data store {0}, which is possible for a week",
            (_STORE,),
            "cloudtrail restore-event-data-store --event-data-store {0}",
            first=True,
        ),
    ),
    **_list("IPSet", "list of addresses that GuardDuty trusts", "ip-set", "ipSetId"),
    **_list("TrustedEntitySet", "trusted entity set", "trusted-entity-set", "trustedEntitySetId"),
    **_list("ThreatIntelSet", "list of threats", "threat-intel-set", "threatIntelSetId"),
    **_list("ThreatEntitySet", "threat entity set", "threat-entity-set", "threatEntitySetId"),
    **{
        ("guardduty", name): (
            Undo(
                "filter",
                "delete the filter {0} of GuardDuty, which can put findings away unseen",
                (Value("request.name request.filterName response.name", ID), _DETECTOR),
                "guardduty delete-filter --filter-name {0} --detector-id {1}",
                first=True,
            ),
        )
        for name in ("CreateFilter", "UpdateFilter")
    },
    ("guardduty", "UpdateDetector"): (
        Undo(
            "detector",
            "enable the detector {0} again",
            (_DETECTOR,),
            "guardduty update-detector --detector-id {0} --enable",
            only=("request.enable", "false"),
            first=True,
        ),
        Undo(
            "detector",
            "put the former settings of the detector {0} back",
            (_DETECTOR,),
            fallback=True,
            first=True,
        ),
    ),
    **_words(
        "guardduty",
        "detector",
        _DETECTOR,
        DeleteDetector="make a detector of GuardDuty anew: {0} was deleted, with its findings",
        StopMonitoringMembers="let the detector {0} watch its member accounts again",
        DisassociateMembers="take the member accounts of the detector {0} in again",
    ),
    ("config", "StopConfigurationRecorder"): (
        Undo(
            "recorder",
            "start the recorder {0} of AWS Config again",
            (Value("request.configurationRecorderName", ID),),
            "configservice start-configuration-recorder --configuration-recorder-name {0}",
            first=True,
        ),
    ),
    **_words(
        "config",
        "recorder",
        Value("request.configurationRecorderName request.deliveryChannelName"),
        DeleteConfigurationRecorder="make the recorder {0} of AWS Config anew",
        DeleteDeliveryChannel="make the delivery channel {0} of AWS Config anew",
    ),
    **_words(
        "ec2",
        "flow log",
        Value("request.DeleteFlowLogsRequest.FlowLogId.content request.FlowLogId.content"),
        DeleteFlowLogs="make the flow log {0} anew",
    ),
    **_words(
        "logs",
        "log group",
        Value("request.logGroupName", PATH),
        DeleteLogGroup="make the log group {0} anew: it was deleted, with what was in it",
        DeleteMetricFilter="make the metric filters of the log group {0} anew that were deleted",
        PutRetentionPolicy="set back how long the log group {0} keeps what is in it",
    ),
    ("events", "DisableRule"): on_bus(
        "enable the rule {0} again",
        (Value("request.name"),),
        "events enable-rule --name {0}",
        first=True,
    ),
    **_words(
        "monitoring",
        "alarm",
        Value("request.alarmNames"),
        DeleteAlarms="make the alarms {0} anew",
        DisableAlarmActions="enable the actions of the alarms {0} again",
    ),
    **_words(
        "sns",
        "subscription",
        Value("request.subscriptionArn"),
        Unsubscribe="subscribe anew: {0} was deleted, and gets no messages since",
    ),
}
