import { dirname, isAbsolute, join, relative } from "node:path";
import { LocalError } from "../local-error.ts";

/** The program of this machine that replaces a container image: a TypeScript file, run by this process's own Node. */
export type ImageTable = Readonly<Record<string, string>>;

/** Files are relative to the project's folder. */
export const DEFAULT_IMAGES: ImageTable = {
  entente: "cli/main.ts",
  "wardviaene/http-echo": "examples/http-echo/main.ts",
  "hello-grpc": "examples/hello-grpc/main.ts",
};

/** An image's name without its tag or digest, and without the registry's host. */
export function imageName(image: string): string {
  const [untagged = ""] = image.split("@");
  const name = untagged.replace(/:[\w.-]+$/, "");
  const [first = "", ...rest] = name.split("/");
  return rest.length > 0 && /[.:]/.test(first) ? rest.join("/") : name;
}

/** The file for an image; a LocalError names the option that adds one. */
export function resolveImage(image: string, images: ImageTable): string {
  const name = imageName(image);
  const file = Object.entries(images).find(([key]) => imageName(key) === name)?.[1];
  if (file !== undefined) return file;
  const known = Object.keys(images).join(", ");
  throw new LocalError(
    "unknown_image",
    `there is no program for the image "${image}" (known: ${known}); add one with --image ${name}=FILE.ts`,
    { details: { image } },
  );
}

/** A file of this machine as a container sees it, and the mount that this needs. */
export interface MountedFile {
  readonly path: string;
  readonly mount: { readonly source: string; readonly target: string; readonly isFile: boolean } | undefined;
}

/**
 * The project's files are in the project's mount. Any other file is mounted alone, or with its folder's other files.
 */
export function mountedFile(
  file: string,
  project: { readonly source: string; readonly target: string },
  comes: "alone" | "with its folder",
): MountedFile {
  if (!isAbsolute(file)) return { path: join(project.target, file), mount: undefined };
  const inProject = relative(project.source, file);
  if (!inProject.startsWith("..")) return { path: join(project.target, inProject), mount: undefined };
  const path = join("/run/entente/files", file);
  if (comes === "alone") return { path, mount: { source: file, target: path, isFile: true } };
  return { path, mount: { source: dirname(file), target: dirname(path), isFile: false } };
}
