/**
 * Whether the memory of 4,000 connections comes back when they are closed: the server's side of a pair holds them open,
 * and its memory is read until a minute after the last has gone. Takes about 90 seconds a setting.
 * `node bench/measure-memory-release.ts [NAME=VALUE[,NAME=VALUE…]]…`: each argument is a setting, environment of the
 * sidecar's process beside or instead of what the injector gives it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { NODE_MEMORY_ENV } from "../injector/admission/proxy-container/node-memory-env.ts";
import { runIdleLoad } from "./load/own-load.ts";
import { bundlePrograms } from "./paths/bundle-programs.ts";
import { writeCertificates } from "./paths/certificates.ts";
import { startSidePair } from "./paths/side-pair.ts";
import { startChild } from "./processes/child.ts";
import { readMemory } from "./processes/process-stats.ts";

const CONNECTIONS = 4000;
/** Node compiles, and fills pools of its own, before memory says anything. */
const WARM_UP_CONNECTIONS = 200;
const SETTLE_MS = 5000;
/** After the last connection was closed. */
const READ_AT_S = [5, 15, 30, 60];

const BACKEND = fileURLToPath(new URL("load/backend-process.ts", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "entente-memory-"));
const programs = join(folder, "programs");
const settings = process.argv.length > 2 ? process.argv.slice(2) : [""];
try {
  await bundlePrograms(programs);
  for (const setting of settings) process.stdout.write(`${await measureRelease(setting)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}

/** @param setting `NAME=VALUE`, joined by commas. */
async function measureRelease(setting: string): Promise<string> {
  const certificates = writeCertificates(folder, Date.now());
  const backend = await startChild({ command: [process.execPath, BACKEND], readiness: "line" });
  const pair = await startSidePair({
    name: "release",
    folder,
    certificates,
    backendPort: Number(/\d+/.exec(backend.firstLine)?.[0]),
    programs,
    profileFolder: undefined,
    program: "entente-side.mjs",
    protocol: "http",
    hopVersion: "1.1",
    application: "http/1.1",
    env: [...NODE_MEMORY_ENV, ...parseSetting(setting)],
  });
  const pid = pair.proxies.find(({ name }) => name === "server's side")?.pid ?? 0;
  const readMb = (): string => readMemory(pid).privateMb.toFixed(0);
  const hold = async (connections: number): Promise<string> => {
    const job = { kind: "idle", host: "127.0.0.1", port: pair.meshPort ?? 0, file: "/small", seconds: 0 } as const;
    let held = "";
    await runIdleLoad({ ...job, connections, certificates }, async () => {
      await delay(SETTLE_MS);
      held = readMb();
    });
    return held;
  };
  try {
    await hold(WARM_UP_CONNECTIONS);
    await delay(SETTLE_MS);
    const figures = [`private MB before ${readMb()}`, `held ${await hold(CONNECTIONS)}`];
    let seconds = 0;
    for (const at of READ_AT_S) {
      await delay((at - seconds) * 1000);
      seconds = at;
      figures.push(`${at} s after ${readMb()}`);
    }
    return `${setting === "" ? "as injected" : setting}: ${figures.join(", ")}`;
  } finally {
    await pair.stop();
    await backend.stop();
  }
}

function parseSetting(setting: string) {
  return setting
    .split(",")
    .filter((pair) => pair.includes("="))
    .map((pair) => ({ name: pair.slice(0, pair.indexOf("=")), value: pair.slice(pair.indexOf("=") + 1) }));
}
