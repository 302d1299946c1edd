"""The report's rendering: a `Report` value in; HTML, JSON or PDF out. No cluster, no clock."""
