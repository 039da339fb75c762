// Elements from data, and the server. Text of strangers is only ever set as text, never as markup.
const DRAWN = new Set(["svg", "g", "rect", "line", "path", "text", "title", "circle"]);

export const $ = (id) => document.getElementById(id);

export function make(name, facts = {}, ...children) {
  const node = DRAWN.has(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(facts)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== "" && c !== false));
  return node;
}

export const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
export const clock = (seconds, long) => new Date(seconds * 1000).toISOString().replace("T", " ").slice(long ? 0 : 11, 19);

// The server counts code points, the page UTF-16 units; they differ only where a text has surrogate pairs.
export function places(text) {
  if (!/[\ud800-\udbff]/.test(text)) return { units: (at) => Math.min(at, text.length), points: (at) => at };
  const starts = [];
  for (let at = 0; at < text.length; at += text.codePointAt(at) > 0xffff ? 2 : 1) starts.push(at);
  starts.push(text.length);
  return {
    units: (at) => starts[Math.min(at, starts.length - 1)],
    points: (at) => { let low = 0, high = starts.length - 1; while (low < high) { const mid = (low + high) >> 1; if (starts[mid] < at) low = mid + 1; else high = mid; } return low; },
  };
}

const TOKEN = "detlab-token";
export const PAGE = [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, "0")).join("");

export function takeToken() {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    // Neither the history nor a screenshot shows it.
    history.replaceState(null, "", "/");
  }
  return Boolean(sessionStorage.getItem(TOKEN));
}

const post = (name, body, signal) => fetch(`/api/${name}`, {
  method: "POST", signal, body: JSON.stringify({ page: PAGE, ...body }),
  headers: { "Content-Type": "application/json", Authorization: `Bearer ${sessionStorage.getItem(TOKEN)}` },
});

export class Refused extends Error {}

async function check(answer) {
  if (answer.status === 403) throw new Refused(await answer.text());
  return answer;
}

export async function ask(name, body = {}, signal = undefined) {
  return (await check(await post(name, body, signal))).json();
}

// Each line that the server sends, as it comes.
export async function* listen(name, body, signal) {
  const answer = await check(await post(name, body, signal));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    held += value ?? "";
    const lines = held.split("\n");
    held = lines.pop();
    for (const line of lines) if (line) yield JSON.parse(line);
    if (done) { if (held) yield JSON.parse(held); return; }
  }
}

export function describe(error) {
  const place = error.line ? `line ${error.line}: ` : "";
  return `${place}${error.message}${error.help ? ` (${error.help})` : ""}`;
}

// The manual's Markdown as elements: headings, lists, code, bold; anything else stays text.
export function render(markdown) {
  const box = make("div", { class: "manual" });
  let code = null, list = null, lines = [];
  const flush = () => { if (lines.length) box.append(make("p", {}, inline(lines.join(" ")))); lines = []; list = null; };
  for (const line of markdown.split("\n")) {
    if (line.startsWith("```")) {
      if (code) { box.append(make("pre", {}, code.join("\n"))); code = null; } else { flush(); code = []; }
    } else if (code) code.push(line);
    else if (/^#{1,6} /.test(line)) { flush(); box.append(make("p", { class: "h" }, inline(line.replace(/^#+ /, "")))); }
    else if (/^[*-] /.test(line)) { const open = list; flush(); list = open ?? make("ul"); if (!list.parentNode) box.append(list); list.append(make("li", {}, inline(line.slice(2)))); }
    else if (/^\|?[\s:|-]+\|?$/.test(line) && line.includes("-")) continue;
    else if (!line.trim()) flush();
    else lines.push(line.trim());
  }
  if (code) box.append(make("pre", {}, code.join("\n")));
  flush();
  return box;
}

function inline(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(/`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\([^)]*\)/g)) {
    parts.push(text.slice(at, found.index));
    parts.push(found[1] !== undefined ? make("code", {}, found[1]) : make("b", {}, found[2] ?? found[3]));
    at = found.index + found[0].length;
  }
  return [...parts, text.slice(at)];
}
