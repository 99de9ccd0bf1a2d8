import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { arch, platform } from "node:process";
import { type BundleOutput, bundleCli } from "./bundle-cli.ts";

/**
 * Puts into a folder what the image carries: the bundled command, and koffi, which stays a package since it finds its native
 * part by its own place. That part is a package of its own for each platform: without it no sidecar starts.
 */
export async function bundleImage(outdir: string): Promise<readonly BundleOutput[]> {
  const native = `@koromix/koffi-${platform}-${arch}`;
  if (!existsSync(`node_modules/${native}`)) {
    throw new Error(`node_modules/${native} is missing, koffi's native part: install with the optional dependencies`);
  }
  rmSync(outdir, { recursive: true, force: true });
  const { outputs } = await bundleCli({ write: true, outdir });
  mkdirSync(`${outdir}/node_modules/@koromix`, { recursive: true });
  for (const name of ["koffi", native]) {
    cpSync(`node_modules/${name}`, `${outdir}/node_modules/${name}`, { recursive: true });
  }
  return outputs;
}
