import type { MintedCertificate } from "../../../../mesh/identity/mint-certificate-fixture.ts";
import { type CurlResult, curlInPod, describeCurl } from "../pods/demo-pod.ts";
import { inPodCommand } from "../pods/probe.ts";
import { pollUntil } from "../poll-until.ts";
import { mintNow, STOLEN_IDENTITY } from "./attackers.ts";
import type { CheckContext, Finding } from "./check.ts";
import { countHandshakeFailures } from "./metrics-text.ts";
import { parseLogLines } from "./proxy-log.ts";

/** What the server in the attacker's pod shows to its clients. */
export interface ServedCertificate {
  readonly port: number;
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly lifetimeMs: number;
}

/** The attacker's Service, its ports of 90-attacker.yaml, and the identity that its pod has by its manifest. */
const HOST = "attacker.legacy";
const HONEST = { port: 8443, identity: "spiffe://cluster.local/ns/legacy/sa/default" } as const;
const IMPOSTOR = { port: 8444, identity: STOLEN_IDENTITY } as const;
const SERVER = new URL("../pods/in-pod-tls-server.ts", import.meta.url);
const REASON = "unexpected_identity";

/**
 * Two servers in the same pod, both with certificates of the mesh's root: one shows the identity of its service
 * account, the other that of hello. Secure naming on the client's side must distinguish them.
 */
export async function findImpostors(context: CheckContext, meshRoot: MintedCertificate): Promise<readonly Finding[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, context.signal]);
  const servers = [HONEST, IMPOSTOR].map((server) => serve(context, mintServed(meshRoot, server), signal));
  try {
    return [await askHonest(context), await askImpostor(context)];
  } finally {
    stop.abort();
    await Promise.allSettled(servers);
  }
}

function mintServed(
  meshRoot: MintedCertificate,
  { port, identity }: { readonly port: number; readonly identity: string },
): ServedCertificate {
  const { pem, keyPem } = mintNow(meshRoot, [identity], Date.now());
  return { port, certificatePem: pem, keyPem, lifetimeMs: 20_000 };
}

async function serve({ cluster }: CheckContext, served: ServedCertificate, signal: AbortSignal): Promise<void> {
  await cluster.attacker.exec(inPodCommand(SERVER, served), { signal });
}

/** Also waits until the servers listen. */
async function askHonest({ cluster, signal }: CheckContext): Promise<Finding> {
  const { value } = await pollUntil(
    () => curlInPod(cluster.hello, `http://${HOST}:${HONEST.port}/`),
    (result) => result.isAnswered,
    { everyMs: 100, timeoutMs: 5000, signal },
  );
  return {
    claim: "control: a server that shows its own service account is accepted by hello's sidecar",
    passed: value.isAnswered,
    expected: "a response over mutual TLS",
    seen: describeCurl(value),
  };
}

async function askImpostor({ cluster, signal }: CheckContext): Promise<Finding> {
  const { hello, attacker } = cluster;
  const labels = { direction: "outbound", reason: REASON } as const;
  const countFailures = (): Promise<number> => countHandshakeFailures(hello, attacker, labels);
  const before = await countFailures();
  const linesBefore = await countLogLines(cluster.hello);
  const result: CurlResult = await curlInPod(hello, `http://${HOST}:${IMPOSTOR.port}/`);
  const { value: logged } = await pollUntil(
    async () => (await countLogLines(hello)) - linesBefore,
    (count) => count > 0,
    { everyMs: 50, timeoutMs: 2000, signal },
  );
  const counted = (await countFailures()) - before;
  return {
    claim: "a server with hello's identity in the place of another is refused by hello's sidecar",
    passed: !result.isAnswered && result.stdout === "" && logged > 0 && counted > 0,
    expected: `no byte; ${REASON} in the log and in the metric`,
    seen: `${describeCurl(result)}; log: +${logged}; metric: +${counted}`,
  };
}

async function countLogLines(pod: CheckContext["cluster"]["hello"]): Promise<number> {
  const lines = parseLogLines(await pod.proxyLog());
  return lines.filter(({ component, code }) => component === "outbound" && code === REASON).length;
}
