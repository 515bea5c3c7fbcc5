"""The checker is checked: it is content with a kept promise, and names every way of breaking it."""

from __future__ import annotations

import json

import bson
import pytest

from tests.support.oracle import BrokenPromiseError, Oracle, Seen, Sent

TOPIC = "numtest-08b40071"
GOOD = [Sent(0, 0, b'{"n": 1}'), Sent(0, 3, b'{"n": 2}'), Sent(1, 0, b'{"n": 3}')]
POISON = Sent(1, 1, b"no", poison=True)
END = {0: 4, 1: 2}


def key(sent: Sent) -> str:
    return f"{TOPIC}/{sent.partition}/{sent.offset}"


@pytest.fixture
def oracle():
    oracle = Oracle(f"{TOPIC}/")
    for sent in [*GOOD, POISON]:
        oracle.acknowledged(sent)
    return oracle


@pytest.fixture
def documents():
    return {key(sent): bson.encode({"_id": key(sent), **json.loads(sent.value or b"")}) for sent in GOOD}


def test_a_kept_promise(oracle, documents):
    oracle.always(Seen({}, {}, []))
    oracle.always(Seen({0: 1}, documents, []))
    oracle.end(Seen(END, documents, [key(POISON)]))


def test_documents_may_be_given_decoded(oracle, documents):
    oracle.end(Seen(END, {k: bson.decode(raw) for k, raw in documents.items()}, {key(POISON)}))


@pytest.mark.parametrize("lost", GOOD, ids=key)
def test_committed_and_nowhere(oracle, documents, lost):
    del documents[key(lost)]

    with pytest.raises(BrokenPromiseError, match=f"committed, but in no collection.*{key(lost)}"):
        oracle.always(Seen(END, documents, [key(POISON)]))


def test_a_dead_letter_that_was_dropped(oracle, documents):
    with pytest.raises(BrokenPromiseError, match="committed, but in no collection"):
        oracle.always(Seen(END, documents, []))


def test_a_document_of_nothing_that_was_sent(oracle, documents):
    documents["5f0c"] = bson.encode({"_id": "5f0c"})

    with pytest.raises(BrokenPromiseError, match="never sent"):
        oracle.always(Seen({}, documents, []))


def test_a_dead_letter_of_nothing_that_was_sent(oracle):
    with pytest.raises(BrokenPromiseError, match="dead letter of nothing"):
        oracle.always(Seen({}, {}, [f"{TOPIC}/9/9"]))


def test_in_both_collections(oracle, documents):
    with pytest.raises(BrokenPromiseError, match="a document and a dead letter"):
        oracle.always(Seen({}, documents, [key(GOOD[0])]))


@pytest.mark.parametrize("content", [{}, {"n": 2}, {"n": 1, "more": 1}])
def test_another_content(oracle, documents, content):
    documents[key(GOOD[0])] = bson.encode({"_id": key(GOOD[0]), **content})

    with pytest.raises(BrokenPromiseError, match="another content"):
        oracle.always(Seen({}, documents, []))


def test_a_commit_that_goes_back(oracle, documents):
    oracle.always(Seen({0: 4}, documents, []))

    with pytest.raises(BrokenPromiseError, match="committed 4, then 3"):
        oracle.always(Seen({0: 3}, documents, []))


def test_a_commit_that_disappears(oracle, documents):
    oracle.always(Seen({0: 4}, documents, []))

    with pytest.raises(BrokenPromiseError, match="then None"):
        oracle.always(Seen({}, documents, []))


def test_a_commit_may_repeat_one_whose_answer_was_lost(oracle, documents):
    oracle.always(Seen({0: 4}, documents, []))
    oracle.always(Seen({0: 3}, documents, []), may_go_back={0: 1})

    with pytest.raises(BrokenPromiseError):
        oracle.always(Seen({0: 0}, documents, []), may_go_back={0: 1})


def test_in_the_end_everything_arrived(oracle, documents):
    del documents[key(GOOD[2])]

    with pytest.raises(BrokenPromiseError, match="never arrived"):
        oracle.end(Seen({0: 4}, documents, [key(POISON)]))


def test_in_the_end_everything_is_committed(oracle, documents):
    with pytest.raises(BrokenPromiseError, match=r"short of their end.*1: 1 of 2"):
        oracle.end(Seen({0: 4, 1: 1}, documents, [key(POISON)]))


def test_in_the_end_the_dead_letters_are_the_poison(oracle, documents):
    letter = key(GOOD[0])
    del documents[letter]

    with pytest.raises(BrokenPromiseError, match="good record among the dead letters"):
        oracle.end(Seen(END, documents, [letter, key(POISON)]))


def test_in_the_end_no_poison_is_a_document(oracle, documents):
    oracle.acknowledged(Sent(1, 1, b'{"n": 9}', poison=True))
    documents[key(POISON)] = bson.encode({"_id": key(POISON), "n": 9})

    with pytest.raises(BrokenPromiseError, match="poison that is stored"):
        oracle.end(Seen(END, documents, []))


def test_what_retention_removed_unread_is_not_lost(oracle, documents):
    oracle.expired = {0: 1, 1: 2}
    del documents[key(GOOD[0])], documents[key(GOOD[2])]

    oracle.end(Seen({0: 4}, documents, []))
