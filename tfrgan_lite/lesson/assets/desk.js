// A mixing desk over the figure that desk.py writes. `model` is the model of a Jupyter widget; on a page without a kernel
// it is what `standalone` makes. All sound comes from the plain players inside the figure: nothing is ever fetched.

const FLOOR_DB = -60; // the lowest place of a fader, which is silence
const GLIDE_S = 0.01; // how fast a gain follows its fader, slow enough not to click
const PATIENCE_MS = 3000; // for a browser that has no device to play on, and does not say so

function make(parent, tag, attributes = {}, text = "") {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return parent.appendChild(node);
}

const amplitude = decibels => (decibels <= FLOOR_DB ? 0 : 10 ** (decibels / 20));
const levelWords = decibels => (decibels <= FLOOR_DB ? "silent" : `${decibels} dB`.replace("-", "−"));
const panWords = pan => (pan ? `${Math.round(100 * Math.abs(pan))} % ${pan < 0 ? "left" : "right"}` : "centre");

// What plays: for each track, gates (one a version, all but one closed) into a fader, a pan and a meter; then the sum.
function wire(context, plan, buffers) {
  const meterTo = target => {
    const meter = new AnalyserNode(context, { fftSize: 1024 });
    meter.connect(target);
    return meter;
  };
  const sum = meterTo(context.destination);
  const strips = plan.names.map(() => {
    const meter = meterTo(sum);
    const pan = new StereoPannerNode(context);
    // Always two channels: at centre a mono track would otherwise come out 3 dB lower than a stereo one.
    const fader = new GainNode(context, { channelCount: 2, channelCountMode: "explicit" });
    fader.connect(pan).connect(meter);
    return { fader, pan, meter };
  });
  const gates = plan.versions.map(version =>
    version.tracks.map((_, n) => {
      const gate = new GainNode(context, { gain: 0 });
      gate.connect(strips[n].fader);
      return gate;
    })
  );
  let sources = [], began = 0;
  return {
    sum, strips, gates,
    position: () => (context.currentTime - began + plan.seconds) % plan.seconds,
    // All sounds start at one moment and loop alike, so that versions and tracks stay together to the sample.
    start(offset) {
      for (const source of sources) source.stop();
      sources = buffers.map((buffer, k) => {
        const source = new AudioBufferSourceNode(context, { buffer, loop: true, loopEnd: plan.seconds });
        plan.versions.forEach((version, v) =>
          version.tracks.forEach((track, n) => track.source === k && source.connect(gates[v][n]))
        );
        source.start(context.currentTime, offset);
        return source;
      });
      began = context.currentTime - offset;
    },
    set(settings) {
      const glide = (parameter, value) => parameter.setTargetAtTime(value, context.currentTime, GLIDE_S);
      const soloed = settings.tracks.some(track => track.solo);
      settings.tracks.forEach((track, n) => {
        const heard = !track.mute && (track.solo || !soloed);
        glide(strips[n].fader.gain, heard ? amplitude(track.gain_db) : 0);
        glide(strips[n].pan.pan, track.pan);
      });
      plan.versions.forEach((version, v) =>
        version.tracks.forEach((track, n) =>
          glide(gates[v][n].gain, version.name === settings.version ? track.gain : 0)
        )
      );
    },
  };
}

const wave = new Float32Array(1024);
function levelOf(meter) {
  meter.getFloatTimeDomainData(wave);
  return Math.max(FLOOR_DB, 10 * Math.log10(wave.reduce((sum, x) => sum + x * x, 1e-12) / wave.length));
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

function meterFor(parent, name) {
  const row = make(parent, "div", { class: "desk-row" });
  make(row, "span", { "aria-hidden": "true" }, "Meter");
  return make(row, "meter", { "aria-label": name, min: FLOOR_DB, max: 0, value: FLOOR_DB });
}

function render({ model, el }) {
  if (!el.querySelector(".desk")) el.innerHTML = model.get("figure");
  const figure = el.querySelector(".desk"), board = figure.querySelector(".board");
  const plan = JSON.parse(figure.dataset.plan), plain = figure.querySelector("details");
  board.replaceChildren(); // what stands there is for readers whose browser runs no script
  const status = make(board, "p", { role: "status" });
  const giveUp = why => {
    status.textContent = `${why} The plain players below play each version.`;
    plain.open = true;
  };
  if (!window.AudioContext || !window.StereoPannerNode) {
    giveUp("This browser cannot mix sound (it has no Web Audio), so there is no desk.");
    return;
  }
  const fresh = () => ({
    version: plan.versions[0].name,
    tracks: plan.names.map(() => ({ gain_db: 0, pan: 0, mute: false, solo: false })),
  });
  let context = null, graph = null, loading = null, playing = false, frame = 0;
  const settings = () => model.get("settings") ?? fresh();
  const change = edit => {
    const next = structuredClone(settings());
    edit(next);
    model.set("settings", next);
    model.save_changes();
    show();
  };

  const transport = make(board, "div", { class: "transport" });
  const button = make(transport, "button", { type: "button", class: "play" }, "Play");
  make(transport, "button", { type: "button" }, "Reset").addEventListener("click", () => {
    model.set("settings", fresh());
    model.save_changes();
    show();
    status.textContent = "Everything is back where it began.";
  });
  let offset = 0; // where to begin, before there is a graph
  const seconds = { min: 0, max: plan.seconds, step: "any" };
  const place = slider(board, "Time", "Position in seconds", seconds, value => {
    offset = Math.min(value, plan.seconds - 0.01);
    if (graph) graph.start(offset);
    showPlace(offset);
  });
  const showPlace = at => place(at, `${at.toFixed(1)} of ${plan.seconds.toFixed(1)} s`);
  const choice = make(board, "fieldset", { class: "versions" });
  make(choice, "legend", {}, "Version");
  const radios = plan.versions.map(version => {
    const label = make(choice, "label");
    const radio = make(label, "input", { type: "radio", value: version.name });
    label.append(` ${version.name}`);
    radio.addEventListener("change", () => change(next => (next.version = version.name)));
    return radio;
  });
  const group = `version-${Math.random()}`; // of this view alone: the same desk may be shown twice
  for (const radio of radios) radio.name = group;
  const sumMeter = meterFor(board, "Level of the mix");
  const rack = make(board, "div", { class: "rack" });
  const strips = plan.names.map((name, n) => {
    const strip = make(rack, "fieldset");
    make(strip, "legend", {}, name);
    const edit = (key, value) => change(next => (next.tracks[n][key] = value));
    const levels = { min: FLOOR_DB, max: 6, step: 1 }, sides = { min: -1, max: 1, step: 0.05 };
    const gain = slider(strip, "Level", `Level of ${name}`, levels, value => edit("gain_db", value));
    const pan = slider(strip, "Pan", `Pan of ${name}`, sides, value => edit("pan", value));
    const row = make(strip, "div", { class: "desk-row" });
    const [mute, solo] = ["mute", "solo"].map(key => {
      const word = key === "mute" ? "Mute" : "Solo";
      const press = make(row, "button", { type: "button", "aria-label": `${word} ${name}` }, word);
      press.addEventListener("click", () => edit(key, !settings().tracks[n][key]));
      return press;
    });
    return { gain, pan, mute, solo, meter: meterFor(strip, `Meter of ${name}`) };
  });

  function show() {
    const now = settings();
    radios.forEach(radio => (radio.checked = radio.value === now.version));
    now.tracks.forEach((track, n) => {
      strips[n].gain(track.gain_db, levelWords(track.gain_db));
      strips[n].pan(track.pan, panWords(track.pan));
      strips[n].mute.setAttribute("aria-pressed", track.mute);
      strips[n].solo.setAttribute("aria-pressed", track.solo);
    });
    if (graph) graph.set(now);
  }

  function tick() {
    cancelAnimationFrame(frame); // Play, Pause, Play while the sounds are still being decoded would start two
    strips.forEach((strip, n) => (strip.meter.value = levelOf(graph.strips[n].meter)));
    sumMeter.value = levelOf(graph.sum);
    showPlace(graph.position());
    frame = requestAnimationFrame(tick);
  }

  async function load() {
    const sounds = [...figure.querySelectorAll("audio.track")].map(player => atob(player.src.split(",")[1]));
    const bytes = sounds.map(text => Uint8Array.from(text, letter => letter.charCodeAt(0)).buffer);
    graph = wire(context, plan, await Promise.all(bytes.map(buffer => context.decodeAudioData(buffer))));
    graph.set(settings());
    graph.start(offset);
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
      status.textContent = "";
      tick();
    } catch (error) {
      playing = false;
      pause(); // lest it begin by itself as soon as there is a device
      loading = graph ? loading : null;
      button.textContent = "Play";
      giveUp(`The browser gave no sound (${error.message}); press Play to try again.`);
    }
  }

  function pause() {
    cancelAnimationFrame(frame);
    context?.suspend();
    for (const meter of [sumMeter, ...strips.map(strip => strip.meter)]) meter.value = FLOOR_DB;
  }

  button.addEventListener("click", () => {
    playing = !playing;
    button.textContent = playing ? "Pause" : "Play";
    playing ? play() : pause();
  });
  model.on("change:settings", show);
  showPlace(0);
  show();
  plain.open = false;
  // For tests: what the nodes of the audio graph are set to, and what comes out; null before the first Play.
  figure.desk = {
    gains: () => graph && {
      faders: graph.strips.map(strip => strip.fader.gain.value),
      pans: graph.strips.map(strip => strip.pan.pan.value),
      gates: graph.gates.map(gates => gates.map(gate => gate.gain.value)),
    },
    levels: () => graph && { sum: levelOf(graph.sum), tracks: graph.strips.map(strip => levelOf(strip.meter)) },
  };
  return () => {
    cancelAnimationFrame(frame);
    model.off("change:settings", show);
    context?.close();
  };
}

// The same desk on a page without a kernel; `id` is that of the element around the figure.
function standalone(id) {
  const kept = {};
  const model = { get: key => kept[key], set: (key, value) => (kept[key] = value), save_changes() {}, on() {}, off() {} };
  render({ model, el: document.getElementById(id) });
}

export default { render };
