// Builds what is served, dist/, from src/: one script, one style sheet, the document and
// the icon. The same sources give the same bytes. `make web` runs it; the result is
// committed, so that perigee is built with Go alone.
import { build } from "esbuild";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

rmSync(here("dist"), { recursive: true, force: true });
mkdirSync(here("dist"));
await build({
  entryPoints: { app: here("src/main.js"), style: here("src/style.css") },
  outdir: here("dist"),
  bundle: true,
  format: "esm",
  target: ["es2022", "chrome109", "firefox115", "safari16.4"],
  minify: true,
  charset: "utf8",
  legalComments: "eof",
  logLevel: "warning",
});
for (const name of ["index.html", "icon.svg"]) copyFileSync(here("src/" + name), here("dist/" + name));
