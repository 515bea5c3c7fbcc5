"""Values of JSON, and what looks like them, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=".\0"), min_size=1).filter(
    lambda name: name[0] != "$"
)
STRINGS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | STRINGS
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4))
OBJECTS = st.dictionaries(NAMES.filter(lambda name: name != "_id"), VALUES, max_size=6)
ALMOST_JSON = st.text(
    st.sampled_from(list('{}[]",:\\ue-+.0123456789 $ntruefalsd\x00\x7f\u00e9\ud800')), max_size=40
).map(lambda text: text.encode("utf-8", "surrogatepass"))
