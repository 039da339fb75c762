// The page: rules at the left, the text in the middle, what it does at the right; the file is written on Save alone.
import { $, Refused, ask, count, describe, listen, make, places, takeToken } from "/document.js";
import { RuleEditor } from "/editor.js";
import { EnvelopeStudy, TuneStudy } from "/studies.js";
import { chip, drawVerdicts, findStep, isOff, sayCase, wordOf } from "/verdicts.js";

// Milliseconds without a key: before scenarios are judged again, before the numbers are studied again.
const QUIET = 350, LONG_QUIET = 1500;
const CHOSEN = "detlab-rule";

const rules = new Map();
let chosen = "", view = "verdicts", folder = {}, judging = null, timer = 0, studyTimer = 0;
const open = () => rules.get(chosen);
const subject = () => ({ rule: chosen, text: editor.text });

const editor = new RuleEditor($("editor"), {
  subject: () => chosen, changed, failed, save: () => save(),
  looked: (findings) => {
    const by = (severity) => findings.filter((f) => f.severity === severity).length;
    const said = [["error", by("error")], ["warning", by("warning")], ["note", by("note")]].filter(([, n]) => n).map(([word, n]) => count(n, word));
    $("findings").textContent = said.join(", ") || "nothing found";
    $("findings").classList.toggle("bad", by("error") > 0);
  },
});
const tune = new TuneStudy($("tune"), { subject, failed, edit: (edits) => { editor.edit(edits); editor.view.focus(); } });
const envelope = new EnvelopeStudy($("envelope"), { subject, failed });

function failed(error) {
  if (error.name === "AbortError") return;
  tell(error instanceof Refused ? `This page may not ask: ${error.message}.` : `The workbench does not answer (${error.message}). Is \`detlab ui\` still running?`, true);
}

function tell(text, bad = false) {
  $("banner").hidden = !text;
  $("banner").textContent = text;
  $("banner").classList.toggle("bad", bad);
}

function status(text, busy = false) {
  $("state").textContent = text;
  $("state").classList.toggle("busy", busy);
}

// What the list shows of a rule and, once it is open, of its scenarios.
function drawRules() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (text) => words.every((w) => text.toLowerCase().includes(w));
  const groups = new Map();
  for (const rule of rules.values()) {
    const own = rule.path === chosen;
    const cases = own ? rule.cases.filter((c) => fits(`${c.title} ${c.path} ${c.technique} ${wordOf(c)} ${c.setting}`)) : [];
    if (!own && !fits(`${rule.path} ${rule.title}`)) continue;
    const at = rule.path.lastIndexOf("/"), place = at < 0 ? "" : rule.path.slice(0, at);
    if (!groups.has(place)) groups.set(place, []);
    groups.get(place).push(drawRule(rule, rule.path.slice(at + 1), own, cases));
  }
  const focused = document.activeElement?.dataset?.key;
  $("rule-list").replaceChildren(...[...groups].map(([place, items]) => make("li", {}, place ? make("p", { class: "place", title: place }, place) : null, make("ul", {}, items))));
  if (focused) document.querySelector(`#rule-list [data-key="${CSS.escape(focused)}"]`)?.focus();
}

function drawRule(rule, name, own, cases) {
  const dirty = rule.dirty ? make("span", { class: "dot", role: "img", "aria-label": "not saved" }) : null;
  const off = own && rule.cases.filter((c) => c.word && isOff(c)).length;
  const button = make("button", { type: "button", class: "rule", "aria-current": own ? "true" : null, title: rule.title, "data-key": rule.path, onclick: () => choose(rule.path) },
    make("span", { class: "name" }, name), dirty, make("span", { class: `number${off ? " off" : ""}` }, off ? `${off} off` : rule.scenarios ? String(rule.scenarios) : ""));
  const list = own && cases.length ? make("ul", { class: "cases" }, cases.map((item) => make("li", {}, make("button", {
    type: "button", class: "scenario", "aria-pressed": String(item.key === rule.focus), "aria-label": sayCase(item), title: `${sayCase(item)}\n${item.path}`, "data-key": item.key, onclick: () => focus(item.key),
  }, make("span", { class: "title" }, item.title, item.setting ? make("span", { class: "dim" }, ` ${item.setting}`) : null), chip(item))))) : null;
  return make("li", {}, button, list);
}

function drawSide() {
  const rule = open();
  if (!rule) return;
  const stale = rule.judged !== null && rule.judged !== editor.text;
  for (const id of ["verdicts", "rule-list"]) $(id).classList.toggle("outdated", stale || Boolean(rule.refused));
  const parts = drawVerdicts(rule, focus, (line) => editor.visit(line));
  if (rule.refused) parts.unshift(make("p", { class: "note-box bad", id: "refused" }, make("b", {}, "This text cannot be run. "), describe(rule.refused), rule.cases.some((c) => c.word) ? " What stands below is of the last text that could." : ""));
  if (rule.error) parts.unshift(make("p", { class: "note-box bad" }, describe(rule.error)));
  const held = document.activeElement?.closest?.("#verdicts") ? document.activeElement.dataset.key : null;
  $("verdicts").replaceChildren(...parts);
  if (held) document.querySelector(`#verdicts [data-key="${CSS.escape(held)}"]`)?.focus();
  tune.mark();
  envelope.mark();
}

function redraw() { drawRules(); drawSide(); }

// The funnel of the chosen scenario in the text itself: what each step leaves, and the clause that lost the attack.
function markFunnel(rule) {
  const funnel = rule.detail?.key === rule.focus && rule.judged === editor.text ? rule.detail.detail?.funnel : null;
  const spans = [], steps = [];
  for (const step of funnel?.steps ?? []) {
    if (step.rows === undefined || step.from) continue;
    const own = rule.detail.detail.texts[step.text], start = findStep(editor.text, step, own), at = places(own);
    if (start === null) continue;
    steps.push({ at: start, attack: step.attack, other: step.other, lost: step.lost.length > 0 });
    for (const [from, to] of step.marks) spans.push([start + at.units(from), start + at.units(to)]);
  }
  editor.markFunnel(spans.sort((a, b) => a[0] - b[0]), steps);
}

// Has the newest text judged: the scenario in focus first, then the others.
async function judge(every = true) {
  clearTimeout(timer);
  const rule = open();
  if (!rule) return;
  judging?.abort();
  const aborter = judging = new AbortController();
  const text = editor.text;
  const all = every || rule.complete !== text;
  try {
    status("running ...", true);
    for await (const said of listen("verdicts", { rule: rule.path, text, focus: rule.focus, every: all }, aborter.signal)) {
      if (aborter.signal.aborted || said.stale) return;
      take(rule, said, text);
    }
    status(rule.refused || rule.error ? "not run" : "up to date");
  } catch (error) {
    if (!aborter.signal.aborted) { status(""); failed(error); }
  }
}

function take(rule, said, text) {
  if (said.cases) {
    const known = new Map(rule.cases.map((c) => [c.key, c]));
    rule.cases = said.cases.map((c) => known.get(c.key) ?? c);
    Object.assign(rule, { named: said.named, faults: said.faults });
    if (said.named) rule.scenarios = new Set(said.cases.map((c) => c.path)).size;
    // An attack first: what a rule misses is what it is opened for.
    if (!rule.cases.some((c) => c.key === rule.focus)) rule.focus = rule.cases[0]?.key ?? "";
  }
  if (said.begun !== undefined) { Object.assign(rule, { error: null }); status(`running ${count(said.begun, "scenario")} ...`, true); }
  if (said.recording) status(`recording what ${count(said.recording, "scenario")} leave ...`, true);
  if (said.error) rule.error = said.error;
  if (said.refused) rule.refused = said.refused;
  if (said.focus) {
    Object.assign(rule, { refused: null, judged: text, detail: { key: said.focus.key, detail: said.detail } });
    rule.cases = rule.cases.map((c) => c.key === said.focus.key ? said.focus : c);
    markFunnel(rule);
  }
  if (said.verdicts) Object.assign(rule, { cases: said.verdicts, complete: text, judged: text, refused: null });
  redraw();
}

function focus(key) {
  const rule = open();
  rule.focus = key;
  show("verdicts");
  redraw();
  judge(false);
}

function changed() {
  const rule = open();
  if (!rule) return;
  rule.dirty = editor.text !== rule.base;
  showSaved(rule);
  status("typing ...", true);
  drawSide();
  clearTimeout(timer);
  timer = setTimeout(judge, QUIET);
  clearTimeout(studyTimer);
  tune.stop();
  if (view === "tune") studyTimer = setTimeout(() => tune.run("tune"), LONG_QUIET);
}

function showSaved(rule) {
  const was = $("unsaved").hidden;
  $("unsaved").hidden = !rule.dirty;
  $("save").disabled = !rule.dirty || !rule.writable;
  $("save").title = rule.writable ? "" : "This rule belongs to the installed detlab; copy it to change it";
  if (was === rule.dirty) drawRules();
}

async function choose(path) {
  if (path === chosen || !rules.has(path)) return;
  if (open()) { open().state = editor.view.state; judging?.abort(); tune.stop(); envelope.stop(); }
  const rule = rules.get(path);
  try {
    if (!rule.state) {
      const said = await ask("open", { rule: path });
      if (said.error) { tell(describe(said.error), true); return; }
      Object.assign(rule, { base: said.text, stamp: said.stamp, writable: said.saved, whole: said.path, state: editor.start(said.text) });
      if (said.mixed) tell(`The lines of ${path} end in several ways; it can be tried here but not saved.`);
    }
  } catch (error) { failed(error); return; }
  chosen = path;
  sessionStorage.setItem(CHOSEN, path);
  $("text-h").textContent = path.split("/").pop();
  $("text-h").title = rule.whole;
  document.title = `${path.split("/").pop()} · detlab workbench`;
  $("findings").textContent = "";
  editor.show(rule.state);
  markFunnel(rule);
  showSaved(rule);
  redraw();
  if (matchMedia("(max-width: 1100px)").matches) $("rules-box").open = false;
  if (view === "tune") tune.run("tune");
  judge(rule.complete !== editor.text);
}

async function save(stamp = open()?.stamp) {
  const rule = open();
  if (!rule?.dirty || !rule.writable) return;
  const text = editor.text;
  try {
    const said = await ask("save", { rule: rule.path, text, stamp });
    if (said.error?.code === "changed-on-disk") { conflict(rule, said); return; }
    if (said.error) { tell(describe(said.error), true); return; }
    Object.assign(rule, { base: said.text, stamp: said.stamp });
    rule.dirty = editor.text !== rule.base;
    showSaved(rule);
    drawRules();
    tell("");
    status(`saved at ${new Date().toTimeString().slice(0, 5)}`);
  } catch (error) { failed(error); }
}

function conflict(rule, said) {
  $("conflict-says").textContent = `${rule.path} was written by somebody else since it was opened here. Nothing has been saved.`;
  $("conflict-load").onclick = () => { $("conflict").close(); Object.assign(rule, { base: said.text, stamp: said.stamp }); editor.replace(said.text); };
  $("conflict-over").onclick = () => { $("conflict").close(); save(said.stamp); };
  $("conflict-cancel").onclick = () => $("conflict").close();
  $("conflict").showModal();
}

const TABS = ["verdicts", "tune", "envelope"];
function show(name, focused = false) {
  view = name;
  for (const each of TABS) {
    const tab = $(`tab-${each}`), on = each === name;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
    $(each).hidden = !on;
    if (on && focused) tab.focus();
  }
  if (name === "tune" && !tune.current && !tune.running) tune.run("tune");
  tune.mark();
  envelope.mark();
}
for (const each of TABS) {
  $(`tab-${each}`).addEventListener("click", () => show(each));
  $(`tab-${each}`).addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by) show(TABS[(TABS.indexOf(each) + by + TABS.length) % TABS.length], true);
  });
}

async function load() {
  if (!takeToken()) { tell("This page needs the address that `detlab ui` printed, with what stands behind its #.", true); return; }
  try {
    const said = await ask("rules");
    if (said.error) { tell(describe(said.error), true); return; }
    folder = said;
    $("where").textContent = said.folder;
    $("where").title = said.settings ? `settings: ${said.settings}` : "no detlab.yaml";
    for (const rule of said.rules) rules.set(rule.path, { ...rules.get(rule.path), cases: [], focus: "", named: true, faults: [], judged: null, complete: null, refused: null, error: null, detail: null, dirty: false, ...rule });
    $("rule-count").textContent = String(rules.size);
    drawRules();
    if (!rules.size) { tell("There is no rule in this folder. `detlab init` begins a project."); return; }
    const kept = sessionStorage.getItem(CHOSEN);
    await choose(said.open || (rules.has(kept) ? kept : "") || [...rules.values()].sort((a, b) => b.scenarios - a.scenarios)[0].path);
  } catch (error) { failed(error); }
}

// Whether somebody else has written what is open, looked at when a person comes back to the page.
async function refresh() {
  const rule = open();
  if (!rule) return;
  try {
    if ((await ask("refresh")).restart) tell("detlab.yaml has changed: start `detlab ui` again, so that rules run with it too.");
    editor.look(0);
    const said = await ask("open", { rule: rule.path });
    if (said.error || said.stamp === rule.stamp) return;
    if (rule.dirty) { tell(`${rule.path} has changed on disk; saving will ask which text is to stay.`); return; }
    Object.assign(rule, { base: said.text, stamp: said.stamp });
    editor.replace(said.text);
  } catch (error) { failed(error); }
}

$("save").addEventListener("click", () => save());
$("filter").addEventListener("input", drawRules);
document.addEventListener("keydown", (event) => { if ((event.ctrlKey || event.metaKey) && event.key === "s" && !event.defaultPrevented) { event.preventDefault(); save(); } });
window.addEventListener("focus", refresh);
window.addEventListener("beforeunload", (event) => { if ([...rules.values()].some((r) => r.dirty)) event.preventDefault(); });
load();
