"""What became of failures, counted by mode."""

from imitation.diagnosis.failure_tracking import Followed
from imitation.policies.feedback import ChanceCounter, Feedback, FeedbackCounter, Tally, tallies_from_rows
from tests.imitation.policies.made_up import failure


def mode(f):
    return f.category


A, B, C, D = (failure(f"f{i}", category=name) for i, name in enumerate(("car", "car", "car", "van")))
NEW = failure("f9", category="van")


def test_things_fed_and_not_fed_are_counted_apart_and_pass_by():
    things = [
        Followed("fixed", A, None),
        Followed("persistent", B, B),
        Followed("fixed", C, None),
        Followed("persistent", D, D),
        Followed("new", None, NEW),
        Followed("unjudged", NEW, None),
    ]
    counter = FeedbackCounter(3, {A.failure_id, B.failure_id}, mode)
    assert list(counter.seeing(things)) == things
    assert counter.rows() == [
        Feedback(3, "car", fed=2, fed_fixed=1, unfed=1, unfed_fixed=1),
        Feedback(3, "van", unfed=1),
    ]
    assert [Feedback.from_row(row.to_row()) for row in counter.rows()] == counter.rows()


def test_what_could_not_be_fed_counts_nowhere():
    counter = FeedbackCounter(1, (), mode, lambda f: f.category == "van")
    list(counter.seeing([Followed("persistent", D, D), Followed("fixed", A, None)]))
    assert counter.rows() == [Feedback(1, "car", unfed=1, unfed_fixed=1)]


def test_of_two_seeds_each_is_once_the_later():
    things = [
        Followed("fixed", A, None),  # the first fails, the second does not
        Followed("regressed", None, B),  # the other way round
        Followed("persistent", C, C),  # both
        Followed("unjudged", D, None),
    ]
    counter = ChanceCounter(mode)
    assert list(counter.seeing(things)) == things
    assert counter.tallies() == {"car": Tally(4, 2)}
    assert tallies_from_rows({"car": [4, 2]}) == counter.tallies()
