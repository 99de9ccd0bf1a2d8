import { mkdirSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const PROGRAMS = ["entente-side-process.ts", "http-proxy-side-process.ts"];

/** CommonJS packages ask for built-ins with `require`, which an ES module has not. */
const BANNER = `import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);`;

/**
 * Bundles the paths' own programs as the image's are bundled, so that loose modules cost no memory; into `folder`, where
 * they find koffi, whose native part cannot be bundled.
 */
export async function bundlePrograms(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  symlinkSync(fileURLToPath(new URL("../../node_modules", import.meta.url)), join(folder, "node_modules"));
  await build({
    entryPoints: PROGRAMS.map((name) => ({
      in: fileURLToPath(new URL(name, import.meta.url)),
      out: basename(name, "-process.ts"),
    })),
    outdir: folder,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    banner: { js: BANNER },
    outExtension: { ".js": ".mjs" },
    legalComments: "none",
    logLevel: "error",
    external: ["koffi"],
  });
}
