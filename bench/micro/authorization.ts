/** What a verdict of AuthorizationPolicies costs: ns a request and a connection, by number of rules. See ../README.md. */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type {
  AuthorizationPolicyRules,
  AuthorizationRule,
  ConnectionAttributes,
  RequestAttributes,
} from "../../mesh/policy/authorization/authorization.ts";
import {
  authorizeConnection,
  type CompiledAuthorization,
  compileAuthorization,
} from "../../mesh/policy/authorization/decide-authorization.ts";
import { normalizePath } from "../../mesh/policy/authorization/normalize-path.ts";
import { describeRun, formatCaption } from "../describe-run.ts";
import { alignColumns } from "../report/format-table.ts";
import { median } from "../report/median.ts";

const { values } = parseArgs({
  options: { "ms-each": { type: "string", default: "40" }, rounds: { type: "string", default: "9" } },
});
const msEach = Number(values["ms-each"]);
const rounds = Number(values.rounds);

/** Requests and clients that differ, so that nothing is found because it was the last one. */
const VARIANTS = 256;

type Lists = Readonly<Record<string, readonly string[]>>;

function clauseOf(lists: Lists) {
  return Object.entries(lists).map(([key, list]) => ({ key, values: list, notValues: [] }));
}

function ruleOf(from: Lists, to: Lists, when: Lists = {}): AuthorizationRule {
  const clausesOf = (lists: Lists) => (Object.keys(lists).length === 0 ? [] : [clauseOf(lists)]);
  return { from: clausesOf(from), to: clausesOf(to), when: clauseOf(when) };
}

/** A policy of each ten rules, of which the client and the request of a variant match one. */
const MESHES: readonly { readonly name: string; readonly rule: (index: number) => AuthorizationRule }[] = [
  {
    name: "by principal, with path and method",
    rule: (index) =>
      ruleOf(
        { "source.principal": [`cluster.local/ns/ns-${index % 100}/sa/client-${index}`] },
        { "request.path": [`/api/v1/items-${index}/*`], "request.method": ["GET", "HEAD"] },
      ),
  },
  {
    name: "by exact path, all of one namespace",
    rule: (index) => ruleOf({ "source.namespace": ["clients"] }, { "request.path": [`/api/v1/items-${index}/list`] }),
  },
  {
    name: "by path prefix, any client",
    rule: (index) => ruleOf({}, { "request.path": [`/api/v1/items-${index}/*`] }),
  },
  {
    name: "by block of addresses and host",
    rule: (index) =>
      ruleOf({ "source.ip": [`10.${index >> 8}.${index & 255}.0/24`] }, { "request.host": [`host-${index}.example`] }),
  },
  {
    name: "by header alone, which no index helps",
    rule: (index) => ruleOf({}, {}, { "request.headers[x-client]": [`client-${index}`] }),
  },
];

function policiesOf(count: number, rule: (index: number) => AuthorizationRule): readonly AuthorizationPolicyRules[] {
  const rules = Array.from({ length: count }, (_, index) => rule(index));
  const deny: AuthorizationPolicyRules = {
    ...{ namespace: "istio-system", name: "no-plaintext", action: "DENY", provider: "", isDryRun: false },
    rules: [{ from: [[{ key: "source.principal", values: [], notValues: ["*"] }]], to: [], when: [] }],
  };
  return [
    deny,
    ...Array.from(
      { length: Math.ceil(count / 10) },
      (_, at): AuthorizationPolicyRules => ({
        ...{ namespace: "default", name: `policy-${at}`, action: "ALLOW", provider: "", isDryRun: false },
        rules: rules.slice(at * 10, at * 10 + 10),
      }),
    ),
  ];
}

interface Variant {
  readonly connection: ConnectionAttributes;
  readonly request: RequestAttributes;
}

function variantOf(name: string, index: number): Variant {
  const namespace = name.includes("one namespace") ? "clients" : `ns-${index % 100}`;
  const lines = [`client-${index}`];
  return {
    connection: {
      peer: parseSpiffeId(`spiffe://cluster.local/ns/${namespace}/sa/client-${index}`),
      ...{ sourceIp: `10.${index >> 8}.${index & 255}.7`, remoteIp: "10.0.0.7" },
      ...{ destinationIp: "10.1.0.8", destinationPort: 8080, sni: undefined },
    },
    request: {
      ...{
        method: "GET",
        authority: `host-${index}.example`,
        path: `/api/v1/items-${index}/list?page=2`,
        token: undefined,
      },
      headerLines: (field) => (field === "x-client" ? lines : []),
    },
  };
}

/** The processor's time for one run in ns, of many in a row; waiting for other processes is not in it. */
function measure({ run, batch }: Case): number {
  const started = process.threadCpuUsage();
  for (let runs = 1; ; runs += 1) {
    run(runs % VARIANTS);
    // The clock itself takes about as long as one verdict.
    if (runs % batch !== 0) continue;
    const { user, system } = process.threadCpuUsage(started);
    if (user + system >= msEach * 1000) return ((user + system) * 1000) / runs;
  }
}

interface Case {
  readonly name: string;
  /** How often it runs before the clock is read. */
  readonly batch: number;
  readonly run: (index: number) => unknown;
}

function casesOf(name: string, count: number, rule: (index: number) => AuthorizationRule): readonly Case[] {
  const policies = policiesOf(count, rule);
  const compiled: CompiledAuthorization = compileAuthorization({ policies });
  const variants = Array.from({ length: VARIANTS }, (_, index) => variantOf(name, (index * 7919) % count));
  const open = variants.map(({ connection }) => authorizeConnection(compiled, connection));
  const decide = (index: number) => {
    const variant = variants[index];
    return variant && open[index]?.decideRequest(variant.request);
  };
  for (const index of variants.keys()) {
    if (decide(index)?.kind !== "allowed") throw new Error(`${name}: variant ${index} is not allowed`);
  }
  return [
    { name: `${name} compile`, batch: 1, run: () => compileAuthorization({ policies }) },
    {
      name: `${name} connection`,
      batch: 16,
      run: (index) => {
        const variant = variants[index];
        return variant && authorizeConnection(compiled, variant.connection).decideRequest(variant.request);
      },
    },
    { name: `${name} request`, batch: 64, run: decide },
  ];
}

const paths = Array.from({ length: VARIANTS }, (_, index) => `/api/v1/items-${index}/list?page=2`);
const COUNTS = [10, 5000];
const rows = COUNTS.flatMap((count) =>
  MESHES.map(({ name, rule }) => ({ count, name, cases: casesOf(name, count, rule) })),
);
const normalization: readonly Case[] = [
  { name: "plain", batch: 64, run: (index) => normalizePath(paths[index] ?? "", "BASE") },
  { name: "with escapes", batch: 64, run: (index) => normalizePath(`/a/%2e%2e${paths[index]}`, "BASE") },
];
const all = [...rows.flatMap(({ cases }) => cases), ...normalization];
const costs = new Map(all.map((one) => [one, [] as number[]]));
for (let round = 0; round <= rounds; round += 1) {
  for (const one of all) {
    const ns = measure(one);
    if (round > 0) costs.get(one)?.push(ns); // The first round warms up.
  }
}

/** Median and least of the rounds. */
function format(one: Case | undefined, unit: number, digits: number): string {
  const ofCase = (one && costs.get(one)) ?? [];
  return [median(ofCase), Math.min(...ofCase)].map((ns) => (ns / unit).toFixed(digits)).join(" · ");
}

const table = rows.map(({ count, name, cases: [compile, connection, request] }) => [
  `${count} rules, ${name}`,
  format(compile, 1e6, 2),
  format(connection, 1, 0),
  format(request, 1, 0),
]);
const head = [
  "median · least of the rounds",
  "compile, ms",
  "first request of a connection, ns",
  "further request, ns",
];
const [plain, escaped] = normalization.map((one) => format(one, 1, 0));
process.stdout.write(
  `${formatCaption(describeRun(new Date())).join("\n")}\nload ${loadavg()[0]?.toFixed(1)}, ${rounds} rounds in turns\n${alignColumns([head, ...table])}\nnormalising a path, ns: ${plain} plain, ${escaped} with escapes\n`,
);
