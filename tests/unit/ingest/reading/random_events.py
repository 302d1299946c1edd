"""Random records, with texts in them that look like the structure of a file."""

from __future__ import annotations

from hypothesis import strategies as st

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(['{"delete":{}}', "},{", ']}"', "\\", '\\"', "\r\n", "{", "]"])
)
any_json = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
events = st.builds(
    lambda some, last: {
        "eventVersion": "1.08",
        **some,
        "eventTime": "2024-01-01T00:00:00Z",
        **last,
    },
    st.dictionaries(st.text(max_size=8), any_json, max_size=4),
    st.dictionaries(st.sampled_from(["eventID", "eventName"]), st.text(max_size=4), max_size=2),
)
