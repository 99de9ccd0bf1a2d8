import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { removeStaleRuns } from "../local/run-folder.ts";
import { type LocalCluster, type PublishRequest, startLocalCluster } from "../local/start-local-cluster.ts";
import { whenAborted } from "../net/when-aborted.ts";
import type { Command, CommandContext } from "./command.ts";
import type { CommandDescription, OptionTable } from "./command-line/command-description.ts";
import { createLogger } from "./create-logger.ts";
import { parseDuration, parsePort } from "./option-values.ts";
import { UsageError } from "./usage-error.ts";

const OPTIONS = {
  folder: { type: "string", short: "f", multiple: true, value: "FOLDER", help: "manifests" },
  keep: { type: "boolean", default: false, help: "run until Ctrl-C" },
  publish: {
    type: "string",
    multiple: true,
    value: "PORT:SERVICE.NAMESPACE:PORT",
    help:
      "a port of 127.0.0.1 that leads to a Service; 0 as the first PORT means any free one " +
      "(8080:istio-ingressgateway.istio-system:80, or any free port if 8080 is in use)",
  },
  image: {
    type: "string",
    multiple: true,
    value: "NAME=FILE.ts",
    help: "the program that replaces a container image",
  },
  "access-log": { type: "boolean", default: false, help: "sidecars log each request in their containers' logs" },
  "workload-cert-ttl": { type: "string", value: "TIME", help: "lifetime of certificates, such as 20s (24h)" },
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: ["up -f FOLDER [--keep] [OPTION ...]", "down"],
  text: `
up runs a folder of Kubernetes manifests on this machine, each pod in its own network namespace. It ends when all
pods have been ready; with --keep it runs until Ctrl-C. Either way nothing is left behind.
down cleans up after runs that were killed.`,
  options: OPTIONS,
  words: [["up", "down"]],
};

/** The user did not choose this port, so another one may replace it. */
const DEFAULT_PUBLISH: PublishRequest = {
  hostPort: 8080,
  whenTaken: "use_another",
  service: "istio-ingressgateway.istio-system",
  port: 80,
};

/** Runs manifests on one machine. */
export const localCommand: Command = {
  name: "local",
  summary: "run a folder of Kubernetes manifests on this machine",
  description: DESCRIPTION,
  run: async ([action, ...args], context) => {
    if (action === "up") return await up(args, context);
    if (action === "down" && args.length === 0) {
      const removed = removeStaleRuns();
      context.stdout(
        removed.length === 0 ? "nothing was left behind\n" : `cleaned up after ${removed.length} run(s)\n`,
      );
      return 0;
    }
    throw new UsageError(`the action must be up or down, got "${action ?? ""}"`);
  },
};

async function up(args: readonly string[], context: CommandContext): Promise<number> {
  const { options, keep } = parseUp(args);
  const secondSignal = watchSecondSignal(context);
  try {
    const cluster = await startLocalCluster({
      ...options,
      // What a user should know of the start is printed as progress.
      log: createLogger(context.env["ENTENTE_LOG_LEVEL"] ?? "warn"),
      onProgress: (step) => context.stderr(`${step} …\n`),
      onWarning: (message) => context.stderr(`warning: ${message}\n`),
      onFailure: (message) => context.stderr(`${message}\n`),
      signal: context.signal,
      forceSignal: secondSignal.signal,
    });
    try {
      await show(cluster, keep, context);
    } finally {
      await cluster.stop();
    }
    return 0;
  } catch (caught) {
    if (!context.signal.aborted || caught !== context.signal.reason) throw caught;
    context.stderr("interrupted during start; nothing is left behind\n");
    return 130;
  } finally {
    secondSignal.stop();
  }
}

function parseUp(args: readonly string[]) {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const { folder: manifests = [], image: images = [] } = values;
  const ttl = values["workload-cert-ttl"];
  if (manifests.length === 0) throw new UsageError("-f is missing: give the folder with the manifests");
  if (ttl !== undefined) parseDuration(ttl, "--workload-cert-ttl");
  const options = {
    manifests,
    publish: values.publish?.map(parsePublish) ?? [DEFAULT_PUBLISH],
    images: Object.fromEntries(images.map(parseImage)),
    accessLog: values["access-log"],
    ...(ttl === undefined ? {} : { workloadCertificateTtl: ttl }),
  };
  return { options, keep: values.keep };
}

async function show(cluster: LocalCluster, keep: boolean, context: CommandContext): Promise<void> {
  context.stdout(formatPods(cluster));
  for (const { hostPort, service, takenPort } of cluster.published) {
    const url = `http://127.0.0.1:${hostPort}/`;
    const reason = takenPort === undefined ? "" : `, because port ${takenPort} of 127.0.0.1 is in use`;
    context.stdout(`${service} is at ${url}${reason}\n`);
    for (const host of cluster.gatewayHosts) context.stdout(`  curl -H 'Host: ${host}' ${url}\n`);
  }
  if (!keep) return;
  context.stdout(`The containers' logs are in ${cluster.logFolder}\nCtrl-C ends it.\n`);
  await whenAborted(context.signal);
}

/** The first Ctrl-C stops gracefully; the second one forces the stop. */
function watchSecondSignal({ stderr }: CommandContext): { readonly signal: AbortSignal; stop(): void } {
  const secondSignal = new AbortController();
  let count = 0;
  const onSignal = (): void => {
    count += 1;
    if (count === 1) stderr("stopping; press Ctrl-C again to force it …\n");
    else secondSignal.abort();
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, onSignal);
  return {
    signal: secondSignal.signal,
    stop: () => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, onSignal);
    },
  };
}

function formatPods({ pods }: LocalCluster): string {
  const rows = [
    ["NAMESPACE", "POD", "IP", "SIDECAR", "READY"],
    ...pods.map((pod) => [
      pod.namespace,
      pod.name,
      pod.ip,
      pod.hasSidecar ? "yes" : "no",
      `${pod.containers.length}/${pod.containers.length}`,
    ]),
  ];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function parsePublish(text: string): PublishRequest {
  const [hostPort = "", service = "", port = "", ...rest] = text.split(":");
  if (service === "" || rest.length > 0) {
    throw new UsageError(`--publish must be PORT:SERVICE.NAMESPACE:PORT, got "${text}"`);
  }
  return {
    hostPort: hostPort === "0" ? 0 : parsePort(hostPort, "--publish"),
    service,
    port: parsePort(port, "--publish"),
  };
}

function parseImage(text: string): [string, string] {
  const split = text.indexOf("=");
  if (split < 1 || split === text.length - 1) throw new UsageError(`--image must be NAME=FILE.ts, got "${text}"`);
  const file = resolve(text.slice(split + 1));
  if (!existsSync(file)) throw new UsageError(`--image ${text}: the file ${file} does not exist`);
  return [text.slice(0, split), file];
}
