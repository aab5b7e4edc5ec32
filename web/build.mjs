// Builds the pages: node build.mjs DIRECTORY. Each page is one HTML file, made of src/page.html,
// and one script; the list SHA256SUMS is what the server goes by.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const PAGES = {
  login: "Log in",
  invite: "Accept an invitation",
  reset: "Set a new password",
  account: "Your account",
};
const BUILT = /\.(html|js|css|svg)$|^SHA256SUMS$/;

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
if (!out) throw new Error("usage: node build.mjs DIRECTORY");

mkdirSync(out, { recursive: true });
for (const name of readdirSync(out)) if (BUILT.test(name)) rmSync(join(out, name));

await build({
  absWorkingDir: here,
  entryPoints: [...Object.keys(PAGES).map((page) => `src/${page}.ts`), "src/style.css"],
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome109", "firefox115", "safari16"],
  charset: "utf8",
  legalComments: "inline",
});
const template = readFileSync(join(here, "src/page.html"), "utf8");
for (const [page, title] of Object.entries(PAGES)) {
  const html = template.replaceAll("{page}", page).replaceAll("{title}", title);
  writeFileSync(join(out, `${page}.html`), html);
}
writeFileSync(join(out, "icon.svg"), readFileSync(join(here, "src/icon.svg")));

const licence = readFileSync(join(here, "node_modules/uqr/LICENSE"), "utf8");
writeFileSync(join(out, "LICENSES.txt"), `account.js and login.js contain uqr:\n\n${licence}`);

const sums = readdirSync(out)
  .filter((name) => BUILT.test(name))
  .sort()
  .map((name) => {
    const digest = createHash("sha256")
      .update(readFileSync(join(out, name)))
      .digest("hex");
    return `${digest}  ${name}\n`;
  });
writeFileSync(join(out, "SHA256SUMS"), sums.join(""));
