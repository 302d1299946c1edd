"""The composition root: makes enrichers, rules, channels and daemons from settings. The only place
that wires parts together.

- `daemon`: what `trailhound run` is made of, and its scheduled jobs
- `doctor`, `checklist`: an installation and an account checked, each item with its advice
- `health`: whether an installation is ready, and the reasons why not
- `backfill`: backfills, and the events they left that no rule has looked at
- `integrity`: trail files verified by CloudTrail's digests
- `detection`: rules over the index, over files and on schedule; exceptions, samples, test messages
- `search`: what people look up in events, graph and ledger
- `enrichment`, `settings_check`: the enricher of the settings; what is wrong with settings beyond
  their types
- `filtered_rules`: what settings keep rules from finding

A package imports only from those below it.
"""
