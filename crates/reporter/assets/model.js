// ---- The run: stems × presets, their jobs and tracks, and which of them are shown in which order.

const data = JSON.parse($("data").textContent);

/** Every kept track, in plan order. A variant's id is the same in every report of its job. */
const variants = [];
const variantById = new Map();
/** Jobs by stem and preset. */
const cells = data.stems.map(() => data.presets.map(() => []));

/** Makes a job's variants. One that was there before stays the same object: it may be the one that is heard. */
function makeVariants(job) {
  job.point = (job.sweep ?? []).map(([name, value]) => `${name}=${value}`).join(", ");
  job.variants = job.tracks.filter((track) => track.file).map((track) => {
    const id = `${job.key}:${track.index}`;
    const sets = Object.fromEntries((track.sets ?? []).map(({ name, parts }) => [`${SET}${name}`, parts]));
    // The first stem stands for its set.
    const firsts = Object.fromEntries(Object.entries(sets).map(([source, [first]]) => [source, first]));
    const variant = Object.assign(variantById.get(id) ?? { id, job }, {
      index: track.index,
      title: track.title,
      unverified: track.unverified,
      music: track.music ?? {},
      files: { track: track.file, mix: track.mix, vocal: data.stems[job.stem].vocal, ...firsts },
      sets,
      made: track.made ?? [],
      open: track.open ?? [],
    });
    variantById.set(id, variant);
    return variant;
  });
}

for (const job of data.jobs) {
  cells[job.stem][job.preset].push(job);
  makeVariants(job);
  variants.push(...job.variants);
}

/** An earlier version stands behind the job that took its place, and so with its sweep point. */
for (const jobs of cells.flat()) {
  const place = (job) => `${job.point}\n${job.take}`;
  const first = (of) => new Map([...jobs].reverse().map((job) => [of(job), jobs.indexOf(job)]));
  const [points, places] = [first((job) => job.point), first(place)];
  const order = new Map(jobs.map((job, at) => [job, [points.get(job.point), places.get(place(job)), at]]));
  jobs.sort((one, other) => {
    const [mine, its] = [order.get(one), order.get(other)];
    return mine[0] - its[0] || mine[1] - its[1] || mine[2] - its[2];
  });
}

/** Puts a job as it is now in place of what it was; gives how many variants came with it. */
function replaceJob(at, now) {
  const job = data.jobs[at];
  const before = job.variants.length;
  for (const fact of ["why", "task", "words", "former"]) delete job[fact];
  Object.assign(job, now);
  makeVariants(job);
  variants.splice(0, variants.length, ...data.jobs.flatMap((it) => it.variants));
  return Math.max(0, job.variants.length - before);
}

const stemOf = (job) => data.stems[job.stem].name;
const presetOf = (job) => data.presets[job.preset];

/** `chorus × lofi [model=V5] take 1`, as everywhere else in Backline. */
const jobName = (job) =>
  `${stemOf(job)} × ${presetOf(job)}${job.point ? ` [${job.point}]` : ""} take ${job.take}${job.former ? " (earlier version)" : ""}`;

/** The signs of steps that went wrong; the others wait. */
const WRONG = "!?pxv";

/** What a listener should know of a variant: remarks on its music, and steps that went wrong. */
const remarksOf = ({ music, open }) => [
  ...(music.remarks ?? []),
  ...open.filter(({ sign }) => WRONG.includes(sign)).map(({ name, state, why }) => `${titleOf(name)} ${state}${why ? `: ${why}` : ""}`),
];

const variantName = (variant) => `${jobName(variant.job)}, track ${variant.index}`;

/** What a cell calls a variant, whatever is filtered or sorted: its take and its track, behind `~` where the manifest has changed since. */
const variantLabel = (variant) => `${variant.job.former ? "~" : ""}${variant.job.take}.${variant.index}`;

/** The columns of a stem's catalogue: `[["artist", "Ada"], …]`. */
const varsOf = (stem) => data.stems[stem].vars ?? [];
const columns = [...new Set(data.stems.flatMap((_, stem) => varsOf(stem).map(([name]) => name)))];

/** The value of a job's column, sweep setting or setting. */
function valueOf(job, name) {
  const named = ([it]) => it.toLowerCase() === name;
  return [varsOf(job.stem), job.sweep ?? [], job.settings].map((pairs) => pairs.find(named)?.[1]).find((value) => value != null);
}

/** What a search looks through; made once, when a job is first looked for. */
function words(job) {
  job.words ??= [
    jobName(job), job.key, job.task, job.why, job.state, ...varsOf(job.stem).flat(),
    ...job.settings.flat(), ...job.tracks.map((track) => track.title),
  ].join("\n").toLowerCase();
  return job.words;
}

const byName = new Intl.Collator(undefined, { numeric: true }).compare;

const ORDERS = {
  stars: (variant) => (marks.of(variant).star ? 1 : 0),
  length: (variant) => variant.files.track.seconds ?? 0,
  loudness: (variant) => variant.files.track.lufs ?? -100,
  tempo: (variant) => -(variant.music.tempo ?? 1000),
};

/** What is shown: `filter` text, `show` which kind, `sort` order. */
const view = { filter: "", show: "all", sort: "plan" };

/** Works the view out: rows and columns in order, each cell's jobs with the variants that fit, and all of these in reading order. */
function arrange() {
  const { test: hasWords, unknown } = filterOf(view.filter);
  const fits = (variant) => {
    if (view.show === "starred" && !marks.of(variant).star) return false;
    if (view.show === "noted" && !marks.of(variant).note) return false;
    if (view.show === "remarked" && !remarksOf(variant).length) return false;
    return hasWords(variant.job, variant);
  };
  const worth = ORDERS[view.sort];
  const sorted = (list, of) => (worth ? [...list].sort((one, other) => of(other) - of(one)) : list);
  const best = (job) => Math.max(-Infinity, ...job.variants.map(worth));

  const shown = cells.map((row) =>
    row.map((jobs) => {
      const entries = [];
      for (const job of sorted(jobs, best)) {
        const kept = view.show === "none" ? [] : sorted(job.variants.filter(fits), worth);
        const untold = !["tracks", "starred", "noted", "remarked"].includes(view.show);
        const why = untold && job.why != null && hasWords(job) ? job.why : null;
        if (kept.length || why != null) entries.push({ job, variants: kept, why });
      }
      return entries;
    }));
  const stars = (entries) => entries.flatMap((entry) => entry.variants).filter((it) => marks.of(it).star).length;
  const axis = (names, cellsOf) => {
    const all = names.map((_, at) => at).filter((at) => cellsOf(at).some((cell) => cell.length));
    if (view.sort === "name") all.sort((one, other) => byName(names[one], names[other]));
    if (view.sort === "stars") {
      const sums = new Map(all.map((at) => [at, cellsOf(at).reduce((sum, cell) => sum + stars(cell), 0)]));
      all.sort((one, other) => sums.get(other) - sums.get(one));
    }
    return all;
  };
  const stems = axis(data.stems.map((stem) => stem.name), (at) => shown[at]);
  if (view.sort.startsWith("column:")) {
    const column = view.sort.slice("column:".length);
    const value = (stem) => varsOf(stem).find(([name]) => name === column)?.[1] ?? "";
    stems.sort((one, other) => byName(value(one), value(other)));
  }
  const presets = axis(data.presets, (at) => shown.map((row) => row[at]));
  const cell = (stem, preset) => shown[stem][preset];
  const ofStem = (stem) => presets.flatMap((preset) => cell(stem, preset).flatMap((entry) => entry.variants));
  return { stems, presets, cell, ofStem, unknown, all: stems.flatMap(ofStem) };
}

/** The view as it was last worked out. */
let arranged;
