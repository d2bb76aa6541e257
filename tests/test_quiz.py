"""tfrgan_lite.lesson.quiz: a form with a reason for each choice, whose numbers and rankings are measured."""

import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
import yaml
from chapters import ROOT
from prose import cells, read
from torch import nn

from tfrgan_lite.baselines import StaticRule
from tfrgan_lite.errors import UserError
from tfrgan_lite.lesson.quiz import quiz
from tfrgan_lite.mel import LogMel
from tfrgan_lite.metrics import distances
from tfrgan_lite.sides import arrangements, exponents

PARTS = {1: "02", 2: "07", 3: "12"}  # and the chapter that each quiz closes
NUMBER = re.compile(r"−?\d+(?:\.\d+)?")


class Elements(HTMLParser):
    """Every element's tag and attributes, and the text within legends."""

    def __init__(self, text):
        super().__init__()
        self.found, self.legends, self.stack = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.stack.append(tag)

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "legend":
            self.legends.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


@pytest.fixture(scope="module")
def questions():
    return {question.name: question for part in PARTS for question in quiz(part).questions}


@pytest.fixture(scope="module")
def systems():
    """Of the book's own run, system -> measure -> value, low, high."""
    return json.loads((ROOT / "book" / "results" / "cpu.json").read_text())["systems"]


def right(question):
    return next(choice for choice in question.choices if choice.right)


# The form


@pytest.mark.parametrize("part", PARTS)
def test_each_part_has_five_or_six_questions_of_several_choices_with_reasons(part):
    made = quiz(part)
    captions = [entry["caption"] for entry in yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"]]
    assert made.title == captions[part - 1]
    assert 5 <= len(made.questions) <= 6
    assert all(len(question.choices) >= 3 for question in made.questions)
    places = [[choice.right for choice in question.choices].index(True) for question in made.questions]
    assert len(set(places)) >= 3, "the right choice stands now here, now there"


@pytest.mark.parametrize(("part", "chapter"), PARTS.items())
def test_a_quiz_closes_each_part_at_the_end_of_its_last_chapter(part, chapter, notebooks):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"][part - 1]["chapters"]
    assert toc[-1]["file"].startswith(f"notebooks/{chapter}_")
    (notebook,) = (notebook for name, notebook in notebooks.items() if name.startswith(chapter))
    text, last = ("".join(cell["source"]) for cell in notebook["cells"][-2:])
    assert last.splitlines()[-1] == f"quiz({part})"
    numbers = [entry["file"].split("/")[1][:2] for entry in toc]
    assert {"five": 5, "six": 6}[text.split("\n\n")[1].split()[0].lower()] == len(quiz(part).questions)
    assert re.findall(r"\d\d", text)[:1] == numbers[:1] and re.findall(r"\d\d", text)[-1] == numbers[-1]


def test_what_a_question_asks_is_answered_where_it_says(questions, notebooks):
    for question in questions.values():
        chapter, section = question.look
        (notebook,) = (notebook for name, notebook in notebooks.items() if name.startswith(chapter))
        headings = re.findall(r"^#+ (.*)$", "\n".join(cells(notebook, "markdown")), re.MULTILINE)
        assert section in headings, f"{question.name}: chapter {chapter} has no section {section}"


@pytest.mark.parametrize("part", PARTS)
def test_the_form_is_labelled_and_needs_nothing_from_elsewhere(part):
    made = quiz(part)
    page = Elements(made.html)
    radios, boxes = page.all("input"), page.all("fieldset")
    assert len(boxes) == len(page.legends) == len(page.all("details")) == len(made.questions)
    assert len(radios) == len(page.all("label")) == sum(len(question.choices) for question in made.questions)
    assert len({(radio["name"], radio["value"]) for radio in radios}) == len(radios)
    assert sum("data-right" in radio for radio in radios) == len(made.questions)
    assert [legend.split(". ", 1)[1] for legend in page.legends] == [question.asks for question in made.questions]
    assert [s.get("role") for s in page.all("span")] == ["status"] * (len(boxes) + 1)
    assert "http" not in made.html and not any("src" in attrs or "href" in attrs for _, attrs in page.found)
    assert made._repr_html_() == made.html and len(made.html) < 30_000


def test_a_wrong_choice_says_why_and_where_to_look_and_the_fold_has_every_reason(questions):
    page = quiz(1).html
    question = questions["sum"]
    told = {radio["data-verdict"] for radio in Elements(page).all("input")}
    assert f"No: {question.choices[0].why} Look at chapter 01, “Decibels, and the fader”." in told
    assert f"Right: {right(question).why}" in told
    assert all(page.count(choice.why) == 2 for choice in question.choices)
    assert "1. A guitar and a voice" in repr(quiz(1)) and "   - −17 dB" in repr(quiz(1))


def test_a_quiz_of_ones_own_is_shown_as_text(tmp_path):
    file = tmp_path / "My Quiz.toml"
    file.write_text(
        'title = "<b>"\n[[question]]\nid = "a"\nasks = "1 < 2 & 3?"\n'
        'choices = [{says = "<i>", why = "\\"So\\"", right = true}, {says = "no", why = "x"}]\n'
    )
    made = quiz(file)
    assert made.name == "my-quiz" and made.questions[0].look == ()
    assert "&lt;b&gt;" in made.html and "1 &lt; 2 &amp; 3?" in made.html and "<i>" not in made.html
    assert quiz(str(file)).html == made.html and "Look at" not in made.html


ONE = '[[question]]\nid = "a"\nasks = "?"\nchoices = [{says = "x", why = "y", right = true}, {says = "z", why = "y"}]\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("title = 3\n" + ONE, "title is missing or no text"),
        ('title = "t"', "has no question"),
        ('title = "t"\nquestion = 1', "has no question"),
        ("title =", "is no TOML"),
        ('title = "t"\n' + ONE + ONE, "two questions have one id"),
        ('title = "t"\n' + ONE.replace('"a"', '"A b"'), "question 1: id is 'A b'"),
        ('title = "t"\n' + ONE.replace(", right = true", ""), "0 choices are right"),
        ('title = "t"\n' + ONE.replace('"z", why', '"z", right = true, why'), "2 choices are right"),
        ('title = "t"\n' + ONE.replace('"z"', '"x"'), "two choices say the same"),
        ('title = "t"\n' + ONE.replace(', {says = "z", why = "y"}', ""), "choices needs 2 or more"),
        ('title = "t"\n' + ONE.replace('why = "y", right', "right"), "choice 1: why is missing"),
        ('title = "t"\n' + ONE + 'look = ["01"]\n', "look is ['01']"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path, content, said):
    (tmp_path / "q.toml").write_text(content)
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        quiz(tmp_path / "q.toml")
    assert "q.toml" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("part", "said"), [(4, "part: 4 has no quiz"), ("nowhere.toml", "cannot be read")])
def test_a_part_or_a_file_that_is_not_there_is_told(part, said):
    with pytest.raises(UserError, match=said):
        quiz(part)


# What it says


def db(ratio):
    return 10 * math.log10(ratio)


def score(pans):
    """The energy score of a machine that draws from these pans, against engineers at -0.8 and 0.8."""
    x, y = np.array(pans), np.array([-0.8, 0.8])
    return abs(x[:, None] - y).mean() - abs(x[:, None] - x).mean() / 2


def apart():
    """In percent, how often two tracks are across from a first that masks both, how often beside it; and every P."""
    J = torch.tensor([[[0, -1.0, -0.5], [-1.0, 0, 0], [-0.5, 0, 0]]])
    P, sides = exponents(J, torch.ones(1, 3, dtype=bool))[0].softmax(0), arrangements(3)
    across = (sides[:, 1] < 0) & (sides[:, 2] < 0)
    alike = (sides[:, 1] > 0) & (sides[:, 2] > 0)
    return float(100 * P[across].sum()), float(100 * P[alike].sum()), P.tolist()


AXES, BETA = np.array([400, 60, 20, 5]), 30
# Every number of a choice or of its reason that the question has not given: where it comes from.
MEASURED = {
    "sum": (-20 + db(2), db(2), -20 + 2 * db(2), -20 / 2, -20 * 2),
    "sharing": (db(3), 2 * db(3), db(2)),
    "phase": (db(4),),
    "leak": (1 / math.log(2),),
    "alive": ((AXES > BETA).sum(), (AXES > 1).sum(), 1, (AXES <= BETA).sum()),
    "score": (score([-0.8, 0.8]), score([0]), score([0.8]), score([-1.6, 1.6]), 1.6, -1.6),
    "sides": (-1, -0.5, 0, apart()[0]),
    "twice": (0,),
    "variety": (1,),
}


def numbers(*texts):
    """The numbers in texts, as they are written."""
    return {found.replace("−", "-") for text in texts for found in NUMBER.findall(text)}


def written(value, number):
    """Whether a value, rounded to as many digits, is the number that is written."""
    return f"{value:.{len(number.partition('.')[2])}f}" == number


def test_every_number_in_an_answer_is_measured_or_given(questions):
    for name, question in questions.items():
        said = numbers(*(text for choice in question.choices for text in (choice.says, choice.why)))
        measured = MEASURED.get(name, ())
        new = [n for n in said - numbers(question.asks) if not any(written(value, n) for value in measured)]
        assert new == [], f"{name}: neither given nor measured"
        assert [value for value in measured if not any(written(value, n) for n in said)] == [], f"{name}: not said"


def test_the_right_numbers_are_the_right_choices(questions):
    assert right(questions["sum"]).says == "−17 dB" and round(-20 + db(2)) == -17
    assert right(questions["sharing"]).says == "By 4.8 dB" and round(db(3), 1) == 4.8
    assert right(questions["alive"]).says == str((AXES > BETA).sum())
    assert (np.sqrt(AXES) < BETA).all() and "roots" in questions["alive"].choices[0].why
    assert min(score([-0.8, 0.8]), score([0]), score([0.8]), score([-1.6, 1.6])) == score([-0.8, 0.8])
    assert 0.5**10 == pytest.approx(1e-3, rel=0.05)


def test_three_tracks_on_two_sides():
    across, alike, every = apart()
    assert across == pytest.approx(100 * max(every)) and alike == pytest.approx(100 * min(every))
    assert round(across) == 64


def test_a_swapped_wire_takes_the_centre_and_leaves_the_sides():
    draw = torch.Generator().manual_seed(0)
    centre, left = torch.randn(2, 1000, generator=draw)
    for track, remains in (((centre, centre), 0.0), ((left, 0 * left), 1.0)):
        before, after = (track[0] + track[1]) / 2, (track[0] - track[1]) / 2
        assert float(after.square().sum() / before.square().sum()) == remains


def test_x_has_no_sign_and_its_waveforms_are_6_db_apart():
    sound = 0.1 * torch.randn(22050, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(LogMel(44100)(sound), LogMel(44100)(-sound))
    assert db(float((sound - -sound).square().mean() / sound.square().mean())) == pytest.approx(6, abs=0.03)


def test_without_positions_a_beat_and_its_reverse_have_one_average():
    torch.manual_seed(0)
    reader = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    beat = torch.randn(1, 16, 8)
    torch.testing.assert_close(reader(beat).mean(1), reader(beat.flip(1)).mean(1))


def test_the_table_of_means_stands_near_the_centre():
    rows = [row for rows in StaticRule.load().table.values() for role, row in rows.items() if role == "guitar"]
    assert np.mean([abs(row["pan"]) for row in rows]) < 0.35 * np.mean([row["distance"] for row in rows])


def test_who_comes_nearest_in_the_books_own_run(systems):
    error = {name: row["matched_db"][0] for name, row in systems.items()}
    order = ["learned rule with coin", "knowledge rules", "equal loudness", "Dugan"]
    assert sorted(order, key=error.get) == order
    without_a_network = [*order, "raw sum", "answer set", "learned rule"]
    assert min(without_a_network, key=error.get) == order[0]
    assert error["regression"] > error["learned rule"] and systems["regression"]["width_sd"][1] > 0


def test_a_smaller_error_need_not_mean_more_variety(systems):
    network, table = systems["regression with coin"], systems["learned rule with coin"]
    assert network["matched_db"][2] < table["matched_db"][1]
    assert network["diversity"][2] < table["diversity"][1] and table["diversity"][2] < 1


def test_a_perfect_machine_makes_twice_the_squared_error_of_the_mean():
    y = np.random.default_rng([0]).choice([-0.8, 0.8], 100_000)
    other = np.random.default_rng([1]).permutation(y)
    assert np.square(y - other).mean() / np.square(y - y.mean()).mean() == pytest.approx(2, rel=0.02)
    assert abs(y - other).mean() == pytest.approx(abs(y).mean(), rel=0.02), "the absolute error tells nothing"


def test_mixes_of_the_wrong_song_are_seen_by_the_energy_distance_alone():
    draw = torch.Generator().manual_seed(0)
    songs = 5 * torch.randn(6, 1, 4, generator=draw)
    made, theirs = (songs + torch.randn(6, 8, 4, generator=draw) for _ in range(2))
    wrong = made.roll(1, 0)
    far = [
        np.mean([distances.energy_distance(x, y) for x, y in zip(one, theirs, strict=True)]) for one in (made, wrong)
    ]
    heaps = [distances.mmd(one.flatten(0, 1), theirs.flatten(0, 1), 5.0) for one in (made, wrong)]
    spread = [sum(torch.cdist(x, x).sum() for x in one) for one in (made, wrong)]
    assert far[1] > far[0] + 5 and heaps[1] == pytest.approx(heaps[0], abs=1e-6)
    torch.testing.assert_close(spread[0], spread[1])


def test_the_chapters_bars_are_drawn_anew():
    """Why a decoder cannot know them by heart: chapter 05 draws in its training loop."""
    text = "\n".join(cells(read(next((ROOT / "notebooks").glob("05_*.ipynb"))), "code"))
    loop = text[text.index("def train(") :].split("\n\n\n")[0]
    assert "bars(" in loop[loop.index("for ") :]
