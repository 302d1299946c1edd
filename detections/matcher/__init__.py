"""The pure Sigma matcher: does a decoded CloudTrail record match a Sigma detection?"""

from detections.matcher.sigma_matcher import NO_PLACEHOLDERS, SigmaMatcher

__all__ = ["NO_PLACEHOLDERS", "SigmaMatcher"]
