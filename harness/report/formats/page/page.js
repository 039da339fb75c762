"use strict";
// Text of strangers is only ever set as text, never as markup.
const $ = (id) => document.getElementById(id);
const rows = [...document.querySelectorAll(".matrix tbody tr")];
const drawer = $("drawer");
let opener = null;

function make(name, facts = {}, ...children) {
  const space = ["svg", "rect", "line", "path", "text", "title"].includes(name) ? "http://www.w3.org/2000/svg" : "";
  const node = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(facts)) node.setAttribute(key, value);
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined));
  return node;
}
const count = (n, one) => `${n.toLocaleString("en")} ${n === 1 ? one : one + "s"}`;
const clock = (seconds, long) => new Date(seconds * 1000).toISOString().replace("T", " ").slice(long ? 0 : 11, 19);

function filter() {
  const words = $("q").value.toLowerCase().split(/\s+/).filter(Boolean);
  const outcome = $("o").value, state = $("s").value;
  let shown = 0;
  for (const row of rows) {
    row.text ??= row.textContent.toLowerCase();
    const cells = [...row.querySelectorAll("a.word")].filter((c) => !state || c.classList.contains(state));
    const fits = words.every((w) => row.text.includes(w)) && (!outcome && !state || cells.some((c) => !outcome || c.classList.contains(outcome)));
    row.hidden = !fits;
    shown += fits;
  }
  for (const chapter of document.querySelectorAll(".chapter")) chapter.hidden = !chapter.querySelector("tbody tr:not([hidden])");
  $("shown").textContent = shown === rows.length ? count(rows.length, "test") : `${shown.toLocaleString("en")} of ${count(rows.length, "test")}`;
}

function marked(text, marks) {
  // By code points, as the places were counted.
  const points = [...text], parts = [];
  let at = 0;
  for (const [start, end] of marks) {
    if (start < at) continue;
    parts.push(points.slice(at, start).join(""), make("mark", {}, points.slice(start, end).join("")));
    at = end;
  }
  return [...parts, points.slice(at).join("")];
}

function meter(kind, part, whole) {
  const width = whole ? Math.max(part ? 1 : 0, (100 * part) / whole) : 0;
  return make("svg", { class: "meter", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
    make("rect", { class: kind, width, height: 4 }));
}

let texts = null;
function funnel(data) {
  texts ??= JSON.parse($("texts").textContent);
  const number = (kind, value, whole) => make("td", { class: "n" }, value.toLocaleString("en"), meter(kind, value, whole));
  const body = make("tbody");
  body.append(make("tr", {}, make("td"), make("td", {}, "recorded"), number("rows", data.recorded, data.recorded),
    number("attack", data.attack, data.attack), number("other", data.other, data.other)));
  for (const step of data.steps) {
    const line = make("td", {}, step.line ? String(step.line) : "");
    if (step.rows === undefined) {
      body.append(make("tr", { class: "bare" }, line, make("td", { colspan: 4 }, make("code", {}, texts[step.text]))));
      continue;
    }
    const text = make("td", {}, step.lost.length ? make("span", { class: "why" }, "The attack is lost here") : null, step.lost.map((why) => make("span", { class: "why" }, why)),
      make("code", {}, marked(texts[step.text], step.marks)), step.from ? make("span", { class: "note" }, step.from) : null);
    body.append(make("tr", { class: step.lost.length ? "lost" : "" }, line, text, number("rows", step.rows, data.recorded),
      number("attack", step.attack, data.attack), number("other", step.other, data.other)));
  }
  const head = make("tr", {}, make("th", { scope: "col" }, "line"), make("th", { scope: "col" }, "the rule's own text"),
    ["rows", "attack", "other"].map((n) => make("th", { scope: "col", class: "n" }, n)));
  return make("table", { class: "funnel" }, make("caption", {}, "Rows after each step, and the events of the attack and of anything else behind them"), make("thead", {}, head), body);
}

const WIDTHS = { 1: "1 s", 5: "5 s", 10: "10 s", 30: "30 s", 60: "1 min", 300: "5 min", 600: "10 min", 1800: "30 min", 3600: "1 h", 10800: "3 h", 21600: "6 h", 86400: "1 day", 604800: "7 days" };
function timeline(data) {
  const wide = 640, left = 70, high = 46, size = data.attack.length, step = (wide - left) / size;
  const across = (t) => left + Math.min(wide - left, ((t - data.start) / data.width) * step);
  const bars = (values, top, kind) => {
    const most = Math.max(1, ...values);
    return values.map((v, i) => v ? make("rect", { class: kind, x: left + i * step + .5, width: Math.max(1, step - 1), y: top + high - Math.max(1, (high * v) / most), height: Math.max(1, (high * v) / most) },
      make("title", {}, `${clock(data.start + i * data.width, true)} ${count(v, "event")}`)) : null);
  };
  const label = (x, y, text, anchor = "start") => make("text", { x, y, "text-anchor": anchor }, text);
  const end = data.start + size * data.width, tops = [18, 82], total = (v) => v.reduce((a, b) => a + b, 0);
  const alerts = data.alerts.slice(0, 40);
  const bad = total(data.attack), good = total(data.other);
  const says = `${count(bad, "event")} of the attack and ${good.toLocaleString("en")} other from ${clock(data.start, true)} to ${clock(end, true)} UTC, a bar for each ${WIDTHS[data.width]}` +
    (data.alerts.length ? `; first alert complete at ${clock(data.alerts[0][0], true)}` : "; no alert");
  return make("figure", {}, make("svg", { class: "time", viewBox: `0 0 ${wide} 168`, role: "img", "aria-label": says },
    label(0, tops[0] + high, "attack"), label(0, tops[0] + 14, `max ${Math.max(0, ...data.attack)}`), bars(data.attack, tops[0], "attack"), make("line", { class: "axis", x1: left, x2: wide, y1: tops[0] + high, y2: tops[0] + high }),
    label(0, tops[1] + high, "other"), label(0, tops[1] + 14, `max ${Math.max(0, ...data.other)}`), bars(data.other, tops[1], "other"), make("line", { class: "axis", x1: left, x2: wide, y1: tops[1] + high, y2: tops[1] + high }),
    alerts.map(([t]) => [make("line", { class: "alert", x1: across(t), x2: across(t), y1: 12, y2: tops[1] + high }), make("path", { class: "flag", d: `M${across(t) - 5} 4h10l-5 9z` })]),
    label(left, 148, clock(data.start, false)), label((left + wide) / 2, 148, `${clock(data.start, true).slice(0, 10)} UTC`, "middle"), label(wide, 148, clock(end, false), "end")),
  make("figcaption", {}, `${says}. A triangle is the last event behind an alert; a run before it may alert on fewer events (detlab latency).`));
}

function pairs(list, name) {
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name }, make("table", { class: "kv" }, make("tbody", {}, list.map(([n, v]) => make("tr", {}, make("th", { scope: "row" }, n), make("td", {}, v))))));
}

function alertBox(alert, open) {
  const box = make("details", { class: "alert-box" }, make("summary", {}, `Alert ${alert.number}: ${count(alert.count, "event")}${alert.by.length ? " by " + alert.by.join(", ") : ""}`), pairs(alert.fields, `Fields of alert ${alert.number}`));
  box.open = open;
  if (alert.events.length) {
    const names = [...new Set(alert.events.flatMap(([, fields]) => fields.map(([n]) => n)))];
    const lines = alert.events.map(([when, fields]) => { const own = new Map(fields); return make("tr", {}, make("td", {}, when), names.map((n) => make("td", {}, own.get(n) ?? ""))); });
    const more = alert.count > alert.events.length ? `, the first ${alert.events.length} of ${alert.count.toLocaleString("en")}` : "";
    box.append(make("h4", {}, `Events behind it${more}`), alert.same.length ? pairs(alert.same, `What all these events of alert ${alert.number} have`) : "",
      make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Events of alert ${alert.number}` }, make("table", { class: "events" }, make("thead", {}, make("tr", {}, ["time (UTC)", ...names].map((n) => make("th", { scope: "col" }, n)))), make("tbody", {}, lines))));
  }
  return box;
}

function build(data) {
  const list = (lines) => lines.length ? make("ul", {}, lines.map((l) => make("li", {}, l))) : "";
  const parts = [make("h2", { id: "drawer-h" }, data.title), make("p", {}, make("b", {}, data.rule), " ", make("span", { class: `word ${data.word}${data.gap ? " gap" : ""}` }, data.word), ` ${data.outcome}${data.gap ? ", a known gap" : data.differs.length ? "" : ", as expected"}${data.setting ? ` [${data.setting}]` : ""}`)];
  if (data.differs.length) parts.push(make("div", { class: "differs" }, list(data.differs)));
  if (data.because) parts.push(make("p", {}, `Because ${data.because}`));
  parts.push(list(data.notes));
  if (data.funnel) parts.push(make("h3", {}, "Step by step"), make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Step by step" }, funnel(data.funnel)));
  if (data.timeline) parts.push(make("h3", {}, "In time"), timeline(data.timeline));
  parts.push(make("h3", {}, data.alert_count ? `Alerts (${data.alert_count.toLocaleString("en")})` : "No alert"), data.alerts.map((a, i) => alertBox(a, i === 0)));
  if (data.alert_count > data.alerts.length) parts.push(make("p", { class: "dim" }, `and ${count(data.alert_count - data.alerts.length, "more alert")}`));
  if (data.remarks.length) parts.push(make("h3", {}, "To know beside"), list(data.remarks));
  parts.push(make("h3", {}, "Under"), pairs([...data.facts, ["scenario", data.path]], "Under which choices"));
  return parts.flat();
}

const cells = () => [...document.querySelectorAll(".matrix a[data-open]")].filter((c) => !c.closest("[hidden]"));
const address = () => { try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; } };

function show() {
  const data = $(`data-${address()}`);
  if (!data) return;
  $("inside").replaceChildren(...build(JSON.parse(data.textContent)));
  opener = document.querySelector(`.matrix a[href="#${CSS.escape(address())}"]`) ?? opener;
  if (!drawer.open) drawer.showModal();
  drawer.scrollTop = 0;
}
function move(by) {
  const list = cells(), at = list.findIndex((c) => c.hash.slice(1) === address());
  const next = list[(at + by + list.length) % list.length];
  if (next) location.replace(next.hash);
}
drawer.addEventListener("close", () => {
  const row = opener?.closest("tr");
  history.replaceState(null, "", row ? `#${row.id}` : "#matrix");
  opener?.focus();
});
drawer.addEventListener("click", (e) => { if (e.target === drawer) drawer.close(); });
drawer.addEventListener("keydown", (e) => { if (e.target.closest("input, [role=region]")) return; if (e.key === "ArrowLeft") move(-1); if (e.key === "ArrowRight") move(1); });
$("close").addEventListener("click", () => drawer.close());
$("before").addEventListener("click", () => move(-1));
$("after").addEventListener("click", () => move(1));
$("print").addEventListener("click", () => window.print());
$("print-one").addEventListener("click", () => window.print());
$("clear").addEventListener("click", () => { for (const id of ["q", "o", "s"]) $(id).value = ""; filter(); $("q").focus(); });
for (const id of ["q", "o", "s"]) $(id).addEventListener("input", filter);
document.querySelector(".filter").addEventListener("submit", (e) => e.preventDefault());
document.addEventListener("click", (e) => { const link = e.target.closest("a[data-open]"); if (link && link.hash === location.hash) show(); });
document.addEventListener("keydown", (e) => { if (e.key === "/" && !drawer.open && !e.target.closest("input, select")) { e.preventDefault(); $("q").focus(); } });
window.addEventListener("hashchange", show);
window.addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = true; });
if (matchMedia("(max-width: 1249px)").matches) document.querySelector("nav details").open = false;
$("shown").textContent = count(rows.length, "test");
show();
