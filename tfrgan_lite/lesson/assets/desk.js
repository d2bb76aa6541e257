// A mixing desk over the figure that desk.py writes. `model` is the model of a Jupyter widget; on a page without a kernel
// it is what `standalone` makes. board.js stands before it.

const FLOOR_DB = -60; // the lowest place of a fader, which is silence
const amplitude = decibels => (decibels <= FLOOR_DB ? 0 : 10 ** (decibels / 20));
const levelWords = decibels => (decibels <= FLOOR_DB ? "silent" : `${decibels} dB`.replace("-", "−"));
const panWords = pan => (pan ? `${Math.round(100 * Math.abs(pan))} % ${pan < 0 ? "left" : "right"}` : "centre");

// What plays: for each track, gates (one a version, all but one closed) into a fader, a pan and a meter; then the sum.
function wire(context, plan) {
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
  return {
    sum, strips, gates,
    connect: (source, k) =>
      plan.versions.forEach((version, v) =>
        version.tracks.forEach((track, n) => track.source === k && source.connect(gates[v][n]))
      ),
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
  const giveUp = complaint(status, plain);
  if (!window.AudioContext || !window.StereoPannerNode) {
    giveUp("This browser cannot mix sound (it has no Web Audio), so there is no desk.");
    return;
  }
  const fresh = () => ({
    version: plan.versions[0].name,
    tracks: plan.names.map(() => ({ gain_db: 0, pan: 0, mute: false, solo: false })),
  });
  let graph = null;
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
  const seconds = { min: 0, max: plan.seconds, step: "any" };
  const place = slider(board, "Time", "Position in seconds", seconds, value => {
    const at = Math.min(value, plan.seconds - 0.01);
    sound.seek(at);
    showPlace(at);
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

  const sound = looping(button, figure.querySelectorAll("audio.track"), plan.seconds, {
    build(context) {
      graph = wire(context, plan);
      graph.set(settings());
      return graph.connect;
    },
    tick(at) {
      strips.forEach((strip, n) => (strip.meter.value = levelOf(graph.strips[n].meter)));
      sumMeter.value = levelOf(graph.sum);
      showPlace(at);
    },
    stopped() {
      for (const meter of [sumMeter, ...strips.map(strip => strip.meter)]) meter.value = FLOOR_DB;
    },
    failed: giveUp,
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
    model.off("change:settings", show);
    sound.close();
  };
}

export default { render };
