// ---- What leaves the page: stars and notes, blind results, a webMUSHRA test.

/** A table for a spreadsheet, as `summary.csv` is one: a byte-order mark, each text on one line, formulas defused. */
function csv(rows) {
  const cell = (value) => {
    let text = value == null ? "" : String(value).replace(/[\t\r\n\u2028\u2029]/g, " ");
    if (typeof value !== "number" && /^'*[=+\-@＝＋－＠]/.test(text)) text = `'${text}`;
    return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `\ufeff${rows.map((row) => `${row.map(cell).join(",")}\n`).join("")}`;
}

function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A file's name on the disk, as the page's folder sees it; on a served page, as the project's folder does. */
const place = (file) => decodeURIComponent(file.at).replace(/^(\.\/|audio\/)/, "");

const safeName = data.name.replace(/[^\p{L}\p{N}]+/gu, "-") || "backline";

const MARKS_HEAD = ["stem", "preset", "sweep", "take", "track", "star", "note", "title", "file", "key"];

/** What a table says of a track beside its star and its note. */
const factsOf = (variant) => [
  stemOf(variant.job), presetOf(variant.job), variant.job.point, variant.job.take, variant.title, place(variant.files.track),
];

/** Every star and note that this browser holds for the manifest: those of the page's tracks in its order, then those of tracks that it does not show. */
function marksCsv() {
  const row = (id, mark, [stem, preset, point, take, title, file]) => {
    const [key, index] = id.split(/:(?=\d+$)/);
    return [stem, preset, point, take, Number(index), mark.star ? 1 : 0, mark.note ?? "", title, file, key];
  };
  const shown = variants.filter(({ id }) => marks.all[id]).map((variant) => row(variant.id, marks.of(variant), factsOf(variant)));
  const others = unseen().map(([id, mark]) => row(id, mark, mark.of ?? []));
  return csv([MARKS_HEAD, ...shown, ...others]);
}

/** The marks of tracks that this page does not show. */
const unseen = () => Object.entries(marks.all).filter(([id]) => !variantById.has(id));

/** The rows of a table; cells are separated by what its first line has most of. */
function csvRows(text) {
  const body = text.replace(/^\ufeff/, "").replace(/^sep=.\r?\n/, "");
  const first = body.split("\n", 1)[0];
  const separator = [",", ";", "\t"].sort((one, other) => first.split(other).length - first.split(one).length)[0];
  const rows = [[""]];
  const cell = (add) => { rows.at(-1)[rows.at(-1).length - 1] += add; };
  let quoted = false;
  for (let at = 0; at < body.length; at += 1) {
    const c = body[at];
    if (quoted && c === '"' && body[at + 1] === '"') cell(body[at += 1]);
    else if (c === '"') quoted = !quoted;
    else if (!quoted && c === separator) rows.at(-1).push("");
    else if (!quoted && c === "\n") rows.push([""]);
    else if (quoted || c !== "\r") cell(c);
  }
  return rows.filter((row) => row.length > 1);
}

/** Adds the stars and notes of a table that a page exported; gives what to tell about it. */
function importMarks(text) {
  const [head = [], ...rows] = csvRows(text);
  const at = Object.fromEntries(MARKS_HEAD.map((name) => [name, head.findIndex((it) => it.trim() === name)]));
  if (at.key < 0 || at.track < 0) return "This is no table of stars and notes, as Export saves it.";
  const said = (row, name) => (row[at[name]] ?? "").replace(/^'(?='*[=+\-@＝＋－＠])/, "");
  const read = rows.map((row) => {
    const mark = { of: ["stem", "preset", "sweep", "take", "title", "file"].map((name) => said(row, name)) };
    if (!["", "0", "no", "false"].includes(said(row, "star").trim())) mark.star = true;
    if (said(row, "note")) mark.note = said(row, "note");
    return [`${said(row, "key").trim()}:${said(row, "track").trim()}`, mark];
  }).filter(([, mark]) => mark.star || mark.note);
  marks.add(read);
  const others = read.filter(([id]) => !variantById.has(id)).length;
  return `${counted(read.length, "track")} imported${others ? `; ${others} of them are not on this page` : ""}.`;
}

/** A webMUSHRA experiment: a page a stem, on which each shown variant is rated from bad to excellent. Scalars are written as JSON, which YAML is a superset of. */
function mushraYaml() {
  const text = (value) => JSON.stringify(value);
  // webMUSHRA takes names for HTML.
  const html = (name) => name.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const folder = "configs/resources/backline";
  const wav = (variant) => `${variant.job.key.slice(0, 12)}-${variant.index}.wav`;
  const lines = [
    "# A listening test for webMUSHRA: put this file into its configs folder.",
    "# webMUSHRA plays WAV only, all of one rate: `backline pick stars.csv --webmushra DIR` writes such a test with its files.",
    "# To use this one, convert each file as the line says.",
    ...arranged.all.map((variant) => `#   ${text(place(variant.files.track))} -> ${folder}/${wav(variant)}`),
    `testname: ${text(data.name)}`,
    `testId: ${text(`backline-${data.run}`)}`,
    "bufferSize: 2048",
    "stopOnErrors: true",
    "showButtonPreviousPage: true",
    'remoteService: "service/write.php"',
    "pages:",
    "  -",
    '    - "random"',
  ];
  for (const stem of arranged.stems) {
    const list = arranged.ofStem(stem);
    if (!list.length) continue;
    lines.push(
      "    - type: likert_multi_stimulus",
      `      id: ${text(`stem-${stem}`)}`,
      `      name: ${text(html(data.stems[stem].name))}`,
      '      content: "How good is each accompaniment?"',
      "      mustRate: true",
      '      mustPlayback: "processUpdate"',
      "      stimuli:",
      ...list.map((variant) => `        ${text(`${variant.job.key.slice(0, 12)}-${variant.index}`)}: ${text(`${folder}/${wav(variant)}`)}`),
      "      response:",
      ...["bad", "poor", "fair", "good", "excellent"].map((label, at) => `        - { value: ${at + 1}, label: ${text(label)} }`),
    );
  }
  lines.push(
    "  - type: finish",
    '    name: "Thank you"',
    '    content: "Your answers are sent when you press the button."',
    "    showResults: true",
    "    writeResults: true",
  );
  return `${lines.join("\n")}\n`;
}

/** A command, which is broken between its words only, not after the hyphens of an option. */
const code = (text) => el("code", {}, ...text.split(/(?<= )/).map((word) => el("span", {}, word)));

/** A word of a command. */
const shellWord = (text) => (/^[\w./+:,@%=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** Shows what can be saved and read. */
function openExports() {
  const dialog = $("exports");
  const manifest = shellWord(data.manifest);
  const all = Object.values(marks.all);
  const [stars, notes, others] = [all.filter((it) => it.star).length, all.filter((it) => it.note).length, unseen().length];
  const answers = blind.results().length;
  const choice = (name, save, disabled, ...what) =>
    el("li", {}, button({ disabled, onclick: () => { save(); dialog.close(); } }, el("strong", {}, name), el("span", { class: "soft" }, ...what)));
  const told = el("p", { class: "soft", role: "status" });
  const file = el("input", { type: "file", id: "import-file", accept: ".csv,text/csv", hidden: true });
  file.addEventListener("change", async () => {
    if (file.files[0]) told.textContent = importMarks(await file.files[0].text());
    file.value = "";
  });
  dialog.replaceChildren(
    dialogHead("exports-title", "Export and import"),
    el("ul", { class: "choices" },
      choice("Stars and notes", () => download("stars.csv", "text/csv", marksCsv()), !all.length,
        `${counted(stars, "star")}, ${counted(notes, "note")}${others ? `; ${others} on tracks that this page does not show` : ""}. For `,
        code(`backline pick stars.csv ${manifest} --to keepers/`), " and ", code(`backline report ${manifest} --ratings stars.csv`)),
      choice("webMUSHRA test", () => download(`${safeName}-webmushra.yaml`, "text/yaml", mushraYaml()), !arranged.all.length, "The shown variants, to be rated by others"),
      choice("Blind results", () => download(`${safeName}-blind.csv`, "text/csv", blind.resultsCsv()), !answers,
        answers ? `${counted(answers, "answer")} given in this browser` : "No blind test was answered in this browser yet"),
      el("li", {}, button({ id: "import", onclick: () => file.click() }, el("strong", {}, "Import stars and notes"),
        el("span", { class: "soft" }, "From a ", code("stars.csv"), " that a page of this manifest exported")), file)),
    told,
    el("p", { class: "soft" }, "This browser keeps stars, notes and answers for this page's address. A page on the disk and a page that a run serves ",
      "have different addresses: export on one, import on the other."));
  dialog.showModal();
}

/** A dialog's title and the button that closes it. */
function dialogHead(id, title) {
  const close = (event) => event.target.closest("dialog").close();
  return el("div", { class: "dialog-head" }, el("h2", { id }, title), button({ class: "quiet", "aria-label": "Close", onclick: close }, "Close"));
}
