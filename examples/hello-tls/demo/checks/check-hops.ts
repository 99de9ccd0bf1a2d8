import type { DemoPod } from "../pods/demo-pod.ts";
import { pollUntil } from "../poll-until.ts";
import { readCertificate, readConnections } from "./admin-views.ts";
import { type Check, type CheckContext, type CheckResult, type Finding, findEqual, type ReportTable } from "./check.ts";
import { describeHop, findHop, type HopRow } from "./hops.ts";

const APPLICATION_PORT = 8080;

/** b: each hop, from the open connections that the sidecars at its ends show. */
export const checkHops: Check = {
  letter: "b",
  title: "Each hop",
  suspects: ({ gateway, hello, world }) => [gateway, hello, world],
  async run(context): Promise<CheckResult> {
    const { value: rows } = await pollUntil(
      () => readHops(context),
      (hops) => hops.every((hop) => hop.security !== "unknown"),
      { everyMs: 100, timeoutMs: 5000, signal: context.signal },
    );
    return {
      findings: await judgeHops(context, rows),
      table: tabulateHops(rows),
      notes: [
        "The identities are SPIFFE ids of spiffe://cluster.local/, each as the sidecar at the other end verified it.",
      ],
    };
  },
};

async function readHops({ cluster }: CheckContext): Promise<readonly HopRow[]> {
  const { gateway, hello, world, end } = cluster;
  const [atGateway, atHello, atWorld] = await Promise.all([gateway, hello, world].map(readConnections));
  const hop = (client: DemoPod, server: DemoPod, shown: ShownAtEnds): HopRow =>
    describeHop(
      findHop(`${client.label} → ${server.label}`, {
        clientIp: client.ip,
        serverAddress: `${server.ip}:${APPLICATION_PORT}`,
        clientShows: shown[0] ?? [],
        serverShows: shown[1] ?? [],
      }),
    );
  return [
    hop(gateway, hello, [atGateway, atHello]),
    hop(hello, world, [atHello, atWorld]),
    hop(world, end, [atWorld, []]),
  ];
}

type Shown = Awaited<ReturnType<typeof readConnections>> | undefined;
type ShownAtEnds = readonly [client: Shown, server: Shown];

async function judgeHops({ cluster }: CheckContext, rows: readonly HopRow[]): Promise<readonly Finding[]> {
  const { gateway, hello, world } = cluster;
  const [gatewayId, helloId, worldId] = await Promise.all([gateway, hello, world].map(identityOf));
  const [first, second, third] = rows.map(describeSecurity);
  return [
    findEqual("gateway → hello is mutual TLS", mutual(gatewayId, helloId), first ?? ""),
    findEqual("hello → world is mutual TLS", mutual(helloId, worldId), second ?? ""),
    findEqual("world → end is plaintext, by its rule", "plaintext by DestinationRule/legacy.default", third ?? ""),
  ];
}

async function identityOf(pod: DemoPod): Promise<string> {
  return (await readCertificate(pod))?.identity ?? `no certificate of ${pod.label}`;
}

function mutual(source: string | undefined, destination: string | undefined): string {
  return `${source} → ${destination}, TLSv1.3, X25519MLKEM768`;
}

function describeSecurity(hop: HopRow): string {
  if (hop.security === "plaintext") return `plaintext by ${hop.rule}`;
  return `${hop.source} → ${hop.destination}, ${hop.security}, ${hop.keyExchange}`;
}

/** A column a hop: identities are long, and there are few hops. */
function tabulateHops(hops: readonly HopRow[]): ReportTable {
  const row = (title: string, cell: (hop: HopRow) => string): readonly string[] => [title, ...hops.map(cell)];
  return {
    header: row("", (hop) => hop.name),
    rows: [
      row("source", (hop) => shorten(hop.source)),
      row("destination", (hop) => shorten(hop.destination)),
      row("security", (hop) => hop.security),
      row("cipher", (hop) => hop.cipher),
      row("key exchange", (hop) => hop.keyExchange),
      row("rule", (hop) => hop.rule),
    ],
  };
}

function shorten(identity: string): string {
  return identity.replace("spiffe://cluster.local/", "");
}
