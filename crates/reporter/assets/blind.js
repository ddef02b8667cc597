// ---- The blind test: two variants of one stem at a time, without names, in random order.

const CHOICES = [["a", "A is better"], ["same", "No difference"], ["b", "B is better"]];

/** Repeatable randomness (mulberry32): the same seed draws the same test. */
function randomness(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws pairs of different variants of one stem. Every stem comes up as often as any other, and no pair twice while there are others. */
function drawTrials(lists, number, random) {
  const any = (list) => list[Math.floor(random() * list.length)];
  const stems = lists.filter((list) => list.length > 1);
  const used = new Set();
  const trials = [];
  let turn = [];
  while (stems.length && trials.length < number) {
    if (!turn.length) turn = [...stems];
    const [list] = turn.splice(Math.floor(random() * turn.length), 1);
    let pair;
    for (let attempt = 0; attempt < 40; attempt += 1) {
      const a = any(list);
      const b = any(list.filter((other) => other !== a));
      pair = { a, b, name: [a.id, b.id].sort().join(" ") };
      if (!used.has(pair.name)) break;
    }
    used.add(pair.name);
    trials.push(pair);
  }
  return trials;
}

const blind = {
  running: false,
  trials: [],
  at: 0,
  name: `blind:${pageName}`,

  likely() {
    const trial = this.trials[this.at];
    return trial ? [trial.a, trial.b] : [];
  },

  results() {
    try {
      const read = JSON.parse(memory.get(this.name) ?? "[]");
      return Array.isArray(read) ? read : [];
    } catch {
      return this.unsaved ?? [];
    }
  },

  resultsCsv() {
    const side = (letter) => ["variant", "preset", "file"].map((fact) => `${letter}_${fact}`);
    const head = ["test", "seed", "trial", "source", "stem", ...side("a"), ...side("b"), "answer", "preferred_preset", "heard_a_s", "heard_b_s", "switches", "seconds", "answered"];
    return csv([head, ...this.results()]);
  },

  /** Asks how the test shall be. */
  open() {
    transport.pause();
    const lists = arranged.stems.map((stem) => arranged.ofStem(stem));
    const able = lists.filter((list) => list.length > 1).length;
    const number = el("input", { type: "number", id: "blind-number", min: 1, max: 200, value: 10 });
    const seed = el("input", { type: "number", id: "blind-seed", min: 0, max: 4294967295, value: crypto.getRandomValues(new Uint32Array(1))[0] % 100_000 });
    const source = el("select", { id: "blind-source" }, el("option", { value: "track" }, "the tracks"), el("option", { value: "mix" }, "with the vocal"));
    const begin = button({ class: "primary", id: "blind-begin", disabled: !able }, "Begin");
    begin.addEventListener("click", () => {
      const wanted = Math.min(200, Math.max(1, Math.floor(Number(number.value)) || 10));
      this.begin(drawTrials(lists, wanted, randomness(Number(seed.value))), Number(seed.value), source.value);
    });
    for (const field of [number, seed]) field.addEventListener("keydown", (event) => event.key === "Enter" && begin.click());
    $("blind").replaceChildren(
      dialogHead("blind-title", "Blind test"),
      el("p", {}, "Two variants of the same stem, equally loud and without names. Switch between them as often as you like, then say which is better. ",
        "Drawn from what the page shows now: ", counted(able, "stem"), " with more than one variant."),
      el("div", { class: "fields" },
        el("label", {}, "Comparisons", number), el("label", {}, "Listen to", source), el("label", {}, "Seed", seed)),
      el("p", { class: "soft" }, "The same seed draws the same test for everyone who has this page."),
      el("div", { class: "actions" }, begin));
    $("blind").showModal();
    number.select();
  },

  begin(trials, seed, source) {
    Object.assign(this, { trials, seed, source, at: 0, running: true, test: new Date().toISOString(), answers: [] });
    this.before = { matched: transport.matched, source: transport.source, variant: transport.variant };
    transport.setMatched(true);
    grid.mark(null);
    this.ask();
  },

  ask() {
    const trial = this.trials[this.at];
    Object.assign(this, { side: null, heard: { a: 0, b: 0 }, switches: 0, asked: performance.now(), since: null });
    this.sides = ["a", "b"].map((side) =>
      button({ class: "side", "aria-pressed": "false", data: { side }, onclick: () => this.play(side) }, side.toUpperCase(), el("kbd", {}, side)));
    this.answerButtons = CHOICES.map(([answer, words], at) =>
      button({ data: { answer }, disabled: true, onclick: () => this.answer(answer) }, words, el("kbd", {}, String(at + 1))));
    this.place = el("progress", { max: 1, value: 0, "aria-label": "Position" });
    $("blind").replaceChildren(
      dialogHead("blind-title", `Comparison ${this.at + 1} of ${this.trials.length}`),
      el("p", { class: "blind-stem soft" }, stemOf(trial.a.job)),
      el("div", { class: "sides" }, ...this.sides),
      this.place,
      el("div", { class: "answers" }, ...this.answerButtons),
      el("p", { class: "soft" }, "Hear both before you answer.", el("span", { class: "keyboard" }, " Space pauses, arrows seek.")));
    this.sides[0].focus();
    transport.pause();
    transport.rest = 0;
    transport.variant = null;
    this.play("a");
  },

  /** Switches to a side, at the same moment. */
  play(side) {
    this.count();
    if (this.side && this.side !== side) this.switches += 1;
    const at = this.side ? undefined : 0;
    this.side = side;
    this.since = performance.now();
    for (const element of this.sides) element.setAttribute("aria-pressed", String(element.dataset.side === side));
    transport.choose(this.trials[this.at][side], { play: true, source: this.source, at });
    this.heard[side] ||= 0.001;
    if (this.heard.a && this.heard.b) for (const element of this.answerButtons) element.disabled = false;
    say(side.toUpperCase());
  },

  /** Adds up how long the current side was heard. */
  count() {
    if (this.side && this.since != null) this.heard[this.side] += (performance.now() - this.since) / 1000;
    this.since = null;
  },

  toggle() {
    this.count();
    transport.toggle();
    if (transport.playing) this.since = performance.now();
  },

  answer(answer) {
    if (this.answerButtons[0].disabled) return;
    this.count();
    const { a, b } = this.trials[this.at];
    const side = (variant) => [variant.id, presetOf(variant.job), place(transport.fileOf(variant))];
    const preferred = { a, b }[answer];
    const seconds = (value) => Math.round(value * 10) / 10;
    this.answers.push([
      this.test, this.seed, this.at + 1, this.source, stemOf(a.job), ...side(a), ...side(b), answer,
      preferred ? presetOf(preferred.job) : "", seconds(this.heard.a), seconds(this.heard.b), this.switches,
      seconds((performance.now() - this.asked) / 1000), new Date().toISOString(),
    ]);
    this.keep(this.answers.at(-1));
    this.at += 1;
    if (this.at < this.trials.length) this.ask();
    else this.end();
  },

  /** Adds an answer to those of earlier tests. */
  keep(row) {
    const all = [...this.results(), row];
    if (!memory.set(this.name, JSON.stringify(all))) this.unsaved = all;
  },

  /** Tells who was who. */
  end() {
    this.leave();
    const answered = this.trials.map(({ a, b }, at) => ({ a: a.job, b: b.job, answer: this.answers[at][11] }));
    const tables = [["Preset", presetOf], ...sweptSettings().map((name) => [name, (job) => job.sweep?.find(([it]) => it === name)?.[1]])]
      .map(([name, of]) => tallyTable(name, tallyBy(answered, of))).filter(Boolean);
    $("blind").replaceChildren(
      dialogHead("blind-title", "What you preferred"),
      el("p", { class: "soft" }, `${counted(this.answers.length, "answer")}, seed ${this.seed}. A share is what was won, half of what made no difference included, with its 95 % interval (Wilson). Pairs of the same value are left out.`),
      ...tables.map((table) => el("div", { class: "scrolls" }, table)),
      el("div", { class: "actions" },
        button({ id: "blind-save", onclick: () => download(`${safeName}-blind.csv`, "text/csv", this.resultsCsv()) }, "Save all results as CSV"),
        button({ class: "primary", onclick: () => $("blind").close() }, "Done")));
    $("blind").querySelector(".primary").focus();
  },

  leave() {
    if (!this.running) return;
    transport.pause();
    this.running = false;
    const { matched, source, variant } = this.before;
    transport.setMatched(matched);
    // Back to what was chosen, from its beginning and silent.
    Object.assign(transport, { source, variant, active: null, followers: [], rest: 0 });
    tell("choice");
    tell("playing");
  },

  /** Answers a key; true if it was meant for the test. */
  key(event) {
    if (!this.running) return false;
    const key = event.key.toLowerCase();
    if (key === "a" || key === "b") this.play(key);
    else if (["1", "2", "3"].includes(key)) this.answer(CHOICES[Number(key) - 1][0]);
    else if (key === " ") this.toggle();
    else if (key === "arrowleft" || key === "arrowright") transport.seek(transport.position + (key === "arrowleft" ? -STEP_S : STEP_S));
    else return false;
    return true;
  },
};

listen("time", () => {
  if (!blind.running) return;
  blind.place.max = transport.duration || 1;
  blind.place.value = Math.min(transport.position, blind.place.max);
});
$("blind").addEventListener("close", () => blind.leave());
