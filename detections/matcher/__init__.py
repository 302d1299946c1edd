"""The pure Sigma matcher: does a decoded CloudTrail record match a Sigma detection?"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detections.matcher.sigma_matcher import NO_PLACEHOLDERS, SigmaMatcher

__all__ = ["NO_PLACEHOLDERS", "SigmaMatcher"]


def __getattr__(name: str) -> Any:
    """What is exported, imported when it is asked for: much here needs no parser of Sigma, which
    takes longer to import than a command's help to show."""
    if name in __all__:
        from detections.matcher import sigma_matcher

        return getattr(sigma_matcher, name)
    raise AttributeError(name)
