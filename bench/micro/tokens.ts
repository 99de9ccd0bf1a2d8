/** What a token costs a request: known, verified or refused, in ns of the processor. See ../README.md. */
import { parseArgs } from "node:util";
import {
  createIssuerKey,
  ISSUER,
  type IssuerKey,
  keySetOf,
  signToken,
  testTokenRule,
} from "../../mesh/policy/request-authentication/token-issuer-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import {
  type AuthenticatedRequest,
  RequestAuthenticator,
} from "../../proxy/http/authentication/request-authenticator.ts";
import { FieldList } from "../../proxy/messages/field-list.ts";
import { describeRun, formatCaption } from "../describe-run.ts";
import { alignColumns } from "../report/format-table.ts";
import { median } from "../report/median.ts";

const { values } = parseArgs({
  options: { requests: { type: "string", default: "200000" }, rounds: { type: "string", default: "7" } },
});
const requests = Number(values.requests);
const rounds = Number(values.rounds);

/** As many bytes of claims as tokens of common issuers have. */
const CLAIMS = {
  aud: "shop",
  scope: "openid profile email",
  exp: 4_000_000_000,
  name: "A User",
  groups: ["a", "b", "c"],
};
const CONNECTION = {};

function requestWith(authorization: string | undefined): AuthenticatedRequest {
  const names = ["user-agent", "accept", "accept-language", "accept-encoding", "x-request-id", "x-forwarded-proto"];
  const fields = new FieldList({
    names: authorization === undefined ? names : [...names, "authorization"],
    values: [...names.map((name) => `value of ${name}`), ...(authorization === undefined ? [] : [authorization])],
    neverIndexed: [],
  });
  return { method: "GET", scheme: "http", authority: "shop.example", path: "/api/items/1?page=2", fields };
}

function createAuthenticator(key: IssuerKey): RequestAuthenticator {
  const rules = [testTokenRule({ jwks: keySetOf(key), audiences: ["shop"] })];
  return new RequestAuthenticator({ rules: () => rules, clock: systemClock });
}

/** The processor's time of all threads in ns: signatures are verified on others. */
function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

async function measureKnown(request: AuthenticatedRequest, key: IssuerKey): Promise<number> {
  const authenticator = createAuthenticator(key);
  await authenticator.authenticate(request, CONNECTION);
  const started = cpuNs();
  for (let index = 0; index < requests; index += 1) {
    if (authenticator.authenticate(request, CONNECTION) instanceof Promise) throw new Error("it is not known");
  }
  return (cpuNs() - started) / requests;
}

/** Different tokens, as many at a time as one connection of HTTP/2 has streams. */
async function measureVerified(tokens: readonly string[], key: IssuerKey): Promise<number> {
  const authenticator = createAuthenticator(key);
  const all = tokens.map((token) => requestWith(`Bearer ${token}`));
  const started = cpuNs();
  for (let index = 0; index < all.length; index += 100) {
    const batch = all.slice(index, index + 100);
    const results = await Promise.all(batch.map((request) => authenticator.authenticate(request, CONNECTION)));
    if (results.some(({ kind }) => kind !== "verified")) throw new Error("a token is refused");
  }
  return (cpuNs() - started) / tokens.length;
}

async function medianOf(measure: () => Promise<number>): Promise<string> {
  await measure(); // Warms up.
  const figures: number[] = [];
  for (let round = 0; round < rounds; round += 1) figures.push(await measure());
  return median(figures).toFixed(0);
}

function memoryMb(): number {
  globalThis.gc?.();
  return process.memoryUsage().rss / 1024 ** 2;
}

const rsa = createIssuerKey("one");
const token = signToken(rsa, { claims: CLAIMS });
const before = memoryMb();
await createAuthenticator(rsa).authenticate(requestWith(`Bearer ${token}`), CONNECTION);
const loadedMb = memoryMb() - before;
const rows: (readonly string[])[] = [
  [`a token of ${token.length} characters`, "ns"],
  ["no token", await medianOf(() => measureKnown(requestWith(undefined), rsa))],
  ["a known token", await medianOf(() => measureKnown(requestWith(`Bearer ${token}`), rsa))],
  ["refused: no token at all", await medianOf(() => measureKnown(requestWith("Bearer a.b.c"), rsa))],
  [
    "refused: unknown issuer",
    await medianOf(() => measureKnown(requestWith(`Bearer ${signToken(rsa, { claims: { iss: `${ISSUER}/` } })}`), rsa)),
  ],
];
for (const algorithm of ["RS256", "ES256", "EdDSA"] as const) {
  const key = algorithm === "RS256" ? rsa : createIssuerKey("one", algorithm);
  const tokens = Array.from({ length: 1000 }, (_, jti) => signToken(key, { claims: { ...CLAIMS, jti } }));
  rows.push([`verified, ${algorithm}`, await medianOf(() => measureVerified(tokens, key))]);
}
rows.push(["the first verification, which loads jose", `${loadedMb.toFixed(1)} MB`]);
process.stdout.write(`${formatCaption(describeRun(new Date())).join("\n")}\n\n${alignColumns(rows)}\n`);
