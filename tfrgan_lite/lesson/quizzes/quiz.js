// Runs the quiz whose id it is given. Without it, choices can still be made and the answers unfolded.
(function (mark) {
  const section = document.getElementById(mark), end = section.querySelector(".quiz-end");
  const questions = [...section.querySelectorAll("fieldset")].map(box => ({
    inputs: [...box.querySelectorAll("input")],
    answer: box.querySelector(".quiz-answer"),
    fold: box.querySelector("details"),
  }));
  let keeps = true;

  // Where a page may keep nothing, as in some notebooks' outputs, the storage itself raises an error.
  function stored(change) {
    let kept = {};
    try {
      const text = localStorage.getItem(mark);
      try { kept = JSON.parse(text) || {}; } catch { /* no answers of ours */ }
      if (change) localStorage.setItem(mark, JSON.stringify(change(kept)));
    } catch {
      keeps = false;
    }
    return kept;
  }

  function tell() {
    const right = questions.filter(one => one.given && "right" in one.given.dataset).length;
    const given = questions.filter(one => one.given).length;
    const where = keeps ? "Kept in this browser." : "This page cannot keep them: they are gone when it is loaded again.";
    end.querySelector("span").textContent = given ? `${right} of ${questions.length} answered rightly. ${where}` : "";
    end.querySelector("button").hidden = !given;
  }

  function show(one, input) {
    one.given = input;
    one.answer.querySelector("span").textContent =
      input ? input.dataset.verdict : "Choose one of the answers first.";
    one.fold.hidden = !input;
  }

  for (const one of questions) {
    one.answer.hidden = false;
    one.fold.hidden = true;
    const outdated = () => { one.answer.querySelector("span").textContent = ""; };
    one.inputs.forEach(input => input.addEventListener("change", outdated));
    one.answer.querySelector("button").addEventListener("click", () => {
      const input = one.inputs.find(choice => choice.checked);
      show(one, input);
      if (input) stored(kept => ({ ...kept, [input.name]: input.value }));
      tell();
    });
  }
  end.querySelector("button").addEventListener("click", () => {
    stored(() => ({}));
    for (const one of questions) {
      one.inputs.forEach(input => { input.checked = false; });
      one.given = undefined;
      one.answer.querySelector("span").textContent = "";
      one.fold.hidden = true;
    }
    tell();
    questions[0].inputs[0].focus();
  });

  const kept = stored();
  for (const one of questions) {
    const input = one.inputs.find(choice => kept[choice.name] === choice.value);
    if (input) {
      input.checked = true;
      show(one, input);
    }
  }
  tell();
})
