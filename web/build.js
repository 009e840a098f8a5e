// Bundle the page into the Python package: index.html, and assets whose names change with their content.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const BUILT = new URL("../src/mooring/web/static/", import.meta.url);

// xterm.js writes its theme into <style> elements and colours into style attributes, which our content security policy
// forbids, as it does for whoever would inject one. Sheets and properties that a script sets are allowed.
const CHANGES = [
  [/\w+(?:\.\w+)*\.createElement\("style"\)/g, "globalThis.mooringStyle()", 3],
  [/(\w+)\.setAttribute\("style",(`(?:[^`$]|\$\{[^}]*\})*`)\)/g, "$1.style.cssText=$2", 1],
];
const styleByScript = {
  name: "style-by-script",
  setup(building) {
    building.onLoad({ filter: /@xterm\/xterm\/lib\/xterm\.mjs$/ }, async ({ path }) => {
      let contents = await readFile(path, "utf8");
      for (const [pattern, text, count] of CHANGES) {
        const found = contents.match(pattern)?.length ?? 0;
        if (found !== count) throw new Error(`xterm.js has ${found} places like ${pattern}, not ${count}`);
        contents = contents.replace(pattern, text);
      }
      return { contents, loader: "js" };
    });
  },
};

await rm(BUILT, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: new URL(".", import.meta.url).pathname,
  entryPoints: ["src/main.ts", "src/style.css"],
  outdir: new URL("assets", BUILT).pathname,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "inline",
  metafile: true,
  logLevel: "warning",
  plugins: [styleByScript],
});

let page = await readFile(new URL("index.html", import.meta.url), "utf8");
for (const [file, { entryPoint }] of Object.entries(metafile.outputs)) {
  if (entryPoint) page = page.replaceAll(`/${entryPoint}"`, `/assets/${file.split("/").at(-1)}"`);
}
if (page.includes("/src/")) throw new Error("index.html names what was not built");
await mkdir(BUILT, { recursive: true });
await writeFile(new URL("index.html", BUILT), page);
