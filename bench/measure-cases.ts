/**
 * What a server's side costs by what it has to check: small requests through pairs of sidecars that differ in this alone,
 * in turns. `measure-tokens.ts` and `measure-policies.ts` are such comparisons.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NODE_MEMORY_ENV } from "../injector/admission/proxy-container/node-memory-env.ts";
import { describeRun, formatCaption } from "./describe-run.ts";
import { runAutocannon } from "./load/autocannon.ts";
import { bundlePrograms } from "./paths/bundle-programs.ts";
import { writeCertificates } from "./paths/certificates.ts";
import type { StartedPath } from "./paths/path.ts";
import { type PairOptions, startSidePair } from "./paths/side-pair.ts";
import { startChild } from "./processes/child.ts";
import { readCpuMs, readMemory } from "./processes/process-stats.ts";
import { alignColumns } from "./report/format-table.ts";
import { median } from "./report/median.ts";

export interface Case {
  readonly name: string;
  /** What the server's side checks. */
  readonly checks: Pick<PairOptions, "tokenRules" | "policies">;
  /** Of each request, `NAME=VALUE`. */
  readonly headers: readonly string[];
}

export interface CasesOptions {
  readonly hopVersion: PairOptions["hopVersion"];
  /** Of one load. */
  readonly seconds: number;
  /** In each of which every case has one turn, every second one backwards. */
  readonly rounds: number;
}

interface Running extends Case {
  readonly path: StartedPath;
  readonly server: number;
  readonly turns: Turn[];
}

/** One load. The costs are of 1,000 requests. */
interface Turn {
  readonly serverCpuMs: number;
  readonly pairCpuMs: number;
  readonly rate: number;
}

const BACKEND = fileURLToPath(new URL("load/backend-process.ts", import.meta.url));
const CONNECTIONS = 32;

/** Returns a table, whose ratios are to the first case: medians of the rounds' own ratios. */
export async function measureCases(cases: readonly Case[], options: CasesOptions): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "entente-cases-"));
  try {
    return await measureIn(folder, cases, options);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measureIn(folder: string, cases: readonly Case[], options: CasesOptions): Promise<string> {
  const programs = join(folder, "programs");
  await bundlePrograms(programs);
  const certificates = writeCertificates(folder, Date.now());
  const backend = await startChild({ command: [process.execPath, BACKEND], readiness: "line" });
  const backendPort = Number(/\d+/.exec(backend.firstLine)?.[0]);
  const running: Running[] = [];
  try {
    for (const each of cases) {
      const path = await startSidePair({
        ...{ folder, certificates, programs, backendPort, profileFolder: undefined },
        ...{ name: "case", program: "entente-side.mjs", protocol: "http", application: "http/1.1" },
        ...{ hopVersion: options.hopVersion, env: NODE_MEMORY_ENV, ...each.checks },
      });
      const server = path.proxies.find(({ name }) => name === "server's side")?.pid ?? 0;
      running.push({ ...each, path, server, turns: [] });
    }
    return format(running, await takeTurns(running, options));
  } finally {
    for (const { path } of running) await path.stop();
    await backend.stop();
  }
}

/** Returns the machine's least and highest load. */
async function takeTurns(running: readonly Running[], { seconds, rounds }: CasesOptions): Promise<readonly number[]> {
  const loads: number[] = [];
  // Not counted: Node compiles.
  for (const each of running) await load(each, seconds);
  for (let round = 1; round <= rounds; round += 1) {
    for (const each of round % 2 === 1 ? running : [...running].reverse()) {
      each.turns.push(await load(each, seconds));
      loads.push(loadavg()[0] ?? 0);
    }
  }
  return [Math.min(...loads), Math.max(...loads)];
}

async function load({ path, server, headers }: Running, seconds: number): Promise<Turn> {
  const cpuOfPair = () => path.proxies.reduce((sum, { pid }) => sum + readCpuMs(pid), 0);
  const [pairBefore, serverBefore] = [cpuOfPair(), readCpuMs(server)];
  const url = `http://127.0.0.1:${path.port}/small`;
  const { failures, count, ...result } = await runAutocannon({
    ...{ url, seconds, connections: CONNECTIONS, isUpload: false, headers },
  });
  if (failures > 0) throw new Error(`${failures} requests failed`);
  return {
    serverCpuMs: ((readCpuMs(server) - serverBefore) / count) * 1000,
    pairCpuMs: ((cpuOfPair() - pairBefore) / count) * 1000,
    rate: count / result.seconds,
  };
}

function format(running: readonly Running[], loads: readonly number[]): string {
  const reference = running[0]?.turns ?? [];
  const rows = running.map(({ name, turns, server }) => {
    const of = (pick: (turn: Turn) => number): number => median(turns.map(pick));
    const ratios = (pick: (turn: Turn) => number): string => {
      const each = turns.flatMap((turn, round) => {
        const first = reference[round];
        return first === undefined ? [] : [pick(turn) / pick(first)];
      });
      return `${median(each).toFixed(2)} (${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)})`;
    };
    return [
      name,
      of(({ serverCpuMs }) => serverCpuMs).toFixed(1),
      ratios(({ serverCpuMs }) => serverCpuMs),
      ratios(({ pairCpuMs }) => pairCpuMs),
      of(({ rate }) => rate).toFixed(0),
      readMemory(server).privateMb.toFixed(1),
    ];
  });
  const caption = [
    ...formatCaption(describeRun(new Date())),
    `load ${loads.map((one) => one.toFixed(0)).join(" to ")}`,
  ];
  return `${caption.join("\n")}\n\n${alignColumns([HEAD, ...rows])}`;
}

const HEAD = [
  "small GET, 32 connections",
  "server's side, CPU ms/1,000 requests",
  "x the first",
  "both sides, x the first",
  "requests/s",
  "private MB",
];
