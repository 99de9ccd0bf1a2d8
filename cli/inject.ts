import { parseArgs } from "node:util";
import type { InjectionSettings } from "../injector/admission/injection-settings.ts";
import { createHookToken } from "../injector/hook-token.ts";
import { injectManifests } from "../injector/manifests/inject-manifests.ts";
import { joinManifests, readManifestFiles } from "../injector/manifests/manifest-files.ts";
import { readMeshConfigFile } from "../injector/mesh-config-file.ts";
import type { Command, CommandContext } from "./command.ts";
import type { CommandDescription, OptionTable } from "./command-line/command-description.ts";
import { INJECTION_FLAGS, type InjectionFlagValues, injectionSettings } from "./injection-flags.ts";
import { UsageError } from "./usage-error.ts";

const OPTIONS = {
  filename: {
    type: "string",
    short: "f",
    multiple: true,
    value: "FILE",
    help: "YAML or JSON; a folder means its .yaml, .yml and .json files, - means standard input",
  },
  namespace: { type: "string", short: "n", value: "NAME", help: "of resources without one (default)" },
  ...INJECTION_FLAGS,
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: ["-f FILE [-f FILE ...] [OPTION ...]"],
  text: `
Prints the resources of the files with a sidecar in every pod that does not opt out; the rest is not changed. What is not
injected, and why, goes to standard error.`,
  options: OPTIONS,
};

async function readSettings(values: InjectionFlagValues, { stderr }: CommandContext): Promise<InjectionSettings> {
  const settings = injectionSettings(values);
  const file = values["mesh-config"];
  if (file === undefined) return settings;
  const { settings: ofMesh, unsupported } = await readMeshConfigFile(file, settings);
  if (unsupported.length > 0) stderr(`${file}: without effect on injection: ${unsupported.join(", ")}\n`);
  return ofMesh;
}

/** Offline injection, like istioctl kube-inject. */
export const injectCommand: Command = {
  name: "inject",
  summary: "add the sidecar to the pods of manifest files",
  description: DESCRIPTION,
  run: async (args, context) => {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    const { filename: paths = [], namespace } = values;
    if (paths.length === 0) throw new UsageError("-f is missing: give a file or folder, or - for standard input");
    const settings = await readSettings(values, context);
    const files = await readManifestFiles(paths, process.stdin);
    const injected = files.map((file) =>
      injectManifests({
        ...file,
        settings,
        createToken: createHookToken,
        ...(namespace !== undefined && { namespace }),
      }),
    );
    for (const note of injected.flatMap(({ notes }) => notes)) context.stderr(`${note}\n`);
    context.stdout(joinManifests(injected.map(({ text }) => text)));
    return 0;
  },
};
