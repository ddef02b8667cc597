// ---- What leaves the page: stars and notes, blind results, a webMUSHRA test.

/** RFC 4180 with formulas defused, as `summary.csv` has them. */
function csv(rows) {
  const cell = (value) => {
    let text = value == null ? "" : String(value);
    if (typeof value !== "number" && /^'*[=+\-@\t\r\n＝＋－＠]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => `${row.map(cell).join(",")}\n`).join("");
}

function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A file's name on the disk, as the page's folder sees it; on a served page, as the project's folder does. */
const place = (file) => decodeURIComponent(file.at).replace(/^(\.\/|audio\/)/, "");

const safeName = data.name.replace(/[^\p{L}\p{N}]+/gu, "-") || "backline";

function marksCsv() {
  const rows = [["stem", "preset", "sweep", "take", "track", "star", "note", "title", "file", "key"]];
  for (const variant of variants) {
    const { star, note } = marks.of(variant);
    if (!star && !note) continue;
    const { job } = variant;
    rows.push([
      stemOf(job), presetOf(job), job.point, job.take, variant.index, star ? 1 : 0, note ?? "", variant.title,
      place(variant.files.track), job.key,
    ]);
  }
  return csv(rows);
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

const EXPORTS = [
  ["Stars and notes", "stars.csv, for `backline pick stars.csv --to keepers/` and `backline report --ratings stars.csv`", () => download("stars.csv", "text/csv", marksCsv())],
  ["webMUSHRA test", "The shown variants, to be rated by others", () => download(`${safeName}-webmushra.yaml`, "text/yaml", mushraYaml())],
  ["Blind results", "Every answer given in this browser", () => download(`${safeName}-blind.csv`, "text/csv", blind.resultsCsv())],
];

function buildExports() {
  const dialog = $("exports");
  dialog.append(
    dialogHead("exports-title", "Export"),
    el("ul", { class: "choices" }, ...EXPORTS.map(([name, what, save]) =>
      el("li", {}, button({ onclick: () => { save(); dialog.close(); } }, el("strong", {}, name), el("span", { class: "soft" }, what))))));
}

/** A dialog's title and the button that closes it. */
function dialogHead(id, title) {
  const close = (event) => event.target.closest("dialog").close();
  return el("div", { class: "dialog-head" }, el("h2", { id }, title), button({ class: "quiet", "aria-label": "Close", onclick: close }, "Close"));
}
