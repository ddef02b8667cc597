// ---- The filter: words, and conditions as the command line's --filter has them: `preset=lofi`, `stem!=a*`, `take=1,2`, `artist=Ada`,
// `stem.vars.artist=Ada`, `state=vetoed or state=failed`.

const FIXED_KEYS = ["stem", "preset", "take", "state"];

/** A setting's name as the manifest has it. */
const settingName = (name) => name.replaceAll(" ", "_");

/** The settings that the manifest sweeps. */
const sweptSettings = () => [...new Set(data.jobs.flatMap((job) => (job.sweep ?? []).map(([name]) => name)))];

/** Every key that a condition can have. */
const filterKeys = () => [...new Set([
  ...FIXED_KEYS, ...sweptSettings(), ...columns, ...columns.map((name) => `stem.vars.${name}`),
  ...data.jobs.flatMap((job) => job.settings.map(([name]) => settingName(name))),
])];

/** The states of a job as --filter names them. */
function statesOf(job) {
  const state = job.state.replace(/,? /g, "-");
  const more = { "not-bought": ["to-buy"], "changed-not-bought": ["changed", "to-buy", "not-bought"] }[state] ?? [];
  return [state, ...more, ...(job.former ? ["earlier"] : [])];
}

/** The values that a job has under a key; none where no job has the key. `loose` texts are searched, others are compared. */
function lookUp(key) {
  const pair = (pairs, name) => pairs.filter(([it]) => it.toLowerCase() === name).map(([, value]) => value);
  const some = (of, loose = false) => (data.jobs.some((job) => of(job).length) ? { of, loose } : null);
  switch (key) {
    case "stem": return { of: (job) => [stemOf(job)] };
    case "preset": return { of: (job) => [presetOf(job)] };
    case "take": return { of: (job) => [String(job.take)] };
    case "state": return { of: statesOf };
  }
  const column = (name) => (job) => pair(varsOf(job.stem), name);
  if (key.startsWith("stem.vars.")) return some(column(key.slice("stem.vars.".length)));
  const setting = (job) => pair(job.settings.map(([name, value]) => [settingName(name), value]), settingName(key));
  return some((job) => pair(job.sweep ?? [], key)) ?? some(column(key)) ?? some(setting, true);
}

/** Whether a value is what a condition names: `*` stands for any text, and numbers are compared as numbers. */
function isValue(value, wanted) {
  const pattern = wanted.split("").map((c) => (c === "*" ? ".*" : c.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))).join("");
  const number = (text) => (text.trim() === "" ? NaN : Number(text));
  return new RegExp(`^${pattern}$`, "is").test(value) || number(value) === number(wanted);
}

/** A condition as a test of a job; `unknown` names a key that no job has. */
function condition(word) {
  const [, key, negated, value] = word.match(/^([^=!]+)(!?)=(.*)$/s) ?? [];
  if (!key) return null;
  const found = lookUp(key);
  if (!found) return { unknown: key };
  const valuesOf = (job) => found.of(job).map((it) => it.toLowerCase());
  const meets = (job, wanted) => valuesOf(job).some((it) => (found.loose ? it.includes(wanted) : isValue(it, wanted)));
  const has = (wanted) => data.jobs.some((job) => meets(job, wanted));
  const wanted = has(value) ? [value] : value.split(",").map((it) => it.trim());
  // Whoever still writes a value sees what begins or contains it.
  const test = wanted.some(has)
    ? (job) => wanted.some((it) => meets(job, it))
    : (job) => valuesOf(job).some((it) => it.includes(value));
  return { test: (job) => test(job) !== (negated === "!") };
}

/** Whether a job, or a note on one of its variants, has a word. */
const hasWord = (word) => (job, variant) =>
  words(job).includes(word) || !!(variant && marks.of(variant).note?.toLowerCase().includes(word));

/** A filter's words; `"two words"` stay together, and so does `artist="Ada L"`. */
const wordsOf = (text) => (text.toLowerCase().match(/[^\s"]*"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ""));

/** A filter's text as one test of a job and a variant, with the first key that no job has. Words and conditions that `or` joins are
 *  alternatives; the rest must all be met. */
function filterOf(text) {
  const groups = [];
  let joins = false;
  let unknown = null;
  for (const word of wordsOf(text)) {
    if (word === "or" && groups.length) {
      joins = true;
      continue;
    }
    const found = condition(word);
    unknown ??= found?.unknown;
    const test = found?.test ?? hasWord(word);
    if (joins) groups.at(-1).push(test);
    else groups.push([test]);
    joins = false;
  }
  return { unknown, test: (job, variant) => groups.every((any) => any.some((test) => test(job, variant))) };
}

/** The key that a wrong one was most likely meant to be. */
function nearestKey(wrong) {
  const distance = (one, other) => {
    let row = [...other, ""].map((_, at) => at);
    for (const [at, c] of [...one].entries()) {
      const next = [at + 1];
      for (const [to, d] of [...other].entries()) next.push(Math.min(next[to] + 1, row[to + 1] + 1, row[to] + (c === d ? 0 : 1)));
      row = next;
    }
    return row.at(-1);
  };
  const ranked = filterKeys().map((key) => [distance(wrong, key.toLowerCase()), key]).sort(([one], [other]) => one - other);
  return ranked[0]?.[0] <= Math.max(1, wrong.length / 3) ? ranked[0][1] : null;
}
