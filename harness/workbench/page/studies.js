// The numbers of the text as sliders over tune's grid, and the map of which variants it catches.
import { Refused, ask, count, describe, listen, make } from "/document.js";

const written = (v) => Number.isInteger(v) ? v.toLocaleString("en", { useGrouping: false }) : String(v);
const percent = (v) => v === null ? "–" : `${(100 * v).toFixed(v === 0 || v === 1 ? 0 : 1)} %`;
const rate = (v) => v === null ? "–" : v >= 100 ? Math.round(v).toLocaleString("en") : v >= 1 ? v.toFixed(1) : v.toFixed(2);

export class Study {
  // `subject` gives rule and text, `busy` is told what goes on, `failed` of failures, `edit` takes edits of the text.
  constructor(panel, hooks) {
    Object.assign(this, hooks);
    this.panel = panel;
    this.of = null;
    this.running = false;
  }

  get current() { const now = this.subject(); return this.of !== null && this.of.rule === now.rule && this.of.text === now.text; }

  // Runs the study of the text as it is, and draws it.
  async run(name, wishes = {}) {
    const { rule, text } = this.subject();
    if (!rule) return;
    this.aborter?.abort();
    const aborter = this.aborter = new AbortController();
    this.running = true;
    this.wait();
    try {
      for await (const said of listen(name, { rule, text, ...wishes }, aborter.signal)) {
        if (aborter.signal.aborted || said.stale) return;
        this.error = said.error;
        if (said.error) { this.fail(said.error); continue; }
        this.of = { rule, text };
        this.take(said);
      }
    } catch (error) {
      if (error.name !== "AbortError") { this.fail({ message: error.message }); if (error instanceof Refused) this.failed(error); }
    } finally {
      if (this.aborter === aborter) { this.running = false; this.mark(); }
    }
  }

  stop() { this.aborter?.abort(); this.running = false; }
  mark() {
    const old = this.of !== null && !this.current;
    this.panel.classList.toggle("outdated", old);
    if (this.notice) this.notice.hidden = !old || (this.running && !this.error);
  }
}

export class TuneStudy extends Study {
  constructor(panel, hooks) { super(panel, hooks); this.panel.replaceChildren(make("p", { class: "dim" }, "The numbers of the rule as sliders: recall and alerts follow.")); }

  wait() {
    this.error = null;
    if (!this.found || this.of.rule !== this.subject().rule) { this.found = this.of = null; this.panel.replaceChildren(make("p", { class: "waiting" }, "Studying every number of the text ...")); }
    this.mark();
  }

  // The last study stays, as that of an earlier text.
  fail(error) {
    const again = make("button", { type: "button", onclick: () => this.run("tune") }, "Try again");
    if (this.found) this.notice.replaceChildren(describe(error), " What stands below is of an earlier text. ", again);
    else this.panel.replaceChildren(make("p", { class: "note-box" }, describe(error)), again);
  }

  take(said) {
    this.found = said.study;
    this.values = this.found.numbers.map((n) => n.published);
    this.draw();
    this.show({ point: this.found.published, on_grid: true, ran: false, edits: [] });
  }

  draw() {
    const f = this.found;
    this.readout = make("div", { class: "readout", role: "status", "aria-label": "What this setting does" });
    this.chart = make("div", { class: "front" });
    this.source = make("p", { class: "source" });
    this.sliders = f.numbers.map((number, place) => this.drawSlider(number, place));
    this.apply = make("button", { type: "button", class: "primary", disabled: true, onclick: () => this.write() }, "Write into the text");
    this.notice = make("p", { class: "note-box", hidden: true }, "The text has changed since. ", make("button", { type: "button", onclick: () => this.run("tune") }, "Study it again"));
    const reset = make("button", { type: "button", onclick: () => this.choose(f.numbers.map((n) => n.published)) }, "As in the text");
    const knee = f.knee === null || !f.front[f.knee] ? null : make("button", { type: "button", onclick: () => this.choose(Object.values(f.front[f.knee].literals)), title: "Where the front bends: more recall costs much more behind it" }, "Knee of the front");
    this.panel.replaceChildren(this.notice, this.readout, this.source, make("p", { class: "buttons" }, this.apply, reset, knee),
      make("div", { class: "sliders" }, this.sliders.map((s) => s.row)), this.chart, this.drawGround());
    this.mark();
  }

  drawGround() {
    const f = this.found, more = f.explored;
    const ran = more.runs ? `; ${count(more.runs, "edited text")} run in ${more.seconds.toFixed(1)} s${more.left ? `, ${more.left} left out for want of time` : ""}` : "";
    return make("details", {}, make("summary", {}, "What this stands on"), make("p", {}, `${count(f.attacks, "attack")}, ${count(f.hosts, "host")} watched for ${f.host_days.toFixed(1)} days in all, ${count(f.groups, "group")}, ${f.combinations.toLocaleString("en")} combinations${ran}. Intervals hold with ${100 * f.confidence} % confidence.`), make("ul", {}, f.remarks.map((r) => make("li", {}, r))));
  }

  drawSlider(number, place) {
    const steps = [...number.values].sort((a, b) => a - b), id = `number-${place}`;
    const at = (v) => { const exact = steps.indexOf(v); return exact >= 0 ? exact : Math.max(0, steps.findIndex((s) => s > v)); };
    const slider = make("input", { type: "range", id, min: 0, max: Math.max(0, steps.length - 1), step: 1, value: at(number.published), "aria-describedby": `${id}-role` });
    const exact = make("input", { type: "number", step: "any", value: number.published, "aria-label": `${number.text}: any other value` });
    slider.addEventListener("input", () => this.move(place, steps[Number(slider.value)]));
    exact.addEventListener("change", () => { const v = Number(exact.value); if (exact.value !== "" && Number.isFinite(v)) this.move(place, v); });
    const set = (v) => { slider.value = at(v); slider.setAttribute("aria-valuetext", written(v)); exact.value = v; row.classList.toggle("moved", v !== number.published); };
    const ticks = make("span", { class: "ticks", "aria-hidden": "true" }, steps.map((v) => make("i", { class: v === number.published ? "own" : "" })));
    const row = make("div", { class: "slider" }, make("label", { for: id }, make("code", {}, number.text)), make("span", { class: "dim role", id: `${id}-role` }, `${number.line ? `line ${number.line}, ` : ""}${number.role}, ${count(steps.length, "value")}`), make("span", { class: "track" }, slider, ticks), exact);
    slider.setAttribute("aria-valuetext", written(number.published));
    return { row, set };
  }

  choose(values) { this.values = [...values]; this.sliders.forEach((s, i) => s.set(this.values[i])); this.question(); }
  move(place, value) { this.values[place] = value; this.sliders[place].set(value); this.question(); }

  // One question at a time; of several moves meanwhile the last one counts.
  async question() {
    if (this.asking) { this.again = true; return; }
    this.asking = true;
    this.readout.classList.add("moving");
    try {
      do {
        this.again = false;
        const values = [...this.values];
        const said = await ask("point", { values });
        if (said.stale || this.again) continue;
        if (said.error) { this.source.textContent = describe(said.error); this.source.classList.add("bad"); this.apply.disabled = true; }
        else this.show(said);
      } while (this.again);
    } catch (error) { this.failed(error); } finally { this.asking = false; this.readout.classList.remove("moving"); }
  }

  show(said) {
    const p = said.point;
    const value = (label, text, low, high, extra, id) => make("div", { class: "score" }, make("span", { class: "label" }, label), make("span", { class: "value", id }, text), make("span", { class: "hint" }, extra), low === null ? null : make("span", { class: "hint", title: "interval" }, `${low.replace(/ %$/, high.endsWith(" %") ? "" : " %")} – ${high}`));
    const span = (e, how) => e.value === null ? [null, null] : [how(e.low), e.high === null ? "any" : how(e.high)];
    const f = p.false_alerts_a_day_and_1000_hosts, every = p.alerts_a_day_and_1000_hosts;
    this.readout.replaceChildren(
      value("recall", percent(p.recall.value), ...span(p.recall, percent), `${p.caught} of ${this.found.attacks} attacks`, "recall"),
      value("alerts", rate(every.value), ...span(every, rate), "a day, 1,000 hosts", "alerts"),
      value("false alerts", rate(f.value), ...span(f, rate), "a day, 1,000 hosts", "false-alerts"),
      value("precision", percent(p.precision.value), ...span(p.precision, percent), `${p.alerts - p.false_alerts} of ${count(p.alerts, "alert")}`, "precision"));
    Object.assign(this.readout.dataset, { recall: p.recall.value, alerts: every.value, falseAlerts: f.value, caught: p.caught });
    this.source.classList.remove("bad");
    this.source.textContent = said.ran ? `The text with these numbers was run: ${said.seconds.toFixed(1)} s.` : said.on_grid ? "On tune's grid." : "Between the values of tune's grid: counted from the rule's groups, nothing is interpolated.";
    this.edits = said.edits;
    this.apply.disabled = !said.edits.length || !this.current;
    this.chart.replaceChildren(drawFront(this.found, p, (point) => this.choose(Object.values(point.literals))));
  }

  write() { if (this.current && this.edits.length) this.edit(this.edits); }
}

function drawFront(found, here, choose) {
  const wide = 460, high = 190, left = 44, top = 12, foot = 34;
  const x = (p) => p.false_alerts_a_day_and_1000_hosts.value ?? 0, y = (p) => p.recall.value ?? 0;
  const most = Math.max(1, ...[...found.front, found.published, here].map(x));
  const across = (v) => left + ((wide - left - 14) * Math.log1p(v)) / Math.log1p(most), up = (v) => top + (high - top - foot) * (1 - v);
  const ticks = [0, 1, 10, 100, 1000, 1e4, 1e5].filter((v) => v <= most);
  const path = found.front.map((p, i) => `${i ? "L" : "M"}${across(x(p)).toFixed(1)} ${up(y(p)).toFixed(1)}`).join("");
  const dots = found.front.map((p) => make("circle", { class: "dot", cx: across(x(p)), cy: up(y(p)), r: 4.5 }, make("title", {}, `recall ${percent(y(p))}, ${rate(x(p))} false alerts a day and 1,000 hosts`)));
  const svg = make("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": `The best settings: ${found.front.map((p) => `recall ${percent(y(p))} at ${rate(x(p))}`).join(", ")} false alerts a day and 1,000 hosts. This setting: recall ${percent(y(here))} at ${rate(x(here))}.` },
    [0, .5, 1].map((v) => [make("line", { class: "grid", x1: left, x2: wide - 14, y1: up(v), y2: up(v) }), make("text", { x: left - 6, y: up(v) + 4, "text-anchor": "end" }, `${100 * v} %`)]),
    ticks.map((v) => make("text", { x: across(v), y: high - foot + 16, "text-anchor": "middle" }, v.toLocaleString("en"))),
    make("text", { x: wide - 14, y: high - 3, "text-anchor": "end" }, "false alerts a day and 1,000 hosts"),
    make("path", { class: "line", d: path }), dots,
    make("circle", { class: "own", cx: across(x(found.published)), cy: up(y(found.published)), r: 7 }, make("title", {}, "as in the text")),
    make("line", { class: "here", x1: across(x(here)), x2: across(x(here)), y1: top, y2: high - foot }), make("line", { class: "here", x1: left, x2: wide - 14, y1: up(y(here)), y2: up(y(here)) }), make("circle", { class: "here", cx: across(x(here)), cy: up(y(here)), r: 5 }));
  const list = make("ol", { class: "front-list" }, found.front.map((p) => make("li", {}, make("button", { type: "button", class: "plain", onclick: () => choose(p) }, `${percent(y(p))} at ${rate(x(p))}`))));
  return make("figure", {}, make("figcaption", {}, "Settings that no other beats: recall by false alerts. Ring: the text. Cross: the sliders."), svg, list);
}

export class EnvelopeStudy extends Study {
  constructor(panel, hooks) {
    super(panel, hooks);
    this.x = make("input", { id: "axis-x", placeholder: "every=30s..2h:50:log", spellcheck: "false", autocomplete: "off" });
    this.y = make("input", { id: "axis-y", placeholder: "jitter=0..0.9:50", spellcheck: "false", autocomplete: "off" });
    this.button = make("button", { class: "primary", type: "submit" }, "Map the variants");
    this.form = make("form", { class: "axes", onsubmit: (event) => { event.preventDefault(); this.begin(); } },
      make("label", { for: "axis-x" }, "across"), this.x, make("label", { for: "axis-y" }, "upwards"), this.y, this.button);
    this.result = make("div");
    this.notice = make("p", { class: "note-box", hidden: true }, "The text has changed since this map was made.");
    panel.replaceChildren(make("p", { class: "dim" }, "Every combination of two axes is simulated and judged by the text. Empty axes are the usual ones of the behaviour that the rule sees."), this.form, this.notice, this.result);
  }

  begin() { this.run("envelope", { x: this.x.value.trim(), y: this.y.value.trim() }); }
  wait() { this.mark(); this.result.replaceChildren(make("p", { class: "waiting" }, "Simulating and judging every variant ...")); }
  fail(error) { this.result.replaceChildren(make("p", { class: "note-box" }, describe(error))); }

  take(said) {
    const f = said.map, wide = f.x.labels.length, tall = f.y.labels.length;
    const share = f.caught.flat().filter(Boolean).length / (wide * tall);
    const cells = (want) => f.caught.flatMap((row, i) => row.map((c, j) => c === want ? `M${i} ${tall - 1 - j}h1v1h-1z` : "")).join("");
    const cursor = make("rect", { class: "cursor", width: 1, height: 1, x: 0, y: tall - 1, visibility: "hidden" });
    const says = make("p", { class: "cell", role: "status" }, "Point at the map, or move on it with the arrow keys.");
    let at = [Math.floor(wide / 2), Math.floor(tall / 2)];
    const visit = (i, j) => {
      at = [Math.max(0, Math.min(wide - 1, i)), Math.max(0, Math.min(tall - 1, j))];
      cursor.setAttribute("x", at[0]); cursor.setAttribute("y", tall - 1 - at[1]); cursor.setAttribute("visibility", "visible");
      says.replaceChildren(make("b", { class: f.caught[at[0]][at[1]] ? "caught" : "missed" }, f.caught[at[0]][at[1]] ? "caught" : "missed"), ` at ${f.x.name} ${f.x.labels[at[0]]}, ${f.y.name} ${f.y.labels[at[1]]}`);
    };
    const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const map = make("svg", { class: "map", viewBox: `0 0 ${wide} ${tall}`, preserveAspectRatio: "none", role: "img", tabindex: 0, "aria-label": `${f.x.name} by ${f.y.name}: ${percent(share)} of ${f.variants.toLocaleString("en")} variants are caught`,
      onkeydown: (event) => { const by = MOVES[event.key]; if (by) { event.preventDefault(); visit(at[0] + by[0], at[1] + by[1]); } },
      onpointermove: (event) => { const box = map.getBoundingClientRect(); visit(Math.floor(((event.clientX - box.left) / box.width) * wide), tall - 1 - Math.floor(((event.clientY - box.top) / box.height) * tall)); } },
      make("path", { class: "caught", d: cells(true) }), make("path", { class: "missed", d: cells(false) }), cursor);
    const short = (l) => /^\d+\.\d{3,}$/.test(l) ? String(Number(Number(l).toPrecision(2))) : l;
    const ends = (labels) => [labels[0], labels[Math.floor(labels.length / 2)], labels.at(-1)].map((l) => make("span", {}, short(l)));
    this.result.replaceChildren(make("p", { class: "score wide" }, make("span", { class: "value", id: "caught-share" }, percent(share)), make("span", { class: "of" }, ` of ${f.variants.toLocaleString("en")} variants of ${f.behaviour} are caught (${count(f.events, "event")} in one run)`)),
      make("figure", { class: "map-box" }, make("div", { class: "up", "aria-hidden": "true" }, ends([...f.y.labels].reverse())), map, make("div", { class: "name" }, f.y.name), make("div", { class: "across", "aria-hidden": "true" }, ends(f.x.labels)), make("figcaption", {}, make("i", { class: "tile seen" }), " caught ", make("i", { class: "tile missed" }), ` missed; ${f.x.name} across, ${f.y.name} upwards`)),
      says, drawEdge(f));
    this.mark();
  }
}

function drawEdge(f) {
  const extremes = f.extremes.map((e) => make("tr", {}, make("td", {}, e.what), make("td", {}, `${f.x.name} ${e.x}, ${f.y.name} ${e.y}`), make("td", {})));
  const edge = f.edge.map((e) => make("tr", {}, make("td", {}, e.caught ? "caught" : "missed"), make("td", {}, `${f.x.name} ${e.x}, ${f.y.name} ${e.y}`), make("td", {}, e.because)));
  const given = Object.entries(f.given).filter(([n]) => n !== f.x.name && n !== f.y.name).map(([n, v]) => `${n} ${v}`).join(", ");
  return make("div", {}, make("table", { class: "edge" }, make("caption", {}, "The extremes, and variants beside the edge"), make("thead", {}, make("tr", {}, ["", "variant", "why"].map((n) => make("th", { scope: "col" }, n || make("span", { class: "hide" }, "what"))))), make("tbody", {}, extremes, edge)),
    given ? make("p", { class: "dim" }, `All with ${given}${Object.keys(f.conditions).length ? `, under ${Object.entries(f.conditions).map(([n, v]) => `${n}=${v}`).join(", ")}` : ""}`) : null);
}
