// A blind listening test over the figure that blind.py writes: rating with a hidden reference (MUSHRA-like), and ABX.
// `model` is the model of a Jupyter widget; on a page without a kernel it is what `standalone` makes. board.js stands
// before it.

const GRADES = ["bad", "poor", "fair", "good", "excellent"]; // of ITU-R BS.1534, each a fifth of the scale
const scoreWords = score => `${score}, ${GRADES[Math.min(4, Math.floor(score / 20))]}`;
const MOST_TRIALS = 50; // up to here a double counts the runs exactly

// Of the 2^trials equally likely runs of a guesser, the share with at least so many right: the exact binomial p-value.
function chance(right, trials) {
  let runs = 1, sum = 0;
  for (let k = 0; k <= trials; k++) {
    if (k >= right) sum += runs;
    runs = (runs * (trials - k)) / (k + 1);
  }
  return sum / 2 ** trials;
}

function shuffled(list) {
  const drawn = [...list];
  for (let k = drawn.length - 1; k > 0; k--) {
    const other = Math.floor((k + 1) * Math.random());
    [drawn[k], drawn[other]] = [drawn[other], drawn[k]];
  }
  return drawn;
}

const press = (parent, text, attributes = {}) => make(parent, "button", { type: "button", ...attributes }, text);

// A button that lets one sound be heard; `name` says which when it is pressed.
function hearing(parent, letter, name, hear) {
  const button = press(parent, `Hear ${letter}`, { class: "hear", "aria-pressed": false });
  button.addEventListener("click", () => hear(name(), button));
  return button;
}

// The form in which all sounds are scored against the reference. `done` gets what was given.
function rating(parent, plan, hear, done) {
  make(parent, "p", {}, "How near is each to the reference? Hear each, and give it 0 to 100. Behind one letter is the"
    + " reference itself, behind another the anchor, which is the reference without its treble.");
  hearing(parent, "the reference", () => plan.reference, hear);
  const rack = make(parent, "div", { class: "rack" });
  const give = press(parent, ""), said = make(parent, "p", { role: "status" });
  let rows = null, given = false;

  function begin() {
    given = false;
    rack.replaceChildren();
    rows = shuffled(plan.names).map((name, n) => {
      const letter = String.fromCharCode(65 + n), strip = make(rack, "fieldset");
      const row = { name, letter, legend: make(strip, "legend", {}, letter), heard: false, score: null };
      hearing(strip, letter, () => name, hear).addEventListener("click", () => (row.heard = true));
      const show = slider(strip, "Score", `Score of ${letter}`, { min: 0, max: 100, step: 1 }, value => {
        row.score = value;
        show(value, scoreWords(value));
      });
      show(50, "no score yet");
      return row;
    });
    give.textContent = "Give these scores";
    said.textContent = "";
  }

  give.addEventListener("click", () => {
    if (given) return begin();
    const missing = rows.filter(row => !row.heard || row.score === null).map(row => row.letter);
    if (missing.length) {
      said.textContent = `Hear these and move their sliders first: ${missing.join(", ")}.`;
      return;
    }
    given = true;
    for (const row of rows) row.legend.textContent = `${row.letter}: ${row.name}`;
    for (const input of rack.querySelectorAll("input")) input.disabled = true;
    give.textContent = "Rate again, in a new order";
    const scores = Object.fromEntries(rows.map(row => [row.name, row.score]));
    const list = rows.map(row => `${row.letter} is ${row.name}`).join(", ");
    said.textContent = `${list}. You gave the hidden reference ${scores[plan.reference]}.`;
    done({ order: rows.map(row => row.name), scores });
  });
  begin();
}

// The form in which X is A or B, by a coin that is tossed anew for each trial.
function telling(parent, plan, hear, done) {
  make(parent, "p", {}, "X is A or B, drawn anew in each trial. Which? Nothing is told before the last trial.");
  const setup = make(parent, "fieldset", { class: "transport" }), run = make(parent, "fieldset", { disabled: "" });
  make(setup, "legend", {}, "What to tell apart");
  make(run, "legend", {}, "Trial");
  const field = (word, tag, attributes) => {
    const label = make(setup, "label", {}, `${word} `);
    return make(label, tag, attributes);
  };
  const choices = ["A", "B"].map((letter, n) => {
    const select = field(letter, "select", { "aria-label": `Sound ${letter}` });
    plan.names.forEach((name, k) => make(select, "option", { value: name, ...(k === n && { selected: "" }) }, name));
    return select;
  });
  const count = field("Trials", "input", { type: "number", min: 1, max: MOST_TRIALS, value: plan.trials });
  const start = press(setup, "Begin");
  const sounds = make(run, "div", { class: "transport" }), answers = make(run, "div", { class: "transport" });
  const said = make(parent, "p", { role: "status" });
  let x = [], given = [], heard = false;
  const pair = () => choices.map(select => select.value);
  const [playA] = ["A", "B", "X"].map((letter, n) =>
    hearing(sounds, letter, () => pair()[n < 2 ? n : x[given.length]], (name, button) => {
      heard ||= letter === "X";
      hear(name, button);
    })
  );

  function next() {
    x.push(Math.random() < 0.5 ? 0 : 1);
    heard = false;
    said.textContent = `Trial ${x.length} of ${count.value}.`;
  }

  start.addEventListener("click", () => {
    const [a, b] = pair(), trials = Number(count.value);
    if (a === b) {
      said.textContent = "Choose two different sounds.";
    } else if (!(Number.isInteger(trials) && trials >= 1 && trials <= MOST_TRIALS)) {
      said.textContent = `Give 1 to ${MOST_TRIALS} trials.`;
    } else {
      [x, given] = [[], []];
      // Until the last trial: who may stop when it goes well gets more right than a guesser should.
      [setup.disabled, run.disabled] = [true, false];
      next();
      playA.click();
      playA.focus();
    }
  });

  ["A", "B"].forEach((letter, n) =>
    press(answers, `X is ${letter}`).addEventListener("click", () => {
      if (!heard) {
        said.textContent = `Trial ${x.length} of ${count.value}: hear X first.`;
        return;
      }
      given.push(n);
      if (given.length < Number(count.value)) {
        next();
        hear(pair()[0], playA);
        return;
      }
      const right = given.filter((answer, k) => answer === x[k]).length;
      said.textContent = `${right} of ${x.length} right. Who guesses gets as many or more with probability`
        + ` ${chance(right, x.length).toPrecision(2)}.`;
      [setup.disabled, run.disabled] = [false, true];
      start.focus();
      done({ a: pair()[0], b: pair()[1], x: x.map(k => "AB"[k]), answers: given.map(k => "AB"[k]) });
    })
  );
}

// What was given so far, to be saved or copied; nothing is sent anywhere. `write` gets the listener's name or code.
function results(parent, write) {
  const box = make(parent, "fieldset", { hidden: "" });
  make(box, "legend", {}, "Your results");
  make(box, "p", {}, "They stay in this page until you save or copy them; nothing is sent.");
  const label = make(box, "label", {}, "A name or code for you, if you like: files with the same one count as one listener. ");
  const code = make(label, "input", { type: "text", maxlength: 60 });
  const row = make(box, "div", { class: "transport" });
  const save = make(row, "a", { download: "blind-test.json" }, "Save as JSON");
  const copy = press(row, "Copy"), said = make(row, "span", { role: "status" });
  const text = make(box, "textarea", { readonly: "", rows: 4, "aria-label": "Results as JSON" });
  code.addEventListener("input", () => write(code.value));
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.value);
      said.textContent = "Copied.";
    } catch {
      text.focus(); // where a page may not write to the clipboard, the reader's own keys may
      text.select();
      said.textContent = "Press Ctrl+C or ⌘C to copy what is marked.";
    }
  });
  return given => {
    box.hidden = false;
    text.value = JSON.stringify(given, null, 1);
    save.href = `data:application/json;charset=utf-8,${encodeURIComponent(text.value)}`;
  };
}

function render({ model, el }) {
  if (!el.querySelector(".blind")) el.innerHTML = model.get("figure");
  const figure = el.querySelector(".blind"), board = figure.querySelector(".board");
  const plan = JSON.parse(figure.dataset.plan), plain = figure.querySelector("details");
  board.replaceChildren(); // what stands there is for readers whose browser runs no script
  const giveUp = complaint(make(board, "p", { role: "status" }), plain);
  if (!window.AudioContext) {
    giveUp("This browser cannot switch between sounds (it has no Web Audio), so there is no blind test.");
    return;
  }
  const bar = make(board, "div", { class: "transport" });
  const button = press(bar, "Play"), place = make(bar, "span", { "aria-hidden": "true", class: "value" });
  let gates = null, heard = plan.reference;
  const turn = () =>
    gates?.forEach((gate, k) =>
      gate.gain.setTargetAtTime(plan.names[k] === heard ? plan.gains[k] : 0, gate.context.currentTime, GLIDE_S)
    );
  const sound = looping(button, figure.querySelectorAll("audio.mix"), plan.seconds, {
    build(context) {
      gates = plan.names.map(() => {
        const gate = new GainNode(context, { gain: 0 });
        gate.connect(context.destination);
        return gate;
      });
      turn();
      return (source, k) => source.connect(gates[k]);
    },
    tick: at => (place.textContent = `${at.toFixed(1)} of ${plan.seconds.toFixed(1)} s, in a loop`),
    failed: giveUp,
  });
  const hear = (name, pressed) => {
    heard = name;
    for (const each of board.querySelectorAll(".hear")) each.setAttribute("aria-pressed", each === pressed);
    turn();
    sound.begin();
  };

  const choice = make(board, "fieldset", { class: "versions" });
  make(choice, "legend", {}, "Test");
  const panels = [["Rate all", rating, "mushra"], ["Tell two apart (ABX)", telling, "abx"]].map(([word, form, kind]) => {
    const label = make(choice, "label"), radio = make(label, "input", { type: "radio", value: kind });
    label.append(` ${word}`);
    const panel = make(board, "div");
    form(panel, plan, hear, given => {
      const next = structuredClone(all());
      next[kind].push(given);
      write(next);
    });
    radio.addEventListener("change", () => select(kind));
    return { kind, radio, panel };
  });
  const group = `test-${Math.random()}`; // of this view alone: the same test may be shown twice
  for (const { radio } of panels) radio.name = group;
  const select = kind =>
    panels.forEach(each => {
      each.radio.checked = each.kind === kind;
      each.panel.hidden = each.kind !== kind;
    });
  select("mushra");

  const show = results(board, listener => write({ ...all(), listener }));
  const { description, reference, anchor } = plan;
  const all = () => {
    const given = model.get("results");
    return given?.format ? given : { format: plan.format, listener: "", description, reference, anchor, mushra: [], abx: [] };
  };
  const write = given => {
    model.set("results", given);
    model.save_changes();
    show(given);
  };
  if (model.get("results")?.format) show(all());
  plain.open = false;
  // For tests: how open each sound's gate is, null before the first Play, and the p-value.
  figure.desk = { gates: () => gates && gates.map(gate => gate.gain.value), chance };
  return () => sound.close();
}

export default { render };
