"""A quiz of tfrgan_lite.lesson in a browser: by keyboard, after a reload, without storage, without JavaScript."""

import pytest

from tfrgan_lite.lesson.quiz import quiz

BLOCKED = (
    'Object.defineProperty(window, "localStorage", {get: () => { throw new DOMException("no", "SecurityError"); }})'
)


@pytest.fixture
def html():
    return quiz(1).html


def told(tab, number=0) -> str:
    """What the page says to a question, or at its end."""
    return tab.get_by_role("status").nth(number).inner_text()


def question(tab, number=0):
    return tab.locator("fieldset").nth(number)


def test_an_answer_is_given_by_keyboard_with_its_reason_and_where_to_look(opened):
    tab = opened()
    assert question(tab).locator("legend").inner_text().startswith("1. A guitar and a voice measure")
    assert told(tab) == "" and not question(tab).locator("details").is_visible()
    question(tab).get_by_role("button").press("Enter")
    assert told(tab) == "Choose one of the answers first."
    first = question(tab).get_by_label("−40 dB")
    first.press("Space")
    assert first.is_checked() and told(tab) == "", "arrow keys pass over choices without an answer"
    question(tab).get_by_role("button").press("Enter")
    assert told(tab).startswith("No: To add decibels") and told(tab).endswith("chapter 01, “Decibels, and the fader”.")
    first.press("ArrowDown")
    assert question(tab).get_by_label("−17 dB").is_checked() and told(tab) == ""
    question(tab).get_by_role("button").press("Enter")
    assert told(tab).startswith("Right: Different instruments")
    assert told(tab, 6) == "1 of 6 answered rightly. Kept in this browser."
    question(tab).get_by_text("All answers, with reasons").press("Enter")
    assert question(tab).get_by_role("listitem").count() == 5


def test_answers_are_there_again_after_a_reload_and_can_be_taken_back(opened):
    tab = opened()
    for number, choice in ((0, "−17 dB"), (3, "By 9.5 dB")):
        question(tab, number).get_by_label(choice).check()
        question(tab, number).get_by_role("button").click()
    question(tab, 4).get_by_label("On the left").check()  # chosen, and never given
    tab.reload()
    assert question(tab).get_by_label("−17 dB").is_checked() and told(tab).startswith("Right: ")
    assert question(tab, 3).get_by_label("By 9.5 dB").is_checked() and told(tab, 3).startswith("No: A third")
    assert not question(tab, 4).get_by_label("On the left").is_checked() and told(tab, 4) == ""
    assert told(tab, 6).startswith("1 of 6 answered rightly.")
    tab.get_by_role("button", name="Begin again").press("Enter")
    assert tab.locator("input:checked").count() == 0 and told(tab) == "" and told(tab, 6) == ""
    assert tab.evaluate("document.activeElement.type") == "radio"
    tab.reload()
    assert tab.locator("input:checked").count() == 0


def test_an_answer_to_a_question_that_was_written_anew_does_not_count(opened):
    tab = opened()
    for kept in ('{"quiz-part-1-sum": "0"}', "[damaged", "3"):
        tab.evaluate("kept => localStorage.setItem('quiz-part-1', kept)", kept)
        tab.reload()
        assert tab.locator("input:checked").count() == 0 and told(tab, 6) == ""
    question(tab).get_by_label("−17 dB").check()
    question(tab).get_by_role("button").click()
    tab.reload()
    assert told(tab).startswith("Right: "), "what cannot be read is written over"


def test_a_page_that_may_keep_nothing_says_so(opened):
    tab = opened(BLOCKED)
    question(tab).get_by_label("−17 dB").check()
    question(tab).get_by_role("button").click()
    assert told(tab).startswith("Right: ")
    assert told(tab, 6) == "1 of 6 answered rightly. This page cannot keep them: they are gone when it is loaded again."


def test_without_javascript_all_answers_lie_in_folds(opened):
    tab = opened(java_script_enabled=False)
    assert tab.get_by_role("button").count() == 0 and tab.locator("details").count() == 6
    reason = tab.get_by_text("By 9.5 dB. No: A third is each track's share")
    assert not reason.is_visible()
    tab.get_by_text("All answers, with reasons").nth(3).click()
    assert reason.is_visible()


def test_nothing_is_wider_than_a_telephone_and_all_can_be_hit(opened):
    tab = opened(viewport={"width": 320, "height": 640}, has_touch=True)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 320
    boxes = [tab.locator("label").nth(k).bounding_box() for k in range(tab.locator("label").count())]
    assert min(box["height"] for box in boxes) >= 24
