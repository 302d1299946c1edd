"""Rule packs: files of Sigma documents, and what settings change about their rules."""
