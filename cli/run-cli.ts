import { MeshError } from "../mesh/mesh-error.ts";
import { printable } from "../operator/text/palette.ts";
import type { Command, CommandContext } from "./command.ts";
import { formatHint, formatUsage } from "./command-line/format-usage.ts";
import { UsageError } from "./usage-error.ts";
import { VERSION } from "./version.ts";

type Commands = Readonly<Record<string, () => Promise<Command>>>;

/** Each command is loaded only when it is called, so that a sidecar never loads the code of other parts. */
const FOR_OPERATORS: Commands = {
  install: async () => (await import("./installation/install.ts")).installCommand,
  uninstall: async () => (await import("./installation/uninstall.ts")).uninstallCommand,
  check: async () => (await import("./reports/check.ts")).checkCommand,
  analyze: async () => (await import("./reports/analyze.ts")).analyzeCommand,
  "tls-check": async () => (await import("./reports/tls-check.ts")).tlsCheckCommand,
  describe: async () => (await import("./reports/describe.ts")).describeCommand,
  authz: async () => (await import("./authorization/authz.ts")).authzCommand,
  certs: async () => (await import("./reports/certs.ts")).certsCommand,
  ca: async () => (await import("./ca/ca.ts")).caCommand,
  "proxy-status": async () => (await import("./reports/proxy-status.ts")).proxyStatusCommand,
  version: async () => (await import("./reports/version-command.ts")).versionCommand,
  inject: async () => (await import("./inject.ts")).injectCommand,
  local: async () => (await import("./local.ts")).localCommand,
  completion: async () => (await import("./completion.ts")).createCompletionCommand(loadCommands),
};

/** What runs in the mesh's own containers. */
const PARTS: Commands = {
  proxy: async () => (await import("./programs/proxy.ts")).proxyCommand,
  "control-plane": async () => (await import("./programs/control-plane.ts")).controlPlaneCommand,
  injector: async () => (await import("./programs/injector.ts")).injectorCommand,
  capture: async () => (await import("./programs/capture.ts")).captureCommand,
};

const COMMANDS: Commands = { ...FOR_OPERATORS, ...PARTS };

/** Finds the command and runs it. Never throws: a failure becomes a message on standard error and an exit status. */
export async function runCli(argv: readonly string[], context: CommandContext): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    context.stdout(await formatHelp());
    return name === undefined ? 2 : 0;
  }
  if (name === "--version" || name === "-v") {
    context.stdout(`${VERSION}\n`);
    return 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    context.stderr(`entente: unknown command "${name}"; the commands are ${Object.keys(COMMANDS).join(", ")}\n`);
    return 2;
  }
  const command = await load();
  if (args.includes("--help") || args.includes("-h")) {
    context.stdout(formatUsage(command.name, command.description));
    return 0;
  }
  return await runCommand(command, args, context);
}

/** As shells report SIGINT. A program that is stopped on purpose ends with 0 by itself. */
const INTERRUPTED = 130;

async function runCommand(command: Command, args: readonly string[], context: CommandContext): Promise<number> {
  try {
    return await command.run(args, context);
  } catch (caught) {
    if (caught instanceof UsageError || isParseArgsError(caught)) {
      context.stderr(`entente ${command.name}: ${caught.message}\n\n${formatHint(command.name, command.description)}`);
      return 2;
    }
    if (context.signal.aborted && caught === context.signal.reason) return INTERRUPTED;
    const error = MeshError.from(caught);
    context.log.debug({ code: error.code, stack: error.stack }, "the command failed");
    context.stderr(`entente ${command.name}: ${printable(error.message)}\n`);
    return 1;
  }
}

/** Whether `node:util` parseArgs threw it, for an unknown option or a missing value. */
function isParseArgsError(caught: unknown): caught is Error {
  return caught instanceof Error && "code" in caught && String(caught.code).startsWith("ERR_PARSE_ARGS_");
}

async function formatHelp(): Promise<string> {
  const sections = await Promise.all([formatSection("For operators", FOR_OPERATORS), formatSection("Parts", PARTS)]);
  return `Usage: entente COMMAND [ARGUMENT ...]\n\n${sections.join("\n")}\nentente COMMAND --help prints more.\n`;
}

async function formatSection(title: string, commands: Commands): Promise<string> {
  const loaded = await Promise.all(Object.values(commands).map((load) => load()));
  const rows = loaded.map(({ name, summary }) => `  ${name.padEnd(14)} ${summary}\n`);
  return `${title}:\n${rows.join("")}`;
}

function loadCommands(): Promise<readonly Command[]> {
  return Promise.all(Object.values(COMMANDS).map((load) => load()));
}
