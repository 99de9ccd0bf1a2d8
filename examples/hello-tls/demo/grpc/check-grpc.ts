import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { readConnections } from "../checks/admin-views.ts";
import { type Check, type CheckContext, type CheckResult, type Finding, findEqual } from "../checks/check.ts";
import { firstOf } from "../checks/check-rotation.ts";
import { readMetrics, sumMetric } from "../checks/metrics-text.ts";
import { pollUntil } from "../poll-until.ts";
import { assembleStreams, parsePcap } from "../wire/pcap-reader.ts";
import { startWireCapture } from "../wire/wire-capture.ts";
import { readWire } from "../wire/wire-reading.ts";
import { callFromPod, formatShares, type GrpcJob, type GrpcReport } from "./grpc-calls.ts";

const CALLS = 20;
const PORT = 50_051;
const SERVICE = { host: "greeter.hello-grpc", port: PORT, name: "demo" } as const;
const FORGED = { "x-forwarded-client-cert": "By=forged;URI=forged" } as const;
const CALLER = "spiffe://cluster.local/ns/hello-grpc/sa/caller";
const GREETER = "spiffe://cluster.local/ns/hello-grpc/sa/greeter";

/** j: gRPC over HTTP/2: each call is balanced, secured, identified and counted on its own. */
export const checkGrpc: Check = {
  letter: "j",
  title: "gRPC: a client with one connection, and two pods of its server",
  suspects: ({ caller, greeters }) => [caller, ...greeters],
  async run(context): Promise<CheckResult> {
    const marker = randomUUID();
    const { report, wire } = await captureCalls(context, { ...SERVICE, name: marker, calls: CALLS, headers: FORGED });
    const refused = await callFromPod(context.cluster.attacker, { ...SERVICE, calls: 1, headers: {} });
    const findings = [
      judgeBalance(report),
      findEqual("a stream in both directions: each greeting comes before the next name", GREETINGS, talk(report)),
      await judgeSecurity(context),
      judgeSecrecy(wire),
      judgeIdentity(report),
      await judgeCounts(context),
      judgeRefused(refused),
    ];
    return { findings, notes: ["Without a sidecar one pod would get all calls: a Service balances connections."] };
  },
};

interface Captured {
  readonly report: GrpcReport;
  readonly wire: { readonly bytes: number; readonly isFound: boolean; readonly others: number };
}

/** Makes the calls with a marked name, and listens on the links of both pods of the server. */
async function captureCalls({ cluster, scratchFolder, signal }: CheckContext, job: GrpcJob): Promise<Captured> {
  const { caller, greeters } = cluster;
  const captures = await Promise.all(
    greeters.map((greeter) =>
      startWireCapture({
        interfaceName: greeter.hostInterface,
        filter: `tcp port ${PORT} and host ${caller.ip} and host ${greeter.ip}`,
        file: join(scratchFolder, `${greeter.name}.pcap`),
        signal,
      }),
    ),
  );
  const report = await callFromPod(caller, job);
  const files = await Promise.all(captures.map((capture) => capture.stop()));
  const { bytes, found, otherStreams } = readWire(assembleStreams(files.flatMap(parsePcap)), [job.name, "grpc"]);
  return { report, wire: { bytes, isFound: found.size > 0, others: otherStreams } };
}

function judgeBalance(report: GrpcReport): Finding {
  const { connections, responses, failures } = report;
  const pods = new Set(responses.map(({ pod }) => pod));
  return {
    claim: `${CALLS} calls of one client connection reach both pods`,
    passed: connections === 1 && responses.length === CALLS && pods.size === 2,
    expected: `${CALLS} responses on 1 connection, some of each pod`,
    seen: `${connections} connection: ${formatShares(report)}; ${failures.length} failed${firstOf(failures)}`,
  };
}

const GREETINGS = "hello one, hello two, hello three";

function talk({ greetings, failures }: GrpcReport): string {
  return `${greetings.join(", ")}${firstOf(failures)}`;
}

/**
 * Every connection of the caller's sidecar to a pod of the server is mutual TLS. A pod that has just renewed its
 * certificate is connected to again by the next calls.
 */
async function judgeSecurity({ cluster, signal }: CheckContext): Promise<Finding> {
  const addresses = cluster.greeters.map(({ ip }) => `${ip}:${PORT}`);
  const { value: shown } = await pollUntil(
    async () => {
      await callFromPod(cluster.caller, { ...SERVICE, calls: addresses.length, headers: {} });
      return (await readConnections(cluster.caller)).filter(({ endpoint }) => addresses.includes(endpoint));
    },
    (connections) => new Set(connections.map(({ endpoint }) => endpoint)).size === addresses.length,
    { everyMs: 0, timeoutMs: 5000, signal },
  );
  const security = new Set(
    shown.map(({ mutual_tls: tls }) => (tls === null ? "plaintext" : `${tls.version} with ${tls.peer}`)),
  );
  const reached = new Set(shown.map(({ endpoint }) => endpoint));
  return {
    claim: "caller → greeter is mutual TLS, to both pods",
    passed: reached.size === addresses.length && security.size === 1 && security.has(`TLSv1.3 with ${GREETER}`),
    expected: `TLSv1.3 with ${GREETER}, at ${addresses.join(" and ")}`,
    seen: `${[...security].join(", ") || "nothing"}, at ${[...reached].join(" and ") || "no address"}`,
  };
}

function judgeSecrecy({ bytes, isFound, others }: Captured["wire"]): Finding {
  return {
    claim: "caller ↔ greeter: neither the calls' names nor grpc can be read between the pods",
    passed: bytes > 0 && !isFound && others === 0,
    expected: "TLS alone, and none of them in the bytes captured",
    seen: `${isFound ? "readable" : "none"} in ${bytes} bytes, ${others} new connections of something else than TLS`,
  };
}

function judgeIdentity({ responses }: GrpcReport): Finding {
  const expected = new RegExp(`^By=${GREETER};Hash=[0-9a-f]{64};Subject="";URI=${CALLER}$`);
  const received = [...new Set(responses.map(({ caller }) => caller))];
  return {
    claim: "each call brings the verified identity of its caller, and a forged one does not arrive",
    passed: responses.length > 0 && received.every((identity) => expected.test(identity)),
    expected: `By=${GREETER};Hash=…;Subject="";URI=${CALLER}`,
    seen: received.join(" | ") || "no response",
  };
}

/** The calls that succeeded, as both ends count them. */
async function judgeCounts(context: CheckContext): Promise<Finding> {
  const { value: counts } = await pollUntil(
    () => countCalls(context),
    ([source, destination]) => source >= CALLS && destination >= CALLS,
    { everyMs: 200, timeoutMs: 3000, signal: context.signal },
  );
  const [source, destination] = counts;
  return {
    claim: 'istio_requests_total counts them at both ends: request_protocol="grpc", grpc_response_status="0"',
    passed: source >= CALLS && destination >= CALLS,
    expected: `at least ${CALLS} at the caller (source) and at the greeters (destination)`,
    seen: `${source} at the caller, ${destination} at the greeters`,
  };
}

async function countCalls({ cluster }: CheckContext): Promise<readonly [source: number, destination: number]> {
  const { caller, greeters, attacker } = cluster;
  const labels = {
    ...{ request_protocol: "grpc", grpc_response_status: "0", response_code: "200" },
    ...{ source_principal: CALLER, destination_principal: GREETER },
  };
  const samples = await Promise.all([caller, ...greeters].map((pod) => readMetrics(pod, attacker)));
  const sum = (of: typeof samples, reporter: string): number =>
    sumMetric(of.flat(), "istio_requests_total", { ...labels, reporter });
  return [sum(samples.slice(0, 1), "source"), sum(samples.slice(1), "destination")];
}

function judgeRefused({ responses, failures }: GrpcReport): Finding {
  return {
    claim: "a call in plaintext, from a pod without a sidecar, is refused",
    passed: responses.length === 0 && failures.length === 1,
    expected: "no response",
    seen: failures.join(", ") || formatShares({ responses }),
  };
}
