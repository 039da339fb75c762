// What scenarios say of the text: a tile each, and the chosen one's funnel, the query's own text line by line.
import { clock, count, make } from "/document.js";

const ORDER = ["broken", "missed", "flagged", "seen", "quiet"];
const MEANINGS = { seen: "an alert rests on the attack", missed: "no alert rests on the attack", quiet: "benign, no alert", flagged: "benign, false alarm", broken: "cannot be judged" };

export const wordOf = (item) => item.word ?? "waiting";
export const isOff = (item) => item.word === "broken" || item.as_expected === false;

export function sayCase(item) {
  const state = item.word ? `${item.word}${isOff(item) ? ", not as expected" : item.gap ? ", a known gap" : ""}` : "not judged yet";
  return `${item.title}${item.setting ? ` [${item.setting}]` : ""}: ${state}`;
}

export function tally(cases) {
  const counts = {};
  for (const item of cases) if (item.word) counts[item.word] = (counts[item.word] ?? 0) + 1;
  return counts;
}

export function chip(item) {
  const word = wordOf(item);
  return make("span", { class: `word ${word}${isOff(item) ? " differs" : item.gap && item.word ? " gap" : ""}` }, word === "waiting" ? "..." : word);
}

function scoreLine(cases) {
  const attacks = cases.filter((c) => c.activity === "malicious"), benign = cases.filter((c) => c.activity === "benign");
  const part = (label, of, good, kind) => {
    const judged = of.filter((c) => c.word), hits = judged.filter((c) => c.word === good).length;
    const share = judged.length ? (100 * hits) / judged.length : 0;
    return make("div", { class: "score" }, make("span", { class: "label" }, label),
      make("span", { class: "value" }, judged.length ? String(hits) : "–", make("span", { class: "of" }, ` of ${of.length}`)),
      make("svg", { class: "bar", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" }, make("rect", { class: "track", width: 100, height: 4 }), make("rect", { class: kind, width: share, height: 4 })));
  };
  const off = cases.filter((c) => c.word && isOff(c)).length;
  return make("div", { class: "scores" },
    part("attacks seen", attacks, "seen", "seen"), part("benign quiet", benign, "quiet", "quiet"),
    make("div", { class: `score${off ? " off" : ""}` }, make("span", { class: "label" }, "not as expected"), make("span", { class: "value" }, cases.some((c) => c.word) ? String(off) : "–"),
      make("span", { class: "hint" }, off ? "framed in red below" : "")));
}

function tiles(cases, focus, choose) {
  const groups = [["malicious", "attacks"], ["benign", "benign software"]];
  return groups.map(([activity, name]) => {
    const own = cases.filter((c) => c.activity === activity);
    if (!own.length) return null;
    return make("div", { class: "tiles", role: "group", "aria-label": name }, make("span", { class: "label" }, name),
      own.map((item) => make("button", {
        type: "button", class: `tile ${wordOf(item)}${isOff(item) ? " differs" : ""}`, "aria-pressed": String(item.key === focus),
        "aria-label": sayCase(item), title: sayCase(item), "data-key": item.key, onclick: () => choose(item.key),
      })));
  });
}

function legend(counts) {
  const words = ORDER.filter((word) => counts[word]);
  return words.length ? make("p", { class: "legend" }, words.map((word) => make("span", { title: MEANINGS[word] }, make("i", { class: `tile ${word}`, "aria-hidden": "true" }), ` ${counts[word]} ${word}`))) : null;
}

export function drawVerdicts(state, choose, visit) {
  const parts = [scoreLine(state.cases)];
  if (!state.named && state.cases.length) parts.push(make("p", { class: "note-box" }, `No scenario names this rule. It is judged on all ${state.cases.length} of the pack: an attack should be seen, benign software should leave it quiet.`));
  for (const fault of state.faults ?? []) parts.push(make("p", { class: "note-box bad" }, `${fault.path}: ${fault.error.message}`));
  if (!state.cases.length) parts.push(make("p", { class: "dim" }, "No scenario to judge it on yet. `detlab new scenario` writes one."));
  parts.push(tiles(state.cases, state.focus, choose), legend(tally(state.cases)));
  const chosen = state.cases.find((c) => c.key === state.focus);
  if (chosen) parts.push(drawCase(chosen, state.detail?.key === chosen.key ? state.detail.detail : null, visit));
  return parts.flat().filter(Boolean);
}

function drawCase(item, detail, visit) {
  const box = make("article", { class: "case", "aria-label": item.title });
  box.append(make("h3", {}, item.title), make("p", { class: "facts" }, chip(item), " ",
    make("span", { class: "dim" }, [item.technique && `${item.technique}${item.test ? ` test ${item.test}` : ""}`, item.activity, item.setting && `[${item.setting}]`].filter(Boolean).join(" · "))));
  for (const line of item.differs ?? []) box.append(make("p", { class: "off" }, line));
  if (item.error) box.append(make("p", { class: "off" }, item.error.message));
  if (!detail) return box;
  if (detail.because && !item.differs?.length) box.append(make("p", { class: "because" }, detail.because));
  if (detail.funnel) box.append(drawFunnel(detail.funnel, detail.texts, visit));
  if (detail.timeline) box.append(drawTimeline(detail.timeline));
  box.append(...drawAlerts(detail));
  const notes = [...new Set([...detail.notes, ...detail.remarks])];
  if (notes.length) box.append(make("details", {}, make("summary", {}, `To know beside (${notes.length})`), make("ul", {}, notes.map((n) => make("li", {}, n)))));
  box.append(make("details", {}, make("summary", {}, "Under which choices"), pairs([...detail.facts, ["scenario", detail.path]], "Under which choices")));
  return box;
}

function marked(text, marks) {
  const points = [...text], parts = [];
  let at = 0;
  for (const [start, end] of marks) {
    if (start < at) continue;
    parts.push(points.slice(at, start).join(""), make("mark", {}, points.slice(start, end).join("")));
    at = end;
  }
  return [...parts, points.slice(at).join("")];
}

// A long step without the lines that tell nothing: they stand in the text beside it.
const LONG = 8, AROUND = 1;
function excerpt(text, marks) {
  const lines = text.split("\n");
  if (lines.length <= LONG) return marked(text, marks);
  const spans = [];
  let at = 0;
  for (const line of lines) { const size = [...line].length; spans.push([at, at + size]); at += size + 1; }
  const telling = (i) => i <= AROUND || i === lines.length - 1 || marks.some(([start, end]) => start < spans[i][1] && end > spans[i][0]);
  const parts = [];
  let left = 0;
  lines.forEach((line, i) => {
    if (!telling(i)) { left += 1; return; }
    if (left) parts.push(make("span", { class: "left-out" }, `${count(left, "line")} more`), "\n");
    left = 0;
    const own = marks.map(([start, end]) => [Math.max(0, start - spans[i][0]), Math.min(spans[i][1], end) - spans[i][0]]).filter(([start, end]) => end > start);
    parts.push(...marked(line, own), i < lines.length - 1 ? "\n" : "");
  });
  return parts;
}

function meter(kind, part, whole) {
  const width = whole ? Math.max(part ? 2 : 0, (100 * part) / whole) : 0;
  return make("svg", { class: "meter", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" }, make("rect", { class: "track", width: 100, height: 4 }), make("rect", { class: kind, width, height: 4 }));
}

// Where in the rule's text a step stands, in UTF-16 units; null where it comes from a macro.
export function findStep(text, step, own) {
  if (!step.line) return null;
  let start = 0;
  for (let line = 1; line < step.line; line += 1) start = text.indexOf("\n", start) + 1;
  const at = text.indexOf(own, start);
  return at < 0 ? null : at;
}

function drawFunnel(data, texts, visit) {
  const number = (kind, value, whole) => make("td", { class: "n" }, value.toLocaleString("en"), meter(kind, value, whole));
  const body = make("tbody");
  body.append(make("tr", { class: "start" }, make("td"), make("td", {}, "recorded"), number("attack", data.attack, data.attack), number("other", data.other, data.other)));
  for (const step of data.steps) {
    const line = make("td", { class: "line" }, step.line ? make("button", { type: "button", class: "plain", "aria-label": `go to line ${step.line}`, onclick: () => visit(step.line) }, String(step.line)) : "");
    const own = texts[step.text];
    if (step.rows === undefined) { body.append(make("tr", { class: "bare" }, line, make("td", { colspan: 3 }, make("code", {}, own)))); continue; }
    const why = step.lost.length ? make("div", { class: "why" }, make("b", {}, "The attack is lost here"), step.lost.map((each) => make("span", {}, each))) : null;
    body.append(make("tr", { class: step.lost.length ? "lost" : "" }, line, make("td", {}, why, make("code", {}, excerpt(own, step.marks)), step.from ? make("span", { class: "dim" }, step.from) : null),
      number("attack", step.attack, data.attack), number("other", step.other, data.other)));
  }
  const head = make("tr", {}, make("th", { scope: "col" }, make("span", { class: "hide" }, "line")), make("th", { scope: "col" }, "the rule's own text"), make("th", { scope: "col", class: "n" }, "attack"), make("th", { scope: "col", class: "n" }, "benign"));
  return make("table", { class: "funnel" }, make("caption", {}, "Events left after each step"), make("thead", {}, head), body);
}

const WIDTHS = { 1: "1 s", 5: "5 s", 10: "10 s", 30: "30 s", 60: "1 min", 300: "5 min", 600: "10 min", 1800: "30 min", 3600: "1 h", 10800: "3 h", 21600: "6 h", 86400: "1 day", 604800: "7 days" };
function drawTimeline(data) {
  const size = data.attack.length, wide = 480, step = wide / size, high = 26;
  const total = (v) => v.reduce((a, b) => a + b, 0);
  const bars = (values, top, kind) => {
    const most = Math.max(1, ...values);
    return values.map((v, i) => v ? make("rect", { class: kind, x: i * step + .4, width: Math.max(1, step - .8), y: top + high - Math.max(1, (high * v) / most), height: Math.max(1, (high * v) / most) }) : null);
  };
  const end = data.start + size * data.width;
  const says = `${count(total(data.attack), "event")} of the attack and ${total(data.other).toLocaleString("en")} other from ${clock(data.start, true)} to ${clock(end, true)} UTC, a bar for each ${WIDTHS[data.width]}` +
    (data.alerts.length ? `; first alert complete at ${clock(data.alerts[0][0], true)}` : "; no alert");
  const across = (t) => Math.min(wide, ((t - data.start) / data.width) * step);
  return make("figure", { class: "time" }, make("svg", { viewBox: `0 0 ${wide} 60`, role: "img", "aria-label": says, preserveAspectRatio: "none" },
    bars(data.attack, 1, "attack"), make("line", { class: "axis", x1: 0, x2: wide, y1: 27.5, y2: 27.5 }), bars(data.other, 31, "other"), make("line", { class: "axis", x1: 0, x2: wide, y1: 57.5, y2: 57.5 }),
    data.alerts.slice(0, 40).map(([t]) => make("line", { class: "alert", x1: across(t), x2: across(t), y1: 0, y2: 58 }))), make("figcaption", {}, says));
}

function pairs(rows, label) {
  return make("table", { class: "kv", "aria-label": label }, make("tbody", {}, rows.map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value)))));
}

function drawAlerts(detail) {
  if (!detail.alert_count) return [];
  const boxes = detail.alerts.map((alert) => make("details", {}, make("summary", {}, `Alert ${alert.number}: ${count(alert.count, "event")}${alert.by.length ? ` by ${alert.by.join(", ")}` : ""}`), pairs(alert.fields, `Fields of alert ${alert.number}`)));
  const more = detail.alert_count - detail.alerts.length;
  return [make("h4", {}, count(detail.alert_count, "alert")), ...boxes, ...(more > 0 ? [make("p", { class: "dim" }, `and ${count(more, "more alert")}`)] : [])];
}
