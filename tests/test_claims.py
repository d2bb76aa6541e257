"""Every numbered equation and every marked sentence of the book has a test, and every such test has its claim."""

import claims
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook


def chapter(*texts: str) -> dict:
    return new_notebook(cells=[new_markdown_cell(text) for text in texts])


TEXT = (
    '$$\na = b\n$$ (eq-03-one)\n$$c$$(eq-03-two)\n\n<span id="claim-03-three"></span>It lasts 12 ms.'
    " See {eq}`eq-03-four`, or\n3 dB. It rises by\n6 dB at $x$, twice by `9 dB`."
)


def test_claims_are_found_in_order():
    assert claims.claims(chapter(TEXT, "$$d$$ (eq-03-five)")) == [
        "eq-03-one",
        "eq-03-two",
        "claim-03-three",
        "eq-03-five",
    ]


def test_a_sentence_with_a_measure_and_no_mark_is_found():
    assert claims.unmarked(chapter(TEXT)) == ["See , or 3 dB.", "It rises by 6 dB at , twice by ."]
    tested = '<span id="claim-03-a"></span>By 3 dB. It falls by 3 dB as\n\n$$\na\n$$ (eq-03-a)\n\nAnd so on.'
    assert [found[:7] for found in claims.unmarked(chapter(tested))] == ["It fall"]
    assert claims.unmarked(chapter(tested.replace(" as", ":"), "In 2017, chapter 03, 3 d. B. By 3 dB?")) == []


def test_each_claim_gets_a_link_to_its_test_and_keeps_its_anchor():
    (text,) = claims.cells(claims.with_links(chapter(TEXT)), "markdown")
    assert text.count('<a class="claim" href="../book/claims.html#test-') == 3
    assert '<span id="claim-03-three"></span><a class="claim" href="../book/claims.html#test-claim-03-three"' in text
    assert '$$ (eq-03-one)\n\n<a class="claim" href="../book/claims.html#test-eq-03-one"' in text
    assert claims.claims(chapter(text)) == claims.claims(chapter(TEXT))


def test_the_page_shows_the_tests_as_they_are(tmp_path):
    source = '@mark\ndef test_eq_03_one():\n    """Why."""\n    assert 1 == 1'
    file = tmp_path / "test_claims_03.py"
    file.write_text(f"import mark\n\n\n{source}\n\n\ndef helper():\n    pass\n", encoding="utf-8")
    assert claims.tests(file) == {"test_eq_03_one": source}
    page = claims.page({"03": ("03_mel", chapter("$$a$$ (eq-03-one)"))}, tmp_path)
    assert page.startswith("## Chapter 03\n\n(test-eq-03-one)=\n") and f"```python\n{source}\n```" in page
    assert '<a href="../notebooks/03_mel.html#equation-eq-03-one">' in page
    with pytest.raises(KeyError):
        claims.page({"03": ("03_mel", chapter("$$a$$ (eq-03-two)"))}, tmp_path)


def test_every_claim_has_its_test_and_every_test_its_claim(root, notebooks):
    files = {file.stem[-2:] for file in (root / "tests").glob("test_claims_*.py")}
    assert files <= {name[:2] for name in notebooks}
    for name, notebook in notebooks.items():
        found, number = claims.claims(notebook), name[:2]
        assert len(found) == len(set(found)), f"{name}: a claim stands twice"
        assert [claim for claim in found if not claim.startswith((f"eq-{number}-", f"claim-{number}-"))] == []
        assert set(claims.tests(root / "tests" / f"test_claims_{number}.py")) == set(map(claims.test_of, found)), name


def test_no_measure_in_prose_goes_without_its_mark(notebooks):
    assert {name: found for name, notebook in notebooks.items() if (found := claims.unmarked(notebook))} == {}
