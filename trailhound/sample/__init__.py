"""Generates realistic, labelled CloudTrail trails.

>>> from pathlib import Path
>>> from tempfile import mkdtemp
>>> from trailhound.sample import SampleSpec, write_sample
>>> summary = write_sample(Path(mkdtemp()) / "trail", SampleSpec(events=5_000, seed=7))
>>> summary.events, [attack.name for attack in summary.attacks][:1]
(5000, ['stolen-key'])
"""

from trailhound.sample.spec import AttackLabel, SampleSpec, SampleSummary, Step
from trailhound.sample.write import write_sample

__all__ = ["AttackLabel", "SampleSpec", "SampleSummary", "Step", "write_sample"]
