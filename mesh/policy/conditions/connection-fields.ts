import { type ConnectionFacts, type ConnectionTest, lowerAscii, type PeerNames } from "./attributes.ts";
import { compileIpBlocks } from "./ip-blocks.ts";
import { compileGlobs, compileTexts, isNotEmpty, type TextTest } from "./match-text.ts";

/** Whether one of some values matches. undefined: one of them has no meaning for the key. */
type Compile = (values: readonly string[]) => ConnectionTest | undefined;

/**
 * The keys whose values are known of a connection. What a plaintext client lacks (its identity) matches nothing.
 * A namespace's `*` stands for any text wherever it is; service accounts and ports have none.
 */
export const CONNECTION_FIELDS: ReadonlyMap<string, Compile> = new Map<string, Compile>([
  ["source.principal", (values) => ofPeer("principal", compileTexts(values))],
  ["source.namespace", (values) => ofPeer("namespace", compileGlobs(values))],
  ["source.serviceAccount", compileServiceAccounts],
  ["source.trustDomain", compileTrustDomains],
  ["source.ip", (values) => compileAddresses("sourceIp", values)],
  ["remote.ip", (values) => compileAddresses("remoteIp", values)],
  ["destination.ip", (values) => compileAddresses("destinationIp", values)],
  ["destination.port", compilePorts],
  ["connection.sni", compileServerNames],
]);

function ofPeer(name: keyof PeerNames, matches: TextTest): ConnectionTest {
  return ({ peer }) => peer !== undefined && matches(peer[name]);
}

function compileServiceAccounts(values: readonly string[]): ConnectionTest | undefined {
  if (!values.every((value) => /^[^/]+\/[^/]+$/.test(value))) return undefined;
  const accounts = new Set(values);
  return ofPeer("serviceAccount", (account) => accounts.has(account));
}

function compileTrustDomains(values: readonly string[]): ConnectionTest | undefined {
  return values.some((value) => value.includes("/")) ? undefined : ofPeer("trustDomain", compileTexts(values));
}

function compileAddresses(
  name: Parameters<ConnectionFacts["ip"]>[0],
  values: readonly string[],
): ConnectionTest | undefined {
  const isIn = compileIpBlocks(values);
  if (isIn === undefined) return undefined;
  return (facts) => {
    const address = facts.ip(name);
    return address !== undefined && isIn(address);
  };
}

function compilePorts(values: readonly string[]): ConnectionTest | undefined {
  const ports = new Set(values);
  const areValid = values.every((value) => /^(?:0|[1-9]\d{0,4})$/.test(value) && Number(value) <= 65535);
  return areValid ? ({ port }) => ports.has(port) : undefined;
}

/** Case is ignored: a server reads `A.com` as `a.com`, so a client could choose which one a policy sees. */
function compileServerNames(values: readonly string[]): ConnectionTest {
  const matches = compileTexts(values.map(lowerAscii));
  return ({ sni }) => sni !== undefined && isNotEmpty(sni) && matches(sni);
}
