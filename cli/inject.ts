import { readFile } from "node:fs/promises";
import { text as readStream } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { injectManifests } from "../injector/inject-manifests.ts";
import type { Command } from "./command.ts";
import { INJECTION_FLAGS, INJECTION_USAGE, injectionSettings } from "./injection-flags.ts";
import { UsageError } from "./usage-error.ts";

const USAGE = `
Usage: entente inject -f FILE [OPTION ...]

Prints the file's resources with a sidecar in every pod that does not opt out. What is left as it is, and why, is
told on standard error.

  -f, --filename FILE          YAML or JSON; - is standard input
  -n, --namespace NAME         of resources that name none (default)
${INJECTION_USAGE}`;

/** Offline injection, as istioctl kube-inject does it. */
export const injectCommand: Command = {
  name: "inject",
  summary: "print manifests with the sidecar in their pods",
  usage: USAGE,
  run: async (args, context) => {
    const { values } = parseArgs({
      args: [...args],
      options: {
        filename: { type: "string", short: "f" },
        namespace: { type: "string", short: "n" },
        ...INJECTION_FLAGS,
      },
    });
    const { filename } = values;
    if (filename === undefined) throw new UsageError("give a file with -f, or -f - for standard input");
    const text = filename === "-" ? await readStream(process.stdin) : await readFile(filename, "utf8");
    const { namespace } = values;
    const injected = injectManifests({
      text,
      file: filename === "-" ? "standard input" : filename,
      settings: injectionSettings(values),
      ...(namespace !== undefined && { namespace }),
    });
    for (const note of injected.notes) context.stderr(`${note}\n`);
    context.stdout(injected.text);
    return 0;
  },
};
