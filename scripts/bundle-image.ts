import { cpSync, existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { arch, platform } from "node:process";
import { type BundleOutput, bundleCli } from "./bundle-cli.ts";

/** Where the Dockerfile copies the image's content from, unless another folder is named. */
export const IMAGE_FOLDER = "dist";

/** koffi's packages contain their C++ sources and documentation too. */
function isNeeded(path: string): boolean {
  return statSync(path).isDirectory()
    ? !/\/(?:doc|lib|vendor)$/.test(path)
    : /\.(?:c?js|json|node)$|\/LICENSE/.test(path);
}

/**
 * Writes the image's content into a folder: the bundled command, and koffi. koffi is not bundled, because it finds its
 * native part by its own path. The native part is a separate package for each platform; without it no sidecar starts.
 */
export async function bundleImage(outdir: string): Promise<readonly BundleOutput[]> {
  const native = `@koromix/koffi-${platform}-${arch}`;
  if (!existsSync(`node_modules/${native}`)) {
    throw new Error(`node_modules/${native}, koffi's native part, is missing: install the optional dependencies`);
  }
  rmSync(outdir, { recursive: true, force: true });
  const { outputs } = await bundleCli({ write: true, outdir });
  mkdirSync(`${outdir}/node_modules/@koromix`, { recursive: true });
  for (const name of ["koffi", native]) {
    cpSync(`node_modules/${name}`, `${outdir}/node_modules/${name}`, { recursive: true, filter: isNeeded });
  }
  return outputs;
}
