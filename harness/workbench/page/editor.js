// CodeMirror with the language's own findings, colours, manual and completion, all of them the server's.
import {
  Annotation, Decoration, EditorState, EditorView, GutterMarker, RangeSet, StateEffect, StateField, acceptCompletion, autocompletion,
  bracketMatching, completionKeymap, defaultKeymap, drawSelection, dropCursor, gutter, highlightActiveLine, highlightActiveLineGutter,
  highlightSelectionMatches, highlightSpecialChars, history, historyKeymap, hoverTooltip, indentUnit, keymap, lineNumbers,
  lintGutter, lintKeymap, rectangularSelection, search, searchKeymap, setDiagnostics,
} from "/codemirror.js";
import { Refused, ask, make, places, render } from "/document.js";

// Milliseconds without a key before a text is looked through.
const QUIET = 60;
const SEVERITIES = { error: "error", warning: "warning", note: "info" };
const KINDS = { command: "keyword", function: "function", parameter: "property", macro: "constant", field: "variable", keyword: "keyword", value: "text" };

const setMarks = StateEffect.define();
function markField(className) {
  return StateField.define({
    create: () => Decoration.none,
    update(marks, change) {
      marks = marks.map(change.changes);
      for (const effect of change.effects) if (effect.is(setMarks) && effect.value.of === className) marks = effect.value.marks;
      return marks;
    },
    provide: (field) => EditorView.decorations.from(field),
  });
}
const colours = markField("colours"), lost = markField("lost");

// What is left behind each step, at the right of its first line; the same stands in the table of the chosen scenario.
class Counts extends GutterMarker {
  constructor(step) { super(); this.step = step; }
  eq(other) { return ["attack", "other", "lost"].every((key) => this.step[key] === other.step[key]); }
  toDOM() {
    const { attack, other, lost } = this.step;
    return make("span", { class: `counts${lost ? " gone" : ""}`, title: `after this step: ${attack.toLocaleString("en")} events of the attack, ${other.toLocaleString("en")} other` }, make("b", {}, attack.toLocaleString("en")), make("span", {}, other.toLocaleString("en")));
  }
}
const setCounts = StateEffect.define();
const counts = StateField.define({
  create: () => RangeSet.empty,
  update(held, change) {
    held = held.map(change.changes);
    for (const effect of change.effects) if (effect.is(setCounts)) held = effect.value;
    return held;
  },
});
const countGutter = gutter({ class: "cm-counts", side: "after", markers: (view) => view.state.field(counts) });
const loaded = Annotation.define();

function build(spans, size) {
  const marks = [];
  for (const [start, end, name] of spans) if (start < end && end <= size) marks.push(Decoration.mark({ class: name }).range(start, end));
  return Decoration.set(marks, true);
}

export class RuleEditor {
  // `subject` gives the rule that is open, `changed` is told of each new text, `looked` of what was found in one.
  constructor(parent, { subject, changed, looked, save, failed }) {
    Object.assign(this, { subject, changed, looked, failed });
    this.version = 0;
    const nonce = document.querySelector("meta[name=nonce]").content;
    this.extensions = [
      EditorView.cspNonce.of(nonce), lineNumbers(), lintGutter(), highlightSpecialChars(), history(), drawSelection(), dropCursor(),
      bracketMatching(), rectangularSelection(), highlightActiveLine(), highlightActiveLineGutter(), highlightSelectionMatches(),
      search({ top: true }), indentUnit.of("    "), EditorView.lineWrapping, colours, lost, counts, countGutter,
      EditorView.contentAttributes.of({ "aria-label": "Text of the rule", tabindex: "0", spellcheck: "false", autocorrect: "off", autocapitalize: "off" }),
      autocompletion({ override: [(context) => this.complete(context)], icons: false }),
      hoverTooltip((view, at) => this.hover(view, at), { hoverTime: 350 }),
      keymap.of([
        { key: "Mod-s", preventDefault: true, run: () => { save(); return true; } },
        { key: "Tab", run: acceptCompletion },
        ...defaultKeymap, ...historyKeymap, ...searchKeymap, ...completionKeymap, ...lintKeymap,
      ]),
      EditorView.updateListener.of((update) => { if (update.docChanged) this.notice(update); }),
    ];
    this.view = new EditorView({ parent, state: this.start("") });
  }

  start(text) { return EditorState.create({ doc: text, extensions: this.extensions }); }
  get text() { return this.view.state.doc.toString(); }

  // Another rule: its own state with its own history.
  show(state) {
    this.view.setState(state);
    this.version += 1;
    this.look(0);
  }

  replace(text) {
    this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: text }, annotations: loaded.of(true) });
  }

  visit(number) {
    const line = this.view.state.doc.line(Math.min(number, this.view.state.doc.lines));
    this.view.dispatch({ selection: { anchor: line.from }, effects: EditorView.scrollIntoView(line.from, { y: "center" }) });
    this.view.focus();
  }

  edit(edits) {
    const at = places(this.text);
    this.view.dispatch({ changes: edits.map((e) => ({ from: at.units(e.start), to: at.units(e.end), insert: e.text })), userEvent: "input.tune" });
  }

  notice() {
    this.version += 1;
    this.view.dom.classList.add("stale");
    this.changed();
    this.look(QUIET);
  }

  look(pause) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.analyse(), pause);
  }

  async analyse() {
    const version = this.version, text = this.text, rule = this.subject();
    if (!rule) return;
    this.aborter?.abort();
    this.aborter = new AbortController();
    let said;
    try { said = await ask("analyse", { rule, text }, this.aborter.signal); } catch (error) { if (error.name !== "AbortError") this.failed(error); return; }
    if (said.stale || version !== this.version) return;
    if (said.error) said.findings = [{ start: 0, end: 1, severity: "error", code: said.error.code, message: said.error.message, help: said.error.help, edits: [] }];
    this.found = said.findings;
    const at = places(text), size = text.length;
    const list = said.findings.map((f) => this.diagnose(f, at, size));
    const spans = (said.colours ?? []).map(([start, end, kind]) => [at.units(start), at.units(end), `tok-${kind}`]);
    this.view.dispatch(setDiagnostics(this.view.state, list), { effects: setMarks.of({ of: "colours", marks: build(spans, size) }) });
    this.looked(said.findings);
  }

  diagnose(finding, at, size) {
    // A line under many lines says nothing: of a finding over several the first one is marked.
    const from = at.units(finding.start), text = this.text, broken = text.indexOf("\n", from);
    const to = Math.min(size, Math.max(at.units(finding.end), from), broken > from ? broken : size);
    const actions = finding.edits.length ? [{ name: "Mend", apply: () => this.edit(finding.edits) }] : [];
    const renderMessage = () => make("span", {}, finding.message, finding.help ? make("span", { class: "help" }, finding.help) : null, make("span", { class: "code" }, finding.code));
    return { from: Math.min(from, size), to, severity: SEVERITIES[finding.severity], message: finding.message, renderMessage, actions };
  }

  // Where the attack of the chosen scenario is lost, and what each step leaves: `steps` by their place in the text.
  markFunnel(spans, steps) {
    const { doc } = this.view.state;
    const markers = new Map(steps.map((step) => [doc.lineAt(Math.min(step.at, doc.length)).from, new Counts(step)]));
    const effects = [setMarks.of({ of: "lost", marks: build(spans.map(([s, e]) => [s, e, "lost-clause"]), doc.length) }), setCounts.of(RangeSet.of([...markers].map(([at, marker]) => marker.range(at)), true))];
    this.view.dispatch({ effects });
    this.view.dom.classList.remove("stale");
  }

  async hover(view, pos) {
    const text = view.state.doc.toString(), at = places(text), offset = at.points(pos);
    const codes = (this.found ?? []).filter((f) => f.start <= offset && offset < Math.max(f.end, f.start + 1)).map((f) => f.code);
    try {
      const said = (await ask("hover", { rule: this.subject(), text, offset, codes })).hover;
      if (!said) return null;
      return { pos: at.units(said.start), end: at.units(said.end), above: true, create: () => ({ dom: render(said.text) }) };
    } catch (error) { if (error instanceof Refused) this.failed(error); return null; }
  }

  async complete(context) {
    const text = context.state.doc.toString(), at = places(text);
    const before = text.slice(Math.max(0, context.pos - 1), context.pos);
    if (!context.explicit && !/[\w|`$.#@:]/.test(before)) return null;
    const rule = this.subject();
    try {
      const said = (await ask("complete", { rule, text, offset: at.points(context.pos) })).completion;
      if (context.aborted || !said?.items.length) return null;
      const language = rule.split(".").pop();
      return { from: at.units(said.start), filter: false, options: said.items.slice(0, 200).map((item) => this.offer(item, language)) };
    } catch (error) { if (error instanceof Refused) this.failed(error); return null; }
  }

  offer(item, language) {
    const manual = item.kind === "command" || item.kind === "function";
    const info = manual ? async () => {
      const said = await ask("explain", { language, word: item.label, command: item.kind === "command" });
      return said.text ? render(said.text) : null;
    } : undefined;
    return { label: item.label, type: KINDS[item.kind], detail: item.kind, apply: item.insert, info };
  }
}
