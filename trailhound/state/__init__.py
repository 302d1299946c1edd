"""What Trailhound keeps about itself in the ledger index: one typed class for each kind.

`kinds` lists them all. Each kind has a module that owns it: no other module writes or reads its
documents. State takes and gives plain values, and knows nothing of ingest or detections.
"""
