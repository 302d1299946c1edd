"""What calls leave behind, whom they let in, and what takes it away again.

- `rows`: one such thing, and what AWS allows as names in a command
- `identity`, `directory`, `compute`, `data`, `sharing`, `watching`: the calls of the services
- `table`: all of them, and the calls by which a principal takes away what it made itself
- `outsiders`: whom an event lets in
"""
