// Bundles CodeMirror's packages, at the versions of package-lock.json, into the one file that the workbench's page loads.
import { build } from "esbuild";
import { readFileSync } from "node:fs";

const locked = JSON.parse(readFileSync("package-lock.json", "utf8")).packages;
const parts = Object.keys(locked)
  .filter((path) => /node_modules\/(@codemirror\/|@lezer\/|@marijn\/|style-mod|crelt|w3c-keyname)/.test(path))
  .map((path) => `${path.replace("node_modules/", "")} ${locked[path].version}`)
  .sort();
const banner = [
  "/*! CodeMirror 6, MIT licence, Copyright (C) 2018 by Marijn Haverbeke and others; harness/workbench/page/LICENSE.codemirror",
  ` *  ${parts.join(", ")}`,
  " *  made by `make codemirror` from codemirror/ of the source */",
].join("\n");
await build({
  entryPoints: ["entry.js"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  banner: { js: banner },
  outfile: "../harness/workbench/page/codemirror.js",
});
