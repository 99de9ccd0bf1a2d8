import { parseArgs } from "node:util";
import type { Command, CommandContext } from "../command.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import { OUTPUT_OPTION, parseChoice } from "../reports/report-options.ts";
import { UsageError } from "../usage-error.ts";
import { CA_MESH_OPTIONS } from "./ca-mesh.ts";
import { listRevocations, revoke, unrevoke } from "./revocations.ts";
import { rotateRoot } from "./rotate-root.ts";
import { showStatus } from "./status.ts";
import { TARGET_OPTIONS } from "./target-options.ts";

const REVOKE_OPTIONS = {
  reason: { type: "string", value: "TEXT", help: "why, for people: one line", heading: "For revoke" },
  "dry-run": { type: "boolean", help: "only say what would happen" },
} as const satisfies OptionTable;

const ROTATE_OPTIONS = {
  "roll-back": {
    type: "boolean",
    help: "go back to the root before, while a rotation is in progress; cancel one that has not begun",
    heading: "For rotate-root",
  },
  wait: { type: "boolean", help: "follow the rotation until it is over: the longest lifetime of certificates" },
  timeout: { type: "string", value: "TIME", help: "with --wait: stop following after this time, such as 10m" },
} as const satisfies OptionTable;

const OPTIONS = {
  ...TARGET_OPTIONS,
  ...REVOKE_OPTIONS,
  ...ROTATE_OPTIONS,
  output: { ...OUTPUT_OPTION.output, heading: "The report" },
  ...CA_MESH_OPTIONS,
} as const satisfies OptionTable;

/** What each action takes besides the mesh's options and the form of its report. */
const ACTIONS = {
  status: { run: showStatus, options: [] },
  "rotate-root": { run: rotateRoot, options: Object.keys(ROTATE_OPTIONS) },
  revoke: { run: revoke, options: [...Object.keys(TARGET_OPTIONS), ...Object.keys(REVOKE_OPTIONS)] },
  unrevoke: { run: unrevoke, options: Object.keys(TARGET_OPTIONS) },
  revocations: { run: listRevocations, options: [] },
} as const;

const DESCRIPTION: CommandDescription = {
  forms: [
    "status [OPTION ...]",
    "rotate-root [--roll-back] [--wait] [OPTION ...]",
    "revoke (--serial HEX | --identity SPIFFE_ID | --pod NAMESPACE/NAME [--uid UID]) [--reason TEXT] [OPTION ...]",
    "unrevoke (--serial HEX | --identity SPIFFE_ID | --pod NAMESPACE/NAME [--uid UID]) [OPTION ...]",
    "revocations [OPTION ...]",
  ],
  text: `
status shows the certificate authority: its roots and which one signs, how many proxies trust each and hold a certificate of
it, how far a rotation is and what it waits for, how long the certificates are valid, and how much is revoked.

rotate-root replaces the self-signed root: a new one is published, signs once every proxy trusts it, and is alone once no
certificate of the old one is valid. No connection is cut. Until then --roll-back goes back to the old one.

revoke refuses a certificate, an identity or a pod: the authority issues nothing more to it, and every sidecar and gateway
refuses it and closes its connections within seconds. unrevoke lifts that. revocations lists what is in force.`,
  options: OPTIONS,
  words: [Object.keys(ACTIONS)],
  notes: `
In a cluster it needs the rights to list pods, to create pods/portforward in the control plane's namespace, and to get, create,
patch and update ConfigMap entente-ca there. No command reads a private key.

The exit status of status is 1 if something needs attention; that of rotate-root --wait is 1 if the rotation was rolled back or is
not over in time. It is 2 for an invalid command line.`,
};

/** The mesh's certificate authority: its root, and what is revoked. */
export const caCommand: Command = {
  name: "ca",
  summary: "show the certificate authority, replace its root, revoke certificates",
  description: DESCRIPTION,
  run: async (args: readonly string[], context: CommandContext) => {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    const [name = "", ...rest] = positionals;
    if (!isAction(name)) {
      const got = name === "" ? "and it is missing" : `got "${name}"`;
      throw new UsageError(`the first argument must be ${Object.keys(ACTIONS).join(", ")}, ${got}`);
    }
    if (rest.length > 0) throw new UsageError(`ca ${name} takes options only, got "${rest.join(" ")}"`);
    const { run, options } = ACTIONS[name];
    checkOptions(name, options, Object.keys(values));
    const output = parseChoice(values.output, OUTPUT_OPTION.output.choices, "--output");
    return await run({ ...values, isJson: output === "json" }, context);
  },
};

function isAction(name: string): name is keyof typeof ACTIONS {
  return Object.hasOwn(ACTIONS, name);
}

/** An option that an action ignores would be a mistake that nobody notices. */
function checkOptions(action: string, own: readonly string[], given: readonly string[]): void {
  const foreign = Object.values(ACTIONS)
    .flatMap<string>(({ options }) => options)
    .find((option) => given.includes(option) && !own.includes(option));
  if (foreign === undefined) return;
  const actions = Object.entries(ACTIONS).filter(([, { options }]) => options.some((option) => option === foreign));
  throw new UsageError(
    `--${foreign} is an option of ca ${actions.map(([name]) => name).join(" and ")}, not of ${action}`,
  );
}
