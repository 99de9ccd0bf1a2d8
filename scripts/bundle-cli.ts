import { build } from "esbuild";

export interface BundleOptions {
  readonly write: boolean;
  readonly outdir: string;
}

export interface BundleOutput {
  readonly path: string;
  readonly bytes: number;
  /** The source files in it. */
  readonly inputs: readonly string[];
  /** The chunks that it loads immediately, not on demand. */
  readonly imports: readonly string[];
}

/** CommonJS packages load built-ins with `require`, which ES modules do not have. */
const BANNER = `import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);`;

/** Bundles `cli/main.ts` for Node 24 as ES modules; each subcommand is a chunk that is loaded on demand. */
export async function bundleCli(options: BundleOptions): Promise<{ readonly outputs: readonly BundleOutput[] }> {
  const result = await build({
    entryPoints: [{ in: "cli/main.ts", out: "entente" }],
    bundle: true,
    splitting: true,
    platform: "node",
    target: "node24",
    format: "esm",
    external: ["koffi"],
    banner: { js: BANNER },
    outExtension: { ".js": ".mjs" },
    // A program's text stays in memory; minifying saves 2 MB. Names are kept, so that stack traces are readable.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none",
    metafile: true,
    logLevel: "error",
    ...options,
  });
  const outputs = Object.entries(result.metafile.outputs).map(([path, output]) => ({
    path,
    bytes: output.bytes,
    inputs: Object.keys(output.inputs),
    imports: output.imports.filter(({ kind }) => kind === "import-statement").map((entry) => entry.path),
  }));
  return { outputs };
}
