"""What Trailhound stores about itself in the ledger index: one typed class for each kind.

`kinds` lists them all. Each kind has a module that owns it: no other module writes or reads its
documents. State has plain values, and imports nothing of ingest or detections.
"""
