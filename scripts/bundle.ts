/** Bundles the `entente` command into dist/, one chunk a subcommand, for the image: 15 MB less memory than loose modules. */
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { bundleCli } from "./bundle-cli.ts";

const OUT = "dist";

rmSync(OUT, { recursive: true, force: true });
const { outputs } = await bundleCli({ write: true, outdir: OUT });
// koffi finds its native part beside itself, so it stays a package.
mkdirSync(`${OUT}/node_modules`, { recursive: true });
cpSync("node_modules/koffi", `${OUT}/node_modules/koffi`, { recursive: true });
const kilobytes = outputs.reduce((sum, output) => sum + output.bytes, 0) / 1024;
process.stdout.write(`${OUT}/: ${outputs.length} files, ${Math.round(kilobytes)} KB\n`);
