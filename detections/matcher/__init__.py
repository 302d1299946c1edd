"""The pure Sigma matcher: does a decoded CloudTrail record match a Sigma detection?"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detections.matcher.sigma_matcher import NO_PLACEHOLDERS, SigmaMatcher

__all__ = ["NO_PLACEHOLDERS", "SigmaMatcher"]


def __getattr__(name: str) -> Any:
    """Imports what is exported on its first use. Much of this package needs no parser of Sigma,
    whose import takes longer than showing a command's help."""
    if name in __all__:
        from detections.matcher import sigma_matcher

        return getattr(sigma_matcher, name)
    raise AttributeError(name)
