// What the desk and the blind test share; it stands before each of them. All sound comes from the plain players inside
// the figure: nothing is ever fetched.

const GLIDE_S = 0.01; // how fast a gain follows its control, slow enough not to click
const PATIENCE_MS = 3000; // for a browser that has no device to play on, and does not say so

function make(parent, tag, attributes = {}, text = "") {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return parent.appendChild(node);
}

function slider(parent, word, name, range, changed) {
  const row = make(parent, "div", { class: "desk-row" });
  make(row, "span", { "aria-hidden": "true" }, word);
  const input = make(row, "input", { type: "range", "aria-label": name, ...range });
  const said = make(row, "span", { class: "value", "aria-hidden": "true" });
  input.addEventListener("input", () => changed(Number(input.value)));
  return (value, words) => {
    input.value = value;
    input.setAttribute("aria-valuetext", words.replace("dB", "decibels").replace("%", "per cent"));
    said.textContent = words;
  };
}

// Says why there is no sound, and opens the plain players; takes it back for an empty reason.
function complaint(status, plain) {
  return why => {
    status.textContent = why && `${why} The plain players below play each version.`;
    if (why) plain.open = true;
  };
}

// A button that plays sounds which start at one moment and loop alike, so that they stay together to the sample.
// `build(context)` makes what they play into, and returns what connects the k-th source to it; `tick` is called for each
// picture while they play, `stopped` when they do not, `failed(why)` where there is no sound.
function looping(button, players, seconds, { build, failed, tick = () => {}, stopped = () => {} }) {
  let context = null, buffers = null, connect = null, loading = null;
  let playing = false, frame = 0, sources = [], offset = 0, began = 0;

  function seek(to) {
    offset = to; // where to begin, before there is anything to play
    if (!buffers) return;
    for (const source of sources) source.stop();
    sources = buffers.map((buffer, k) => {
      const source = new AudioBufferSourceNode(context, { buffer, loop: true, loopEnd: seconds });
      connect(source, k);
      source.start(context.currentTime, offset);
      return source;
    });
    began = context.currentTime - offset;
  }

  function draw() {
    cancelAnimationFrame(frame); // Play, Pause, Play while the sounds are still being decoded would start two
    tick((context.currentTime - began + seconds) % seconds);
    frame = requestAnimationFrame(draw);
  }

  async function load() {
    const texts = [...players].map(player => atob(player.src.split(",")[1]));
    const bytes = texts.map(text => Uint8Array.from(text, letter => letter.charCodeAt(0)).buffer);
    buffers = await Promise.all(bytes.map(each => context.decodeAudioData(each)));
    connect = build(context);
    seek(offset);
  }

  async function play() {
    try {
      // Here and not before: a browser lets a page sound only after the reader has clicked.
      context ??= new AudioContext();
      const late = new Promise(resolve => setTimeout(resolve, PATIENCE_MS));
      const woken = Promise.race([context.resume(), late]);
      await (loading ??= load());
      await woken;
      if (!playing) return; // paused again in the meantime
      if (context.state !== "running") throw new Error("no sound device");
      failed("");
      draw();
    } catch (error) {
      playing = false;
      pause(); // lest it begin by itself as soon as there is a device
      loading = connect ? loading : null;
      button.textContent = "Play";
      failed(`The browser gave no sound (${error.message}); press Play to try again.`);
    }
  }

  function pause() {
    cancelAnimationFrame(frame);
    context?.suspend();
    stopped();
  }

  function set(on) {
    playing = on;
    button.textContent = playing ? "Pause" : "Play";
    playing ? play() : pause();
  }
  button.addEventListener("click", () => set(!playing));
  return {
    seek,
    begin: () => playing || set(true),
    close() {
      cancelAnimationFrame(frame);
      context?.close();
    },
  };
}

// The same figure on a page without a kernel; `id` is that of the element around it.
function standalone(render, id) {
  const kept = {};
  const model = { get: key => kept[key], set: (key, value) => (kept[key] = value), save_changes() {}, on() {}, off() {} };
  render({ model, el: document.getElementById(id) });
}
