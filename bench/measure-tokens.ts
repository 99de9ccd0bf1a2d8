/**
 * What tokens cost small requests through a pair of sidecars: without rules, with rules but no token, and with a token
 * that the server's side knows. The three take turns. `node bench/measure-tokens.ts [SECONDS [ROUNDS]]`
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NODE_MEMORY_ENV } from "../injector/admission/proxy-container/node-memory-env.ts";
import {
  createIssuerKey,
  keySetOf,
  signToken,
  testTokenRule,
} from "../mesh/policy/request-authentication/token-issuer-fixture.ts";
import type { TokenRule } from "../mesh/policy/request-authentication/token-rule.ts";
import { describeRun, formatCaption } from "./describe-run.ts";
import { runAutocannon } from "./load/autocannon.ts";
import { bundlePrograms } from "./paths/bundle-programs.ts";
import { writeCertificates } from "./paths/certificates.ts";
import type { StartedPath } from "./paths/path.ts";
import { startSidePair } from "./paths/side-pair.ts";
import { startChild } from "./processes/child.ts";
import { readCpuMs, readMemory } from "./processes/process-stats.ts";
import { alignColumns } from "./report/format-table.ts";
import { median } from "./report/median.ts";

const BACKEND = fileURLToPath(new URL("load/backend-process.ts", import.meta.url));
const [seconds = 5, rounds = 5] = process.argv.slice(2).map(Number);
const CONNECTIONS = 32;

const key = createIssuerKey("one");
const RULES: readonly TokenRule[] = [testTokenRule({ jwks: keySetOf(key) })];
const BEARER = `Authorization=Bearer ${signToken(key, { claims: { aud: "shop", exp: 4_000_000_000, scope: "a b c" } })}`;

interface Case {
  readonly name: string;
  readonly tokenRules: readonly TokenRule[];
  readonly headers: readonly string[];
}

const CASES: readonly Case[] = [
  { name: "no rules, no token", tokenRules: [], headers: [] },
  { name: "no rules, a token", tokenRules: [], headers: [BEARER] },
  { name: "rules, no token", tokenRules: RULES, headers: [] },
  { name: "rules, a known token", tokenRules: RULES, headers: [BEARER] },
];

interface Running extends Case {
  readonly path: StartedPath;
  readonly server: number;
  readonly costs: number[];
  readonly rates: number[];
}

const folder = mkdtempSync(join(tmpdir(), "entente-tokens-"));
try {
  process.stdout.write(`${await measure()}\n`);
} finally {
  rmSync(folder, { recursive: true });
}

async function measure(): Promise<string> {
  const programs = join(folder, "programs");
  await bundlePrograms(programs);
  const certificates = writeCertificates(folder, Date.now());
  const backend = await startChild({ command: [process.execPath, BACKEND], readiness: "line" });
  const shared = { folder, certificates, programs, backendPort: Number(/\d+/.exec(backend.firstLine)?.[0]) };
  const running: Running[] = [];
  try {
    for (const each of CASES) {
      const path = await startSidePair({
        ...{ ...shared, name: "tokens", profileFolder: undefined, program: "entente-side.mjs" },
        ...{ protocol: "http", hopVersion: "adaptive", application: "http/1.1" },
        ...{ env: NODE_MEMORY_ENV, tokenRules: each.tokenRules },
      });
      const server = path.proxies.find(({ name }) => name === "server's side")?.pid ?? 0;
      running.push({ ...each, path, server, costs: [], rates: [] });
    }
    for (let round = 0; round <= rounds; round += 1) for (const each of running) await load(each, round > 0);
    return format(running);
  } finally {
    for (const { path } of running) await path.stop();
    await backend.stop();
  }
}

/** @param counts not the first round, in which Node compiles. */
async function load({ path, server, headers, costs, rates }: Running, counts: boolean): Promise<void> {
  const before = readCpuMs(server);
  const url = `http://127.0.0.1:${path.port}/small`;
  const result = await runAutocannon({ url, seconds, connections: CONNECTIONS, isUpload: false, headers });
  if (result.failures > 0) throw new Error(`${result.failures} requests failed`);
  if (!counts) return;
  costs.push(((readCpuMs(server) - before) / result.count) * 1000);
  rates.push(result.count / result.seconds);
}

function format(running: readonly Running[]): string {
  const rows = running.map(({ name, costs, rates, server }) => [
    name,
    median(costs).toFixed(1),
    median(rates).toFixed(0),
    readMemory(server).privateMb.toFixed(1),
  ]);
  const head = ["small GET, 32 connections", "server's side, CPU ms/1,000 requests", "requests/s", "private MB"];
  return `${formatCaption(describeRun(new Date())).join("\n")}\n\n${alignColumns([head, ...rows])}`;
}
