import { isAbsolute, join } from "node:path";
import { LocalError } from "./local-error.ts";

/** A program of this machine that stands for a container image: a TypeScript file, run by this process's own Node. */
export type ImageTable = Readonly<Record<string, string>>;

/** Files are relative to the project's folder. */
export const DEFAULT_IMAGES: ImageTable = {
  entente: "cli/main.ts",
  "wardviaene/http-echo": "examples/http-echo/main.ts",
};

/** An image's name without its tag or digest, and without the host of a registry. */
export function imageName(image: string): string {
  const [untagged = ""] = image.split("@");
  const name = untagged.replace(/:[\w.-]+$/, "");
  const [first = "", ...rest] = name.split("/");
  return rest.length > 0 && /[.:]/.test(first) ? rest.join("/") : name;
}

/** The file that stands for an image; a LocalError says how to name one. */
export function resolveImage(image: string, images: ImageTable): string {
  const name = imageName(image);
  const file = Object.hasOwn(images, name) ? images[name] : undefined;
  if (file !== undefined) return file;
  const known = Object.keys(images).join(", ");
  throw new LocalError(
    "unknown_image",
    `no program stands for the image "${image}" (known: ${known}); name one with --image ${name}=FILE.ts`,
    { details: { image } },
  );
}

/** Where an image's file is once the project's folder is mounted at `projectMount`. */
export function mountedFile(file: string, projectFolder: string, projectMount: string): string {
  if (!isAbsolute(file)) return join(projectMount, file);
  return file.startsWith(`${projectFolder}/`) ? join(projectMount, file.slice(projectFolder.length + 1)) : file;
}
